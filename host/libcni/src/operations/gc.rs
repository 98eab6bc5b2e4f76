//! GC.

use std::collections::HashSet;

use cni_spec::Attachment;

use super::{Network, Operation, del, stdin::Injected};
use crate::PluginConfig;
use crate::cache::LockMode;
use crate::cni::{CniConfig, Collected, Command, GcArgs, NetworkAttachment};
use crate::config::{ConfigError, NetworkConfigList, conf_list_from_conf};
use crate::error::Error;
use crate::load::network_conf_from_bytes;
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
    match super::cached::of_network(cni, network.name) {
        Ok(cached) => {
            collected.damaged = cached.damaged;
            let staying: HashSet<(&str, &str)> =
                valid.iter().map(|one| (one.container_id.as_str(), one.interface_name.as_str())).collect();
            for gone in
                cached.attachments.into_iter().filter(|one| !staying.contains(&(&one.container_id, &one.if_name)))
            {
                delete(cni, network, gone, &mut collected, &mut errors);
            }
        }
        Err(error) => errors.push(error),
    }
    if network.version.supports_gc_and_status() {
        let injected = Injected { valid_attachments: Some(valid), ..Injected::of(&network) };
        errors.extend(network.plugins.iter().filter_map(|plugin| operation.run(plugin, &injected).err()));
    }
    if errors.is_empty() { Ok(collected) } else { Err(Error::Gc { errors, collected }) }
}

/// DEL by the configuration that ADD used, where it can still be read.
fn delete(
    cni: &CniConfig,
    network: Network<'_>,
    gone: NetworkAttachment,
    collected: &mut Collected,
    errors: &mut Vec<Error>,
) {
    let attachment = Attachment { container_id: gone.container_id.clone(), interface_name: gone.if_name.clone() };
    let rt = RuntimeConf {
        container_id: gone.container_id,
        net_ns: gone.net_ns,
        if_name: gone.if_name,
        args: gone.cni_args,
        capability_args: gone.capability_args,
    };
    let used = cached_network(&gone.config).ok().filter(|list| list.name == network.name && !list.plugins.is_empty());
    let network = used.as_ref().and_then(|list| Network::of_list(list).ok()).unwrap_or(network);
    match del::locked(cni, network, &rt) {
        Ok(deleted) => {
            collected.damaged.extend(deleted.damaged);
            collected.deleted.push(attachment);
        }
        Err(source) => errors.push(Error::Attachment {
            container_id: attachment.container_id,
            if_name: attachment.interface_name,
            source: Box::new(source),
        }),
    }
}

/// The configuration in an entry of the cache: a list, or one plugin that stands alone.
fn cached_network(config: &[u8]) -> Result<NetworkConfigList, ConfigError> {
    match PluginConfig::parse(config) {
        Ok(conf) => conf_list_from_conf(&conf),
        Err(_) => network_conf_from_bytes(config),
    }
}
