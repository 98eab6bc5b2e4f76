//! Whether the plugins of a network are there and of its version.

use std::collections::BTreeSet;

use super::{Network, Operation, version_info};
use crate::cni::{CniConfig, Command};
use crate::error::Error;

pub(super) fn validate(cni: &CniConfig, network: Network<'_>) -> Result<Vec<String>, Error> {
    let operation = Operation::start(cni, Command::Version, None);
    let types: BTreeSet<_> = network.plugins.iter().map(|plugin| plugin.plugin_type()).collect();
    let mut errors = Vec::new();
    for plugin_type in types {
        match version_info::get(&operation, plugin_type) {
            Ok(info) if info.supports(network.version) => {}
            Ok(info) => errors.push(Error::UnsupportedVersion {
                plugin_type: plugin_type.to_owned(),
                version: network.version,
                supported: info.supported_versions,
            }),
            Err(error) => errors.push(error),
        }
    }
    if errors.len() > 1 {
        return Err(Error::Several(errors));
    }
    if let Some(error) = errors.pop() {
        return Err(error);
    }
    let declared = network.plugins.iter().flat_map(|plugin| plugin.capabilities());
    let enabled: BTreeSet<_> = declared.filter(|(_, is_on)| **is_on).map(|(name, _)| name.clone()).collect();
    Ok(enabled.into_iter().collect())
}
