//! DEL.

use super::{Network, Operation, cached, stdin::Injected};
use crate::cache::{CacheError, DamagedEntry};
use crate::cni::{CniConfig, Command, Deleted};
use crate::error::Error;
use crate::runtime_conf::RuntimeConf;

pub(super) fn del(cni: &CniConfig, network: Network<'_>, rt: &RuntimeConf) -> Result<Deleted, Error> {
    rt.check_names()?;
    let mut deleted = Deleted::default();
    let result = if network.version.supports_check() {
        cached::result(cni, network, rt).unwrap_or_else(|error| {
            deleted.damaged.push(damage(error));
            None
        })
    } else {
        None
    };
    let operation = Operation::start(cni, Command::Del, Some(rt));
    let injected = Injected {
        prev_result: result.as_ref().map(|result| &result.json),
        capability_args: Some(&rt.capability_args),
        ..Injected::of(&network)
    };
    for plugin in network.plugins.iter().rev() {
        operation.run(plugin, &injected)?;
    }
    cni.cache.remove(network.name, &rt.container_id, &rt.if_name)?;
    Ok(deleted)
}

fn damage(error: Error) -> DamagedEntry {
    match error {
        Error::Cache(CacheError::Damaged(damaged)) => damaged,
        Error::Cache(CacheError::Io { path, ref source, .. }) => DamagedEntry { reason: source.to_string(), path },
        other => DamagedEntry { path: Default::default(), reason: other.to_string() },
    }
}
