//! The functions and resources of the contract, on the in-memory model. Same names and signatures as the generated ones.

use crate::bindings::weir::cni as contract;
use crate::failure::Failure;
use crate::testing::state::{CONTAINER, HOST, with};

pub(crate) mod namespaces {
    /// A namespace of the model.
    #[derive(Debug)]
    pub(crate) struct Netns {
        pub(in crate::testing) number: usize,
    }
}

pub(crate) mod container_namespace {
    use super::*;
    pub(crate) fn open() -> Option<namespaces::Netns> {
        with(|state| {
            state.record("container-namespace.open", "");
            state.container_open.then_some(namespaces::Netns { number: CONTAINER })
        })
    }
}

pub(crate) mod host_namespace {
    use super::*;
    pub(crate) fn open() -> Result<namespaces::Netns, Failure> {
        with(|state| {
            state.call("host-namespace.open", "")?;
            Ok(namespaces::Netns { number: HOST })
        })
    }
}

pub(crate) mod log {
    use super::*;
    pub(crate) fn write(level: contract::log::Level, message: &str) {
        with(|state| state.log.push((level, message.to_owned())));
    }
}

pub(crate) mod clock {
    use super::*;
    pub(crate) fn now() -> u64 {
        with(|state| state.clock)
    }
    pub(crate) fn sleep(milliseconds: u32) {
        with(|state| {
            state.record("clock.sleep", milliseconds);
            state.clock += u64::from(milliseconds);
        });
    }
}

pub(crate) mod links {
    use super::namespaces::Netns;
    use super::*;
    use contract::links::{LinkChanges, LinkInfo, VethEnd};

    /// A link of the model.
    #[derive(Debug)]
    pub(crate) struct Link {
        pub(in crate::testing) id: u64,
    }

    impl Link {
        pub(crate) fn info(&self) -> Result<LinkInfo, Failure> {
            with(|state| {
                state.call("link.info", self.id)?;
                state.link_info(self.id)
            })
        }
        pub(crate) fn update(&self, changes: &LinkChanges) -> Result<(), Failure> {
            with(|state| {
                state.call("link.update", self.id)?;
                state.update_link(self.id, changes)
            })
        }
        pub(crate) fn wait_operational(&self, timeout_milliseconds: u32) -> Result<bool, Failure> {
            with(|state| {
                state.call("link.wait-operational", self.id)?;
                state.wait_operational(self.id, timeout_milliseconds)
            })
        }
        pub(crate) fn set_controller(&self, controller: Option<&Self>) -> Result<(), Failure> {
            with(|state| {
                state.call("link.set-controller", self.id)?;
                state.set_controller(self.id, controller.map(|controller| controller.id))
            })
        }
        pub(crate) fn move_to(&self, namespace: &Netns, changes: &LinkChanges) -> Result<Self, Failure> {
            with(|state| {
                state.call("link.move-to", self.id)?;
                Ok(Self { id: state.move_link(self.id, namespace.number, changes)? })
            })
        }
        pub(crate) fn delete(&self) -> Result<(), Failure> {
            with(|state| {
                state.call("link.delete", self.id)?;
                state.delete_link(self.id)
            })
        }
    }

    pub(crate) fn find(namespace: &Netns, name: &str) -> Result<Option<Link>, Failure> {
        with(|state| {
            state.call("links.find", name)?;
            Ok(state.link_by_name(namespace.number, name).map(|id| Link { id }))
        })
    }
    pub(crate) fn find_by_index(namespace: &Netns, index: u32) -> Result<Option<Link>, Failure> {
        with(|state| {
            state.call("links.find-by-index", index)?;
            Ok(state.link_by_index(namespace.number, index).map(|id| Link { id }))
        })
    }
    pub(crate) fn list(namespace: &Netns) -> Result<Vec<LinkInfo>, Failure> {
        with(|state| {
            state.call("links.list", "")?;
            state.links_of(namespace.number).into_iter().map(|id| state.link_info(id)).collect()
        })
    }
    pub(crate) fn create_veth(
        container: &Netns,
        container_end: &VethEnd,
        host: &Netns,
        host_end: &VethEnd,
    ) -> Result<(Link, Link), Failure> {
        with(|state| {
            state.call("links.create-veth", container_end.name.as_deref().unwrap_or_default())?;
            let (one, two) = state.create_veth((container.number, container_end), (host.number, host_end))?;
            Ok((Link { id: one }, Link { id: two }))
        })
    }
}

