//! The manifest inside a component: what the plugin is and what it asks for, in its author's words.

use cni_spec::version::Version;
use serde::{Deserialize, Serialize};

/// Name of the custom section that holds the manifest, as JSON.
pub const SECTION: &str = "weir:manifest";

/// The only shape of manifests so far.
const MANIFEST_VERSION: u32 = 1;

/// What a plugin says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    manifest_version: u32,
    /// The CNI plugin type.
    pub name: String,
    /// One sentence for operators.
    pub description: String,
    /// The plugin's own version.
    pub version: String,
    /// CNI versions that it supports.
    pub cni_versions: Vec<Version>,
    /// What it asks for.
    pub needs: Vec<Need>,
}

/// One interface that a plugin asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Need {
    /// Name of the interface in the contract, in kebab case.
    pub interface: String,
    /// Why the plugin needs it.
    pub reason: String,
}

impl Manifest {
    /// Read a manifest.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(text).map_err(|e| format!("manifest: {e}"))?;
        if manifest.manifest_version != MANIFEST_VERSION {
            return Err(format!("manifest version {}, this host knows {MANIFEST_VERSION}", manifest.manifest_version));
        }
        cni_spec::names::plugin_type(&manifest.name).map_err(|e| format!("manifest: {e}"))?;
        // The name becomes that of a file, and is shown on terminals.
        let is_odd = manifest.name.starts_with('.') || manifest.name.chars().any(char::is_control);
        if is_odd || manifest.name == "weir-cni" {
            return Err(format!("manifest: {:?} cannot be a plugin's name", manifest.name));
        }
        if manifest.cni_versions.is_empty() {
            return Err("manifest: cniVersions is empty".to_owned());
        }
        for (index, need) in manifest.needs.iter().enumerate() {
            if !crate::broker::function::INTERFACES.contains(&need.interface.as_str()) {
                return Err(format!("manifest asks for {:?}, which is no interface of the contract", need.interface));
            }
            if manifest.needs.iter().take(index).any(|earlier| earlier.interface == need.interface) {
                return Err(format!("manifest asks for {:?} twice", need.interface));
            }
        }
        Ok(manifest)
    }

    /// Whether the manifest asks for an interface.
    pub fn asks_for(&self, interface: &str) -> bool {
        self.needs.iter().any(|need| need.interface == interface)
    }
}
