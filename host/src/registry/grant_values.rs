//! Values of grants that are more than a pattern: kinds of links, tables, chains, prefixes.

use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use weir_native::nftables::{Family, Table};
use weir_native::virtual_link;

use super::grants::GrantValue;
use crate::broker::policy::pattern::{Expand, Pattern};

/// A kind of link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the kernel's names")]
pub enum GrantedKind {
    Veth,
    Bridge,
    Macvlan,
    Ipvlan,
    Vlan,
    Dummy,
    Ifb,
    Vrf,
    Tap,
}

impl GrantedKind {
    /// The kind of a virtual link.
    pub fn of(kind: &virtual_link::LinkKind) -> Self {
        match kind {
            virtual_link::LinkKind::Macvlan(_) => Self::Macvlan,
            virtual_link::LinkKind::Ipvlan(_) => Self::Ipvlan,
            virtual_link::LinkKind::Vlan(_) => Self::Vlan,
            virtual_link::LinkKind::Dummy => Self::Dummy,
            virtual_link::LinkKind::Ifb => Self::Ifb,
            virtual_link::LinkKind::Vrf(_) => Self::Vrf,
            virtual_link::LinkKind::Tap(_) => Self::Tap,
        }
    }
}

impl fmt::Display for GrantedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Veth => "veth",
            Self::Bridge => "bridge",
            Self::Macvlan => "macvlan",
            Self::Ipvlan => "ipvlan",
            Self::Vlan => "vlan",
            Self::Dummy => "dummy",
            Self::Ifb => "ifb",
            Self::Vrf => "vrf",
            Self::Tap => "tap",
        })
    }
}

impl GrantValue for GrantedKind {
    fn text(&self) -> String {
        self.to_string()
    }

    fn covers(&self, other: &Self) -> bool {
        self == other
    }
}

macro_rules! as_text {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    };
}

/// The family of a table of nftables as grants write it.
pub fn family_name(family: Family) -> &'static str {
    match family {
        Family::Ip => "ip",
        Family::Ip6 => "ip6",
        Family::Inet => "inet",
        Family::Bridge => "bridge",
    }
}

/// Tables of nftables: `ip cni_hostport` for a table of its own, `inet filter:accept` for one of others in which it may let
/// its attachment's addresses through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableGrant {
    family: Family,
    name: Pattern,
    accept_only: bool,
}

impl TableGrant {
    /// Whether a table fits, for any change.
    pub fn matches(&self, table: &Table, names: &dyn Expand) -> bool {
        !self.accept_only && self.matches_accept(table, names)
    }

    /// Whether a table fits, for rules that let the attachment's addresses through.
    pub fn matches_accept(&self, table: &Table, names: &dyn Expand) -> bool {
        self.family == table.family && self.name.matches(&table.name, names)
    }
}

impl FromStr for TableGrant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (family, name) = text
            .split_once(' ')
            .ok_or_else(|| format!("{text:?} names no table of nftables: write the family and the name, `ip NAME`"))?;
        let family = match family {
            "ip" => Family::Ip,
            "ip6" => Family::Ip6,
            "inet" => Family::Inet,
            "bridge" => Family::Bridge,
            _ => return Err(format!("{text:?}: a family is ip, ip6, inet or bridge")),
        };
        let (name, accept_only) = match name.strip_suffix(":accept") {
            Some(name) => (name, true),
            None => (name, false),
        };
        if name.contains([':', ' ']) {
            return Err(format!("{text:?}: after the name only `:accept` may follow"));
        }
        Ok(Self { family, name: name.parse::<Pattern>().map_err(|e| e.to_string())?, accept_only })
    }
}

impl fmt::Display for TableGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", family_name(self.family), self.name, if self.accept_only { ":accept" } else { "" })
    }
}

as_text!(TableGrant);

impl GrantValue for TableGrant {
    fn text(&self) -> String {
        self.to_string()
    }

    fn covers(&self, other: &Self) -> bool {
        self.family == other.family && self.name.covers(&other.name) && (!self.accept_only || other.accept_only)
    }
}

/// Chains of iptables: `nat CNI-*` for chains of its own, `nat POSTROUTING:jump` for a chain in which it may have rules
/// that lead to its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChainGrant {
    table: String,
    chain: Pattern,
    jump_only: bool,
}

