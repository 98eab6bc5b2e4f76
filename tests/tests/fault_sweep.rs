//! Every bundled plugin, and a chain of five, with each kind of fault at each host call of ADD and of DEL: nothing stays.

#[path = "plugins/lan.rs"]
#[allow(dead_code, reason = "shared with the plugins' own tests")]
mod lan;

use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};
use weir_tests::configs::{bridge, host_local, portmap, tuning, with};
use weir_tests::sweep::Front;
use weir_tests::{Chain, Container, Host, Lifecycle, Programs, Test, dhcp, run, sweep};

fn main() -> ExitCode {
    let mut tests = Vec::new();
    tests.extend(interfaces());
    tests.extend(addresses());
    tests.extend(behind_bridge());
    tests.extend(chains());
    let status = run(tests);
    sweep::print_total();
    status
}

fn network(plugins: &[Value]) -> Result<Lifecycle> {
    Ok(Lifecycle::new(Chain::new(&Programs::weir()?, "net", plugins)))
}

fn addresses_of(number: u8) -> Value {
    host_local(&[&format!("10.{number}.0.0/24"), &format!("fd00:{number}::/64")])
}

/// Plugins that make an interface.
fn interfaces() -> Vec<Test> {
    let mut tests = sweep::tests("loopback", Front::NONE, |_| {
        // As a runtime hands it over. What `lo` gets when it comes up does not all go when it goes down.
        let prepared = network(&[json!({"type": "loopback"})])?
            .prepare(|_, container| container.run("ip", ["link", "set", "lo", "down"]).map(drop));
        Ok(prepared
            .may_change(|name| !name.starts_with("host: ") && name.contains(": address ") && name.contains("\"lo\"")))
    });
    for backend in ["nftables", "iptables"] {
        let name = if backend == "nftables" { "bridge" } else { "bridge_iptables" };
        tests.extend(sweep::tests(name, Front::NONE, move |_| {
            let keys = json!({
                "ipMasq": true, "ipMasqBackend": backend, "macspoofchk": backend == "nftables", "hairpinMode": true,
            });
            network(&[with(&bridge(&["10.40.0.0/24", "fd00:40::/64"]), keys)])
        }));
        let name = if backend == "nftables" { "ptp" } else { "ptp_iptables" };
        tests.extend(sweep::tests(name, Front::NONE, move |host| {
            let outside = host.outside()?;
            let keys = json!({"type": "ptp", "ipam": addresses_of(41), "ipMasq": true, "ipMasqBackend": backend});
            Ok(network(&[keys])?.keep(outside))
        }));
    }
    tests.extend(sweep::tests("bridge_vlan", Front::NONE, |host| {
        host.require_link("bridge", &["vlan_filtering", "1"])?;
        network(&[
            json!({"type": "bridge", "bridge": "cni0", "vlan": 7, "vlanTrunk": [{"id": 9}], "ipam": addresses_of(40)}),
        ])
    }));
    tests.extend(sweep::tests("macvlan", Front::NONE, |host| {
        let neighbour = lan::lan(host)?;
        Ok(network(&[json!({"type": "macvlan", "master": "nic0", "ipam": lan::addresses()})])?.keep(neighbour))
    }));
    tests.extend(sweep::tests("ipvlan", Front::NONE, |host| {
        let neighbour = lan::lan(host)?;
        host.require_link("ipvlan", &["link", "nic0"])?;
        Ok(network(&[json!({"type": "ipvlan", "master": "nic0", "ipam": lan::addresses()})])?.keep(neighbour))
    }));
    tests.extend(sweep::tests("vlan", Front::NONE, |host| {
        let neighbour = lan::lan(host)?;
        host.require_link("vlan", &["link", "nic0", "id", "5"])?;
        Ok(network(&[json!({"type": "vlan", "master": "nic0", "vlanId": 5, "ipam": addresses_of(45)})])?
            .keep(neighbour))
    }));
    tests.extend(sweep::tests("tap", Front::NONE, |_| {
        weir_tests::host::require_tap()?;
        let plugin = json!({"type": "tap", "bridge": "br0", "multiQueue": true, "ipam": addresses_of(47)});
        // A bridge has the hardware address and the limits of its ports.
        Ok(network(&[plugin])?.prepare(|_, container| switch(container)).may_change(|name| name.contains("\"br0\"")))
    }));
    tests.extend(sweep::tests("dummy", Front::NONE, |host| {
        host.require_link("dummy", &[])?;
        network(&[json!({"type": "dummy", "ipam": addresses_of(45)})])
    }));
    tests.extend(sweep::tests("host-device", Front::NONE, |_| {
        let prepare = |host: &Host, _: &Container| if host.has_link("dev0") { Ok(()) } else { device(host) };
        let of_device = |name: &str| name.contains("peer0");
        let plugin = json!({"type": "host-device", "device": "dev0", "ipam": addresses_of(60)});
        Ok(network(&[plugin])?
            .prepare(prepare)
            .may_change(of_device)
            .may_end_with_container(|name| name.contains("dev0")))
    }));
    tests.extend(sweep::tests("flannel", Front::NONE.only("flannel"), |_| {
        std::fs::create_dir_all("/run/flannel")?;
        let subnets = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.3.1/24\nFLANNEL_MTU=1450\n\
            FLANNEL_IPV6_NETWORK=fd00:244::/48\nFLANNEL_IPV6_SUBNET=fd00:244:0:3::1/64\nFLANNEL_IPMASQ=false\n";
        std::fs::write("/run/flannel/subnet.env", subnets)?;
        network(&[json!({"type": "flannel"})])
    }));
    tests
}

