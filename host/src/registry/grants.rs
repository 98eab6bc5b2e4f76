//! Grants: what an operator allows a plugin, and in the same words what a manifest asks for. Empty means nothing.

use serde::{Deserialize, Serialize};

use super::grant_values::{ChainGrant, GrantedKind, PrefixGrant, TableGrant};
use crate::broker::LimitsGrant;
use crate::broker::policy::pattern::Pattern;

/// A value of a grant.
pub trait GrantValue {
    /// The value as it is written in JSON.
    fn text(&self) -> String;

    /// Whether everything that the other value allows is allowed by this one too.
    fn covers(&self, other: &Self) -> bool;
}

impl GrantValue for String {
    fn text(&self) -> String {
        self.clone()
    }

    fn covers(&self, other: &Self) -> bool {
        self == other
    }
}

impl GrantValue for Pattern {
    fn text(&self) -> String {
        self.to_string()
    }

    fn covers(&self, other: &Self) -> bool {
        Pattern::covers(self, other)
    }
}

/// One value of a grant with the key that it stands under.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GrantLine {
    /// The key as it is written in JSON.
    pub key: &'static str,
    /// The value as it is written in JSON.
    pub value: String,
}

impl std::fmt::Display for GrantLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.key, self.value)
    }
}

impl GrantLine {
    /// The line as a JSON object: what `weir grant --add` takes.
    pub fn fragment(&self) -> String {
        serde_json::json!({ self.key: [self.value] }).to_string()
    }
}

