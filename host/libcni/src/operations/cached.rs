//! What the cache knows, as the caller of an operation wants it.

use super::Network;
use crate::cache::{CacheEntry, CacheError, Damage, DamagedEntry};
use crate::cni::{CachedAttachments, CachedConfig, CniConfig, NetworkAttachment};
use crate::error::Error;
use crate::result::NetworkResult;
use crate::runtime_conf::RuntimeConf;

pub(super) fn result(cni: &CniConfig, network: Network<'_>, rt: &RuntimeConf) -> Result<Option<NetworkResult>, Error> {
    let Some(CacheEntry { result: Some(json), .. }) = entry(cni, network, rt)? else { return Ok(None) };
    match NetworkResult::from_json(json, network.version) {
        Ok(result) => Ok(Some(result)),
        Err(error) => {
            let path = cni.cache.path(network.name, &rt.container_id, &rt.if_name)?;
            let damage = Damage::Foreign(format!("its result cannot be used: {error}"));
            Err(CacheError::Damaged(DamagedEntry { path, damage }).into())
        }
    }
}

/// None for an entry in the old format too: it has a result only.
pub(super) fn config(cni: &CniConfig, network: Network<'_>, rt: &RuntimeConf) -> Result<Option<CachedConfig>, Error> {
    let Some(entry) = entry(cni, network, rt)?.filter(|entry| !entry.config.is_empty()) else { return Ok(None) };
    let runtime_conf = RuntimeConf { args: entry.cni_args, capability_args: entry.capability_args, ..rt.clone() };
    Ok(Some(CachedConfig { config: entry.config, runtime_conf }))
}

fn entry(cni: &CniConfig, network: Network<'_>, rt: &RuntimeConf) -> Result<Option<CacheEntry>, Error> {
    rt.check_names()?;
    Ok(cni.cache.read(network.name, &rt.container_id, &rt.if_name)?)
}

/// Of one container, or all.
pub(super) fn attachments(cni: &CniConfig, container_id: Option<&str>) -> Result<CachedAttachments, Error> {
    Ok(cached(match container_id {
        Some(container_id) => cni.cache.entries_of_container(container_id)?,
        None => cni.cache.entries()?,
    }))
}

fn cached((mut entries, damaged): (Vec<CacheEntry>, Vec<DamagedEntry>)) -> CachedAttachments {
    fn key(entry: &CacheEntry) -> (&str, &str, &str) {
        (&entry.network, &entry.container_id, &entry.if_name)
    }
    entries.sort_by(|one, other| key(one).cmp(&key(other)));
    let attachment = |entry: CacheEntry| NetworkAttachment {
        network: entry.network,
        container_id: entry.container_id,
        if_name: entry.if_name,
        net_ns: entry.net_ns,
        config: entry.config,
        cni_args: entry.cni_args,
        capability_args: entry.capability_args,
    };
    CachedAttachments { attachments: entries.into_iter().map(attachment).collect(), damaged }
}
