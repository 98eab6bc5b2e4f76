//! The model's addresses, routes and kernel parameters.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::bindings::weir::cni::addresses::{LinkAddress, NewAddress};
use crate::bindings::weir::cni::routes::{Conflict, Route, RouteFilter};
use crate::bindings::weir::cni::virtual_links::LinkKind;
use crate::convert::family_of;
use crate::failure::{Failure, FailureKind};
use crate::testing::state::State;

const MAIN: u32 = 254;

/// An address of a link.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AddressEntry {
    pub(crate) network: IpNet,
    pub(crate) scope: u8,
    pub(crate) tentative: bool,
    pub(crate) dad_failed: bool,
    pub(crate) no_prefix_route: bool,
}

/// A route, and the link that it goes away with.
#[derive(Debug, Clone)]
pub(crate) struct RouteEntry {
    pub(crate) route: Route,
    pub(crate) link: u64,
    /// Made by the kernel for the prefix of this address.
    pub(crate) prefix_of: Option<IpNet>,
}

fn failure<T>(kind: FailureKind, message: String) -> Result<T, Failure> {
    Err(Failure::new(kind, message))
}

fn destination(route: &Route) -> IpNet {
    IpNet::from(route.destination).trunc()
}

impl State {
    /// Set a link up or down, with what the kernel does then: loopback addresses, link-local addresses, prefix routes.
    pub(crate) fn set_up(&mut self, id: u64, up: bool) {
        let Some(device) = self.devices.get_mut(&id) else { return };
        if device.up == up {
            return;
        }
        device.up = up;
        let (namespace, loopback, name, mac) =
            (device.namespace, device.loopback, device.name.clone(), device.mac.clone());
        if !up {
            let keeps = format!("net/ipv6/conf/{name}/keep_addr_on_down");
            let keeps = self.get_sysctl(namespace, &keeps).as_deref() == Ok("1");
            if let Some(device) = self.devices.get_mut(&id) {
                device.addresses.retain(|have| have.network.addr().is_ipv4() || keeps && have.scope == 0);
            }
            self.namespace(namespace).routes.retain(|entry| entry.link != id);
            return;
        }
        let mut new: Vec<(IpNet, u8)> = Vec::new();
        let with_ipv6 = self.get_sysctl(namespace, &format!("net/ipv6/conf/{name}/disable_ipv6")).as_deref() != Ok("1");
        if loopback {
            new.extend(IpNet::new(Ipv4Addr::LOCALHOST.into(), 8).map(|network| (network, 254)));
            if with_ipv6 {
                new.push((IpAddr::from(Ipv6Addr::LOCALHOST).into(), 254));
            }
        } else if let ([a, b, c, d, e, f], true) = (mac.as_slice(), with_ipv6) {
            let identifier = u64::from_be_bytes([a ^ 2, *b, *c, 0xff, 0xfe, *d, *e, *f]);
            let address = Ipv6Addr::from_bits((0xfe80 << 112) | u128::from(identifier));
            new.extend(IpNet::new(address.into(), 64).map(|network| (network, 253)));
        }
        let Some(device) = self.devices.get_mut(&id) else { return };
        for (network, scope) in new {
            if !device.addresses.iter().any(|have| have.network == network) {
                device.addresses.push(AddressEntry {
                    network,
                    scope,
                    tentative: false,
                    dad_failed: false,
                    no_prefix_route: scope == 254,
                });
            }
        }
        for address in device.addresses.clone() {
            self.add_prefix_route(id, &address);
        }
    }

    fn add_prefix_route(&mut self, id: u64, address: &AddressEntry) {
        let Some(device) = self.devices.get(&id) else { return };
        let (namespace, index, up) = (device.namespace, device.index, device.up);
        let whole = address.network.prefix_len() == address.network.max_prefix_len();
        if !up || address.no_prefix_route || whole && address.network.addr().is_ipv4() {
            return;
        }
        let is_v4 = address.network.addr().is_ipv4();
        // Links that a VRF controls use its table.
        let controller = device.controller.and_then(|controller| self.devices.get(&controller));
        let table = match controller.and_then(|controller| controller.link_kind.as_ref()) {
            Some(LinkKind::Vrf(table)) => *table,
            _ => MAIN,
        };
        let route = Route {
            destination: address.network.trunc().into(),
            gateway: None,
            link: Some(index),
            source: is_v4.then(|| address.network.addr().into()),
            table: Some(table),
            priority: (!is_v4).then_some(256),
            scope: Some(if is_v4 { 253 } else { 0 }),
            mtu: None,
            advmss: None,
            onlink: false,
        };
        self.namespace(namespace).routes.push(RouteEntry { route, link: id, prefix_of: Some(address.network) });
    }

