//! Every function of the contract, one line for each: how it is called here, how it goes to the process that may do it, and
//! how it is done there. What the contract has and no line names does not compile.

use serde::{Deserialize, Serialize};

use super::kinds::{Both, Fallible, Handle, Kind, Maybe, Owned, Plain};
use super::message::{Lie, decode, encode};
use crate::sandbox::bindings::cni::{
    addresses, attachment_state, bridges, clock, conntrack, container_namespace, container_state, delegate, dhcp,
    environment_files, firewalld, host_devices, host_namespace, ipam_store, iptables, links, log, namespaces,
    neighbors, nftables, resolver, routes, rules, sysctls, traffic_control, types, virtual_links,
};
use crate::sandbox::guest::Guest;
use crate::sandbox::handles::{LinkHandle, NamespaceHandle, StoreHandle};
use crate::sandbox::side::Side;

type Namespace = Handle<NamespaceHandle>;
type Link = Handle<LinkHandle>;
type Store = Handle<StoreHandle>;
/// What may fail in the words of the contract.
type Answer<T> = Fallible<Plain<T>, types::Failure>;
/// The same with new handles.
type NewHandle<K> = Fallible<K, types::Failure>;

/// Why a request was not answered.
pub(super) enum Refusal {
    /// It makes no sense.
    Lie(Lie),
    /// The guest is to stop.
    Stop(wasmtime::Error),
}

macro_rules! functions {
    ($($interface:path {
        $($call:ident: $function:ident($($argument:ident: $kind:ty),* $(,)?) -> $answer:ty;)*
    })*) => {
        /// A function of the contract, as the two processes name it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub(super) enum HostCall {
            $($($call,)*)*
        }

        #[cfg(test)]
        impl HostCall {
            /// All of them.
            pub(super) const ALL: &[Self] = &[$($(Self::$call,)*)*];
        }

        $(impl $interface for Side {
            $(fn $function(
                &mut self,
                $($argument: <$kind as Kind>::Value),*
            ) -> wasmtime::Result<<$answer as Kind>::Value> {
                match self {
                    Self::Local(guest) => <Guest as $interface>::$function(guest, $($argument),*),
                    Self::Remote(remote) => {
                        remote.call::<_, $answer>(HostCall::$call, &($(<$kind as Kind>::send($argument),)*))
                    }
                }
            })*
        })*

        /// Do what the other process asks for, and say what came of it.
        pub(super) fn carry_out(guest: &mut Guest, call: HostCall, arguments: &[u8]) -> Result<Vec<u8>, Refusal> {
            match call {
                $($(HostCall::$call => {
                    let ($($argument,)*): ($(<$kind as Kind>::Wire,)*) = decode(arguments).map_err(Refusal::Lie)?;
                    let answer = <Guest as $interface>::$function(guest, $(<$kind as Kind>::receive($argument)),*)
                        .map_err(Refusal::Stop)?;
                    encode(&<$answer as Kind>::send(answer)).map_err(Refusal::Stop)
                })*)*
            }
        }
    };
}

