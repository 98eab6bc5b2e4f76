//! Things of the network in the words of ip(8).

use std::fmt::Write;

use weir_sdk::net::{LinkAddress, LinkInfo, Neighbor, OperationalState, Route, Rule};

pub(crate) fn link(info: &LinkInfo) -> String {
    let mut text = format!("link {} {}:", info.index, info.name);
    let kind = if info.loopback { Some("loopback") } else { info.kind.as_deref() };
    add(&mut text, "", kind);
    add(&mut text, "mac ", Some(&info.mac).filter(|mac| !mac.as_bytes().is_empty()));
    add(&mut text, "mtu ", Some(info.mtu));
    add(&mut text, "qlen ", Some(info.tx_queue_length));
    text.push_str(if info.up { " up" } else { " down" });
    add(&mut text, "state ", Some(state(info.operational_state)));
    add(&mut text, "controller link ", info.controller);
    add(&mut text, "lower link ", info.lower);
    add(&mut text, "", info.promiscuous.then_some("promiscuous"));
    add(&mut text, "", info.all_multicast.then_some("allmulticast"));
    add(&mut text, "alias ", info.alias.as_ref());
    text
}

fn state(state: OperationalState) -> &'static str {
    match state {
        OperationalState::Unknown => "unknown",
        OperationalState::NotPresent => "not present",
        OperationalState::Down => "down",
        OperationalState::LowerLayerDown => "lower layer down",
        OperationalState::Testing => "testing",
        OperationalState::Dormant => "dormant",
        OperationalState::Up => "up",
    }
}

pub(crate) fn address(address: &LinkAddress, link: &str) -> String {
    let mut text = format!("address {} dev {link} scope {}", address.network, scope(address.scope));
    add(&mut text, "", address.tentative.then_some("tentative"));
    add(&mut text, "", address.dad_failed.then_some("duplicate"));
    text
}

fn scope(scope: u8) -> String {
    match scope {
        0 => "global".to_owned(),
        253 => "link".to_owned(),
        254 => "host".to_owned(),
        other => other.to_string(),
    }
}

pub(crate) fn route(route: &Route, name: &dyn Fn(u32) -> String) -> String {
    let mut text = format!("route {}", route.destination);
    add(&mut text, "via ", route.gateway);
    add(&mut text, "dev ", route.link.map(name));
    add(&mut text, "table ", Some(route.table.unwrap_or(MAIN)));
    add(&mut text, "src ", route.source);
    add(&mut text, "metric ", route.priority);
    add(&mut text, "scope ", route.scope.map(scope));
    add(&mut text, "mtu ", route.mtu);
    add(&mut text, "advmss ", route.advmss);
    add(&mut text, "", route.onlink.then_some("onlink"));
    text
}

const MAIN: u32 = 254;

pub(crate) fn rule(rule: &Rule) -> String {
    let mut text = format!("rule {}:", rule.priority.unwrap_or(0));
    text.push_str(match rule.family {
        weir_sdk::net::IpFamily::Ipv4 => " IPv4",
        weir_sdk::net::IpFamily::Ipv6 => " IPv6",
    });
    add(&mut text, "from ", rule.source);
    add(&mut text, "to ", rule.destination);
    add(&mut text, "iif ", rule.input_interface.as_ref());
    add(&mut text, "oif ", rule.output_interface.as_ref());
    add(&mut text, "fwmark ", rule.mark.map(|mark| format!("{:#x}/{:#x}", mark.value, mark.mask)));
    add(&mut text, "lookup ", Some(rule.table));
    text
}

pub(crate) fn neighbor(entry: &Neighbor, name: &dyn Fn(u32) -> String) -> String {
    let mut text = format!("neighbour {} dev {}", entry.address, name(entry.link));
    add(&mut text, "lladdr ", Some(&entry.mac).filter(|mac| !mac.as_bytes().is_empty()));
    add(&mut text, "", entry.permanent.then_some("permanent"));
    add(&mut text, "", entry.proxy.then_some("proxy"));
    text
}

fn add(text: &mut String, word: &str, value: Option<impl std::fmt::Display>) {
    if let Some(value) = value {
        // Writing to a text cannot fail.
        let _ = write!(text, " {word}{value}");
    }
}
