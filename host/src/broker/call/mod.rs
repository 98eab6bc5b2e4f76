//! One host call as data: the function and the objects that it touches.
//!
//! Every binding describes what it is about to do as a [`Call`]; what is decided and written down about calls matches over
//! all of them without a wildcard. So a function that is added to the contract does not compile until it has been thought
//! of everywhere.

mod function;
mod made;
mod reads;

use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;
use weir_native::family::IpFamily;
use weir_native::{
    address, attachment::Attachment, bridge, conntrack, ipam_store, iptables, link, nftables, route, rule,
    traffic_control, virtual_link,
};

pub use made::Made;
pub(crate) use reads::reads;

use super::objects::{LinkHandle, NamespaceHandle};

/// A host call with the objects that it touches.
#[derive(Debug, Clone, Hash)]
#[allow(missing_docs, reason = "the fields are the parameters that the contract documents")]
pub enum Call<'a> {
    // Namespaces, log, clock.
    ContainerNamespaceOpen,
    HostNamespaceOpen,
    LogWrite {
        message: &'a str,
    },
    ClockNow,
    ClockSleep,
    // Links.
    LinkInfo {
        link: &'a LinkHandle,
    },
    LinkUpdate {
        link: &'a LinkHandle,
        changes: &'a link::LinkChanges,
    },
    LinkWaitOperational {
        link: &'a LinkHandle,
    },
    LinkSetController {
        link: &'a LinkHandle,
        controller: Option<&'a LinkHandle>,
    },
    LinkMoveTo {
        link: &'a LinkHandle,
        target: &'a NamespaceHandle,
        changes: &'a link::LinkChanges,
    },
    LinkDelete {
        link: &'a LinkHandle,
    },
    LinksFind {
        namespace: &'a NamespaceHandle,
        name: &'a str,
    },
    LinksFindByIndex {
        namespace: &'a NamespaceHandle,
        index: u32,
    },
    LinksList {
        namespace: &'a NamespaceHandle,
    },
    LinksCreateVeth {
        container: &'a NamespaceHandle,
        container_end: &'a link::VethEnd,
        host: &'a NamespaceHandle,
        host_end: &'a link::VethEnd,
    },
    VirtualLinksCreate {
        namespace: &'a NamespaceHandle,
        name: &'a str,
        kind: &'a virtual_link::LinkKind,
        options: &'a virtual_link::LinkOptions,
        lower: Option<&'a LinkHandle>,
    },
    VirtualLinksDescribe {
        link: &'a LinkHandle,
    },
    // Bridges.
    BridgesCreate {
        namespace: &'a NamespaceHandle,
        name: &'a str,
    },
    BridgesDeleteUnused {
        bridge: &'a LinkHandle,
    },
    BridgesVlanFiltering {
        bridge: &'a LinkHandle,
    },
    BridgesSetVlanFiltering {
        bridge: &'a LinkHandle,
        enabled: bool,
    },
    BridgesAttach {
        bridge: &'a LinkHandle,
        port: &'a LinkHandle,
    },
    BridgesPort {
        port: &'a LinkHandle,
    },
    BridgesAddVlans {
        link: &'a LinkHandle,
        vlans: &'a [bridge::PortVlan],
    },
    BridgesRemoveVlans {
        link: &'a LinkHandle,
        vlans: &'a [bridge::PortVlan],
    },
    BridgesListVlans {
        link: &'a LinkHandle,
    },
    // Addresses, routes, rules, neighbours.
    AddressesList {
        link: &'a LinkHandle,
    },
    AddressesAdd {
        link: &'a LinkHandle,
        addresses: &'a [address::NewAddress],
    },
    AddressesRemove {
        link: &'a LinkHandle,
        addresses: &'a [IpNet],
    },
    AddressesWaitSettled {
        link: &'a LinkHandle,
    },
    AddressesAnnounce {
        link: &'a LinkHandle,
        addresses: &'a [IpAddr],
    },
    RoutesAdd {
        namespace: &'a NamespaceHandle,
        routes: &'a [route::Route],
        conflict: route::Conflict,
    },
    RoutesRemove {
        namespace: &'a NamespaceHandle,
        routes: &'a [route::Route],
    },
    RoutesList {
        namespace: &'a NamespaceHandle,
    },
    RoutesLookup {
        namespace: &'a NamespaceHandle,
        destination: IpAddr,
    },
    RulesAdd {
        namespace: &'a NamespaceHandle,
        rule: &'a rule::Rule,
    },
    RulesRemove {
        namespace: &'a NamespaceHandle,
        rule: &'a rule::Rule,
    },
    RulesList {
        namespace: &'a NamespaceHandle,
    },
    NeighborsList {
        namespace: &'a NamespaceHandle,
    },
    // Kernel parameters. Keys are paths below /proc/sys, with slashes.
    SysctlsGet {
        namespace: &'a NamespaceHandle,
        key: &'a str,
    },
    SysctlsSet {
        namespace: &'a NamespaceHandle,
        key: &'a str,
        value: &'a str,
    },
    SysctlsAllowList,
    // Traffic control.
    TrafficControlShape {
        link: &'a LinkHandle,
        bucket: &'a traffic_control::TokenBucket,
    },
    TrafficControlShaper {
        link: &'a LinkHandle,
    },
    TrafficControlRemoveShaper {
        link: &'a LinkHandle,
    },
    TrafficControlRedirect {
        link: &'a LinkHandle,
        target: &'a LinkHandle,
    },
    TrafficControlRedirects {
        link: &'a LinkHandle,
    },
    TrafficControlRemoveRedirect {
        link: &'a LinkHandle,
    },
    // Firewalls.
    NftablesApply {
        namespace: &'a NamespaceHandle,
        table: &'a nftables::Table,
        commands: &'a [nftables::Command],
    },
    NftablesListRules {
        namespace: &'a NamespaceHandle,
        table: &'a nftables::Table,
    },
    NftablesListChains {
        namespace: &'a NamespaceHandle,
        table: &'a nftables::Table,
    },
    NftablesListElements {
        namespace: &'a NamespaceHandle,
        table: &'a nftables::Table,
    },
    NftablesListBaseChains {
        namespace: &'a NamespaceHandle,
    },
    IptablesSave {
        namespace: &'a NamespaceHandle,
        family: IpFamily,
        table: &'a str,
    },
    IptablesRestore {
        namespace: &'a NamespaceHandle,
        family: IpFamily,
        table: &'a str,
        commands: &'a [iptables::Command],
    },
    IptablesAvailable {
        namespace: &'a NamespaceHandle,
        family: IpFamily,
    },
    IptablesMayHold {
        namespace: &'a NamespaceHandle,
        family: IpFamily,
        table: &'a str,
    },
    ConntrackFlush {
        namespace: &'a NamespaceHandle,
        filters: &'a [conntrack::FlowFilter],
    },
    FirewalldAvailable,
    FirewalldAddSource {
        zone: &'a str,
        source: IpNet,
    },
    FirewalldRemoveSource {
        zone: &'a str,
        source: IpNet,
    },
    FirewalldHasSource {
        zone: &'a str,
        source: IpNet,
    },
    // The command's network in an address store.
    StoreOpen {
        directory: &'a Path,
    },
    StoreAllocate {
        directory: &'a Path,
        range_set: u32,
        ranges: &'a [ipam_store::AddressRange],
    },
    StoreReserve {
        directory: &'a Path,
        range_set: u32,
        address: IpAddr,
    },
    StoreReleaseAddress {
        directory: &'a Path,
        address: IpAddr,
    },
    StoreRelease {
        directory: &'a Path,
    },
    StoreFind {
        directory: &'a Path,
    },
    StoreList {
        directory: &'a Path,
    },
    StoreRetain {
        directory: &'a Path,
        valid: &'a [Attachment],
    },
    StoreCountFree {
        directory: &'a Path,
    },
    // Documents and files.
    ResolverLoad {
        path: &'a Path,
    },
    StateLoad {
        directory: &'a Path,
    },
    StateSave {
        directory: &'a Path,
    },
    StateRemove {
        directory: &'a Path,
    },
    StateRetain {
        directory: &'a Path,
        valid: &'a [Attachment],
    },
    ContainerStateLoad {
        directory: &'a Path,
    },
    ContainerStateSave {
        directory: &'a Path,
        naming: weir_native::attachment_state::Naming,
    },
    ContainerStateRemove {
        directory: &'a Path,
    },
    ContainerStateRetain {
        directory: &'a Path,
        valid: &'a [Attachment],
    },
    EnvironmentFilesLoad {
        path: &'a Path,
    },
    // Devices by their place in the device tree.
    HostDevicesFindPci {
        address: &'a str,
    },
    HostDevicesFindAuxiliary {
        name: &'a str,
    },
    HostDevicesFindByPath {
        path: &'a Path,
    },
    // The daemon for leases.
    DhcpAcquire {
        socket: &'a Path,
    },
    DhcpConfirm {
        socket: &'a Path,
    },
    DhcpRelease {
        socket: &'a Path,
    },
    DhcpRetain {
        socket: &'a Path,
        valid: &'a [Attachment],
    },
    DhcpAvailable {
        socket: &'a Path,
    },
    // Other plugins.
    DelegateCall {
        command: crate::contract::Command,
        plugin_type: &'a str,
        config: &'a str,
    },
}
