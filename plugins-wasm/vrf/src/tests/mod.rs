//! The plugin on the in-memory host.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use weir_sdk::net::{Conflict, LinkKind, LinkOptions, Route, RouteFilter};
use weir_sdk::testing::{World, with_prev_result};
use weir_sdk::{FailureKind, IpNet, Netns};

use crate::Vrf;

const V4: &str = "10.1.0.5/24";
const V6: &str = "fd00:1::5/64";

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// A container with `net1` as another plugin leaves it.
fn world() -> World {
    let world = World::new();
    world.attachment("c1", "net1");
    interface(&world, "net1");
    let netns = Netns::container().unwrap();
    let link = world.container().link("net1").map(|link| link.index);
    let new =
        |destination: &str, gateway: &str| Route { link, gateway: gateway.parse().ok(), ..Route::to(net(destination)) };
    let with_metrics = Route { mtu: Some(1400), priority: Some(9), ..new("203.0.113.0/24", "10.1.0.7") };
    let elsewhere = Route { table: Some(500), ..new("198.51.100.0/24", "10.1.0.7") };
    let all = [new("0.0.0.0/0", "10.1.0.1"), new("::/0", "fd00:1::1"), with_metrics, elsewhere];
    netns.add_routes(&all, Conflict::Append).unwrap();
    world
}

fn interface(world: &World, name: &str) {
    world.container().add_link(name, "macvlan");
    Netns::container().unwrap().link(name).unwrap().unwrap().set_up().unwrap();
    world.container().add_address(name, net(V4)).add_address(name, net(V6));
}

fn config(keys: Value) -> String {
    let mut document = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "vrf", "vrfname": "red",
        "prevResult": {
            "cniVersion": "1.1.0",
            "interfaces": [{"name": "net1", "mac": "02:00:00:00:00:01", "sandbox": "/run/netns/c1"}],
            "ips": [{"interface": 0, "address": V4}, {"interface": 0, "address": V6}],
            "routes": [{"dst": "0.0.0.0/0"}, {"dst": "203.0.113.0/24", "gw": "10.1.0.7", "mtu": 1400}]
        }
    });
    document.as_object_mut().unwrap().append(&mut keys.as_object().unwrap().clone());
    document.to_string()
}

fn add(world: &World, config: &str) -> String {
    let result = world.add::<Vrf>(config).unwrap_or_else(|error| panic!("{config}: {error}"));
    with_prev_result(config, &result).unwrap()
}

/// Routes of a table as text, without link-local ones.
fn table(world: &World, number: u32) -> Vec<String> {
    let text = |route: &Route| {
        let gateway = route.gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
        format!("{}{gateway} mtu {}", route.destination, route.mtu.unwrap_or_default())
    };
    let mut routes: Vec<_> = world.container().routes_in(number).iter().map(text).collect();
    routes.retain(|route| !route.starts_with("fe80"));
    routes.sort();
    routes
}

fn vrf_table(name: &str) -> Option<u32> {
    match Netns::container().unwrap().link(name).unwrap()?.kind().unwrap() {
        Some(LinkKind::Vrf(table)) => Some(table),
        other => panic!("{other:?}"),
    }
}

fn make_vrf(name: &str, table: u32) {
    let options = LinkOptions { up: true, ..LinkOptions::default() };
    Netns::container().unwrap().create_virtual_link(name, &LinkKind::Vrf(table), &options, None).unwrap();
}

#[test]
fn the_interface_moves_into_the_vrf_with_addresses_and_routes() {
    let world = world();
    let main = table(&world, 254);
    let elsewhere = table(&world, 500);
    let later = add(&world, &config(json!({})));
    assert_eq!(vrf_table("red"), Some(1));
    assert!(world.container().link("red").unwrap().up);
    assert_eq!(table(&world, 1), main);
    assert_eq!(table(&world, 254), [""; 0]);
    assert_eq!(table(&world, 500), elsewhere, "other tables keep their routes");
    assert_eq!(world.container().addresses("net1"), [net(V4), net(V6)]);
    world.check::<Vrf>(&later).unwrap();
}

#[test]
fn a_route_that_a_plugin_took_away_is_not_made_again() {
    let world = world();
    let link = world.container().link("net1").map(|link| link.index);
    // As ptp leaves it: the subnet is behind the gateway.
    let gateway = Route { link, ..Route::to(net("10.1.0.1/32")) };
    let behind = Route { link, gateway: "10.1.0.1".parse().ok(), ..Route::to(net("10.1.0.0/24")) };
    Netns::container().unwrap().add_routes(&[gateway, behind], Conflict::Append).unwrap();
    Netns::container().unwrap().remove_routes(&[Route { scope: Some(253), ..Route::to(net("10.1.0.0/24")) }]).unwrap();
    let main = table(&world, 254);
    assert!(main.contains(&"10.1.0.0/24 via 10.1.0.1 mtu 0".to_owned()) && main.len() == 6, "{main:?}");
    add(&world, &config(json!({})));
    assert_eq!(table(&world, 1), main);
}

#[test]
fn the_table_is_the_configured_one_or_one_that_is_free() {
    let world = world();
    add(&world, &config(json!({"table": 77})));
    assert_eq!(vrf_table("red"), Some(77));

    let world = super::tests::world();
    make_vrf("blue", 1);
    let link = world.container().link("net1").map(|link| link.index);
    let other = Route { link, table: Some(2), ..Route::to(net("192.0.2.0/24")) };
    Netns::container().unwrap().add_routes(&[other], Conflict::Append).unwrap();
    add(&world, &config(json!({})));
    assert_eq!(vrf_table("red"), Some(3));
}