impl ChainGrant {
    /// Whether it is for chains of a table.
    pub fn is_in(&self, table: &str) -> bool {
        self.table == table
    }

    /// Whether a chain fits, to be created, emptied, deleted and given any rule.
    pub fn matches(&self, table: &str, chain: &str, names: &dyn Expand) -> bool {
        !self.jump_only && self.table == table && self.chain.matches(chain, names)
    }

    /// Whether a chain fits, for rules that lead to chains of the plugin's own.
    pub fn matches_jump(&self, table: &str, chain: &str, names: &dyn Expand) -> bool {
        self.table == table && self.chain.matches(chain, names)
    }
}

/// The tables that iptables has.
const IPTABLES_TABLES: [&str; 5] = ["nat", "filter", "mangle", "raw", "security"];

impl FromStr for ChainGrant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (table, chain) = text.split_once(' ').ok_or_else(|| {
            format!("{text:?} names no chain of iptables: write the table and the chain, `nat CNI-*`")
        })?;
        if !IPTABLES_TABLES.contains(&table) {
            return Err(format!("{text:?}: a table of iptables is one of {}", IPTABLES_TABLES.join(", ")));
        }
        let (chain, jump_only) = match chain.strip_suffix(":jump") {
            Some(chain) => (chain, true),
            None => (chain, false),
        };
        if chain.contains([':', ' ']) {
            return Err(format!("{text:?}: after the chain only `:jump` may follow"));
        }
        let chain = chain.parse::<Pattern>().map_err(|e| e.to_string())?;
        Ok(Self { table: table.to_owned(), chain, jump_only })
    }
}

impl fmt::Display for ChainGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.table, self.chain, if self.jump_only { ":jump" } else { "" })
    }
}

as_text!(ChainGrant);

impl GrantValue for ChainGrant {
    fn text(&self) -> String {
        self.to_string()
    }

    fn covers(&self, other: &Self) -> bool {
        self.table == other.table && self.chain.covers(&other.chain) && (!self.jump_only || other.jump_only)
    }
}

/// Prefixes: `10.0.0.0/8`, or one that the configuration names: `${ipam.subnet}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PrefixGrant {
    /// A prefix.
    Prefix(IpNet),
    /// One placeholder.
    Named(Pattern),
}

impl PrefixGrant {
    /// Whether all addresses of a prefix lie in it.
    pub fn contains(&self, prefix: IpNet, names: &dyn Expand) -> bool {
        match self {
            Self::Prefix(wide) => wide.contains(&prefix.trunc()),
            Self::Named(pattern) => pattern
                .placeholders()
                .first()
                .is_some_and(|key| named(key, names).any(|wide| wide.trunc().contains(&prefix.trunc()))),
        }
    }
}

fn named<'a>(key: &str, names: &'a dyn Expand) -> impl Iterator<Item = IpNet> + use<'a> {
    names.expand(key).into_iter().filter_map(|text| text.parse().ok())
}

impl FromStr for PrefixGrant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(prefix) = text.parse::<IpNet>() {
            if prefix.trunc() != prefix {
                return Err(format!("{text:?} has bits after its prefix; {} is meant, perhaps", prefix.trunc()));
            }
            return Ok(Self::Prefix(prefix));
        }
        let pattern = text.parse::<Pattern>().map_err(|e| e.to_string())?;
        let is_placeholder = matches!(pattern.placeholders().as_slice(), [key] if text.len() == key.len() + 3);
        if !is_placeholder {
            return Err(format!("{text:?} is no prefix: write 10.0.0.0/8, or ${{key}} for one of the configuration"));
        }
        Ok(Self::Named(pattern))
    }
}

impl fmt::Display for PrefixGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(prefix) => prefix.fmt(f),
            Self::Named(pattern) => pattern.fmt(f),
        }
    }
}

as_text!(PrefixGrant);

impl GrantValue for PrefixGrant {
    fn text(&self) -> String {
        self.to_string()
    }

    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Prefix(wide), Self::Prefix(narrow)) => wide.contains(narrow),
            (Self::Named(one), Self::Named(other)) => one == other,
            _ => false,
        }
    }
}
