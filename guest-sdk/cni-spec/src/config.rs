//! The part of a network configuration that means the same for every plugin.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    json::{self, DecodeError},
    names::{self, NameError},
    result::Dns,
    version::{UnknownVersion, Version},
};

/// One attachment of a network: the pair that the specification knows it by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Attachment {
    /// CNI_CONTAINERID.
    #[serde(rename = "containerID")]
    pub container_id: String,
    /// CNI_IFNAME.
    #[serde(rename = "ifname")]
    pub interface_name: String,
}

/// What a host needs to know of any plugin's configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkConfig {
    /// `cniVersion`.
    pub cni_version: Version,
    /// `name` of the network, valid by the rules.
    pub name: String,
    /// `type`; empty where it is missing. Not checked: a plugin is found by the name of its program.
    pub plugin_type: String,
    /// `ipam.type`; empty where it is missing. Check it with [`names::plugin_type`] before use.
    pub ipam_type: String,
    /// `capabilities`.
    pub capabilities: BTreeMap<String, bool>,
    /// `prevResult` as it is written.
    pub prev_result: Option<Value>,
    /// `cni.dev/valid-attachments`, or `cni.dev/attachments`, its first name.
    pub valid_attachments: Option<Vec<Attachment>>,
    /// `dns`.
    pub dns: Dns,
    /// `runtimeConfig` as it is written.
    pub runtime_config: Option<Value>,
    /// The whole configuration as it is written.
    pub raw: Value,
}

/// Why a configuration was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// Not JSON, or a value of the wrong type.
    Decode(DecodeError),
    /// No `name`.
    MissingName,
    /// A `name` that breaks the rules.
    Name(NameError),
    /// An unknown `cniVersion`.
    Version(UnknownVersion),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(error) => write!(f, "the network configuration cannot be read: {error}"),
            Self::MissingName => f.write_str("the network configuration has no name"),
            Self::Name(error) => error.fmt(f),
            Self::Version(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ConfigError {}

impl From<DecodeError> for ConfigError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Fields {
    cni_version: String,
    name: String,
    #[serde(rename = "type")]
    plugin_type: String,
    ipam: Ipam,
    capabilities: BTreeMap<String, bool>,
    prev_result: Option<Value>,
    #[serde(rename = "cni.dev/valid-attachments")]
    valid_attachments: Option<Vec<Attachment>>,
    #[serde(rename = "cni.dev/attachments")]
    attachments: Option<Vec<Attachment>>,
    dns: Dns,
    runtime_config: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ipam {
    r#type: String,
}

impl NetworkConfig {
    /// Read a configuration and check what every plugin must check.
    pub fn parse(text: &[u8]) -> Result<Self, ConfigError> {
        let raw = json::parse(text)?;
        let fields: Fields = json::from_value(&raw)?;
        if fields.name.is_empty() {
            return Err(ConfigError::MissingName);
        }
        names::network_name(&fields.name).map_err(ConfigError::Name)?;
        Ok(Self {
            cni_version: fields.cni_version.parse().map_err(ConfigError::Version)?,
            name: fields.name,
            plugin_type: fields.plugin_type,
            ipam_type: fields.ipam.r#type,
            capabilities: fields.capabilities,
            prev_result: fields.prev_result,
            valid_attachments: fields.valid_attachments.or(fields.attachments),
            dns: fields.dns,
            runtime_config: fields.runtime_config,
            raw,
        })
    }
}

/// The version that an error about this configuration should carry: that of a document which may be broken otherwise.
pub fn version_hint(text: &[u8]) -> Option<Version> {
    let document = json::parse(text).ok()?;
    json::get(document.as_object()?, "cniVersion")
        .map_or(Some(Version::V0_1_0), |version| version.as_str()?.parse().ok())
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
