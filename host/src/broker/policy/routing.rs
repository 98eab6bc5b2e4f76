//! Addresses, routes, policy rules and kernel parameters.

use ipnet::IpNet;
use weir_native::address::NewAddress;
use weir_native::route::Route;
use weir_native::rule::Rule;

use super::check::{Check, Verdict};
use super::{Granted, Refused};
use crate::broker::objects::{LinkHandle, NamespaceHandle, Place};

impl Check<'_> {
    /// An address brings a route to its prefix, so on the host it is decided on as one: near to the attachment's own
    /// addresses, link-local, or where routes may lead.
    pub(super) fn add_addresses(&self, link: &LinkHandle, addresses: &[NewAddress]) -> Verdict {
        let granted = self.link(link)?;
        if self.place(&link.namespace) == Place::Container || self.facts.returned(link) {
            return Ok(granted);
        }
        for address in addresses {
            if !self.facts.is_near(address.network) && !is_link_local(address.network) {
                self.host_route(address.network, "address")?;
            }
        }
        Ok(granted)
    }

    pub(super) fn add_routes(&self, namespace: &NamespaceHandle, routes: &[Route]) -> Verdict {
        let mut granted = Granted::Own;
        for route in routes {
            match (self.place(namespace), route.link) {
                (Place::Container, None) => {}
                (Place::Container, Some(index)) => granted = self.link(&handle(namespace, index))?,
                (Place::Host, None) => granted = self.host_route(route.destination, "route to")?,
                (Place::Host, Some(index)) => {
                    granted = self.link(&handle(namespace, index))?;
                    if !self.facts.is_own_address(route.destination, self.names.plugin()) {
                        granted = self.host_route(route.destination, "route to")?;
                    }
                }
            }
        }
        Ok(granted)
    }

    /// Routes by a link that it may change can go whatever they lead to.
    pub(super) fn remove_routes(&self, namespace: &NamespaceHandle, routes: &[Route]) -> Verdict {
        let mut granted = Granted::Own;
        for route in routes {
            match (self.place(namespace), route.link) {
                (Place::Container, None) => {}
                (_, Some(index)) => granted = self.link(&handle(namespace, index))?,
                (Place::Host, None) if self.facts.is_own_address(route.destination, self.names.plugin()) => {
                    granted = Granted::Own
                }
                (Place::Host, None) => granted = self.host_route(route.destination, "route to")?,
            }
        }
        Ok(granted)
    }

    fn host_route(&self, prefix: IpNet, what: &str) -> Verdict {
        match self.grants.host_routes.iter().find(|grant| grant.contains(prefix, self.names)) {
            Some(grant) => Ok(Granted::by("hostRoutes", grant)),
            None => {
                let wanted = prefix.trunc().to_string();
                Err(Refused::new(format!("the {what} {prefix} on the host"), "hostRoutes", &wanted))
            }
        }
    }

    pub(super) fn rule(&self, namespace: &NamespaceHandle, rule: &Rule) -> Verdict {
        if self.place(namespace) == Place::Container {
            return Ok(Granted::Own);
        }
        let table = rule.table.to_string();
        match self.grants.host_rules.iter().find(|pattern| pattern.matches(&table, self.names)) {
            Some(pattern) => Ok(Granted::by("hostRules", pattern)),
            None => {
                Err(Refused::new(format!("a policy rule on the host that leads to table {table}"), "hostRules", &table))
            }
        }
    }

    pub(super) fn sysctl(&self, namespace: &NamespaceHandle, key: &str) -> Verdict {
        let place = self.place(namespace);
        let (word, patterns, whose) = match place {
            Place::Container => ("containerSysctls", &self.grants.container_sysctls, "container"),
            Place::Host => ("hostSysctls", &self.grants.host_sysctls, "host"),
        };
        let climbs = key.split('/').any(|part| matches!(part, "" | "." | ".."));
        if !climbs {
            if let Some(pattern) = patterns.iter().find(|pattern| pattern.matches(key, self.names)) {
                return Ok(Granted::by(word, pattern));
            }
            if let Some(granted) = self.sysctl_of_link(namespace, place, key) {
                return Ok(granted);
            }
        }
        Err(Refused::new(format!("kernel parameter {key} of the {whose}"), word, key))
    }

    /// Parameters of a link follow the link. `all` and `default` are no links.
    fn sysctl_of_link(&self, namespace: &NamespaceHandle, place: Place, key: &str) -> Option<Granted> {
        let mut parts = key.split('/');
        let (net, family, kind, name) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_of_link = net == "net" && matches!(family, "ipv4" | "ipv6" | "mpls") && matches!(kind, "conf" | "neigh");
        if !is_of_link || matches!(name, "all" | "default") || parts.next().is_none() {
            return None;
        }
        if place == Place::Container && name == self.facts.interface_name() {
            return Some(Granted::Own);
        }
        let index = self.facts.index_of(namespace, name)?;
        self.link_called(&handle(namespace, index), name).ok()
    }
}

fn handle(namespace: &NamespaceHandle, index: u32) -> LinkHandle {
    LinkHandle { namespace: namespace.clone(), index }
}

fn is_link_local(network: IpNet) -> bool {
    match network {
        IpNet::V4(v4) => v4.addr().is_link_local() && v4.prefix_len() >= 16,
        IpNet::V6(v6) => v6.addr().is_unicast_link_local() && v6.prefix_len() >= 10,
    }
}
