//! DEL.

use super::{Network, Operation, cached, stdin::Injected};
use crate::cache::{CacheError, Damage, DamagedEntry, LockMode};
use crate::cni::{CniConfig, Command, Deleted};
use crate::error::Error;
use crate::runtime_conf::RuntimeConf;

pub(super) fn del(cni: &CniConfig, network: Network<'_>, rt: &RuntimeConf) -> Result<Deleted, Error> {
    rt.check_names()?;
    let operation = Operation::start(cni, Command::Del, Some(rt));
    let _lock = match operation.lock(network.name, LockMode::Shared) {
        Err(error @ (CacheError::Locked { .. } | CacheError::Cancelled { .. })) => return Err(error.into()),
        // A full disk, or one that cannot be written, must not keep a container from its end.
        lock => lock.ok(),
    };
    locked(&operation, network, rt)
}

/// DEL for a caller that has the lock.
pub(super) fn locked(operation: &Operation<'_>, network: Network<'_>, rt: &RuntimeConf) -> Result<Deleted, Error> {
    rt.check_names()?;
    let cni = operation.cni;
    let path = cni.cache.path(network.name, &rt.container_id, &rt.if_name)?;
    let mut deleted = Deleted::default();
    let result = if network.version.supports_check() {
        cached::result(cni, network, rt).unwrap_or_else(|error| {
            let damage = match error {
                Error::Cache(CacheError::Damaged(damaged)) => damaged.damage,
                other => Damage::Unreadable(other.to_string()),
            };
            deleted.damaged.push(DamagedEntry { path: path.clone(), damage });
            None
        })
    } else {
        None
    };
    let injected = Injected {
        prev_result: result.as_ref().map(|result| &result.json),
        capability_args: Some(&rt.capability_args),
        ..Injected::of(&network)
    };
    for plugin in network.plugins.iter().rev() {
        operation.run(plugin, &injected)?;
    }
    // The attachment is gone, so this is no failure of DEL: whoever asks again would not get any further.
    if let Err(error) = cni.cache.remove(network.name, &rt.container_id, &rt.if_name) {
        deleted.damaged.push(DamagedEntry { path, damage: Damage::Unremovable(error.to_string()) });
    }
    Ok(deleted)
}