macro_rules! grants {
    ($($(#[doc = $doc:literal])+ $field:ident: $value:ty = $key:literal,)*) => {
        /// What the operator allowed. Empty means nothing.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
        pub struct Grants {
            $($(#[doc = $doc])+ #[serde(skip_serializing_if = "Vec::is_empty")] pub $field: Vec<$value>,)*
            /// Limits other than the defaults.
            #[serde(skip_serializing_if = "LimitsGrant::is_empty")]
            pub limits: LimitsGrant,
        }

        /// All keys of a grant that hold lists, as they are written in JSON.
        pub const KEYS: &[&str] = &[$($key),*];

        impl Grants {
            /// All values, in the order of [`KEYS`].
            pub fn lines(&self) -> Vec<GrantLine> {
                let mut lines = Vec::new();
                $(lines.extend(self.$field.iter().map(|value| GrantLine { key: $key, value: value.text() }));)*
                lines
            }

            /// What is granted here and not covered by what was asked for. Types of native plugins are never asked for:
            /// they narrow `delegates`, so they are no surplus. Nor are limits: they protect the node, and an operator
            /// may set them as he likes.
            pub fn surplus_over(&self, asked: &Grants) -> Vec<GrantLine> {
                let mut surplus = Vec::new();
                $(
                    for value in &self.$field {
                        if $key != "nativeDelegates" && !asked.$field.iter().any(|other| other.covers(value)) {
                            surplus.push(GrantLine { key: $key, value: value.text() });
                        }
                    }
                )*
                surplus
            }

            /// Add what the other grant holds and this one does not.
            pub fn merge(&mut self, other: Grants) {
                $(
                    for value in other.$field {
                        if !self.$field.contains(&value) {
                            self.$field.push(value);
                        }
                    }
                )*
                self.limits.merge(other.limits);
            }

            /// Remove a value. False: it was not there.
            pub fn remove(&mut self, key: &str, value: &str) -> bool {
                match key {
                    $($key => {
                        let before = self.$field.len();
                        self.$field.retain(|one| one.text() != value);
                        self.$field.len() != before
                    })*
                    "limits" => self.limits.remove(value),
                    _ => false,
                }
            }

            /// Remove all values of a key. False: there is no such key.
            pub fn remove_key(&mut self, key: &str) -> bool {
                match key {
                    $($key => self.$field.clear(),)*
                    "limits" => self.limits = LimitsGrant::default(),
                    _ => return false,
                }
                true
            }
        }
    };
}

grants! {
    /// Interfaces of the contract that may be linked.
    interfaces: String = "interfaces",
    /// Kinds of links that it may create.
    link_kinds: GrantedKind = "linkKinds",
    /// Names of links in the host's namespace that it may create and change, besides its own links.
    host_links: Pattern = "hostLinks",
    /// Names of links in the host's namespace that it may stack links on, or move to the container and back.
    lower_links: Pattern = "lowerLinks",
    /// Names of links in the container's namespace that it may change, besides CNI_IFNAME and its own links.
    container_links: Pattern = "containerLinks",
    /// Prefixes to which it may route on the host, besides the addresses of its attachment.
    host_routes: PrefixGrant = "hostRoutes",
    /// Numbers of the routing tables that its policy rules on the host may lead to.
    host_rules: Pattern = "hostRules",
    /// Kernel parameters of the host that it may set, as paths below /proc/sys, besides those of its own links.
    host_sysctls: Pattern = "hostSysctls",
    /// Kernel parameters of the container that it may set, besides those of its own links.
    container_sysctls: Pattern = "containerSysctls",
    /// Tables of nftables that it may change: family and name; with `:accept` only rules that let its attachment through.
    nftables: TableGrant = "nftables",
    /// Chains of iptables that it may change: table and name; with `:jump` only rules that lead to its other chains.
    iptables: ChainGrant = "iptables",
    /// Types of plugins that it may call.
    delegates: Pattern = "delegates",
    /// Types of native plugins among them, which `delegate` executes from CNI_PATH with all rights.
    native_delegates: String = "nativeDelegates",
    /// Directories of address stores and documents, and sockets of the daemon for leases.
    directories: Pattern = "directories",
    /// Files that it may read as resolver settings or as environment files.
    files: Pattern = "files",
    /// Zones of firewalld to which it may add sources.
    firewalld_zones: Pattern = "firewalldZones",
}

impl Grants {
    /// Whether nothing is granted.
    pub fn is_empty(&self) -> bool {
        self.lines().is_empty() && self.limits.is_empty()
    }

    /// Whether an interface of the contract was granted.
    pub fn has_interface(&self, interface: &str) -> bool {
        self.interfaces.iter().any(|granted| granted == interface)
    }

    /// Refuse names that do not exist. The types of all other values refuse theirs when they are read.
    ///
    /// # Errors
    /// A sentence that names the value.
    pub fn check(&self) -> Result<(), String> {
        for interface in &self.interfaces {
            if !crate::broker::function::INTERFACES.contains(&interface.as_str()) {
                return Err(format!("interfaces: {interface:?} is no interface of the contract"));
            }
        }
        for name in &self.native_delegates {
            cni_spec::names::plugin_type(name).map_err(|e| format!("nativeDelegates: {name:?}: {e}"))?;
        }
        self.limits.check()
    }

    /// Read a grant file, or a part of one.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        // A list would be read as the values of the keys, one after the other.
        if text.trim_ascii_start().first() != Some(&b'{') {
            return Err("grant: not a JSON object".to_owned());
        }
        let grants: Self = serde_json::from_slice(text).map_err(|e| format!("grant: {e}"))?;
        grants.check().map_err(|e| format!("grant: {e}"))?;
        Ok(grants)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_read_and_written_and_unknown_words_are_errors() {
        let text = r#"{"interfaces":["links"],"linkKinds":["veth"],"hostLinks":["cni0","${bridge}"],
            "hostRoutes":["10.0.0.0/8","${ipam.subnet}"],"nftables":["ip cni_*"],"iptables":["nat CNI-*","nat POSTROUTING:jump"]}"#;
        let grants = Grants::parse(text.as_bytes()).unwrap();
        assert_eq!(grants.lines().len(), 9);
        assert_eq!(Grants::parse(serde_json::to_string(&grants).unwrap().as_bytes()).unwrap(), grants);
        for bad in [
            r#"{"interfaces":["nonsense"]}"#,
            r#"{"hostlinks":["x"]}"#,
            r#"{"linkKinds":["gre"]}"#,
            r#"{"hostLinks":["a*b"]}"#,
            r#"{"hostRoutes":["10.0.0.0"]}"#,
            r#"{"hostRoutes":["10.0.0.1/8"]}"#,
            r#"{"nftables":["cni"]}"#,
            r#"{"nftables":["arp x"]}"#,
            r#"{"iptables":["nat"]}"#,
            r#"{"iptables":["x CNI"]}"#,
            r#"{"iptables":["nat INPUT:drop"]}"#,
            r#"{"nativeDelegates":["a/b"]}"#,
            r#"{"hostLinks":"cni0"}"#,
            "[]",
        ] {
            assert!(Grants::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_grant_can_be_smaller_than_what_was_asked_for_and_not_larger() {
        let asked = Grants::parse(
            br#"{"hostLinks":["cni*"],"nftables":["ip cni_*"],"iptables":["nat CNI-*"],"hostRoutes":["10.0.0.0/8"]}"#,
        )
        .unwrap();
        let smaller = Grants::parse(br#"{"hostLinks":["cni0"],"nftables":["ip cni_x"],"iptables":["nat CNI-A:jump"],"hostRoutes":["10.1.0.0/16"]}"#).unwrap();
        assert!(smaller.surplus_over(&asked).is_empty());
        let surplus = asked.surplus_over(&smaller);
        assert_eq!(surplus.len(), 4);
        assert_eq!(surplus.first().unwrap().fragment(), r#"{"hostLinks":["cni*"]}"#);
    }

    #[test]
    fn values_come_and_go() {
        let mut grants = Grants::default();
        assert!(grants.is_empty());
        let part = Grants::parse(br#"{"hostLinks":["cni0"],"files":["/etc/resolv.conf"]}"#).unwrap();
        grants.merge(part.clone());
        grants.merge(part.clone());
        assert_eq!(grants, part);
        assert!(!grants.remove("hostLinks", "cni1") && !grants.remove("nonsense", "x"));
        assert!(grants.remove("hostLinks", "cni0"));
        assert!(grants.remove_key("files") && !grants.remove_key("nonsense"));
        assert!(grants.is_empty());
        grants.merge(Grants::parse(br#"{"limits":{"fuel":1,"handles":2}}"#).unwrap());
        grants.merge(Grants::parse(br#"{"limits":{"handles":3}}"#).unwrap());
        assert_eq!(grants.limits.set(), [("fuel", 1), ("handles", 3)]);
        assert!(grants.remove("limits", "fuel") && !grants.remove("limits", "fuel") && !grants.is_empty());
        assert!(grants.remove_key("limits") && grants.is_empty());
        assert!(Grants::parse(br#"{"limits":{"memoryBytes":9999999999}}"#).is_err());
    }
}
