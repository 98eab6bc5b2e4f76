//! Routes: add, remove, list, look up.

use libtest_mimic::Trial;
use weir_native::ErrorKind;
use weir_native::address::{self, NewAddress};
use weir_native::family::IpFamily;
use weir_native::netns::Netns;
use weir_native::route::{self, Conflict, Route, RouteFilter};

use super::support::{run, test};
use super::{up, veth};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("a_route_reads_back_with_all_its_fields", all_fields),
        test("scope_follows_the_gateway_as_ip_route_has_it", scopes),
        test("a_conflict_is_refused_appended_or_replaced_as_asked", conflicts),
        test("removal_matches_in_the_given_fields_only", removal),
        test("a_refused_route_is_named_with_the_kernels_reason", refused),
        test("lists_are_filtered_by_family_link_and_table", filters),
        test("next_hops_of_one_route_are_listed_each", several_hops),
        test("ipv4_routes_may_go_through_ipv6_gateways", mixed_families),
        test("a_lookup_tells_the_way_or_that_there_is_none", lookup),
    ]
}

/// A link that is up and has 10.0.0.1/24 and fd00::1/64.
fn ready(namespace: &Netns) -> u32 {
    let index = veth(namespace, "eth0", "peer0");
    let peer = weir_native::link::find(namespace, "peer0").unwrap().unwrap().index;
    up(namespace, index);
    up(namespace, peer);
    let new = |network: &str| NewAddress { network: network.parse().unwrap(), no_dad: true, no_prefix_route: false };
    address::add(namespace, index, &[new("10.0.0.1/24"), new("fd00::1/64")]).unwrap();
    index
}

fn to(destination: &str) -> Route {
    Route::to(destination.parse().unwrap())
}

fn via(destination: &str, gateway: &str) -> Route {
    Route { gateway: Some(gateway.parse().unwrap()), ..to(destination) }
}

fn listed(namespace: &Netns, destination: &str) -> Vec<Route> {
    let destination = destination.parse().unwrap();
    let all = route::list(namespace, &RouteFilter::default()).unwrap();
    all.into_iter().filter(|route| route.destination == destination).collect()
}

fn add(namespace: &Netns, route: Route) {
    route::add(namespace, &[route], Conflict::Refuse).unwrap();
}

fn all_fields(namespace: &Netns) {
    let link = ready(namespace);
    for (destination, gateway, source) in
        [("192.168.0.0/16", "10.9.9.9", "10.0.0.1"), ("fd01::/32", "fd09::9", "fd00::1")]
    {
        let wanted = Route {
            link: Some(link),
            source: Some(source.parse().unwrap()),
            table: Some(1000),
            priority: Some(77),
            scope: Some(0),
            mtu: Some(1300),
            advmss: Some(1200),
            onlink: true,
            ..via(destination, gateway)
        };
        add(namespace, wanted.clone());
        let filter = RouteFilter { table: Some(1000), ..RouteFilter::default() };
        let found = route::list(namespace, &filter).unwrap();
        assert_eq!(found.iter().filter(|route| route.destination == wanted.destination).count(), 1);
        assert!(found.contains(&wanted), "{found:?}");
    }
    let text = run(namespace, &["ip", "route", "show", "table", "1000"]);
    for part in ["via 10.9.9.9 dev eth0", "src 10.0.0.1", "metric 77", "mtu 1300", "advmss 1200", "onlink"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

fn scopes(namespace: &Netns) {
    let link = ready(namespace);
    add(namespace, Route { link: Some(link), ..to("10.5.0.7/24") });
    add(namespace, via("0.0.0.0/0", "10.0.0.254"));
    add(namespace, Route { link: Some(link), scope: Some(0), ..to("10.6.0.0/24") });
    assert_eq!(listed(namespace, "10.5.0.0/24")[0].scope, Some(253));
    assert_eq!(listed(namespace, "0.0.0.0/0")[0].scope, Some(0));
    assert_eq!(listed(namespace, "10.6.0.0/24")[0].scope, Some(0));
}

fn conflicts(namespace: &Netns) {
    ready(namespace);
    add(namespace, via("10.7.0.0/16", "10.0.0.2"));
    let other = via("10.7.0.0/16", "10.0.0.3");
    let error = route::add(namespace, std::slice::from_ref(&other), Conflict::Refuse).unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
    assert!(error.message.contains("10.7.0.0/16 via 10.0.0.3"), "{error}");
    route::add(namespace, std::slice::from_ref(&other), Conflict::Append).unwrap();
    assert_eq!(listed(namespace, "10.7.0.0/16").len(), 2);

    add(namespace, via("10.8.0.0/16", "10.0.0.2"));
    route::add(namespace, &[via("10.8.0.0/16", "10.0.0.3")], Conflict::Replace).unwrap();
    let left = listed(namespace, "10.8.0.0/16");
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].gateway, Some("10.0.0.3".parse().unwrap()));
    route::add(namespace, &[via("10.9.0.0/16", "10.0.0.3")], Conflict::Replace).unwrap();
    assert_eq!(listed(namespace, "10.9.0.0/16").len(), 1, "there was nothing to replace");
}

