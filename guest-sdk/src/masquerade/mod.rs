//! Masquerade: packets from a container to anything outside its subnet take the address of the host.
//!
//! Names, comments and rules are exactly those of the reference plugins, with both of their backends, so what one of them
//! made the other can take away. Needs `nftables` and `iptables`.

mod iptables;
mod nftables;

use cni_spec::error::Error;
use cni_spec::quoted::Quoted;
use ipnet::IpNet;

use crate::net::{IpFamily, Netns};
use crate::plugin::{GcRequest, Request, Result};

/// What writes the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The iptables programs.
    Iptables,
    /// nftables through the kernel's own interface.
    Nftables,
}

impl Backend {
    /// The backend that the configuration names; error 7 where it is unknown.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "iptables" => Ok(Self::Iptables),
            "nftables" => Ok(Self::Nftables),
            other => {
                let name = Quoted(other);
                Err(Error::invalid_config(format!("unknown ipMasqBackend {name}; it must be iptables or nftables")))
            }
        }
    }

    /// The backend where the configuration names none: iptables, unless this host has none.
    pub fn detect(host: &Netns) -> Self {
        if host.iptables_available(IpFamily::Ipv4) { Self::Iptables } else { Self::Nftables }
    }
}

/// The masquerade rules of one attachment.
#[derive(Debug, Clone, Copy)]
pub struct Masquerade<'a> {
    network: &'a str,
    container_id: &'a str,
    interface_name: &'a str,
}

impl<'a> Masquerade<'a> {
    /// The rules of the attachment of a command.
    pub fn of(request: &'a Request) -> Self {
        Self { network: &request.network, container_id: &request.container_id, interface_name: &request.interface_name }
    }

    /// Make the rules for these addresses.
    pub fn add(&self, host: &Netns, backend: Backend, addresses: &[IpNet]) -> Result<()> {
        match backend {
            Backend::Iptables => iptables::add(self, host, addresses),
            Backend::Nftables => nftables::add(self, host, addresses),
        }
    }

    /// Take the rules away, whichever backend made them: the configuration may have changed. `addresses` are those of the
    /// attachment where they are known. Both backends are tried; the first error is returned.
    pub fn remove(&self, host: &Netns, configured: Option<Backend>, addresses: &[IpNet]) -> Result<()> {
        let in_nftables = nftables::remove(self, host);
        let in_iptables = iptables::remove(self, host, configured, addresses);
        in_nftables.and(in_iptables)
    }
}

/// GC: take away the rules of a network that belong to no valid attachment. Both backends are tried.
pub fn collect_garbage(host: &Netns, request: &GcRequest, configured: Option<Backend>) -> Result<()> {
    let in_nftables = nftables::collect_garbage(host, request);
    let in_iptables = iptables::collect_garbage(host, request, configured);
    in_nftables.and(in_iptables)
}
