//! Reaches for where the host sends its packets.

use weir_sdk::bindings::weir::cni::links::LinkChanges;
use weir_sdk::bindings::weir::cni::routes::{self, Conflict, Route, RouteFilter};
use weir_sdk::bindings::weir::cni::rules::{self, Rule};
use weir_sdk::bindings::weir::cni::types::{IpFamily, IpNetwork};
use weir_sdk::bindings::weir::cni::{firewalld, sysctls};

use crate::call::{Attempts, Call, Outcome, prepared};
use crate::scene::{GATEWAY, SAME, UPLINK, VICTIM, container, host, network, own_pair, v4};

const EVERYWHERE: IpNetwork = network(v4(0, 0, 0, 0), 0);

fn route(destination: IpNetwork) -> Route {
    Route {
        destination,
        gateway: None,
        link: None,
        source: None,
        table: None,
        priority: None,
        scope: None,
        mtu: None,
        advmss: None,
        onlink: false,
    }
}

/// The index of the attachment's own link on the host, which is set up.
fn own_index(call: &Call) -> Result<u32, weir_sdk::bindings::exports::weir::cni::plugin::CniError> {
    let (inner, outer) = own_pair(call)?;
    for link in [&inner, &outer] {
        prepared("set the own link up", link.update(&LinkChanges { up: Some(true), ..SAME }))?;
    }
    Ok(prepared("look at the own link", outer.info())?.index)
}

pub fn default_route_added(call: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    let index = own_index(call)?;
    let half = network(v4(128, 0, 0, 0), 1);
    for (destination, priority) in [(EVERYWHERE, Some(5)), (EVERYWHERE, None), (half, None)] {
        let route = Route { link: Some(index), priority, ..route(destination) };
        attempts.to("all packets to the own link", routes::add(&host()?, &[route], Conflict::Append));
    }
    attempts.end()
}

pub fn default_route_replaced(call: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    let route = Route { link: Some(own_index(call)?), ..route(EVERYWHERE) };
    attempts.to("replace the default route", routes::add(&host()?, &[route], Conflict::Replace));
    attempts.end()
}

pub fn default_route_deleted(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    attempts.to("delete the default route", routes::remove(&host()?, &[route(EVERYWHERE)]));
    let filter = RouteFilter { family: None, link: None, table: None };
    let all = prepared("list routes", routes::list(&host()?, filter))?;
    attempts.to("delete all routes", routes::remove(&host()?, &all));
    attempts.end()
}

pub fn route_to_a_neighbour_stolen(call: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    let index = own_index(call)?;
    for destination in [network(VICTIM, 32), network(GATEWAY, 32), network(v4(10, 88, 0, 0), 17)] {
        let route = Route { link: Some(index), ..route(destination) };
        attempts.to("a route to others", routes::add(&host()?, &[route], Conflict::Refuse));
    }
    attempts.end()
}

pub fn route_in_another_table(call: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    let index = own_index(call)?;
    for table in [100, 255, 253] {
        let route = Route { link: Some(index), table: Some(table), ..route(EVERYWHERE) };
        attempts.to(format!("a route in table {table}"), routes::add(&host()?, &[route], Conflict::Refuse));
    }
    attempts.end()
}

const RULE: Rule = Rule {
    family: IpFamily::Ipv4,
    source: None,
    destination: None,
    input_interface: None,
    output_interface: None,
    mark: None,
    table: 4242,
    priority: Some(10),
};

pub fn policy_rule_added(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    attempts.to("a rule for all packets", rules::add(&host()?, &RULE));
    attempts.end()
}

pub fn policy_rule_deleted(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    for table in [254, 255, 100] {
        let rule = Rule { table, priority: None, ..RULE };
        attempts.to(format!("the rule for table {table}"), rules::remove(&host()?, &rule));
    }
    attempts.end()
}

fn set(keys: &[(&str, &str)]) -> Outcome {
    let mut attempts = Attempts::new();
    for (key, value) in keys {
        attempts.to(format!("set {key}"), sysctls::set(&host()?, key, value));
    }
    attempts.end()
}

pub fn forwarding_off(_: &Call) -> Outcome {
    set(&[("net/ipv4/ip_forward", "0"), ("net/ipv6/conf/all/forwarding", "0"), ("net/ipv4/conf/all/rp_filter", "1")])
}

pub fn settings_of_the_uplink(_: &Call) -> Outcome {
    let keys =
        ["net/ipv4/conf/uplink/proxy_arp", "net/ipv6/conf/uplink/accept_ra", "net/ipv4/conf/uplink/route_localnet"];
    set(&keys.map(|key| (key, "1")))
}

pub fn core_pattern(_: &Call) -> Outcome {
    set(&[
        ("kernel/core_pattern", "|/bin/sh"),
        ("net/../kernel/core_pattern", "|/bin/sh"),
        ("kernel/modprobe", "/bin/sh"),
    ])
}

pub fn zone_of_firewalld(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    for zone in ["trusted", "public", UPLINK] {
        attempts.to(format!("trust others in {zone}"), firewalld::add_source(zone, network(VICTIM, 32)));
        attempts.to(format!("forget others in {zone}"), firewalld::remove_source(zone, network(VICTIM, 32)));
    }
    drop(container()?);
    attempts.end()
}