functions! {
    types::Host {}
    namespaces::Host {}
    namespaces::HostNetns {
        NamespaceDrop: drop(namespace: Owned<NamespaceHandle>) -> Plain<()>;
    }
    container_namespace::Host {
        ContainerNamespaceOpen: open() -> Maybe<Owned<NamespaceHandle>>;
    }
    host_namespace::Host {
        HostNamespaceOpen: open() -> NewHandle<Owned<NamespaceHandle>>;
    }
    log::Host {
        LogWrite: write(level: Plain<log::Level>, message: Plain<String>) -> Plain<()>;
    }
    clock::Host {
        ClockNow: now() -> Plain<u64>;
        ClockSleep: sleep(milliseconds: Plain<u32>) -> Plain<()>;
    }
    links::Host {
        LinksFind: find(namespace: Namespace, name: Plain<String>) -> NewHandle<Maybe<Owned<LinkHandle>>>;
        LinksFindByIndex: find_by_index(namespace: Namespace, index: Plain<u32>) -> NewHandle<Maybe<Owned<LinkHandle>>>;
        LinksList: list(namespace: Namespace) -> Answer<Vec<links::LinkInfo>>;
        LinksCreateVeth: create_veth(
            container: Namespace, container_end: Plain<links::VethEnd>, host: Namespace, host_end: Plain<links::VethEnd>,
        ) -> NewHandle<Both<Owned<LinkHandle>, Owned<LinkHandle>>>;
    }
    links::HostLink {
        LinkInfo: info(link: Link) -> Answer<links::LinkInfo>;
        LinkUpdate: update(link: Link, changes: Plain<links::LinkChanges>) -> Answer<()>;
        LinkWaitOperational: wait_operational(link: Link, timeout: Plain<u32>) -> Answer<bool>;
        LinkSetController: set_controller(link: Link, controller: Maybe<Link>) -> Answer<()>;
        LinkMoveTo: move_to(
            link: Link, namespace: Namespace, changes: Plain<links::LinkChanges>,
        ) -> NewHandle<Owned<LinkHandle>>;
        LinkDelete: delete(link: Link) -> Answer<()>;
        LinkDrop: drop(link: Owned<LinkHandle>) -> Plain<()>;
    }
    virtual_links::Host {
        VirtualLinksCreate: create(
            namespace: Namespace, name: Plain<String>, kind: Plain<virtual_links::LinkKind>,
            options: Plain<virtual_links::LinkOptions>, lower: Maybe<Link>,
        ) -> NewHandle<Owned<LinkHandle>>;
        VirtualLinksDescribe: describe(link: Link) -> Answer<Option<virtual_links::LinkKind>>;
    }
    bridges::Host {
        BridgesCreate: create(
            namespace: Namespace, name: Plain<String>, options: Plain<bridges::BridgeOptions>,
        ) -> NewHandle<Owned<LinkHandle>>;
        BridgesDeleteUnused: delete_unused(bridge: Link) -> Answer<bool>;
        BridgesVlanFiltering: vlan_filtering(bridge: Link) -> Answer<bool>;
        BridgesSetVlanFiltering: set_vlan_filtering(bridge: Link, enabled: Plain<bool>) -> Answer<()>;
        BridgesAttach: attach(bridge: Link, port: Link, options: Plain<bridges::PortOptions>) -> Answer<()>;
        BridgesPort: port(port: Link) -> Answer<Option<bridges::PortOptions>>;
        BridgesAddVlans: add_vlans(link: Link, vlans: Plain<Vec<bridges::PortVlan>>) -> Answer<()>;
        BridgesRemoveVlans: remove_vlans(link: Link, vlans: Plain<Vec<bridges::PortVlan>>) -> Answer<()>;
        BridgesListVlans: list_vlans(link: Link) -> Answer<Vec<bridges::PortVlan>>;
    }
    addresses::Host {
        AddressesList: list(link: Link) -> Answer<Vec<addresses::LinkAddress>>;
        AddressesAdd: add(link: Link, addresses: Plain<Vec<addresses::NewAddress>>) -> Answer<()>;
        AddressesRemove: remove(link: Link, addresses: Plain<Vec<types::IpNetwork>>) -> Answer<()>;
        AddressesWaitSettled: wait_settled(link: Link, timeout: Plain<u32>) -> Answer<bool>;
        AddressesAnnounce: announce(link: Link, addresses: Plain<Vec<types::IpAddress>>) -> Answer<()>;
    }
    routes::Host {
        RoutesAdd: add(
            namespace: Namespace, routes: Plain<Vec<routes::Route>>, conflict: Plain<routes::Conflict>,
        ) -> Answer<()>;
        RoutesRemove: remove(namespace: Namespace, routes: Plain<Vec<routes::Route>>) -> Answer<()>;
        RoutesList: list(namespace: Namespace, filter: Plain<routes::RouteFilter>) -> Answer<Vec<routes::Route>>;
        RoutesLookup: lookup(namespace: Namespace, destination: Plain<types::IpAddress>) -> Answer<Option<routes::Route>>;
    }
    rules::Host {
        RulesAdd: add(namespace: Namespace, rule: Plain<rules::Rule>) -> Answer<()>;
        RulesRemove: remove(namespace: Namespace, rule: Plain<rules::Rule>) -> Answer<()>;
        RulesList: list(namespace: Namespace, family: Plain<Option<types::IpFamily>>) -> Answer<Vec<rules::Rule>>;
    }
    neighbors::Host {
        NeighborsList: list(namespace: Namespace, link: Plain<Option<u32>>) -> Answer<Vec<neighbors::Neighbor>>;
    }
    sysctls::Host {
        SysctlsGet: get(namespace: Namespace, key: Plain<String>) -> Answer<String>;
        SysctlsSet: set(namespace: Namespace, key: Plain<String>, value: Plain<String>) -> Answer<()>;
        SysctlsAllowList: allow_list() -> Answer<Option<Vec<String>>>;
    }
    traffic_control::Host {
        TrafficControlShape: shape(link: Link, bucket: Plain<traffic_control::TokenBucket>) -> Answer<()>;
        TrafficControlShaper: shaper(link: Link) -> Answer<Option<traffic_control::TokenBucket>>;
        TrafficControlRemoveShaper: remove_shaper(link: Link) -> Answer<()>;
        TrafficControlRedirect: redirect(link: Link, target: Link) -> Answer<()>;
        TrafficControlRedirects: redirects(link: Link) -> Answer<Vec<u32>>;
        TrafficControlRemoveRedirect: remove_redirect(link: Link) -> Answer<()>;
    }
    nftables::Host {
        NftablesApply: apply(
            namespace: Namespace, table: Plain<nftables::Table>, commands: Plain<Vec<nftables::Command>>,
        ) -> Answer<()>;
        NftablesListRules: list_rules(
            namespace: Namespace, table: Plain<nftables::Table>, chain: Plain<Option<String>>,
        ) -> Answer<Vec<nftables::RuleInfo>>;
        NftablesListChains: list_chains(namespace: Namespace, table: Plain<nftables::Table>) -> Answer<Vec<String>>;
        NftablesListBaseChains: list_base_chains(
            namespace: Namespace, hook: Plain<nftables::Hook>,
        ) -> Answer<Vec<nftables::BaseChainInfo>>;
        NftablesListElements: list_elements(
            namespace: Namespace, table: Plain<nftables::Table>, set: Plain<String>,
        ) -> Answer<Vec<nftables::Element>>;
    }
    iptables::Host {
        IptablesSave: save(
            namespace: Namespace, family: Plain<types::IpFamily>, table: Plain<String>,
        ) -> Answer<Vec<iptables::Chain>>;
        IptablesRestore: restore(
            namespace: Namespace, family: Plain<types::IpFamily>, table: Plain<String>,
            commands: Plain<Vec<iptables::Command>>,
        ) -> Answer<()>;
        IptablesMayHold: may_hold(
            namespace: Namespace, family: Plain<types::IpFamily>, table: Plain<String>, chain: Plain<String>,
        ) -> Answer<bool>;
        IptablesAvailable: available(namespace: Namespace, family: Plain<types::IpFamily>) -> Plain<bool>;
    }
    conntrack::Host {
        ConntrackFlush: flush(namespace: Namespace, filters: Plain<Vec<conntrack::FlowFilter>>) -> Answer<u32>;
    }
    firewalld::Host {
        FirewalldAvailable: available() -> Plain<bool>;
        FirewalldAddSource: add_source(zone: Plain<String>, source: Plain<types::IpNetwork>) -> Answer<()>;
        FirewalldRemoveSource: remove_source(zone: Plain<String>, source: Plain<types::IpNetwork>) -> Answer<()>;
        FirewalldHasSource: has_source(zone: Plain<String>, source: Plain<types::IpNetwork>) -> Answer<bool>;
    }
    ipam_store::Host {
        StoreOpen: open(directory: Plain<Option<String>>) -> NewHandle<Owned<StoreHandle>>;
    }
    ipam_store::HostStore {
        StoreAllocate: allocate(
            store: Store, range_set: Plain<u32>, ranges: Plain<Vec<ipam_store::AddressRange>>,
        ) -> Answer<types::IpAddress>;
        StoreReserve: reserve(store: Store, range_set: Plain<u32>, address: Plain<types::IpAddress>) -> Answer<()>;
        StoreReleaseAddress: release_address(store: Store, address: Plain<types::IpAddress>) -> Answer<()>;
        StoreRelease: release(store: Store) -> Answer<Vec<types::IpAddress>>;
        StoreFind: find(store: Store) -> Answer<Vec<types::IpAddress>>;
        StoreList: list(store: Store) -> Answer<Vec<ipam_store::Lease>>;
        StoreRetain: retain(store: Store, valid: Plain<Vec<types::Attachment>>) -> Answer<Vec<ipam_store::Lease>>;
        StoreCountFree: count_free(store: Store, ranges: Plain<Vec<ipam_store::AddressRange>>) -> Answer<u64>;
        StoreDrop: drop(store: Owned<StoreHandle>) -> Plain<()>;
    }
    resolver::Host {
        ResolverLoad: load(path: Plain<String>) -> Answer<resolver::Settings>;
    }
    attachment_state::Host {
        StateLoad: load(directory: Plain<Option<String>>) -> Answer<Option<Vec<u8>>>;
        StateSave: save(directory: Plain<Option<String>>, document: Plain<Vec<u8>>) -> Answer<()>;
        StateRemove: remove(directory: Plain<Option<String>>) -> Answer<()>;
        StateRetain: retain(
            directory: Plain<Option<String>>, valid: Plain<Vec<types::Attachment>>,
        ) -> Answer<Vec<Vec<u8>>>;
    }
    container_state::Host {
        ContainerStateLoad: load(
            directory: Plain<String>, file: Plain<container_state::File>,
        ) -> Answer<Option<Vec<u8>>>;
        ContainerStateSave: save(
            directory: Plain<String>, file: Plain<container_state::File>, document: Plain<Vec<u8>>,
        ) -> Answer<()>;
        ContainerStateRemove: remove(directory: Plain<String>, file: Plain<container_state::File>) -> Answer<()>;
        ContainerStateRetain: retain(
            directory: Plain<String>, valid: Plain<Vec<types::Attachment>>,
        ) -> Answer<Vec<Vec<u8>>>;
    }
    environment_files::Host {
        EnvironmentFilesLoad: load(path: Plain<String>) -> Answer<Vec<(String, String)>>;
    }
    host_devices::Host {
        HostDevicesFindPci: find_pci(address: Plain<String>) -> Answer<Option<host_devices::Device>>;
        HostDevicesFindAuxiliary: find_auxiliary(name: Plain<String>) -> Answer<Option<host_devices::Device>>;
        HostDevicesFindByPath: find_by_path(path: Plain<String>) -> Answer<Option<host_devices::Device>>;
    }
    dhcp::Host {
        DhcpAcquire: acquire(socket: Plain<Option<String>>, options: Plain<dhcp::ClientOptions>) -> Answer<dhcp::Lease>;
        DhcpConfirm: confirm(socket: Plain<Option<String>>) -> Answer<dhcp::Lease>;
        DhcpRelease: release(socket: Plain<Option<String>>) -> Answer<()>;
        DhcpRetain: retain(
            socket: Plain<Option<String>>, valid: Plain<Vec<types::Attachment>>,
        ) -> Answer<Vec<types::Attachment>>;
        DhcpAvailable: available(socket: Plain<Option<String>>) -> Answer<()>;
    }
    delegate::Host {
        DelegateCall: call(
            command: Plain<delegate::Command>, plugin_type: Plain<String>, config: Plain<String>,
        ) -> Fallible<Plain<String>, delegate::DelegateError>;
    }
}
