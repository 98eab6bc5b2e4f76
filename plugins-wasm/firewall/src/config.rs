//! The configuration: keys, defaults, and the backend that a host gets.

use serde::Deserialize;
use weir_sdk::net::firewalld;
use weir_sdk::net::nftables::Hook;
use weir_sdk::{Context, Error, FailureKind, Netns, Result};

/// Chain of iptables that belongs to the operator.
const DEFAULT_ADMIN_CHAIN: &str = "CNI-ADMIN";
/// Zone of firewalld that lets everything through.
const DEFAULT_ZONE: &str = "trusted";
/// Longest name of a chain of iptables.
const CHAIN_MAX: usize = 28;

/// What lets packets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    /// nftables, and every other place where packets are dropped.
    Nftables,
    /// The chains of the reference plugin.
    Iptables,
    /// As nftables, and a zone of firewalld.
    Firewalld,
}

/// Who may send packets to containers of a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Everybody whom the rest of the firewall lets through.
    Open,
    /// Nobody on another bridge that has a policy.
    SameBridge,
    /// Nobody on another such bridge, nor on the same.
    Isolated,
}

/// The keys as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Raw {
    backend: String,
    iptables_admin_chain_name: String,
    firewalld_zone: String,
    ingress_policy: String,
}

/// The configuration, checked.
#[derive(Debug)]
pub(crate) struct Config {
    /// The backend that the configuration names; none: the host decides.
    named: Option<Backend>,
    pub(crate) admin_chain: String,
    pub(crate) zone: String,
    pub(crate) policy: Policy,
}

impl Config {
    /// Check the keys.
    pub(crate) fn load(raw: Raw) -> Result<Self> {
        let admin = raw.iptables_admin_chain_name;
        let named = match raw.backend.as_str() {
            // Who names a chain of iptables wants its rules to be seen.
            "" | "auto" if !admin.is_empty() => Some(Backend::Iptables),
            "" | "auto" => None,
            "nftables" => Some(Backend::Nftables),
            "iptables" => Some(Backend::Iptables),
            "firewalld" => Some(Backend::Firewalld),
            other => {
                return Err(Error::invalid_config(format!(
                    "unknown backend {other:?}: it must be nftables, iptables, firewalld or auto"
                )));
            }
        };
        let policy = match raw.ingress_policy.as_str() {
            "" | "open" => Policy::Open,
            "same-bridge" => Policy::SameBridge,
            "isolated" => Policy::Isolated,
            other => {
                return Err(Error::invalid_config(format!(
                    "unknown ingressPolicy {other:?}: it must be open, same-bridge or isolated"
                )));
            }
        };
        let or = |text: String, default: &str| if text.is_empty() { default.to_owned() } else { text };
        let admin_chain = or(admin, DEFAULT_ADMIN_CHAIN);
        let plain = admin_chain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if admin_chain.len() > CHAIN_MAX || !plain || admin_chain.starts_with('-') {
            return Err(Error::invalid_config(format!(
                "iptablesAdminChainName is {admin_chain:?}: it must be a name of at most {CHAIN_MAX} letters, digits, \
                 dashes, dots and underscores"
            )));
        }
        Ok(Self { named, admin_chain, zone: or(raw.firewalld_zone, DEFAULT_ZONE), policy })
    }

    /// The backend to use: as the configuration says; else firewalld where it runs, because nothing else opens its chains;
    /// else nftables, or iptables where the kernel has no nftables.
    pub(crate) fn backend(&self, host: &Netns) -> Result<Backend> {
        match self.likely_backend() {
            Backend::Nftables if self.named.is_none() && !has_nftables(host)? => Ok(Backend::Iptables),
            likely => Ok(likely),
        }
    }

    /// The same for a kernel that has nftables, which is not looked at.
    pub(crate) fn likely_backend(&self) -> Backend {
        self.named.unwrap_or_else(|| if firewalld::available() { Backend::Firewalld } else { Backend::Nftables })
    }

    /// The backend on a kernel that turned out to have no nftables.
    pub(crate) fn backend_without_nftables(&self, likely: Backend) -> Result<Backend> {
        match likely {
            Backend::Nftables if self.named.is_some() => Err(Error::internal(
                "the configuration asks for nftables, which this kernel does not have: set backend to iptables",
            )),
            Backend::Nftables => Ok(Backend::Iptables),
            Backend::Iptables | Backend::Firewalld => Ok(likely),
        }
    }

    /// Whether an attachment of this configuration may be in a zone.
    pub(crate) fn may_use_firewalld(&self) -> bool {
        matches!(self.named, None | Some(Backend::Firewalld))
    }
}

/// Whether the kernel has nftables.
pub(crate) fn has_nftables(host: &Netns) -> Result<bool> {
    match host.nft_base_chains(Hook::Forward) {
        Ok(_) => Ok(true),
        Err(failure) if failure.kind == FailureKind::Unsupported => Ok(false),
        Err(failure) => Err(failure).context("look for nftables").map_err(Error::from),
    }
}
