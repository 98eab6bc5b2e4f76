//! ADD: tables, rules, the main table, and that a failure leaves all as it was.

use serde_json::json;
use weir_sdk::FailureKind;
use weir_sdk::net::{IpFamily, RouteFilter};

use super::*;

#[test]
fn each_address_gets_a_table_with_the_routes_of_its_family() {
    let world = world(&DUAL);
    route("net1", "203.0.113.0/24", Some("10.1.0.7"));
    route("net1", "2001:db8::/32", Some("fd00:1::7"));
    let result = world.add::<Sbr>(&config(&DUAL, json!({}))).unwrap();
    assert_eq!(result.ips.len(), 2);
    assert_eq!(rules(&world), ["10.1.0.5 100", "fd00:1::5 101"]);
    assert_eq!(
        table(&world, 100),
        ["0.0.0.0/0 via 10.1.0.1", "10.1.0.0/24 src 10.1.0.5", "203.0.113.0/24 via 10.1.0.7"]
    );
    assert_eq!(table(&world, 101), ["2001:db8::/32 via fd00:1::7", "::/0 via fd00:1::1", "fd00:1::/64"]);
    assert!(main_table(&world, "net1").is_empty());
    assert_eq!(main_table(&world, "eth0").len(), 4);
}

#[test]
fn link_local_routes_stay_where_neighbour_discovery_needs_them() {
    let world = world(&DUAL);
    world.add::<Sbr>(&config(&DUAL, json!({}))).unwrap();
    let filter = RouteFilter { family: Some(IpFamily::Ipv6), ..RouteFilter::default() };
    let link = world.container().link("net1").unwrap().index;
    let routes = Netns::container().unwrap().routes(filter).unwrap();
    assert!(routes.iter().any(|route| route.link == Some(link) && route.destination == net("fe80::/64")));
}

#[test]
fn addresses_of_two_subnets_share_no_route_that_names_one_of_them() {
    let two = [("10.1.0.5/24", "10.1.0.1"), ("10.2.0.5/24", "")];
    let world = world(&two);
    route("net1", "203.0.113.0/24", Some("10.1.0.7"));
    route("net1", "198.51.100.0/24", Some("10.2.0.7"));
    route("net1", "192.0.2.0/24", None);
    world.add::<Sbr>(&config(&two, json!({}))).unwrap();
    assert_eq!(
        table(&world, 100),
        ["0.0.0.0/0 via 10.1.0.1", "10.1.0.0/24 src 10.1.0.5", "192.0.2.0/24", "203.0.113.0/24 via 10.1.0.7"]
    );
    assert_eq!(table(&world, 101), ["10.2.0.0/24 src 10.2.0.5", "192.0.2.0/24", "198.51.100.0/24 via 10.2.0.7"]);
}

#[test]
fn a_gateway_beyond_every_subnet_is_reached_as_it_was() {
    let whole = [("10.1.0.5/32", "169.254.1.1")];
    let world = world(&whole);
    route("net1", "169.254.1.1/32", None);
    route("net1", "198.51.100.0/24", Some("169.254.1.1"));
    world.add::<Sbr>(&config(&whole, json!({}))).unwrap();
    assert_eq!(table(&world, 100), ["0.0.0.0/0 via 169.254.1.1", "169.254.1.1/32", "198.51.100.0/24 via 169.254.1.1"]);
}

#[test]
fn the_interfaces_own_default_route_is_kept_with_all_that_it_says() {
    let one = [("10.1.0.5/24", "10.1.0.1")];
    let world = world(&one);
    let link = world.container().link("net1").map(|link| link.index);
    let own = Route { link, priority: Some(50), mtu: Some(1400), ..Route::default_via(address("10.1.0.9")) };
    Netns::container().unwrap().add_routes(&[own], Conflict::Append).unwrap();
    world.add::<Sbr>(&config(&one, json!({}))).unwrap();
    let defaults: Vec<_> =
        world.container().routes_in(100).into_iter().filter(|route| route.destination.prefix_len() == 0).collect();
    assert_eq!(defaults, [Route { table: Some(100), scope: Some(0), ..own }]);
}

#[test]
fn gateways_of_the_configuration_take_the_place_of_others() {
    let world = world(&DUAL);
    route("net1", "0.0.0.0/0", Some("10.1.0.1"));
    world.add::<Sbr>(&config(&DUAL, json!({"gateways": ["10.1.0.254", "fd00:1::fe"]}))).unwrap();
    assert_eq!(table(&world, 100), ["0.0.0.0/0 via 10.1.0.254", "10.1.0.0/24 src 10.1.0.5"]);
    assert!(table(&world, 101).contains(&"::/0 via fd00:1::fe".to_owned()));
}

