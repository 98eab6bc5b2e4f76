//! From a call to the deed that is written down before it is made; none where nothing stays of it, or what stays goes
//! with something that is on record already, as the addresses of a link go with the link.
//!
//! What somebody else could have made under the same name is looked up first, so that the deed holds only what is new.

use ipnet::IpNet;
use weir_native::attachment_state::{self, Naming};
use weir_native::link::{LinkChanges, LinkInfo};
use weir_native::route::{Route, RouteFilter};
use weir_native::virtual_link::LinkKind;
use weir_native::{
    Error, ErrorKind, Result, address, attachment::Attachment, bridge, family::IpFamily, firewalld, link, route, rule,
    sysctl, traffic_control,
};

use super::record::{Book, Deed, End, Space};
use super::{plan_firewall, record};
use crate::broker::Call;
use crate::broker::call::reads;
use crate::broker::objects::{LinkHandle, NamespaceHandle, Place};
use crate::broker::policy::Facts as Learnt;

/// What is known of the attachment while a call is planned.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) book: &'a Book,
    pub(super) owner: &'a Attachment,
    /// Words that only rules of this attachment have: its addresses.
    pub(super) addresses: &'a [std::net::IpAddr],
    /// What the command has learnt of links.
    pub(super) learnt: &'a Learnt,
}

impl Facts<'_> {
    /// Whether a link was made by this attachment, or is the one that the runtime asked for.
    pub(super) fn is_own(&self, link: &LinkHandle) -> Result<bool> {
        if self.book.has_link(&Space::of(&link.namespace), link.index) {
            return Ok(true);
        }
        if link.namespace.place != Place::Container {
            return Ok(false);
        }
        let asked_for = link::find(&link.namespace.netns, &self.owner.interface_name)?;
        Ok(asked_for.is_some_and(|found| found.index == link.index))
    }

    fn is_foreign(&self, link: &LinkHandle) -> Result<bool> {
        self.is_own(link).map(|own| !own)
    }

    fn is_taken(&self, link: &LinkHandle) -> bool {
        self.book.has_taken(&Space::of(&link.namespace), link.index)
    }
}

/// The deed of a call, if it has one.
pub(super) fn plan(call: &Call<'_>, facts: &Facts<'_>) -> Result<Option<Deed>> {
    let deed = deed(call, facts);
    match deed {
        // What the call is about is gone: it will say so itself.
        Err(Error { kind: ErrorKind::NotFound, .. }) => Ok(None),
        other => other,
    }
}

