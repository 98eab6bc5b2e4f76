//! One scenario for each function: a call on what is not the attachment's own, and the lines of a grant that it needs.

use weir::broker::objects::Place;
use weir::broker::{Call, Function};
use weir::contract::Command;
use weir_native::attachment_state::Naming;
use weir_native::route::Conflict;

use crate::fixture::{CONFIG, Fixture};

/// A line that a call needs, and one for another object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    pub(crate) key: &'static str,
    pub(crate) value: &'static str,
    pub(crate) other: &'static str,
}

pub(crate) struct Scenario<'a> {
    pub(crate) call: Call<'a>,
    /// What it needs besides the interface.
    pub(crate) needs: Vec<Need>,
    /// The same function on what is the attachment's own, and what it needs then.
    pub(crate) own: Option<(Call<'a>, Vec<Need>)>,
}

const fn need(key: &'static str, value: &'static str, other: &'static str) -> Need {
    Need { key, value, other }
}

const KIND_VETH: Need = need("linkKinds", "veth", "dummy");
const KIND_DUMMY: Need = need("linkKinds", "dummy", "veth");
const KIND_BRIDGE: Need = need("linkKinds", "bridge", "veth");
const NEW_NAME: Need = need("hostLinks", "veth0", "veth1");
const LOWER: Need = need("lowerLinks", "foreign0", "foreign1");
const ROUTES: Need = need("hostRoutes", "198.51.100.0/24", "198.51.101.0/24");
const DIRECTORY: Need = need("directories", "/var/lib/theirs", "/var/lib/theirs2");
const FILE: Need = need("files", "/etc/shadow", "/etc/resolv.conf");
const ZONE: Need = need("firewalldZones", "trusted", "public");

/// A link that is not the attachment's own.
fn foreign(place: Place) -> Need {
    match place {
        Place::Host => need("hostLinks", "foreign0", "foreign1"),
        Place::Container => need("containerLinks", "foreign0", "foreign1"),
    }
}

fn second(place: Place) -> Need {
    match place {
        Place::Host => need("hostLinks", "second0", "foreign1"),
        Place::Container => need("containerLinks", "second0", "foreign1"),
    }
}

/// What only the host's namespace needs.
fn on_host(f: &Fixture, needs: &[Need]) -> Vec<Need> {
    if f.place == Place::Host { needs.to_vec() } else { Vec::new() }
}

/// A call that reads.
fn read(call: Call<'_>) -> Scenario<'_> {
    Scenario { call, needs: Vec::new(), own: None }
}

/// A call that needs lines.
fn with<'a>(call: Call<'a>, needs: &[Need]) -> Scenario<'a> {
    Scenario { call, needs: needs.to_vec(), own: None }
}

/// A call on a link, and the same on an own one.
fn link<'a>(f: &'a Fixture, foreign_call: Call<'a>, own: Call<'a>) -> Scenario<'a> {
    Scenario { call: foreign_call, needs: vec![foreign(f.place)], own: Some((own, Vec::new())) }
}

