//! Addresses leased from DHCP servers, by the daemon of this node. Needs the interface `dhcp`.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::bindings::weir::cni::dhcp as contract;
use crate::export::AttachmentExt;
use crate::failure::Failure;
use crate::imports::dhcp as host;
use crate::plugin::Attachment;

/// What a client says to the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientOptions {
    /// Options to send, number and value. The client identifier (61) is made of network and attachment unless it is
    /// given here.
    pub provide: Vec<(u8, Vec<u8>)>,
    /// Numbers of the options to ask for.
    pub request: Vec<u8>,
    /// Metric of the routes, for when the daemon has to replace them; 0: the kernel's default.
    pub priority: u32,
}

/// A route that a server gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseRoute {
    /// Destination.
    pub destination: IpNet,
    /// Next hop; none: on the link.
    pub gateway: Option<IpAddr>,
}

/// What a server gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Address, with the prefix length of its subnet.
    pub address: IpNet,
    /// Routers, best first.
    pub routers: Vec<IpAddr>,
    /// Routes: the classless ones (RFC 3442); where there are none, the static ones and the default route.
    pub routes: Vec<LeaseRoute>,
    /// Name servers, best first.
    pub name_servers: Vec<IpAddr>,
    /// Domain name; empty: none.
    pub domain: String,
    /// Domains to search.
    pub search: Vec<String>,
    /// Seconds until the lease ends unless it is renewed; none: never.
    pub seconds_left: Option<u64>,
}

/// The daemon that keeps the leases of this node.
#[derive(Debug, Clone, Copy)]
pub struct Daemon<'a> {
    socket: Option<&'a str>,
}

impl<'a> Daemon<'a> {
    /// The daemon that listens at a path; none: `/run/cni/dhcp.sock`.
    pub fn at(socket: Option<&'a str>) -> Self {
        Self { socket }
    }

    /// Get a lease for this attachment, or the one that it has. `NotFound`: the daemon is not there; `TimedOut`: no server
    /// answered.
    pub fn acquire(&self, options: &ClientOptions) -> Result<Lease, Failure> {
        let option = |(code, value): &(u8, Vec<u8>)| contract::ClientOption { code: *code, value: value.clone() };
        let options = contract::ClientOptions {
            provide: options.provide.iter().map(option).collect(),
            request: options.request.clone(),
            priority: options.priority,
        };
        host::acquire(self.socket, &options).map(Lease::from)
    }

    /// The lease that this attachment has. `NotFound`: it has none, or the daemon is not there.
    pub fn confirm(&self) -> Result<Lease, Failure> {
        host::confirm(self.socket).map(Lease::from)
    }

    /// Give the lease of this attachment back. None there is no failure. `NotFound`: the daemon is not there.
    pub fn release(&self) -> Result<(), Failure> {
        host::release(self.socket)
    }

    /// Give back all leases of the command's network but those of these attachments. Returns whose they were.
    pub fn retain(&self, valid: &[Attachment]) -> Result<Vec<Attachment>, Failure> {
        let valid: Vec<_> = valid.iter().map(AttachmentExt::to_record).collect();
        Ok(host::retain(self.socket, &valid)?.into_iter().map(Attachment::from_record).collect())
    }

    /// Whether the daemon answers. `NotFound`: it is not there.
    pub fn available(&self) -> Result<(), Failure> {
        host::available(self.socket)
    }
}

impl From<contract::Lease> for Lease {
    fn from(lease: contract::Lease) -> Self {
        let route = |route: contract::LeaseRoute| LeaseRoute {
            destination: route.destination.into(),
            gateway: route.gateway.map(IpAddr::from),
        };
        Self {
            address: lease.address.into(),
            routers: lease.routers.into_iter().map(IpAddr::from).collect(),
            routes: lease.routes.into_iter().map(route).collect(),
            name_servers: lease.name_servers.into_iter().map(IpAddr::from).collect(),
            domain: lease.domain,
            search: lease.search,
            seconds_left: lease.seconds_left,
        }
    }
}
