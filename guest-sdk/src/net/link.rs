//! Network interfaces and their addresses.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::bindings::weir::cni::{addresses as address_contract, links as contract};
use crate::failure::Failure;
use crate::imports::{addresses, links};
use crate::mac::MacAddress;
use crate::net::{LinkChanges, Netns, OperationalState, VethEnd};

/// A link in a namespace. The handle stands for the interface index, so it survives a change of name. Dropping it
/// does nothing to the link.
#[derive(Debug)]
pub struct Link {
    pub(crate) raw: links::Link,
}

/// What the kernel says of a link now.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkInfo {
    /// Interface index, unique in its namespace.
    pub index: u32,
    /// Interface name.
    pub name: String,
    /// Kind ("veth", "bridge", "macvlan"); none for hardware and loopback.
    pub kind: Option<String>,
    /// True for the loopback interface.
    pub loopback: bool,
    /// Hardware address.
    pub mac: MacAddress,
    /// MTU in bytes.
    pub mtu: u32,
    /// Administrative state.
    pub up: bool,
    /// Operational state.
    pub operational_state: OperationalState,
    /// Index of the link that this one is a port or slave of.
    pub controller: Option<u32>,
    /// Index of the link below or of the veth peer; it may lie in another namespace.
    pub lower: Option<u32>,
    /// Promiscuous mode asked for by an administrator.
    pub promiscuous: bool,
    /// All-multicast mode asked for by an administrator.
    pub all_multicast: bool,
    /// Length of the transmit queue in packets.
    pub tx_queue_length: u32,
    /// Free text.
    pub alias: Option<String>,
}

impl LinkInfo {
    /// Whether the link is of a kind: `info.is("veth")`.
    pub fn is(&self, kind: &str) -> bool {
        self.kind.as_deref() == Some(kind)
    }
}

impl From<contract::LinkInfo> for LinkInfo {
    fn from(info: contract::LinkInfo) -> Self {
        Self {
            index: info.index,
            name: info.name,
            kind: info.kind,
            loopback: info.loopback,
            mac: info.mac.into(),
            mtu: info.mtu,
            up: info.up,
            operational_state: info.operational_state,
            controller: info.controller,
            lower: info.lower,
            promiscuous: info.promiscuous,
            all_multicast: info.all_multicast,
            tx_queue_length: info.tx_queue_length,
            alias: info.alias,
        }
    }
}

/// An address to add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewAddress {
    /// Address and prefix length.
    pub network: IpNet,
    /// Skip duplicate address detection. IPv4 has none.
    pub no_dad: bool,
    /// Do not add the route to the prefix.
    pub no_prefix_route: bool,
}

impl From<IpNet> for NewAddress {
    fn from(network: IpNet) -> Self {
        Self { network, no_dad: false, no_prefix_route: false }
    }
}

/// An address that a link has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkAddress {
    /// Address and prefix length.
    pub network: IpNet,
    /// 0 global, 253 link, 254 host.
    pub scope: u8,
    /// Duplicate address detection is under way (IPv6).
    pub tentative: bool,
    /// Duplicate address detection found another owner (IPv6).
    pub dad_failed: bool,
}

impl Link {
    pub(crate) fn from_raw(raw: links::Link) -> Self {
        Self { raw }
    }

    /// Ask the kernel what the link is now.
    pub fn info(&self) -> Result<LinkInfo, Failure> {
        Ok(self.raw.info()?.into())
    }

    /// Make changes, all in one request.
    pub fn update(&self, changes: &LinkChanges) -> Result<(), Failure> {
        self.raw.update(changes)
    }

    /// Set the link up.
    pub fn set_up(&self) -> Result<(), Failure> {
        self.update(&LinkChanges { up: Some(true), ..LinkChanges::default() })
    }

    /// Set the link down.
    pub fn set_down(&self) -> Result<(), Failure> {
        self.update(&LinkChanges { up: Some(false), ..LinkChanges::default() })
    }

    /// Wait until packets can pass. False: not within the time.
    pub fn wait_operational(&self, timeout: Duration) -> Result<bool, Failure> {
        self.raw.wait_operational(milliseconds(timeout))
    }

    /// Make the link a port of a bridge or a slave of a VRF in the same namespace, or release it.
    pub fn set_controller(&self, controller: Option<&Self>) -> Result<(), Failure> {
        self.raw.set_controller(controller.map(|controller| &controller.raw))
    }

    /// Take the link to another namespace and make changes on the way, so that it appears there under its new name. It
    /// arrives down unless the changes say otherwise, without addresses and routes. After a failure it is where it
    /// was, down. `AlreadyExists` where the name is taken there.
    pub fn move_to(&self, netns: &Netns, changes: &LinkChanges) -> Result<Self, Failure> {
        Ok(Self::from_raw(self.raw.move_to(&netns.raw, changes)?))
    }

    /// Delete the link from the kernel. `NotFound` where it is gone.
    pub fn delete(&self) -> Result<(), Failure> {
        self.raw.delete()
    }

    /// Delete the link if it is still there. Returns whether it was.
    pub fn delete_if_exists(&self) -> Result<bool, Failure> {
        match self.delete() {
            Ok(()) => Ok(true),
            Err(failure) if failure.is_not_found() => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Addresses of the link, both families. Needs the interface `addresses`, as all functions on addresses do.
    pub fn addresses(&self) -> Result<Vec<LinkAddress>, Failure> {
        Ok(addresses::list(&self.raw)?
            .into_iter()
            .map(|address| LinkAddress {
                network: address.network.into(),
                scope: address.scope,
                tentative: address.tentative,
                dad_failed: address.dad_failed,
            })
            .collect())
    }

    /// Add addresses, in order. `AlreadyExists` where the link has one already; those before it stay.
    pub fn add_addresses(&self, new: &[NewAddress]) -> Result<(), Failure> {
        let new: Vec<_> = new
            .iter()
            .map(|address| address_contract::NewAddress {
                network: address.network.into(),
                no_dad: address.no_dad && address.network.addr().is_ipv6(),
                no_prefix_route: address.no_prefix_route,
            })
            .collect();
        addresses::add(&self.raw, &new)
    }

    /// Remove addresses. One that is not there is no failure.
    pub fn remove_addresses(&self, old: &[IpNet]) -> Result<(), Failure> {
        let old: Vec<_> = old.iter().copied().map(Into::into).collect();
        addresses::remove(&self.raw, &old)
    }

    /// Wait until duplicate address detection is done. False: not within the time. `AlreadyExists`: it found another
    /// owner.
    pub fn wait_addresses_settled(&self, timeout: Duration) -> Result<bool, Failure> {
        addresses::wait_settled(&self.raw, milliseconds(timeout))
    }

    /// Tell the neighbours who owns these addresses.
    pub fn announce(&self, owned: &[IpAddr]) -> Result<(), Failure> {
        let owned: Vec<_> = owned.iter().copied().map(Into::into).collect();
        addresses::announce(&self.raw, &owned)
    }
}

fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

impl Default for LinkChanges {
    /// Changes nothing.
    fn default() -> Self {
        Self {
            up: None,
            name: None,
            mtu: None,
            mac: None,
            promiscuous: None,
            all_multicast: None,
            tx_queue_length: None,
            alias: None,
        }
    }
}

impl Default for VethEnd {
    /// The kernel chooses everything.
    fn default() -> Self {
        Self { name: None, mac: None, mtu: None }
    }
}
