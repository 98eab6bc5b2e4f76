//! Network configurations: one plugin's, and a list of them that makes a network.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cni_spec::json::{self, DecodeError};
use cni_spec::names::{self, NameError};
use cni_spec::version::{UnknownVersion, Version};
use serde::Deserialize;

use crate::json::{ObjectWriter, object};
use crate::versions;

/// The configuration of one plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginConfig {
    fields: Fields,
    version: Result<Version, VersionError>,
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Fields {
    name: String,
    r#type: String,
    capabilities: BTreeMap<String, bool>,
    ipam: Ipam,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Ipam {
    r#type: String,
}

impl PluginConfig {
    pub(crate) fn parse(text: &[u8]) -> Result<Self, ConfigError> {
        let (value, _) = object(text)?;
        let fields: Fields = json::from_value(&value)?;
        if fields.r#type.is_empty() {
            return Err(ConfigError::NoType);
        }
        names::plugin_type(&fields.r#type)?;
        Ok(Self { fields, version: versions::negotiate(&value), bytes: text.to_owned() })
    }

    /// `type`: the name of the plugin's program.
    pub fn plugin_type(&self) -> &str {
        &self.fields.r#type
    }

    /// `name` of the network; empty where it is missing, as in a plugin of a list.
    pub fn name(&self) -> &str {
        &self.fields.name
    }

    /// The version of a configuration that stands alone: the highest known one of `cniVersion` and `cniVersions`,
    /// 0.1.0 where both are missing. In a list, that of the list counts.
    ///
    /// # Errors
    /// None of them is known.
    pub fn cni_version(&self) -> Result<Version, ConfigError> {
        self.version.clone().map_err(ConfigError::Version)
    }

    /// `capabilities`.
    pub fn capabilities(&self) -> &BTreeMap<String, bool> {
        &self.fields.capabilities
    }

    /// `ipam.type`; empty where it is missing.
    pub fn ipam_type(&self) -> &str {
        &self.fields.ipam.r#type
    }

    /// The configuration exactly as it was read.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A network: plugins that are run one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkConfigList {
    /// `name`, valid by the specification's rules.
    pub name: String,
    /// The highest version of `cniVersion` and `cniVersions` that this library knows; 0.1.0 where both are missing.
    pub cni_version: Version,
    /// `disableCheck`: CHECK succeeds without running anything.
    pub disable_check: bool,
    /// `disableGC`: GC does nothing.
    pub disable_gc: bool,
    /// `loadOnlyInlinedPlugins`: plugins in files of the network's folder do not count.
    pub load_only_inlined_plugins: bool,
    /// `plugins`, then those of the network's folder.
    pub plugins: Vec<PluginConfig>,
    /// The list exactly as it was read; where plugins came from the network's folder, with these among its plugins,
    /// so that it says by itself what is run.
    pub bytes: Vec<u8>,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No file of the directory has the network.
    #[error("no network {name:?} in {}: no configuration file there has this name", dir.display())]
    NotFound {
        /// Where it was looked for.
        dir: PathBuf,
        /// Its name.
        name: String,
    },
    /// The directory has no configuration files, or is not there.
    #[error("no network configurations in {}", dir.display())]
    NoConfigsFound {
        /// The directory.
        dir: PathBuf,
    },
    /// A file that was found cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<ConfigError>,
    },
    /// A file or directory cannot be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// Not JSON, or a value of the wrong type.
    #[error("the network configuration cannot be read: {0}")]
    Decode(DecodeError),
    /// No `name`.
    #[error("the network configuration has no name")]
    NoName,
    /// A `name`, or a plugin's `type`, that breaks the rules.
    #[error(transparent)]
    Name(#[from] NameError),
    /// No `type`.
    #[error("the plugin's configuration has no type")]
    NoType,
    /// A list without plugins.
    #[error("network {name:?} has no plugins: neither in `plugins` nor in files of its folder")]
    NoPlugins {
        /// The network.
        name: String,
    },
    /// No version that is known.
    #[error(transparent)]
    Version(VersionError),
}

/// A configuration whose versions cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// `cniVersion`, and there is no `cniVersions`.
    #[error(transparent)]
    Unknown(#[from] UnknownVersion),
    /// None of `cniVersion` and `cniVersions` is known.
    #[error("none of the versions [{}] of the configuration is known; the newest that is known is {}", .0.join(", "), cni_spec::version::LATEST)]
    NoneKnown(Vec<String>),
    /// A value of the wrong type.
    #[error("the network configuration cannot be read: {0}")]
    Decode(#[from] DecodeError),
}

impl From<DecodeError> for ConfigError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

/// A list of one plugin, of a configuration that stands alone.
///
/// # Errors
/// It has no valid name, or no version that is known.
pub fn conf_list_from_conf(conf: &PluginConfig) -> Result<NetworkConfigList, ConfigError> {
    if conf.name().is_empty() {
        return Err(ConfigError::NoName);
    }
    names::network_name(conf.name())?;
    let cni_version = conf.cni_version()?;
    let mut list = ObjectWriter::new();
    list.entry("name", &conf.name().into());
    list.entry("cniVersion", &cni_version.as_str().into());
    list.written("plugins", &format!("[{}]", String::from_utf8_lossy(conf.bytes()).trim()));
    Ok(NetworkConfigList {
        name: conf.name().to_owned(),
        cni_version,
        disable_check: false,
        disable_gc: false,
        load_only_inlined_plugins: false,
        plugins: vec![conf.clone()],
        bytes: list.finish(),
    })
}