#[test]
fn a_vrf_that_exists_is_used_if_its_table_fits() {
    let world = world();
    make_vrf("red", 42);
    let error = world.add::<Vrf>(&config(json!({"table": 43}))).unwrap_err();
    assert!(error.code == 7 && error.msg.contains("table 42"), "{error}");
    let later = add(&world, &config(json!({})));
    assert_eq!(vrf_table("red"), Some(42));
    assert!(world.check::<Vrf>(&config(json!({"table": 43}))).unwrap_err().msg.contains("table 42"));

    interface(&world, "net2");
    world.attachment("c1", "net2");
    let second = config(json!({"table": 42, "prevResult": {"cniVersion": "1.1.0"}}));
    add(&world, &second);
    world.attachment("c1", "net1");
    world.del::<Vrf>(&later).unwrap();
    assert_eq!(vrf_table("red"), Some(42), "net2 is in it");
    world.attachment("c1", "net2");
    world.del::<Vrf>(&second).unwrap();
    assert_eq!(vrf_table("red"), None);
}

#[test]
fn bad_input_is_refused() {
    let world = world();
    for keys in [
        json!({"vrfname": ""}),
        json!({"vrfname": "a/b"}),
        json!({"vrfname": "a-name-that-is-too-long"}),
        json!({"table": -1}),
        json!({"table": 4_294_967_296_i64}),
    ] {
        assert_eq!(world.add::<Vrf>(&config(keys.clone())).unwrap_err().code, 7, "{keys}");
        assert_eq!(world.status::<Vrf>(&config(keys.clone())).unwrap_err().code, 7, "{keys}");
        world.del::<Vrf>(&config(keys)).unwrap();
    }
    world.status::<Vrf>(&config(json!({}))).unwrap();
    assert_eq!(world.add::<Vrf>(&config(json!({"prevResult": null}))).unwrap_err().code, 7);
    assert!(world.add::<Vrf>(&config(json!({"vrfname": "lo"}))).unwrap_err().msg.contains("no VRF"));

    make_vrf("blue", 5);
    add(&world, &config(json!({"vrfname": "blue"})));
    let error = world.add::<Vrf>(&config(json!({}))).unwrap_err();
    assert!(error.msg.contains("net1 is controlled by blue already"), "{error}");
    assert_eq!(vrf_table("red"), None);
    world.attachment("c1", "net9");
    assert!(world.add::<Vrf>(&config(json!({}))).unwrap_err().msg.contains("no interface net9"));
    assert_eq!(world.without_netns().add::<Vrf>(&config(json!({}))).unwrap_err().code, 3);
}

#[test]
fn check_sees_another_vrf_and_lost_routes() {
    let world = world();
    let later = add(&world, &config(json!({})));
    let lost = |destination: &str| {
        let world = super::tests::world();
        let later = add(&world, &config(json!({})));
        world.container().remove_routes(&Route { table: Some(1), ..Route::to(net(destination)) });
        world.check::<Vrf>(&later).unwrap_err().msg
    };
    world.check::<Vrf>(&later).unwrap();
    for destination in ["10.1.0.0/24", "fd00:1::/64", "0.0.0.0/0", "203.0.113.0/24"] {
        assert!(lost(destination).contains(&format!("no route to {destination}")));
    }
    let world = super::tests::world();
    let later = add(&world, &config(json!({})));
    Netns::container().unwrap().link("net1").unwrap().unwrap().set_controller(None).unwrap();
    assert!(world.check::<Vrf>(&later).unwrap_err().msg.contains("not in VRF red"));
    world.container().delete_link("red");
    assert!(world.check::<Vrf>(&later).unwrap_err().msg.contains("no VRF red"));
}

#[test]
fn del_succeeds_whatever_is_gone() {
    let world = world();
    let later = add(&world, &config(json!({})));
    world.container().delete_link("net1");
    world.del::<Vrf>(&later).unwrap();
    assert_eq!(vrf_table("red"), None, "the interface was the last one");
    world.del::<Vrf>(&later).unwrap();
    world.container().add_link("red", "dummy");
    world.del::<Vrf>(&later).unwrap();
    assert!(world.container().link("red").is_some(), "it is somebody else's");
    world.destroy_container().del::<Vrf>(&later).unwrap();
}

#[test]
fn an_interface_in_another_vrf_is_left_there() {
    let world = world();
    make_vrf("blue", 9);
    add(&world, &config(json!({"vrfname": "blue"})));
    make_vrf("red", 10);
    world.del::<Vrf>(&config(json!({}))).unwrap();
    assert_eq!(vrf_table("red"), None);
    let index = world.container().link("blue").map(|link| link.index);
    assert_eq!(world.container().link("net1").unwrap().controller, index);
}

#[test]
fn whatever_call_fails_everything_is_as_before() {
    for exists in [false, true] {
        let mut calls = 0;
        for nth in 1.. {
            let world = world();
            if exists {
                make_vrf("red", 6);
            }
            let snapshot = || {
                let addresses = world.container().addresses("net1");
                (world.container().link_names(), table(&world, RouteFilter::ALL_TABLES), addresses)
            };
            let before = snapshot();
            world.clear_calls().fail_nth(nth, FailureKind::Io);
            let outcome = world.add::<Vrf>(&config(json!({})));
            let failed = world.calls().get(nth - 1).cloned();
            let Err(error) = outcome else {
                if failed.is_none() {
                    calls = nth - 1;
                    break;
                }
                continue;
            };
            assert!(error.msg.contains("asked for by the test"), "{error}");
            assert_eq!(snapshot(), before, "call {nth}: {failed:?}");
        }
        assert!(calls >= 8, "{calls}");
    }
}
