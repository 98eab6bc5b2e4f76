//! The grant matrix: what each host call needs, one row for each, without a wildcard. What reads needs the interface only;
//! what changes needs the object too.

use super::facts::Facts;
use super::names::Names;
use super::{Granted, Refused};
use crate::broker::call::reads;
use crate::broker::objects::{LinkHandle, NamespaceHandle, Place};
use crate::broker::{Call, Function};
use crate::registry::Grants;

/// What a decision looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Check<'a> {
    pub(super) grants: &'a Grants,
    pub(super) facts: &'a Facts,
    pub(super) names: &'a Names,
}

/// What a decision came to.
pub(super) type Verdict = Result<Granted, Refused>;

impl Check<'_> {
    /// Decide on a call.
    pub(super) fn decide(&self, call: &Call<'_>) -> Verdict {
        self.interface(call.function())?;
        match call {
            reads!() => Ok(Granted::Interface),
            // Forgetting connections to a port makes the kernel look at its rules anew, no more; the contract has no
            // filter that fits all ports.
            Call::ConntrackFlush { .. } => Ok(Granted::Interface),

            Call::LinkUpdate { link, changes } => self.update_link(link, changes),
            Call::LinkSetController { link, controller } => {
                let granted = self.link(link)?;
                controller.map_or(Ok(granted), |controller| self.link(controller))
            }
            Call::LinkMoveTo { link, target, changes } => self.move_link(link, target, changes),
            Call::LinkDelete { link }
            | Call::BridgesDeleteUnused { bridge: link }
            | Call::BridgesSetVlanFiltering { bridge: link, .. }
            | Call::BridgesAddVlans { link, .. }
            | Call::BridgesRemoveVlans { link, .. }
            | Call::AddressesRemove { link, .. }
            | Call::AddressesAnnounce { link, .. }
            | Call::TrafficControlShape { link, .. }
            | Call::TrafficControlRemoveShaper { link }
            | Call::TrafficControlRemoveRedirect { link } => self.link(link),
            Call::BridgesAttach { bridge: link, port: other }
            | Call::TrafficControlRedirect { link, target: other } => {
                self.link(link)?;
                self.link(other)
            }
            Call::LinksCreateVeth { container, container_end, host, host_end } => {
                self.create_veth(container, container_end, host, host_end)
            }
            Call::VirtualLinksCreate { namespace, name, kind, lower, options: _ } => {
                self.create_virtual_link(namespace, name, kind, *lower)
            }
            Call::BridgesCreate { namespace, name } => self.create_bridge(namespace, name),

            Call::AddressesAdd { link, addresses } => self.add_addresses(link, addresses),
            Call::RoutesAdd { namespace, routes, conflict: _ } => self.add_routes(namespace, routes),
            Call::RoutesRemove { namespace, routes } => self.remove_routes(namespace, routes),
            Call::RulesAdd { namespace, rule } | Call::RulesRemove { namespace, rule } => self.rule(namespace, rule),
            Call::SysctlsSet { namespace, key, value: _ } => self.sysctl(namespace, key),

            Call::NftablesApply { namespace, table, commands } => self.nftables(namespace, table, commands),
            Call::IptablesRestore { table, commands, .. } => self.iptables(table, commands),
            Call::FirewalldAddSource { zone, source } => self.add_source(zone, *source),
            Call::FirewalldRemoveSource { zone, .. } => self.zone(zone),

            Call::StoreOpen { directory }
            | Call::StoreAllocate { directory, .. }
            | Call::StoreReserve { directory, .. }
            | Call::StoreReleaseAddress { directory, .. }
            | Call::StoreRelease { directory }
            | Call::StoreFind { directory }
            | Call::StoreList { directory }
            | Call::StoreRetain { directory, .. }
            | Call::StoreCountFree { directory }
            | Call::StateLoad { directory }
            | Call::StateSave { directory }
            | Call::StateRemove { directory }
            | Call::StateRetain { directory, .. }
            | Call::ContainerStateLoad { directory }
            | Call::ContainerStateSave { directory, .. }
            | Call::ContainerStateRemove { directory }
            | Call::ContainerStateRetain { directory, .. } => self.directory("directory", directory),
            Call::DhcpAcquire { socket }
            | Call::DhcpConfirm { socket }
            | Call::DhcpRelease { socket }
            | Call::DhcpRetain { socket, .. }
            | Call::DhcpAvailable { socket } => self.directory("socket", socket),
            Call::ResolverLoad { path } | Call::EnvironmentFilesLoad { path } => self.file(path),
            Call::DelegateCall { plugin_type, config, command: _ } => self.delegate(plugin_type, config),
        }
    }

    fn interface(&self, function: Function) -> Verdict {
        let interface = function.interface();
        if self.grants.has_interface(interface) {
            return Ok(Granted::Interface);
        }
        Err(Refused::new(format!("the interface {interface}"), "interfaces", interface))
    }

    pub(super) fn place(&self, namespace: &NamespaceHandle) -> Place {
        self.facts.place(namespace)
    }

    /// A change to a link that exists.
    pub(super) fn link(&self, link: &LinkHandle) -> Verdict {
        if self.facts.made(link) {
            return Ok(Granted::Own);
        }
        let Some(name) = self.name(link)? else { return Ok(Granted::Absent) };
        self.link_called(link, &name)
    }

    pub(super) fn link_called(&self, link: &LinkHandle, name: &str) -> Verdict {
        let place = self.place(&link.namespace);
        let (key, patterns) = self.links_of(place);
        if let Some(pattern) = patterns.iter().find(|pattern| pattern.matches(name, self.names)) {
            return Ok(Granted::by(key, pattern));
        }
        if self.facts.owns(link, name) {
            return Ok(Granted::Own);
        }
        Err(Refused::new(link_text(place, name), key, name))
    }

    pub(super) fn links_of(&self, place: Place) -> (&'static str, &[super::pattern::Pattern]) {
        match place {
            Place::Container => ("containerLinks", &self.grants.container_links),
            Place::Host => ("hostLinks", &self.grants.host_links),
        }
    }

    /// What a link is called; none where it is gone, so that nothing can be done to it.
    pub(super) fn name(&self, link: &LinkHandle) -> Result<Option<String>, Refused> {
        self.facts.name_of(link).map_err(|error| {
            let object = format!("link with index {}: {}", link.index, error.message);
            Refused::new(object, self.links_of(self.place(&link.namespace)).0, "*")
        })
    }
}

/// A link in words.
pub(super) fn link_text(place: Place, name: &str) -> String {
    match place {
        Place::Container => format!("link {name} of the container"),
        Place::Host => format!("link {name} of the host"),
    }
}