fn deed(call: &Call<'_>, facts: &Facts<'_>) -> Result<Option<Deed>> {
    Ok(match call {
        Call::LinkUpdate { link, changes } => changed(link, changes, facts)?,
        Call::LinkSetController { link, controller } => controlled(link, controller.map(|to| to.index), facts)?,
        Call::LinkMoveTo { link, target, changes } => moved(link, target, changes, facts)?,
        Call::LinksCreateVeth { container, container_end, host, host_end } => {
            let end = |space, end: &link::VethEnd| End { space, name: end.name.clone(), mac: end.mac.clone() };
            Some(Deed::Veth {
                container: end(Space::of(container), container_end),
                host: end(Space::of(host), host_end),
            })
        }
        Call::VirtualLinksCreate { namespace, name, kind, options, lower: _ } => {
            // Without an address that is ours alone, a link counts as ours only where the name was free.
            if options.mac.is_none() && link::find(&namespace.netns, name)?.is_some() {
                return Ok(None);
            }
            let kind = kind_name(kind).to_owned();
            Some(Deed::Link { space: Space::of(namespace), name: (*name).to_owned(), kind, mac: options.mac.clone() })
        }
        Call::BridgesCreate { namespace, name } => {
            Some(Deed::Bridge { space: Space::of(namespace), name: (*name).to_owned() })
        }
        Call::BridgesAttach { bridge, port } => controlled(port, Some(bridge.index), facts)?,
        Call::BridgesSetVlanFiltering { bridge, enabled } => {
            let old = facts.is_foreign(bridge)?.then(|| bridge::vlan_filtering(&bridge.namespace.netns, bridge.index));
            let old = old.transpose()?.filter(|old| old != enabled);
            old.map(|old| Deed::VlanFiltering { space: Space::of(&bridge.namespace), bridge: bridge.index, old })
        }
        Call::AddressesAdd { link, addresses } if facts.is_foreign(link)? => new_addresses(link, addresses)?,
        Call::RoutesAdd { namespace, routes, conflict: _ } => new_routes(namespace, routes, facts)?,
        Call::RulesAdd { namespace, rule } => {
            let same = rule::list(&namespace.netns, Some(rule.family))?.into_iter().filter(|old| says(old, rule));
            let except = same.filter_map(|old| old.priority).collect();
            Some(Deed::Rule { space: Space::of(namespace), rule: (*rule).clone(), except })
        }
        Call::SysctlsSet { namespace, key, value } => parameter(namespace, key, value, facts)?,
        Call::TrafficControlShape { link, .. } if facts.is_foreign(link)? => {
            let old = traffic_control::shaper(&link.namespace.netns, link.index)?;
            old.is_none().then(|| Deed::Shaper { space: Space::of(&link.namespace), link: link.index })
        }
        Call::TrafficControlRedirect { link, .. } if facts.is_foreign(link)? => {
            let old = traffic_control::redirects(&link.namespace.netns, link.index)?;
            old.is_empty().then(|| Deed::Redirect { space: Space::of(&link.namespace), link: link.index })
        }
        Call::NftablesApply { namespace, table, commands } => {
            plan_firewall::nftables(namespace, table, commands, facts)?
        }
        Call::IptablesRestore { namespace, family, table, commands } => {
            plan_firewall::iptables(namespace, *family, table, commands, facts)?
        }
        Call::FirewalldAddSource { zone, source } => (!firewalld::has_source(zone, *source)?)
            .then(|| Deed::FirewalldSource { zone: (*zone).to_owned(), source: *source }),
        Call::StoreAllocate { directory, .. } | Call::StoreReserve { directory, .. } => {
            Some(Deed::Address { directory: directory.to_path_buf() })
        }
        Call::StateSave { directory } => document(directory, Naming::Attachment, facts)?,
        Call::ContainerStateSave { directory, naming } => document(directory, *naming, facts)?,
        Call::DhcpAcquire { socket } => Some(Deed::Lease { socket: socket.to_path_buf() }),
        // They change what goes with a link of this attachment's.
        Call::AddressesAdd { .. } | Call::TrafficControlShape { .. } | Call::TrafficControlRedirect { .. } => None,
        // They take away. What others made does not come back; who may take it away is for the grants to say.
        Call::LinkDelete { .. }
        | Call::BridgesDeleteUnused { .. }
        | Call::BridgesRemoveVlans { .. }
        | Call::AddressesRemove { .. }
        | Call::RoutesRemove { .. }
        | Call::RulesRemove { .. }
        | Call::TrafficControlRemoveShaper { .. }
        | Call::TrafficControlRemoveRedirect { .. }
        | Call::ConntrackFlush { .. }
        | Call::FirewalldRemoveSource { .. }
        | Call::StoreReleaseAddress { .. }
        | Call::StoreRelease { .. }
        | Call::StoreRetain { .. }
        | Call::StateRemove { .. }
        | Call::StateRetain { .. }
        | Call::ContainerStateRemove { .. }
        | Call::ContainerStateRetain { .. }
        | Call::DhcpRelease { .. }
        | Call::DhcpRetain { .. } => None,
        // A port's VLANs go with the port, a bridge's with the bridge.
        Call::BridgesAddVlans { .. } => None,
        // A plugin of the registry writes for itself; what a native one does is written where it is started.
        Call::DelegateCall { .. } => None,
        reads!() => None,
        // They read what lies under a path or what a daemon keeps, or leave nothing behind.
        Call::AddressesAnnounce { .. }
        | Call::StoreOpen { .. }
        | Call::StoreFind { .. }
        | Call::StoreList { .. }
        | Call::StoreCountFree { .. }
        | Call::ResolverLoad { .. }
        | Call::StateLoad { .. }
        | Call::ContainerStateLoad { .. }
        | Call::EnvironmentFilesLoad { .. }
        | Call::DhcpConfirm { .. }
        | Call::DhcpAvailable { .. } => None,
    })
}