    pub(crate) fn list_addresses(&mut self, id: u64) -> Result<Vec<LinkAddress>, Failure> {
        let addresses = &self.device(id)?.addresses;
        let show = |address: &AddressEntry| LinkAddress {
            network: address.network.into(),
            scope: address.scope,
            tentative: address.tentative,
            dad_failed: address.dad_failed,
        };
        Ok(addresses.iter().map(show).collect())
    }

    pub(crate) fn add_address(&mut self, id: u64, new: &NewAddress) -> Result<(), Failure> {
        let device = self.device(id)?.clone();
        let network = IpNet::from(new.network);
        if device.addresses.iter().any(|have| have.network == network) {
            return failure(FailureKind::AlreadyExists, format!("add {network} to {:?}: it is there", device.name));
        }
        let key = |name: &str| format!("net/ipv6/conf/{}/{name}", device.name);
        let is_v6 = network.addr().is_ipv6();
        if is_v6 && self.get_sysctl(device.namespace, &key("disable_ipv6"))? == "1" {
            return failure(FailureKind::Denied, format!("add {network} to {:?}: IPv6 is disabled", device.name));
        }
        let detects = self.get_sysctl(device.namespace, &key("accept_dad")).is_ok_and(|value| value != "0");
        let address = AddressEntry {
            network,
            scope: 0,
            tentative: is_v6 && detects && !new.no_dad && !device.loopback,
            dad_failed: false,
            no_prefix_route: new.no_prefix_route,
        };
        self.device(id)?.addresses.push(address);
        self.add_prefix_route(id, &address);
        Ok(())
    }

    pub(crate) fn remove_address(&mut self, id: u64, network: IpNet) -> Result<(), Failure> {
        let device = self.device(id)?;
        device.addresses.retain(|have| have.network != network);
        let namespace = device.namespace;
        self.namespace(namespace).routes.retain(|entry| entry.link != id || entry.prefix_of != Some(network));
        Ok(())
    }

    pub(crate) fn wait_settled(&mut self, id: u64, timeout: u32) -> Result<bool, Failure> {
        let duplicates = self.duplicates.clone();
        let device = self.device(id)?;
        let mut waited = false;
        for address in device.addresses.iter_mut().filter(|address| address.tentative) {
            if duplicates.contains(&address.network.addr()) {
                address.dad_failed = true;
                let message = format!("{} on {:?} has another owner", address.network, device.name);
                return failure(FailureKind::AlreadyExists, message);
            }
            waited = device.up;
            address.tentative = !device.up;
        }
        let settled = !device.addresses.iter().any(|address| address.tentative);
        self.clock += if !settled { u64::from(timeout) } else { u64::from(waited) * 1500 };
        Ok(settled)
    }

    pub(crate) fn add_route(&mut self, namespace: usize, wanted: Route, conflict: Conflict) -> Result<(), Failure> {
        let target = destination(&wanted);
        let unreachable = |why: &str| Failure::new(FailureKind::Io, format!("add route to {target}: {why}"));
        let link = match (wanted.link, wanted.gateway) {
            (Some(index), _) => self.link_by_index(namespace, index).ok_or_else(|| {
                Failure::new(FailureKind::NotFound, format!("add route to {target}: no link has the index {index}"))
            })?,
            (None, Some(gateway)) => self
                .prefix_owner(namespace, gateway.into(), None)
                .ok_or_else(|| unreachable("network is unreachable"))?,
            (None, None) => return Err(unreachable("it has neither gateway nor link")),
        };
        let device = self.device(link)?;
        if !device.up {
            return Err(unreachable("the link is down"));
        }
        let index = device.index;
        if let (Some(gateway), false) = (wanted.gateway, wanted.onlink)
            && self.prefix_owner(namespace, gateway.into(), Some(link)).is_none()
        {
            return Err(unreachable("the gateway is on no prefix of the link"));
        }
        let route = Route {
            destination: target.into(),
            link: Some(index),
            table: Some(wanted.table.unwrap_or(MAIN)),
            scope: Some(wanted.scope.unwrap_or(if wanted.gateway.is_none() && target.addr().is_ipv4() {
                253
            } else {
                0
            })),
            priority: if target.addr().is_ipv6() { wanted.priority.or(Some(1024)) } else { wanted.priority },
            ..wanted
        };
        let same = |entry: &RouteEntry| {
            destination(&entry.route) == target
                && entry.route.table == route.table
                && entry.route.priority == route.priority
        };
        let routes = &mut self.namespace(namespace).routes;
        match conflict {
            Conflict::Refuse if routes.iter().any(same) => {
                return failure(FailureKind::AlreadyExists, format!("add route to {target}: it exists"));
            }
            Conflict::Append if routes.iter().any(|entry| same(entry) && entry.route == route) => {
                return failure(FailureKind::AlreadyExists, format!("add route to {target}: the same exists"));
            }
            Conflict::Replace => routes.retain(|entry| !same(entry)),
            Conflict::Refuse | Conflict::Append => {}
        }
        routes.push(RouteEntry { route, link, prefix_of: None });
        Ok(())
    }

