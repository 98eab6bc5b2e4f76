//! What the cache knows, as the caller of an operation wants it.

use super::Network;
use crate::cache::{CacheEntry, CacheError, DamagedEntry};
use crate::cni::{CachedAttachments, CachedConfig, CniConfig, NetworkAttachment};
use crate::error::Error;
use crate::result::NetworkResult;
use crate::runtime_conf::RuntimeConf;

pub(super) fn result(cni: &CniConfig, network: Network<'_>, rt: &RuntimeConf) -> Result<Option<NetworkResult>, Error> {
    let Some(CacheEntry { result: Some(json), .. }) = entry(cni, network, rt)? else { return Ok(None) };
    let result = NetworkResult::from_json(json, network.version).map_err(|error| {
        let path = cni.cache.path(network.name, &rt.container_id, &rt.if_name);
        CacheError::Damaged(DamagedEntry { path, reason: error.to_string() })
    })?;
    Ok(Some(result))
}

pub(super) fn config(cni: &CniConfig, network: Network<'_>, rt: &RuntimeConf) -> Result<Option<CachedConfig>, Error> {
    let Some(entry) = entry(cni, network, rt)? else { return Ok(None) };
    let runtime_conf = RuntimeConf { args: entry.cni_args, capability_args: entry.capability_args, ..rt.clone() };
    Ok(Some(CachedConfig { config: entry.config, runtime_conf }))
}

fn entry(cni: &CniConfig, network: Network<'_>, rt: &RuntimeConf) -> Result<Option<CacheEntry>, Error> {
    rt.check_names()?;
    Ok(cni.cache.read(network.name, &rt.container_id, &rt.if_name)?)
}

pub(super) fn attachments(cni: &CniConfig, container_id: Option<&str>) -> Result<CachedAttachments, Error> {
    let (entries, damaged) = cni.cache.entries()?;
    let wanted = entries.into_iter().filter(|entry| container_id.is_none_or(|id| entry.container_id == id));
    let attachment = |entry: CacheEntry| NetworkAttachment {
        network: entry.network,
        container_id: entry.container_id,
        if_name: entry.if_name,
        net_ns: entry.net_ns,
        config: entry.config,
        cni_args: entry.cni_args,
        capability_args: entry.capability_args,
    };
    let mut attachments: Vec<_> = wanted.map(attachment).collect();
    attachments.sort_by(|one, other| {
        let key = |it: &NetworkAttachment| (it.network.clone(), it.container_id.clone(), it.if_name.clone());
        key(one).cmp(&key(other))
    });
    Ok(CachedAttachments { attachments, damaged })
}