pub(crate) mod virtual_links {
    use super::links::Link;
    use super::namespaces::Netns;
    use super::*;
    use contract::virtual_links::{LinkKind, LinkOptions};

    pub(crate) fn create(
        namespace: &Netns,
        name: &str,
        kind: &LinkKind,
        options: &LinkOptions,
        lower: Option<&Link>,
    ) -> Result<Link, Failure> {
        with(|state| {
            state.call("virtual-links.create", name)?;
            let lower = lower.map(|lower| lower.id);
            Ok(Link { id: state.create_virtual_link(namespace.number, name, kind, options, lower)? })
        })
    }
    pub(crate) fn describe(link: &Link) -> Result<Option<LinkKind>, Failure> {
        with(|state| {
            state.call("virtual-links.describe", link.id)?;
            state.link_kind(link.id)
        })
    }
}

pub(crate) mod bridges {
    use super::links::Link;
    use super::namespaces::Netns;
    use super::*;
    use contract::bridges::{BridgeOptions, PortOptions, PortVlan};

    pub(crate) fn create(namespace: &Netns, name: &str, options: BridgeOptions) -> Result<Link, Failure> {
        with(|state| {
            state.call("bridges.create", name)?;
            Ok(Link { id: state.create_bridge(namespace.number, name, options)? })
        })
    }
    pub(crate) fn delete_unused(bridge: &Link) -> Result<bool, Failure> {
        with(|state| {
            state.call("bridges.delete-unused", bridge.id)?;
            state.delete_unused_bridge(bridge.id)
        })
    }
    pub(crate) fn vlan_filtering(bridge: &Link) -> Result<bool, Failure> {
        with(|state| {
            state.call("bridges.vlan-filtering", bridge.id)?;
            state.vlan_filtering(bridge.id)
        })
    }
    pub(crate) fn set_vlan_filtering(bridge: &Link, enabled: bool) -> Result<(), Failure> {
        with(|state| {
            state.call("bridges.set-vlan-filtering", bridge.id)?;
            state.set_vlan_filtering(bridge.id, enabled)
        })
    }
    pub(crate) fn attach(bridge: &Link, port: &Link, options: PortOptions) -> Result<(), Failure> {
        with(|state| {
            state.call("bridges.attach", port.id)?;
            state.attach(bridge.id, port.id, options)
        })
    }
    pub(crate) fn port(port: &Link) -> Result<Option<PortOptions>, Failure> {
        with(|state| {
            state.call("bridges.port", port.id)?;
            state.port_options(port.id)
        })
    }
    pub(crate) fn add_vlans(link: &Link, vlans: &[PortVlan]) -> Result<(), Failure> {
        with(|state| {
            state.call("bridges.add-vlans", link.id)?;
            state.add_vlans(link.id, vlans)
        })
    }
    pub(crate) fn remove_vlans(link: &Link, vlans: &[PortVlan]) -> Result<(), Failure> {
        with(|state| {
            state.call("bridges.remove-vlans", link.id)?;
            state.remove_vlans(link.id, vlans)
        })
    }
    pub(crate) fn list_vlans(link: &Link) -> Result<Vec<PortVlan>, Failure> {
        with(|state| {
            state.call("bridges.list-vlans", link.id)?;
            state.list_vlans(link.id)
        })
    }
}

pub(crate) mod addresses {
    use super::links::Link;
    use super::*;
    use contract::addresses::{LinkAddress, NewAddress};
    use contract::types::{IpAddress, IpNetwork};