/// No wildcard: a function that is added must be thought of here.
pub(crate) fn scenario(function: Function, f: &Fixture) -> Scenario<'_> {
    let namespace = &f.namespace;
    let (directory, file) = (f.directory.as_path(), f.file.as_path());
    match function {
        Function::ContainerNamespaceOpen => read(Call::ContainerNamespaceOpen),
        Function::HostNamespaceOpen => read(Call::HostNamespaceOpen),
        Function::LogWrite => read(Call::LogWrite { message: "x" }),
        Function::ClockNow => read(Call::ClockNow),
        Function::ClockSleep => read(Call::ClockSleep),
        Function::LinkInfo => read(Call::LinkInfo { link: &f.foreign }),
        Function::LinkUpdate => link(
            f,
            Call::LinkUpdate { link: &f.foreign, changes: &f.changes },
            Call::LinkUpdate { link: &f.own, changes: &f.changes },
        ),
        Function::LinkWaitOperational => read(Call::LinkWaitOperational { link: &f.foreign }),
        Function::LinkDelete => link(f, Call::LinkDelete { link: &f.foreign }, Call::LinkDelete { link: &f.own }),
        Function::LinksFind => read(Call::LinksFind { namespace, name: "foreign0" }),
        Function::LinksFindByIndex => read(Call::LinksFindByIndex { namespace, index: 1 }),
        Function::LinksList => read(Call::LinksList { namespace }),
        Function::LinksCreateVeth => Scenario {
            call: Call::LinksCreateVeth {
                container: &f.container,
                container_end: &f.unnamed,
                host: namespace,
                host_end: &f.named,
            },
            needs: [vec![KIND_VETH], on_host(f, &[NEW_NAME])].concat(),
            own: Some((
                Call::LinksCreateVeth {
                    container: &f.container,
                    container_end: &f.named,
                    host: namespace,
                    host_end: &f.unnamed,
                },
                vec![KIND_VETH],
            )),
        },
        Function::LinkSetController => Scenario {
            call: Call::LinkSetController { link: &f.foreign, controller: Some(&f.second) },
            needs: vec![foreign(f.place), second(f.place)],
            own: Some((Call::LinkSetController { link: &f.own, controller: None }, Vec::new())),
        },
        Function::LinkMoveTo => Scenario {
            call: Call::LinkMoveTo { link: &f.foreign, target: &f.container, changes: &f.changes },
            needs: vec![if f.place == Place::Host { LOWER } else { foreign(f.place) }],
            own: Some((Call::LinkMoveTo { link: &f.own, target: &f.container, changes: &f.changes }, Vec::new())),
        },
        Function::VirtualLinksCreate => Scenario {
            call: Call::VirtualLinksCreate {
                namespace,
                name: "veth0",
                kind: &f.kind,
                options: &f.options,
                lower: Some(&f.foreign),
            },
            needs: match f.place {
                Place::Host => vec![KIND_DUMMY, NEW_NAME, LOWER],
                Place::Container => vec![KIND_DUMMY, foreign(f.place)],
            },
            own: Some((
                Call::VirtualLinksCreate {
                    namespace: &f.container,
                    name: "eth0",
                    kind: &f.kind,
                    options: &f.options,
                    lower: Some(&f.own),
                },
                vec![KIND_DUMMY],
            )),
        },
        Function::VirtualLinksDescribe => read(Call::VirtualLinksDescribe { link: &f.foreign }),
        Function::BridgesCreate => Scenario {
            call: Call::BridgesCreate { namespace, name: "foreign0" },
            needs: vec![KIND_BRIDGE, foreign(f.place)],
            own: None,
        },
        Function::BridgesDeleteUnused => {
            link(f, Call::BridgesDeleteUnused { bridge: &f.foreign }, Call::BridgesDeleteUnused { bridge: &f.own })
        }
        Function::BridgesVlanFiltering => read(Call::BridgesVlanFiltering { bridge: &f.foreign }),
        Function::BridgesSetVlanFiltering => link(
            f,
            Call::BridgesSetVlanFiltering { bridge: &f.foreign, enabled: true },
            Call::BridgesSetVlanFiltering { bridge: &f.own, enabled: true },
        ),
        Function::BridgesAttach => Scenario {
            call: Call::BridgesAttach { bridge: &f.foreign, port: &f.second },
            needs: vec![foreign(f.place), second(f.place)],
            own: Some((Call::BridgesAttach { bridge: &f.foreign, port: &f.own }, vec![foreign(f.place)])),
        },
        Function::BridgesPort => read(Call::BridgesPort { port: &f.foreign }),
        Function::BridgesAddVlans => link(
            f,
            Call::BridgesAddVlans { link: &f.foreign, vlans: &[] },
            Call::BridgesAddVlans { link: &f.own, vlans: &[] },
        ),
        Function::BridgesRemoveVlans => link(
            f,
            Call::BridgesRemoveVlans { link: &f.foreign, vlans: &[] },
            Call::BridgesRemoveVlans { link: &f.own, vlans: &[] },
        ),
        Function::BridgesListVlans => read(Call::BridgesListVlans { link: &f.foreign }),
        Function::AddressesList => read(Call::AddressesList { link: &f.foreign }),
        Function::AddressesAdd => Scenario {
            call: Call::AddressesAdd { link: &f.foreign, addresses: &f.address },
            needs: [vec![foreign(f.place)], on_host(f, &[ROUTES])].concat(),
            own: Some((Call::AddressesAdd { link: &f.own, addresses: &f.own_address }, Vec::new())),
        },
        Function::AddressesRemove => link(
            f,
            Call::AddressesRemove { link: &f.foreign, addresses: &[] },
            Call::AddressesRemove { link: &f.own, addresses: &[] },
        ),
        Function::AddressesWaitSettled => read(Call::AddressesWaitSettled { link: &f.foreign }),
        Function::AddressesAnnounce => link(
            f,
            Call::AddressesAnnounce { link: &f.foreign, addresses: &[] },
            Call::AddressesAnnounce { link: &f.own, addresses: &[] },
        ),
        Function::RoutesAdd => Scenario {
            call: Call::RoutesAdd { namespace, routes: &f.default_route, conflict: Conflict::Replace },
            needs: [vec![foreign(f.place)], on_host(f, &[need("hostRoutes", "0.0.0.0/0", "0.0.0.0/1")])].concat(),
            own: Some((Call::RoutesAdd { namespace, routes: &f.own_routes, conflict: Conflict::Refuse }, Vec::new())),
        },
        Function::RoutesRemove => Scenario {
            call: Call::RoutesRemove { namespace, routes: &f.routes },
            needs: vec![foreign(f.place)],
            own: Some((Call::RoutesRemove { namespace, routes: &f.own_routes }, Vec::new())),
        },
        Function::RoutesList => read(Call::RoutesList { namespace }),
        Function::RoutesLookup => {
            read(Call::RoutesLookup { namespace, destination: std::net::Ipv4Addr::LOCALHOST.into() })
        }
        Function::RulesAdd => {
            with(Call::RulesAdd { namespace, rule: &f.rule }, &on_host(f, &[need("hostRules", "100", "101")]))
        }
        Function::RulesRemove => {
            with(Call::RulesRemove { namespace, rule: &f.rule }, &on_host(f, &[need("hostRules", "100", "101")]))
        }
        Function::RulesList => read(Call::RulesList { namespace }),
        Function::NeighborsList => read(Call::NeighborsList { namespace }),
        Function::SysctlsGet => read(Call::SysctlsGet { namespace, key: "net/ipv4/ip_forward" }),
        Function::SysctlsSet => Scenario {
            call: Call::SysctlsSet { namespace, key: "net/ipv4/conf/foreign0/rp_filter", value: "0" },
            needs: vec![match f.place {
                Place::Host => need("hostSysctls", "net/ipv4/conf/foreign0/rp_filter", "net/ipv4/conf/all/rp_filter"),
                Place::Container => {
                    need("containerSysctls", "net/ipv4/conf/foreign0/rp_filter", "net/ipv4/conf/all/rp_filter")
                }
            }],
            own: Some((Call::SysctlsSet { namespace, key: "net/ipv4/conf/own0/rp_filter", value: "0" }, Vec::new())),
        },
        Function::SysctlsAllowList => read(Call::SysctlsAllowList),
        Function::TrafficControlShape => link(
            f,
            Call::TrafficControlShape { link: &f.foreign, bucket: &f.bucket },
            Call::TrafficControlShape { link: &f.own, bucket: &f.bucket },
        ),
        Function::TrafficControlShaper => read(Call::TrafficControlShaper { link: &f.foreign }),
        Function::TrafficControlRemoveShaper => link(
            f,
            Call::TrafficControlRemoveShaper { link: &f.foreign },
            Call::TrafficControlRemoveShaper { link: &f.own },
        ),
        Function::TrafficControlRedirect => Scenario {
            call: Call::TrafficControlRedirect { link: &f.foreign, target: &f.second },
            needs: vec![foreign(f.place), second(f.place)],
            own: Some((Call::TrafficControlRedirect { link: &f.own, target: &f.own }, Vec::new())),
        },
        Function::TrafficControlRedirects => read(Call::TrafficControlRedirects { link: &f.foreign }),
        Function::TrafficControlRemoveRedirect => link(
            f,
            Call::TrafficControlRemoveRedirect { link: &f.foreign },
            Call::TrafficControlRemoveRedirect { link: &f.own },
        ),
        Function::NftablesApply => with(
            Call::NftablesApply { namespace, table: &f.table, commands: &f.nftables },
            &[need("nftables", "inet theirs", "inet theirs:accept")],
        ),
        Function::NftablesListRules => read(Call::NftablesListRules { namespace, table: &f.table }),
        Function::NftablesListChains => read(Call::NftablesListChains { namespace, table: &f.table }),
        Function::NftablesListElements => read(Call::NftablesListElements { namespace, table: &f.table }),
        Function::NftablesListBaseChains => read(Call::NftablesListBaseChains { namespace }),
        Function::IptablesSave => {
            read(Call::IptablesSave { namespace, family: weir_native::family::IpFamily::Ipv4, table: "nat" })
        }
        Function::IptablesRestore => with(
            Call::IptablesRestore {
                namespace,
                family: weir_native::family::IpFamily::Ipv4,
                table: "nat",
                commands: &f.iptables,
            },
            &[
                need("iptables", "nat OWN", "filter OWN"),
                need("iptables", "nat POSTROUTING:jump", "nat PREROUTING:jump"),
            ],
        ),
        Function::IptablesAvailable => {
            read(Call::IptablesAvailable { namespace, family: weir_native::family::IpFamily::Ipv4 })
        }
        Function::IptablesMayHold => {
            read(Call::IptablesMayHold { namespace, family: weir_native::family::IpFamily::Ipv4, table: "nat" })
        }
        Function::ConntrackFlush => read(Call::ConntrackFlush { namespace, filters: &f.filters }),
        Function::FirewalldAvailable => read(Call::FirewalldAvailable),
        Function::FirewalldAddSource => Scenario {
            call: Call::FirewalldAddSource { zone: "trusted", source: "198.51.100.0/24".parse().unwrap() },
            needs: vec![ZONE, ROUTES],
            own: Some((
                Call::FirewalldAddSource { zone: "trusted", source: "10.9.0.2/32".parse().unwrap() },
                vec![ZONE],
            )),
        },
        Function::FirewalldRemoveSource => {
            with(Call::FirewalldRemoveSource { zone: "trusted", source: "10.9.0.2/32".parse().unwrap() }, &[ZONE])
        }
        Function::FirewalldHasSource => {
            read(Call::FirewalldHasSource { zone: "trusted", source: "10.9.0.2/32".parse().unwrap() })
        }
        Function::StoreOpen => with(Call::StoreOpen { directory }, &[DIRECTORY]),
        Function::StoreAllocate => with(Call::StoreAllocate { directory, range_set: 0, ranges: &[] }, &[DIRECTORY]),
        Function::StoreReserve => with(
            Call::StoreReserve { directory, range_set: 0, address: std::net::Ipv4Addr::LOCALHOST.into() },
            &[DIRECTORY],
        ),
        Function::StoreReleaseAddress => {
            with(Call::StoreReleaseAddress { directory, address: std::net::Ipv4Addr::LOCALHOST.into() }, &[DIRECTORY])
        }
        Function::StoreRelease => with(Call::StoreRelease { directory }, &[DIRECTORY]),
        Function::StoreFind => with(Call::StoreFind { directory }, &[DIRECTORY]),
        Function::StoreList => with(Call::StoreList { directory }, &[DIRECTORY]),
        Function::StoreRetain => with(Call::StoreRetain { directory, valid: &[] }, &[DIRECTORY]),
        Function::StoreCountFree => with(Call::StoreCountFree { directory }, &[DIRECTORY]),
        Function::ResolverLoad => with(Call::ResolverLoad { path: file }, &[FILE]),
        Function::StateLoad => with(Call::StateLoad { directory }, &[DIRECTORY]),
        Function::StateSave => with(Call::StateSave { directory }, &[DIRECTORY]),
        Function::StateRemove => with(Call::StateRemove { directory }, &[DIRECTORY]),
        Function::StateRetain => with(Call::StateRetain { directory, valid: &[] }, &[DIRECTORY]),
        Function::ContainerStateLoad => with(Call::ContainerStateLoad { directory }, &[DIRECTORY]),
        Function::ContainerStateSave => {
            with(Call::ContainerStateSave { directory, naming: Naming::Container }, &[DIRECTORY])
        }
        Function::ContainerStateRemove => with(Call::ContainerStateRemove { directory }, &[DIRECTORY]),
        Function::ContainerStateRetain => with(Call::ContainerStateRetain { directory, valid: &[] }, &[DIRECTORY]),
        Function::EnvironmentFilesLoad => with(Call::EnvironmentFilesLoad { path: file }, &[FILE]),
        Function::HostDevicesFindPci => read(Call::HostDevicesFindPci { address: "0000:00:00.0" }),
        Function::HostDevicesFindAuxiliary => read(Call::HostDevicesFindAuxiliary { name: "x" }),
        Function::HostDevicesFindByPath => read(Call::HostDevicesFindByPath { path: file }),
        Function::DhcpAcquire => with(Call::DhcpAcquire { socket: directory }, &[DIRECTORY]),
        Function::DhcpConfirm => with(Call::DhcpConfirm { socket: directory }, &[DIRECTORY]),
        Function::DhcpRelease => with(Call::DhcpRelease { socket: directory }, &[DIRECTORY]),
        Function::DhcpRetain => with(Call::DhcpRetain { socket: directory, valid: &[] }, &[DIRECTORY]),
        Function::DhcpAvailable => with(Call::DhcpAvailable { socket: directory }, &[DIRECTORY]),
        Function::DelegateCall => with(
            Call::DelegateCall { command: Command::Add, plugin_type: "host-local", config: CONFIG },
            &[need("delegates", "host-local", "host-localx")],
        ),
    }
}