fn switch(container: &Container) -> Result<()> {
    container.run("ip", ["link", "add", "br0", "type", "bridge"])?;
    container.run("ip", ["link", "set", "br0", "up"]).map(drop)
}

/// A device of the administrator's, and its other end `peer0`, which a container's end takes along.
fn device(host: &Host) -> Result<()> {
    let _ = host.run("ip", ["link", "delete", "peer0"]);
    host.run("ip", ["link", "add", "dev0", "address", "02:00:00:00:00:d0", "type", "veth", "peer", "name", "peer0"])?;
    host.run("ip", ["link", "set", "dev0", "alias", "rack 7"])?;
    host.run("ip", ["link", "set", "dev0", "up"])?;
    host.run("ip", ["link", "set", "peer0", "up"]).map(drop)
}

/// IPAM plugins.
fn addresses() -> Vec<Test> {
    let mut tests = sweep::tests("host-local", Front::NONE, |_| {
        network(&[json!({"type": "host-local", "ipam": addresses_of(41)})])
    });
    tests.extend(sweep::without_calls("static", |_| {
        let addresses = json!([{"address": "10.43.0.2/24", "gateway": "10.43.0.1"}, {"address": "fd00:43::2/64"}]);
        network(&[json!({"type": "static", "ipam": {"type": "static", "addresses": addresses}})])
    }));
    tests.extend(sweep::tests("dhcp", Front::NONE.only("dhcp"), |host| {
        dhcp::bridge(host)?;
        let (server, daemon) = (dhcp::dnsmasq("10.60.0.10,10.60.0.99", &[])?, dhcp::daemon(&[])?);
        let plugin = json!({"type": "bridge", "bridge": dhcp::BRIDGE, "ipam": {"type": "dhcp"}});
        let life = network(&[plugin])?.keep(server).keep(daemon);
        Ok(life.may_change(|name| name.starts_with("file /run/test/dhcp/")))
    }));
    tests
}

/// Plugins that add to an interface.
fn behind_bridge() -> Vec<Test> {
    let plain = || bridge(&["10.42.0.0/24", "fd00:42::/64"]);
    let mut tests = Vec::new();
    for (backend, portmap_name, firewall_name) in
        [("nftables", "portmap", "firewall"), ("iptables", "portmap_iptables", "firewall_iptables")]
    {
        tests.extend(sweep::tests(portmap_name, Front::STAYS, move |_| {
            let chain = Chain::new(&Programs::weir()?, "net", &[plain(), portmap(backend)]).capabilities(ports());
            Ok(Lifecycle::new(chain))
        }));
        tests.extend(sweep::tests(firewall_name, Front::STAYS, move |_| {
            network(&[plain(), json!({"type": "firewall", "backend": backend, "ingressPolicy": "isolated"})])
        }));
    }
    tests.extend(sweep::tests("tuning", Front::GOES, move |_| {
        network(&[plain(), with(&tuning(), json!({"mtu": 1400, "promisc": true}))])
    }));
    tests.extend(sweep::tests("sbr", Front::GOES, move |_| network(&[plain(), json!({"type": "sbr"})])));
    tests.extend(sweep::tests("bandwidth", Front::STAYS, move |host| {
        host.require_link("ifb", &[])?;
        network(&[plain(), limits()])
    }));
    tests.extend(sweep::tests("vrf", Front::GOES, move |host| {
        host.require_link("vrf", &["table", "10"])?;
        // With the first VRF of a namespace the kernel makes the rule that leads to the tables of VRFs, for good.
        let life = network(&[plain(), json!({"type": "vrf", "vrfname": "red"})])?;
        Ok(life.may_change(|name| name.contains(": rule ") && name.contains(" 1000 ")))
    }));
    tests.extend(sweep::tests("weir-debug", Front::STAYS, move |_| {
        network(&[plain(), json!({"type": "weir-debug", "dataDir": "/run/cni/debug"})])
    }));
    tests
}

fn ports() -> Value {
    json!({"portMappings": [
        {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
        {"hostPort": 8053, "containerPort": 53, "protocol": "udp"},
    ]})
}

fn limits() -> Value {
    json!({
        "type": "bandwidth", "ingressRate": 8_000_000, "ingressBurst": 800_000, "egressRate": 8_000_000,
        "egressBurst": 800_000,
    })
}

/// Five plugins, of which any may fail.
fn chains() -> Vec<Test> {
    let mut tests = Vec::new();
    for (backend, name) in [("nftables", "chain_of_five"), ("iptables", "chain_of_five_iptables")] {
        tests.extend(sweep::tests(name, Front::NONE, move |host| {
            host.require_link("ifb", &[])?;
            let keys = json!({"ipMasq": true, "ipMasqBackend": backend, "macspoofchk": backend == "nftables"});
            let firewall = json!({"type": "firewall", "backend": backend, "ingressPolicy": "same-bridge"});
            let bridge = with(&bridge(&["10.70.0.0/24", "fd00:70::/64"]), keys);
            let plugins = [bridge, portmap(backend), tuning(), firewall, limits()];
            Ok(Lifecycle::new(Chain::new(&Programs::weir()?, "net", &plugins).capabilities(ports())))
        }));
    }
    tests
}