fn kind_name(kind: &LinkKind) -> &'static str {
    match kind {
        LinkKind::Macvlan(_) => "macvlan",
        LinkKind::Ipvlan(_) => "ipvlan",
        LinkKind::Vlan(_) => "vlan",
        LinkKind::Dummy => "dummy",
        LinkKind::Ifb => "ifb",
        LinkKind::Vrf(_) => "vrf",
        LinkKind::Tap(_) => "tun",
    }
}

/// Everything of a link that can be changed, as it is.
pub(super) fn shape(info: &LinkInfo) -> LinkChanges {
    LinkChanges {
        up: Some(info.up),
        name: Some(info.name.clone()),
        mtu: Some(info.mtu),
        mac: (!info.mac.is_empty()).then(|| info.mac.clone()),
        promiscuous: Some(info.promiscuous),
        all_multicast: Some(info.all_multicast),
        tx_queue_length: Some(info.tx_queue_length),
        alias: Some(info.alias.clone().unwrap_or_default()),
    }
}

fn changed(link: &LinkHandle, new: &LinkChanges, facts: &Facts<'_>) -> Result<Option<Deed>> {
    // A link that was taken goes back as it was, also where the plugin's own DEL forgets what others changed.
    if facts.is_own(link)? && !facts.is_taken(link) {
        return Ok(None);
    }
    let is = shape(&link::info(&link.namespace.netns, link.index)?);
    let old = record::differing(&is, new);
    if old == LinkChanges::default() {
        return Ok(None);
    }
    Ok(Some(Deed::Changed { space: Space::of(&link.namespace), link: link.index, old, new: new.clone() }))
}

fn controlled(link: &LinkHandle, new: Option<u32>, facts: &Facts<'_>) -> Result<Option<Deed>> {
    if facts.is_own(link)? {
        return Ok(None);
    }
    let old = link::info(&link.namespace.netns, link.index)?.controller;
    let space = Space::of(&link.namespace);
    Ok((old != new).then_some(Deed::Controlled { space, link: link.index, old, new }))
}

fn moved(
    link: &LinkHandle,
    target: &NamespaceHandle,
    changes: &LinkChanges,
    facts: &Facts<'_>,
) -> Result<Option<Deed>> {
    if link.namespace.netns.is_same(&target.netns) {
        return changed(link, changes, facts);
    }
    if facts.is_taken(link) {
        return Ok(None);
    }
    let (from, to) = (Space::of(&link.namespace), Space::of(target));
    let is = link::info(&link.namespace.netns, link.index)?;
    let name = changes.name.clone().unwrap_or_else(|| is.name.clone());
    let mac = changes.mac.clone().unwrap_or_else(|| is.mac.clone());
    if facts.book.has_link(&from, link.index) {
        return Ok(Some(Deed::Relocated { to, name, kind: is.kind, mac }));
    }
    let (old, kind) = (shape(&is), is.kind);
    Ok(Some(Deed::Moved { from, index: link.index, to, name, kind, mac, old }))
}