fn removal(namespace: &Netns) {
    let link = ready(namespace);
    add(namespace, via("10.7.0.0/16", "10.0.0.2"));
    route::add(namespace, &[via("10.7.0.0/16", "10.0.0.3")], Conflict::Append).unwrap();
    add(namespace, Route { link: Some(link), ..to("10.8.0.0/16") });
    add(namespace, via("fd07::/16", "fd00::2"));

    route::remove(namespace, &[via("10.7.0.0/16", "10.0.0.9"), to("10.99.0.0/16"), to("fd99::/16")]).unwrap();
    assert_eq!(listed(namespace, "10.7.0.0/16").len(), 2, "another gateway matches neither");
    route::remove(namespace, &[via("10.7.0.0/16", "10.0.0.3")]).unwrap();
    assert_eq!(listed(namespace, "10.7.0.0/16")[0].gateway, Some("10.0.0.2".parse().unwrap()));
    let foreign = Route { table: Some(4711), ..to("10.7.0.0/16") };
    route::remove(namespace, &[to("10.7.0.0/16"), to("10.8.0.0/16"), to("fd07::/16"), foreign]).unwrap();
    for destination in ["10.7.0.0/16", "10.8.0.0/16", "fd07::/16"] {
        assert_eq!(listed(namespace, destination), [], "{destination}");
    }
    let gone = Route { link: Some(4711), ..to("10.8.0.0/16") };
    route::remove(namespace, &[gone]).unwrap();
}

fn refused(namespace: &Netns) {
    ready(namespace);
    let routes = [via("10.1.0.0/16", "10.0.0.2"), via("10.2.0.0/16", "172.16.0.1"), via("10.3.0.0/16", "10.0.0.2")];
    let error = route::add(namespace, &routes, Conflict::Refuse).unwrap_err();
    assert!(error.message.contains("10.2.0.0/16 via 172.16.0.1"), "{error}");
    assert!(error.message.contains("Nexthop has invalid gateway"), "{error}");
    assert_eq!(listed(namespace, "10.1.0.0/16").len(), 1, "those before it stay");
    assert_eq!(listed(namespace, "10.3.0.0/16").len(), 0, "those after it are not added");
    let mixed = via("fd01::/64", "10.0.0.2");
    assert_eq!(route::add(namespace, &[mixed], Conflict::Refuse).unwrap_err().kind, ErrorKind::Invalid);
    let mixed = Route { source: Some("fd00::1".parse().unwrap()), ..via("10.4.0.0/16", "10.0.0.2") };
    assert_eq!(route::add(namespace, &[mixed], Conflict::Refuse).unwrap_err().kind, ErrorKind::Invalid);
}