#[test]
fn source_hints_leave_the_subnets_in_the_main_table() {
    let addresses = [("10.1.0.5/24", "10.1.0.1"), ("10.1.0.6/24", ""), ("fd00:1::5/64", "")];
    let world = world(&addresses);
    route("net1", "203.0.113.0/24", Some("10.1.0.7"));
    world.add::<Sbr>(&config(&addresses, json!({"addSourceHints": true}))).unwrap();
    let kept = main_table(&world, "net1");
    assert!(kept.contains(&"10.1.0.0/24 src 10.1.0.5".to_owned()), "{kept:?}");
    assert!(kept.contains(&"fd00:1::/64 src fd00:1::5".to_owned()), "{kept:?}");
    assert!(!kept.iter().any(|route| route.contains("via")), "{kept:?}");
}

#[test]
fn a_table_of_the_configuration_gets_rules_only() {
    let world = world(&DUAL);
    let before = main_table(&world, "net1");
    world.add::<Sbr>(&config(&DUAL, json!({"table": 7}))).unwrap();
    assert_eq!(rules(&world), ["10.1.0.5 7", "fd00:1::5 7"]);
    assert_eq!(main_table(&world, "net1"), before);
    assert!(table(&world, 7).is_empty());
    // A rule that says so already is nobody's fault.
    world.add::<Sbr>(&config(&DUAL, json!({"table": 7}))).unwrap();
    assert_eq!(rules(&world).len(), 2);
}

#[test]
fn tables_in_use_are_passed_over() {
    let world = world(&DUAL);
    world.container().add_rule(&Rule::to_table(IpFamily::Ipv4, 100));
    let link = world.container().link("eth0").map(|link| link.index);
    let other = Route { link, table: Some(101), ..Route::to(net("192.0.2.0/24")) };
    Netns::container().unwrap().add_routes(&[other], Conflict::Append).unwrap();
    world.add::<Sbr>(&config(&DUAL, json!({}))).unwrap();
    assert!(rules(&world).contains(&"10.1.0.5 102".to_owned()), "{:?}", rules(&world));
    assert!(rules(&world).contains(&"fd00:1::5 103".to_owned()), "{:?}", rules(&world));
}

#[test]
fn bad_input_is_refused() {
    let world = world(&DUAL);
    let code = |config: String| world.add::<Sbr>(&config).unwrap_err().code;
    for keys in [
        json!({"table": 0}),
        json!({"table": -1}),
        json!({"table": 4_294_967_296_i64}),
        json!({"gateways": ["10.1.0.1", "10.1.0.2"]}),
        json!({"gateways": ["x"]}),
        json!({"prevResult": null}),
    ] {
        assert_eq!(code(config(&DUAL, keys.clone())), 7, "{keys}");
        if keys.get("prevResult").is_none() {
            assert_eq!(world.status::<Sbr>(&config(&DUAL, keys)).unwrap_err().code, 7);
        }
    }
    assert_eq!(code(config(&[], json!({}))), 7);
    world.status::<Sbr>(&config(&DUAL, json!({}))).unwrap();
    assert!(rules(&world).is_empty());

    world.attachment("c1", "net9");
    let other = config(&DUAL, json!({})).replace("\"net1\"", "\"net9\"");
    assert!(world.add::<Sbr>(&other).unwrap_err().msg.contains("no interface net9"));
    world.attachment("c1", "eth0");
    // No address is on eth0, so there is nothing to do.
    world.add::<Sbr>(&config(&DUAL, json!({}))).unwrap();
    assert!(rules(&world).is_empty());
    world.attachment("c1", "net1");
    assert_eq!(world.without_netns().add::<Sbr>(&config(&DUAL, json!({}))).unwrap_err().code, 3);
}

#[test]
fn whatever_call_fails_everything_is_as_before() {
    for keys in [json!({}), json!({"addSourceHints": true}), json!({"table": 7})] {
        let mut calls = 0;
        for nth in 1.. {
            let world = world(&DUAL);
            // Not the first in the subnet, so that the hint replaces a route.
            route("net1", "203.0.113.0/24", Some("10.1.0.7"));
            let snapshot = || (rules(&world), table(&world, RouteFilter::ALL_TABLES));
            let before = snapshot();
            world.clear_calls().fail_nth(nth, FailureKind::Io);
            let outcome = world.add::<Sbr>(&config(&DUAL, keys.clone()));
            let failed = world.calls().get(nth - 1).cloned();
            let Err(error) = outcome else {
                if failed.is_none() {
                    calls = nth - 1;
                    break;
                }
                continue;
            };
            assert!(error.msg.contains("asked for by the test"), "{error}");
            assert_eq!(snapshot(), before, "{keys}, call {nth}: {failed:?}");
        }
        assert!(calls >= 4, "{keys}: {calls}");
    }
}
