//! The configuration: keys, defaults and limits.

use std::net::IpAddr;

use serde::Deserialize;
use weir_sdk::convert::family_of;
use weir_sdk::net::IpFamily;
use weir_sdk::net::nftables::Statement;
use weir_sdk::{Error, Netns, Result};

use crate::conditions;

/// The bit of the packet mark that the backend iptables uses unless told otherwise.
const DEFAULT_MARK_BIT: u32 = 13;

/// What writes the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Iptables,
    Nftables,
}

impl Backend {
    fn named(name: &str) -> Option<Self> {
        match name {
            "iptables" => Some(Self::Iptables),
            "nftables" => Some(Self::Nftables),
            _ => None,
        }
    }
}

/// Transport protocol of a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Protocol {
    Sctp,
    Tcp,
    Udp,
}

impl Protocol {
    pub(crate) const ALL: [Self; 3] = [Self::Sctp, Self::Tcp, Self::Udp];

    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

/// A port of the host that is sent on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub(crate) host_port: u16,
    pub(crate) container_port: u16,
    pub(crate) protocol: Protocol,
    /// Address of the host; the unspecified one stands for all of its family.
    host_ip: Option<IpAddr>,
}

impl Mapping {
    /// Whether the mapping concerns a family.
    pub(crate) fn is_for(&self, family: IpFamily) -> bool {
        self.host_ip.is_none_or(|address| family_of(address) == family)
    }

    /// The only address of the host that is mapped; none: all.
    pub(crate) fn host_address(&self) -> Option<IpAddr> {
        self.host_ip.filter(|address| !address.is_unspecified())
    }
}