fn filters(namespace: &Netns) {
    let link = ready(namespace);
    let other = veth(namespace, "eth1", "peer1");
    up(namespace, other);
    add(namespace, Route { link: Some(other), ..to("10.44.0.0/16") });
    add(namespace, Route { link: Some(other), ..to("fd44::/64") });
    add(namespace, Route { link: Some(other), table: Some(7), ..to("10.45.0.0/16") });
    let list = |filter| -> Vec<String> {
        let found = route::list(namespace, &filter).unwrap();
        let found = found.iter().map(|route| route.destination.to_string());
        found.filter(|text| !text.starts_with("fe80") && !text.starts_with("ff00")).collect()
    };
    let none = RouteFilter::default();
    assert_eq!(list(RouteFilter { link: Some(other), ..none }), ["10.44.0.0/16", "fd44::/64"]);
    assert_eq!(list(RouteFilter { family: Some(IpFamily::Ipv6), link: Some(other), ..none }), ["fd44::/64"]);
    assert_eq!(list(RouteFilter { family: Some(IpFamily::Ipv4), link: Some(link), ..none }), ["10.0.0.0/24"]);
    assert_eq!(list(RouteFilter { table: Some(7), ..none }), ["10.45.0.0/16"]);
    assert_eq!(list(RouteFilter { table: Some(4711), ..none }), [""; 0]);
    assert_eq!(list(RouteFilter { link: Some(4711), ..none }), [""; 0]);
}

fn several_hops(namespace: &Netns) {
    ready(namespace);
    run(namespace, &["ip", "route", "add", "10.7.0.0/16", "nexthop", "via", "10.0.0.2", "nexthop", "via", "10.0.0.3"]);
    route::add(namespace, &[via("fd07::/16", "fd00::2")], Conflict::Append).unwrap();
    route::add(namespace, &[via("fd07::/16", "fd00::3")], Conflict::Append).unwrap();
    for (destination, expected) in [("10.7.0.0/16", ["10.0.0.2", "10.0.0.3"]), ("fd07::/16", ["fd00::2", "fd00::3"])] {
        let found = listed(namespace, destination);
        let gateways: Vec<_> = found.iter().filter_map(|route| route.gateway).map(|ip| ip.to_string()).collect();
        assert_eq!(gateways, expected);
    }
}

fn mixed_families(namespace: &Netns) {
    let link = ready(namespace);
    let wanted = Route { link: Some(link), ..via("10.7.0.0/16", "fd00::2") };
    add(namespace, wanted.clone());
    let found = listed(namespace, "10.7.0.0/16");
    assert_eq!((found[0].gateway, found[0].link), (wanted.gateway, wanted.link));
}

fn lookup(namespace: &Netns) {
    let find = |address: &str| route::lookup(namespace, address.parse().unwrap()).unwrap();
    assert_eq!(find("10.0.0.9"), None);
    assert_eq!(find("fd00::9"), None);
    let link = ready(namespace);
    let direct = find("10.0.0.9").unwrap();
    assert_eq!((direct.link, direct.gateway, direct.source), (Some(link), None, Some("10.0.0.1".parse().unwrap())));
    assert_eq!(find("192.0.2.1"), None);
    add(namespace, via("0.0.0.0/0", "10.0.0.254"));
    add(namespace, via("::/0", "fd00::fe"));
    assert_eq!(find("192.0.2.1").unwrap().gateway, Some("10.0.0.254".parse().unwrap()));
    let default = find("2001:db8::1").unwrap();
    assert_eq!((default.gateway, default.link), (Some("fd00::fe".parse().unwrap()), Some(link)));
    for (kind, destination) in [
        ("unreachable", "192.0.2.1"),
        ("prohibit", "192.0.2.2"),
        ("blackhole", "192.0.2.3"),
        ("unreachable", "2001:db8::1"),
        ("prohibit", "2001:db8::2"),
        ("blackhole", "2001:db8::3"),
    ] {
        run(namespace, &["ip", "route", "add", kind, destination]);
        assert_eq!(find(destination), None, "{kind} {destination}");
    }
}
