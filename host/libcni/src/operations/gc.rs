//! GC.

use std::collections::HashSet;

use cni_spec::Attachment;

use super::{Network, Operation, del, stdin::Injected};
use crate::cache::{CacheError, LockMode};
use crate::cni::{CniConfig, Collected, Command, GcArgs};
use crate::error::Error;
use crate::load::network_conf_from_cache;
use crate::runtime_conf::RuntimeConf;

pub(super) fn gc(cni: &CniConfig, network: Network<'_>, args: &GcArgs) -> Result<Collected, Error> {
    let mut collected = Collected::default();
    if network.disable_gc {
        return Ok(collected);
    }
    let operation = Operation::start(cni, Command::Gc, None);
    let _lock = operation.lock(network.name, LockMode::Exclusive)?;
    let valid: &[Attachment] = match args {
        GcArgs::ValidAttachments(valid) => valid,
        GcArgs::DeleteAll => &[],
    };
    let mut errors = Vec::new();
    match cni.cache.attachments_of_network(network.name) {
        Ok((mut cached, damaged)) => {
            collected.damaged = damaged;
            let staying: HashSet<&Attachment> = valid.iter().collect();
            cached.retain(|one| !staying.contains(one));
            cached.sort_unstable();
            for gone in cached {
                let failed = delete(&operation, network, gone, &mut collected).err();
                // One error says that there is no time left; the others would be the same.
                let is_last = failed.is_some() && operation.is_over();
                errors.extend(failed);
                if is_last {
                    break;
                }
            }
        }
        Err(error) => errors.push(error.into()),
    }
    if network.version.supports_gc_and_status() {
        let injected = Injected { valid_attachments: Some(valid), ..Injected::of(&network) };
        for plugin in network.plugins {
            let failed = operation.run(plugin, &injected).err();
            let is_last = failed.is_some() && operation.is_over();
            errors.extend(failed);
            if is_last {
                break;
            }
        }
    }
    if errors.is_empty() { Ok(collected) } else { Err(Error::Gc { errors, collected }) }
}

/// DEL by the configuration that ADD used, where it can still be read.
fn delete(
    operation: &Operation<'_>,
    network: Network<'_>,
    attachment: Attachment,
    collected: &mut Collected,
) -> Result<(), Error> {
    let Attachment { container_id, interface_name } = &attachment;
    let gone = match operation.cni.cache.read(network.name, container_id, interface_name) {
        Ok(Some(gone)) => gone,
        // Forgotten by a program that knows no lock.
        Ok(None) => return Ok(()),
        Err(CacheError::Damaged(entry)) => {
            collected.damaged.push(entry);
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let rt = RuntimeConf {
        container_id: gone.container_id,
        net_ns: gone.net_ns,
        if_name: gone.if_name,
        args: gone.cni_args,
        capability_args: gone.capability_args,
    };
    let used = network_conf_from_cache(&gone.config).ok().filter(|list| list.name == network.name);
    let network = used.as_ref().and_then(|list| Network::of_list(list).ok()).unwrap_or(network);
    let deleted =
        del::locked(&operation.part(Command::Del, &rt), network, &rt).map_err(|source| Error::Attachment {
            container_id: attachment.container_id.clone(),
            if_name: attachment.interface_name.clone(),
            source: Box::new(source),
        })?;
    collected.damaged.extend(deleted.damaged);
    collected.deleted.push(attachment);
    Ok(())
}