/// The keys as they are written. Numbers and names are checked later, so that errors can say more.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Raw {
    backend: Option<String>,
    snat: Option<bool>,
    masq_all: bool,
    mark_masq_bit: Option<i64>,
    external_set_mark_chain: Option<String>,
    conditions_v4: Option<Vec<String>>,
    conditions_v6: Option<Vec<String>>,
    runtime_config: RawRuntime,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawRuntime {
    port_mappings: Vec<RawMapping>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawMapping {
    host_port: i64,
    container_port: i64,
    protocol: String,
    #[serde(rename = "hostIP")]
    host_ip: String,
}

impl Raw {
    /// The backend that the configuration names, if it names one.
    pub(crate) fn named_backend(&self) -> Option<Backend> {
        Backend::named(self.backend.as_deref()?)
    }

    /// Whether the runtime gave port mappings.
    pub(crate) fn has_mappings(&self) -> bool {
        !self.runtime_config.port_mappings.is_empty()
    }
}

/// The configuration, checked.
#[derive(Debug)]
pub(crate) struct Config {
    /// The backend that the configuration names; none: the host decides.
    pub(crate) backend: Option<Backend>,
    /// Translate the source too, where the answer would not come back otherwise.
    pub(crate) snat: bool,
    /// Translate the source of all connections, not only of those from near.
    pub(crate) masq_all: bool,
    /// Bits of the packet mark that ask for masquerade.
    pub(crate) mark: u32,
    /// A chain of somebody else that asks for masquerade.
    pub(crate) external_set_mark_chain: Option<String>,
    conditions_v4: Vec<String>,
    conditions_v6: Vec<String>,
    pub(crate) mappings: Vec<Mapping>,
}

fn invalid<T>(message: String) -> Result<T> {
    Err(Error::invalid_config(message))
}

impl Config {
    /// Check the keys.
    pub(crate) fn load(raw: Raw) -> Result<Self> {
        let backend = match raw.backend.as_deref() {
            None | Some("") => None,
            Some(name) => match Backend::named(name) {
                Some(backend) => Some(backend),
                None => return invalid(format!("unknown backend {name:?}: it must be iptables or nftables")),
            },
        };
        let external = raw.external_set_mark_chain.filter(|chain| !chain.is_empty());
        if external.is_some() && raw.mark_masq_bit.is_some() {
            return invalid("markMasqBit and externalSetMarkChain exclude each other: remove one".to_owned());
        }
        // A chain of somebody else can only be one of iptables.
        let backend = match (backend, &external) {
            (Some(Backend::Nftables), Some(chain)) => {
                return invalid(format!(
                    "externalSetMarkChain {chain:?} is a chain of iptables: remove it, or set backend to iptables"
                ));
            }
            (None, Some(_)) => Some(Backend::Iptables),
            (backend, _) => backend,
        };
        let bit = raw.mark_masq_bit.unwrap_or(DEFAULT_MARK_BIT.into());
        let Some(mark) = u32::try_from(bit).ok().and_then(|bit| 1_u32.checked_shl(bit)) else {
            return invalid(format!("markMasqBit is {bit}: it must be between 0 and 31"));
        };
        let mappings = raw.runtime_config.port_mappings.iter().map(mapping).collect::<Result<_>>()?;
        let config = Self {
            backend,
            snat: raw.snat.unwrap_or(true),
            masq_all: raw.masq_all,
            mark,
            external_set_mark_chain: external,
            conditions_v4: raw.conditions_v4.unwrap_or_default(),
            conditions_v6: raw.conditions_v6.unwrap_or_default(),
            mappings,
        };
        if backend == Some(Backend::Nftables) {
            // Said by ADD of every container, not only by the first with a mapping of that family.
            config.statements(IpFamily::Ipv4)?;
            config.statements(IpFamily::Ipv6)?;
        }
        Ok(config)
    }

    /// The backend to use: iptables, unless the configuration says otherwise or this host has none.
    pub(crate) fn backend(&self, host: &Netns) -> Backend {
        self.backend.unwrap_or_else(|| match host.iptables_available(IpFamily::Ipv4) {
            true => Backend::Iptables,
            false => Backend::Nftables,
        })
    }

    /// Conditions of a family, as the configuration has them.
    pub(crate) fn conditions(&self, family: IpFamily) -> &[String] {
        match family {
            IpFamily::Ipv4 => &self.conditions_v4,
            IpFamily::Ipv6 => &self.conditions_v6,
        }
    }

    /// Conditions of a family, as parts of an nftables rule.
    pub(crate) fn statements(&self, family: IpFamily) -> Result<Vec<Statement>> {
        conditions::parse(self.conditions(family), family)
    }

    /// Mappings that concern a family.
    pub(crate) fn mappings_of(&self, family: IpFamily) -> impl DoubleEndedIterator<Item = &Mapping> {
        self.mappings.iter().filter(move |mapping| mapping.is_for(family))
    }

    /// Whether any mapping concerns a family.
    pub(crate) fn maps(&self, family: IpFamily) -> bool {
        self.mappings_of(family).next().is_some()
    }
}

fn port(what: &str, number: i64) -> Result<u16> {
    match u16::try_from(number) {
        Ok(port) if port > 0 => Ok(port),
        _ => invalid(format!("{what} is {number} in portMappings: it must be between 1 and 65535")),
    }
}

fn mapping(raw: &RawMapping) -> Result<Mapping> {
    let lower = raw.protocol.to_ascii_lowercase();
    let Some(protocol) = Protocol::ALL.into_iter().find(|protocol| protocol.name() == lower) else {
        return invalid(format!("protocol is {:?} in portMappings: it must be tcp, udp or sctp", raw.protocol));
    };
    let host_ip = match raw.host_ip.as_str() {
        "" => None,
        // What is written as IPv6 but means IPv4 is IPv4.
        text => match text.parse::<IpAddr>() {
            Ok(address) => Some(address.to_canonical()),
            Err(_) => return invalid(format!("hostIP is {text:?} in portMappings: it must be an IP address")),
        },
    };
    let host_port = port("hostPort", raw.host_port)?;
    Ok(Mapping { host_port, container_port: port("containerPort", raw.container_port)?, protocol, host_ip })
}
