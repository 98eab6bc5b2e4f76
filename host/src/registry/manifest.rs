//! The manifest inside a component: what the plugin is and what it asks for, in its author's words.

use cni_spec::version::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{GrantLine, Grants, keys};

/// Name of the custom section that holds the manifest, as JSON.
pub const SECTION: &str = "weir:manifest";

/// The shape of manifests that SDKs write. Version 1 could ask for interfaces only.
const MANIFEST_VERSION: u32 = 2;

/// The longest text in a manifest, in bytes. Operators have to read them.
const LONGEST_TEXT: usize = 1000;

/// The most values that a manifest may ask for. Operators have to judge them.
const MOST_VALUES: usize = 200;

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
    /// Interfaces that it asks for.
    pub needs: Vec<Need>,
    /// Objects that it asks for, for the calls of these interfaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<Ask>,
    /// Limits that are too low for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitAsk>,
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

/// Objects of one kind that a plugin asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ask {
    /// What kind: a key of the grants.
    pub key: String,
    /// Which: patterns, as grants have them.
    pub values: Vec<String>,
    /// Why the plugin needs them.
    pub reason: String,
}

/// A limit that a plugin asks to be raised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitAsk {
    /// Which.
    pub limit: String,
    /// To how much.
    pub value: u64,
    /// Why.
    pub reason: String,
}

impl Manifest {
    /// Read a manifest.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(text).map_err(|e| format!("manifest: {e}"))?;
        match manifest.manifest_version {
            1 if manifest.asks.is_empty() && manifest.limits.is_empty() => {}
            1 => return Err("manifest version 1 has no asks and no limits".to_owned()),
            MANIFEST_VERSION => {}
            other => return Err(format!("manifest version {other}, this host knows 1 and {MANIFEST_VERSION}")),
        }
        manifest.check_name()?;
        manifest.check_texts()?;
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
        manifest.requested()?;
        Ok(manifest)
    }

    /// The name becomes that of a file, and is shown on terminals.
    fn check_name(&self) -> Result<(), String> {
        cni_spec::names::plugin_type(&self.name).map_err(|e| format!("manifest: {e}"))?;
        let is_odd = self.name.starts_with('.') || self.name.chars().any(char::is_control);
        if is_odd || self.name == "weir-cni" {
            return Err(format!("manifest: {:?} cannot be a plugin's name", self.name));
        }
        Ok(())
    }

    /// Texts are shown to operators who decide by them: nothing in them may move the cursor or hide what follows.
    fn check_texts(&self) -> Result<(), String> {
        let needs = self.needs.iter().map(|need| &need.reason);
        let asks = self.asks.iter().flat_map(|ask| ask.values.iter().chain([&ask.reason]));
        let limits = self.limits.iter().map(|limit| &limit.reason);
        for text in [&self.description, &self.version].into_iter().chain(needs).chain(asks).chain(limits) {
            if text.len() > LONGEST_TEXT {
                let start: String = text.chars().take(40).collect();
                return Err(format!("manifest: the text {start:?}... is longer than {LONGEST_TEXT} bytes"));
            }
            if text.chars().any(is_deceptive) {
                return Err(format!("manifest: the text {text:?} has characters that are not for display"));
            }
        }
        let values = self.asks.iter().map(|ask| ask.values.len()).fold(0, usize::saturating_add);
        if values > MOST_VALUES {
            return Err(format!("manifest asks for {values} values, more than {MOST_VALUES}"));
        }
        Ok(())
    }

    /// All that the manifest asks for, as a grant.
    ///
    /// # Errors
    /// A sentence that names the word or the value that no host knows.
    pub fn requested(&self) -> Result<Grants, String> {
        let mut grants = serde_json::Map::new();
        let interfaces: Vec<&str> = self.needs.iter().map(|need| need.interface.as_str()).collect();
        grants.insert("interfaces".to_owned(), interfaces.into());
        for ask in &self.asks {
            if !keys::KEYS.iter().any(|key| key.can_be_asked_for && key.name == ask.key) {
                return Err(format!("manifest asks for {:?}, which is no key of grants", ask.key));
            }
            let list = grants.entry(&ask.key).or_insert_with(|| Value::Array(Vec::new()));
            for value in &ask.values {
                if let Value::Array(list) = list
                    && !list.iter().any(|present| present == value)
                {
                    list.push(value.as_str().into());
                }
            }
        }
        if !self.limits.is_empty() {
            let limits: serde_json::Map<_, _> =
                self.limits.iter().map(|ask| (ask.limit.clone(), Value::from(ask.value))).collect();
            grants.insert("limits".to_owned(), limits.into());
        }
        let refused = |e: String| format!("manifest asks for what cannot be granted: {e}");
        let grants: Grants = serde_json::from_value(grants.into()).map_err(|e| refused(e.to_string()))?;
        grants.check().map_err(refused)?;
        Ok(grants)
    }

    /// Whether the manifest asks for an interface.
    pub fn asks_for(&self, interface: &str) -> bool {
        self.needs.iter().any(|need| need.interface == interface)
    }

    /// What a grant holds that the manifest does not ask for. Must be nothing.
    ///
    /// # Errors
    /// Where the manifest asks for what no host knows.
    pub fn surplus(&self, grants: &Grants) -> Result<Vec<GrantLine>, String> {
        let requested = self.requested()?;
        let mut surplus = grants.surplus_over(&requested);
        // Which delegates may be native is for the operator to say, as far as the plugin calls others at all.
        if requested.delegates.is_empty() {
            let native = |value: &String| GrantLine { key: "nativeDelegates", value: value.clone() };
            surplus.extend(grants.native_delegates.iter().map(native));
        }
        Ok(surplus)
    }

    /// Whether it was made before manifests could ask for objects.
    pub fn is_of_version_1(&self) -> bool {
        self.manifest_version == 1
    }
}

/// Control characters, and those that change the direction of what follows.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
