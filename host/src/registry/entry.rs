//! The entry of one installed plugin: what it is, what it asks for, what it was granted, where its code is.

use serde::{Deserialize, Serialize};

use super::{Grants, Manifest, VerifiedFile};

/// The shape of entries. Those of version 1 are of plugins that could not ask for objects, and are granted none.
const ENTRY_VERSION: u32 = 2;

/// One installed plugin.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entry {
    entry_version: u32,
    /// The name that runtimes call it by.
    pub name: String,
    /// SHA-256 of the component, in hexadecimal.
    pub component: String,
    /// What the component says of itself.
    pub manifest: Manifest,
    /// Interfaces of the contract that the component really imports, in kebab case.
    pub imports: Vec<String>,
    /// Whether it imports WASI, as components built for wasm32-wasip2 do.
    pub wasi: bool,
    /// What the operator allowed.
    pub grants: Grants,
    /// Whose signature was verified when it was installed; none where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<Signer>,
    /// Its native code; none until it is compiled.
    pub compiled: Option<CompiledCode>,
}

/// Whose signature a component has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Signer {
    /// ID of the key.
    pub key_id: String,
    /// The name that the operator gave the key.
    pub name: String,
}

impl Signer {
    /// Whether a text has the form of a key ID.
    pub fn is_key_id(text: &str) -> bool {
        text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }
}

/// Native code made from the component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompiledCode {
    /// The file as it was when it was stored: [`FileIdentity::stamp`].
    ///
    /// [`FileIdentity::stamp`]: super::artifact::FileIdentity::stamp
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<String>,
    /// BLAKE3 of the file, in hexadecimal; also its name.
    pub digest: String,
    /// The engine it was made for: version and settings.
    pub engine: String,
}

impl CompiledCode {
    /// Whether a file is the one that was stored, and nobody has touched it since. Its content is what it was then, so it need
    /// not be looked at again at each start.
    pub fn is_untouched(&self, file: &VerifiedFile) -> bool {
        self.stamp.as_ref() == Some(&file.identity().stamp())
    }
}

impl Entry {
    /// An entry of a plugin that is not compiled yet.
    pub fn new(manifest: Manifest, component: String, imports: Vec<String>, wasi: bool, grants: Grants) -> Self {
        let name = manifest.name.clone();
        Self {
            entry_version: ENTRY_VERSION,
            name,
            component,
            manifest,
            imports,
            wasi,
            grants,
            signer: None,
            compiled: None,
        }
    }

    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        let entry: Self = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        if entry.entry_version != ENTRY_VERSION && entry.entry_version != 1 {
            return Err(format!("entry version {}, this host knows 1 and {ENTRY_VERSION}", entry.entry_version));
        }
        entry.grants.check()?;
        Ok(entry)
    }

    /// The interface, among those the component imports, that was not granted; none where all are.
    pub fn missing_grant(&self) -> Option<&str> {
        self.imports.iter().find(|import| !self.grants.interfaces.contains(import)).map(String::as_str)
    }
}
