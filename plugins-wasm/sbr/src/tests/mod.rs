//! The plugin on the in-memory host.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod add;
mod check_and_del;

use std::net::IpAddr;

use serde_json::{Value, json};
use weir_sdk::net::{Conflict, Route, Rule};
use weir_sdk::testing::{World, with_prev_result};
use weir_sdk::{IpNet, Netns};

use crate::Sbr;

/// Addresses and gateways of the interface as most tests have it.
const DUAL: [(&str, &str); 2] = [("10.1.0.5/24", "10.1.0.1"), ("fd00:1::5/64", "fd00:1::1")];

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A container with a first interface that has the default routes, and `net1` as another plugin leaves it.
fn world(addresses: &[(&str, &str)]) -> World {
    let world = World::new();
    world.attachment("c1", "net1");
    interface(&world, "eth0", &["10.0.0.5/24", "fd00::5/64"]);
    let plain: Vec<_> = addresses.iter().map(|(network, _)| *network).collect();
    interface(&world, "net1", &plain);
    route("eth0", "0.0.0.0/0", Some("10.0.0.1"));
    route("eth0", "::/0", Some("fd00::1"));
    world
}

fn interface(world: &World, name: &str, addresses: &[&str]) {
    world.container().add_link(name, "macvlan");
    Netns::container().unwrap().link(name).unwrap().unwrap().set_up().unwrap();
    for network in addresses {
        world.container().add_address(name, net(network));
    }
}

fn route(link: &str, destination: &str, gateway: Option<&str>) {
    let netns = Netns::container().unwrap();
    let link = netns.link(link).unwrap().unwrap().info().unwrap().index;
    let route = Route { link: Some(link), gateway: gateway.map(address), ..Route::to(net(destination)) };
    netns.add_routes(&[route], Conflict::Append).unwrap();
}

fn config(addresses: &[(&str, &str)], keys: Value) -> String {
    let ips: Vec<_> = addresses
        .iter()
        .map(|(network, gateway)| match *gateway {
            "" => json!({"interface": 1, "address": network}),
            gateway => json!({"interface": 1, "address": network, "gateway": gateway}),
        })
        .collect();
    let mut document = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "sbr",
        "prevResult": {"cniVersion": "1.1.0", "ips": ips, "interfaces": [
            {"name": "net1", "mac": "0a:00:00:00:00:09"},
            {"name": "net1", "mac": "02:00:00:00:00:01", "sandbox": "/run/netns/c1"}
        ]}
    });
    document.as_object_mut().unwrap().append(&mut keys.as_object().unwrap().clone());
    document.to_string()
}

/// Rules as text, in the order in which packets meet them.
fn rules(world: &World) -> Vec<String> {
    let text =
        |rule: &Rule| format!("{} {}", rule.source.map(|net| net.addr().to_string()).unwrap_or_default(), rule.table);
    world.container().rules().iter().map(text).collect()
}

/// Routes of a table as text: destination, gateway, preferred source.
fn table(world: &World, number: u32) -> Vec<String> {
    let mut routes: Vec<_> = world.container().routes_in(number).iter().map(text).collect();
    routes.sort();
    routes
}

fn text(route: &Route) -> String {
    let part =
        |word: &str, address: Option<IpAddr>| address.map(|address| format!(" {word} {address}")).unwrap_or_default();
    format!("{}{}{}", route.destination, part("via", route.gateway), part("src", route.source))
}

/// Routes of an interface in the main table, as text.
fn main_table(world: &World, link: &str) -> Vec<String> {
    let index = world.container().link(link).unwrap().index;
    let mut routes: Vec<_> =
        world.container().routes().iter().filter(|route| route.link == Some(index)).map(text).collect();
    routes.sort();
    routes
}

fn later(world: &World, config: &str) -> String {
    let result = world.add::<Sbr>(config).unwrap_or_else(|error| panic!("{config}: {error}"));
    with_prev_result(config, &result).unwrap()
}