    fn prefix_owner(&self, namespace: usize, address: IpAddr, link: Option<u64>) -> Option<u64> {
        let [host, container] = &self.namespaces;
        let routes = if namespace == 0 { &host.routes } else { &container.routes };
        routes
            .iter()
            .filter(|entry| entry.route.gateway.is_none() && link.is_none_or(|link| entry.link == link))
            .filter(|entry| destination(&entry.route).contains(&address))
            .max_by_key(|entry| entry.route.destination.prefix_length)
            .map(|entry| entry.link)
    }

    pub(crate) fn remove_route(&mut self, namespace: usize, wanted: &Route) {
        let target = destination(wanted);
        let fits = |entry: &RouteEntry| {
            let route = &entry.route;
            let given = |asked: bool, same: bool| !asked || same;
            destination(route) == target
                && route.table == Some(wanted.table.unwrap_or(MAIN))
                && given(wanted.gateway.is_some(), route.gateway == wanted.gateway)
                && given(wanted.link.is_some(), route.link == wanted.link)
                && given(wanted.source.is_some(), route.source == wanted.source)
                && given(wanted.priority.is_some(), route.priority == wanted.priority)
                && given(wanted.scope.is_some(), route.scope == wanted.scope)
        };
        self.namespace(namespace).routes.retain(|entry| !fits(entry));
    }

    pub(crate) fn list_routes(&mut self, namespace: usize, filter: RouteFilter) -> Vec<Route> {
        let fits = |route: &Route| {
            filter.family.is_none_or(|family| family_of(destination(route).addr()) == family)
                && filter.link.is_none_or(|link| route.link == Some(link))
                && (filter.table == Some(0) || route.table == Some(filter.table.unwrap_or(MAIN)))
        };
        self.namespace(namespace).routes.iter().map(|entry| entry.route).filter(fits).collect()
    }

    pub(crate) fn lookup_route(&mut self, namespace: usize, address: IpAddr) -> Option<Route> {
        let filter = RouteFilter::default();
        let mut found: Vec<_> = self
            .list_routes(namespace, filter)
            .into_iter()
            .filter(|route| destination(route).contains(&address))
            .collect();
        found.sort_by_key(|route| (std::cmp::Reverse(route.destination.prefix_length), route.priority));
        found.first().copied()
    }

    pub(crate) fn get_sysctl(&mut self, namespace: usize, key: &str) -> Result<String, Failure> {
        if let Some(value) = self.namespace(namespace).sysctls.get(key) {
            return Ok(value.clone());
        }
        let known = match key.split('/').collect::<Vec<_>>().as_slice() {
            ["net", "ipv4" | "ipv6", "conf", name, parameter] => {
                let exists = matches!(*name, "all" | "default") || self.link_by_name(namespace, name).is_some();
                exists.then_some(if matches!(*parameter, "accept_ra" | "accept_dad") { "1" } else { "0" })
            }
            ["net", "ipv4", "ip_forward"] => Some("0"),
            ["net", "core", "somaxconn"] => Some("4096"),
            _ => None,
        };
        known.map(str::to_owned).ok_or_else(|| Failure::new(FailureKind::NotFound, format!("there is no sysctl {key}")))
    }

    pub(crate) fn set_sysctl(&mut self, namespace: usize, key: &str, value: &str) -> Result<(), Failure> {
        self.get_sysctl(namespace, key)?;
        self.namespace(namespace).sysctls.insert(key.to_owned(), value.to_owned());
        Ok(())
    }
}