    pub(crate) fn list(link: &Link) -> Result<Vec<LinkAddress>, Failure> {
        with(|state| {
            state.call("addresses.list", link.id)?;
            state.list_addresses(link.id)
        })
    }
    pub(crate) fn add(link: &Link, addresses: &[NewAddress]) -> Result<(), Failure> {
        with(|state| {
            state.call("addresses.add", link.id)?;
            addresses.iter().try_for_each(|address| state.add_address(link.id, address))
        })
    }
    pub(crate) fn remove(link: &Link, addresses: &[IpNetwork]) -> Result<(), Failure> {
        with(|state| {
            state.call("addresses.remove", link.id)?;
            addresses.iter().try_for_each(|address| state.remove_address(link.id, (*address).into()))
        })
    }
    pub(crate) fn wait_settled(link: &Link, timeout_milliseconds: u32) -> Result<bool, Failure> {
        with(|state| {
            state.call("addresses.wait-settled", link.id)?;
            state.wait_settled(link.id, timeout_milliseconds)
        })
    }
    pub(crate) fn announce(link: &Link, addresses: &[IpAddress]) -> Result<(), Failure> {
        with(|state| {
            state.call("addresses.announce", link.id)?;
            state.announced.extend(addresses.iter().map(|address| std::net::IpAddr::from(*address)));
            Ok(())
        })
    }
}

pub(crate) mod routes {
    use super::namespaces::Netns;
    use super::*;
    use contract::routes::{Conflict, Route, RouteFilter};
    use contract::types::IpAddress;

    pub(crate) fn add(namespace: &Netns, routes: &[Route], conflict: Conflict) -> Result<(), Failure> {
        with(|state| {
            state.call("routes.add", routes.len())?;
            routes.iter().try_for_each(|route| state.add_route(namespace.number, *route, conflict))
        })
    }
    pub(crate) fn remove(namespace: &Netns, routes: &[Route]) -> Result<(), Failure> {
        with(|state| {
            state.call("routes.remove", routes.len())?;
            routes.iter().for_each(|route| state.remove_route(namespace.number, route));
            Ok(())
        })
    }
    pub(crate) fn list(namespace: &Netns, filter: RouteFilter) -> Result<Vec<Route>, Failure> {
        with(|state| {
            state.call("routes.list", "")?;
            Ok(state.list_routes(namespace.number, filter))
        })
    }
    pub(crate) fn lookup(namespace: &Netns, destination: IpAddress) -> Result<Option<Route>, Failure> {
        with(|state| {
            state.call("routes.lookup", std::net::IpAddr::from(destination))?;
            Ok(state.lookup_route(namespace.number, destination.into()))
        })
    }
}

pub(crate) mod sysctls {
    use super::namespaces::Netns;
    use super::*;

    pub(crate) fn get(namespace: &Netns, key: &str) -> Result<String, Failure> {
        with(|state| {
            state.call("sysctls.get", key)?;
            state.get_sysctl(namespace.number, key)
        })
    }
    pub(crate) fn set(namespace: &Netns, key: &str, value: &str) -> Result<(), Failure> {
        with(|state| {
            state.call("sysctls.set", format_args!("{key}={value}"))?;
            state.set_sysctl(namespace.number, key, value)
        })
    }
    pub(crate) fn allow_list() -> Result<Option<Vec<String>>, Failure> {
        with(|state| {
            state.call("sysctls.allow-list", "")?;
            Ok(state.allow_list.clone())
        })
    }
}

pub(crate) mod dhcp;
mod files;
mod firewall;
mod policy_routing;
mod services;
pub(crate) mod traffic_control;

pub(crate) use files::{attachment_state, container_state, environment_files, host_devices};
pub(crate) use firewall::{conntrack, firewalld, iptables, nftables};
pub(crate) use policy_routing::{neighbors, rules};
pub(crate) use services::{delegate, ipam_store, resolver};