fn new_addresses(link: &LinkHandle, addresses: &[address::NewAddress]) -> Result<Option<Deed>> {
    let there = address::list(&link.namespace.netns, link.index)?;
    let new = addresses.iter().map(|new| new.network).filter(|new| !there.iter().any(|old| old.network == *new));
    let addresses: Vec<IpNet> = new.collect();
    if addresses.is_empty() {
        return Ok(None);
    }
    let is_bridge = link::info(&link.namespace.netns, link.index)?.kind.as_deref() == Some("bridge");
    Ok(Some(Deed::Addresses { space: Space::of(&link.namespace), link: link.index, is_bridge, addresses }))
}

fn new_routes(namespace: &NamespaceHandle, routes: &[Route], facts: &Facts<'_>) -> Result<Option<Deed>> {
    let mut foreign = Vec::new();
    for route in routes {
        let link = route.link.map(|index| LinkHandle { namespace: namespace.clone(), index });
        let goes_with_link = match &link {
            Some(link) => facts.is_own(link)?,
            None => false,
        };
        if !goes_with_link && !is_there(namespace, route)? {
            foreign.push(route.clone());
        }
    }
    Ok((!foreign.is_empty()).then(|| Deed::Routes { space: Space::of(namespace), routes: foreign }))
}

fn is_there(namespace: &NamespaceHandle, new: &Route) -> Result<bool> {
    Ok(matching(&namespace.netns, new)?.is_some())
}

/// The route of the kernel that a route stands for.
pub(super) fn matching(netns: &weir_native::netns::Netns, wanted: &Route) -> Result<Option<Route>> {
    let family = if wanted.destination.addr().is_ipv4() { IpFamily::Ipv4 } else { IpFamily::Ipv6 };
    let filter = RouteFilter { family: Some(family), link: wanted.link, table: wanted.table };
    /// What IPv6 routes get where none is asked for.
    const DEFAULT_METRIC: u32 = 1024;
    let metric = |route: &Route| match (route.priority, family) {
        (None | Some(0), IpFamily::Ipv6) => DEFAULT_METRIC,
        (priority, _) => priority.unwrap_or(0),
    };
    Ok(route::list(netns, &filter)?.into_iter().find(|old| {
        old.destination.trunc() == wanted.destination.trunc()
            && old.gateway == wanted.gateway
            && metric(old) == metric(wanted)
    }))
}

/// Whether a rule of the kernel says what another says; any priority will do where that one names none.
pub(super) fn says(old: &rule::Rule, new: &rule::Rule) -> bool {
    let trunc = |network: Option<IpNet>| network.map(|network| network.trunc());
    old.family == new.family
        && trunc(old.source) == trunc(new.source)
        && trunc(old.destination) == trunc(new.destination)
        && old.input_interface == new.input_interface
        && old.output_interface == new.output_interface
        && old.mark == new.mark
        && old.table == new.table
        && (new.priority.is_none() || old.priority == new.priority)
}

fn parameter(namespace: &NamespaceHandle, key: &str, value: &str, facts: &Facts<'_>) -> Result<Option<Deed>> {
    // net/ipv4/conf/eth0/..., net/ipv6/neigh/eth0/...
    if let Some(name) = key.split('/').nth(3)
        && let Some(index) = facts.learnt.index_of(namespace, name)
        && facts.is_own(&LinkHandle { namespace: namespace.clone(), index })?
    {
        return Ok(None);
    }
    let old = sysctl::get(&namespace.netns, key)?;
    if old == value.trim() {
        return Ok(None);
    }
    let (space, new) = (Space::of(namespace), value.trim().to_owned());
    Ok(Some(Deed::Sysctl { space, key: key.to_owned(), old, new }))
}

fn document(directory: &std::path::Path, naming: Naming, facts: &Facts<'_>) -> Result<Option<Deed>> {
    // One that is there belongs to an attachment that was not deleted, or to another interface of the container.
    let there = attachment_state::load(directory, naming, facts.owner);
    Ok(matches!(there, Ok(None)).then(|| Deed::Document { directory: directory.to_owned(), naming }))
}
