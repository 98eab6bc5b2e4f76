//! The ptp plugin: packets over routes alone, masquerade, and what DEL takes away.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::{self, VERSIONS, with};
use weir_tests::host::Outside;
use weir_tests::{Host, Lifecycle, Snapshot, Test, lifecycle, residue, test, traffic};

use crate::lan::{added, chain};

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = lifecycle::tests("ptp", &VERSIONS, |host, version| {
        // Both backends have their turn.
        let backend = if version.starts_with("0.") { "iptables" } else { "nftables" };
        let life = Lifecycle::new(chain(&[&dual(), &masquerade(backend)])?);
        let outside = host.outside()?;
        Ok(life.keep(outside))
    });
    tests.extend([
        test("ptp_containers_reach_host_and_each_other_by_routes", reach),
        test("ptp_carries_tcp_both_ways_in_both_families", tcp),
        test("ptp_has_no_route_to_the_subnet_but_by_the_gateway", routes),
        test("ptp_masquerade_hides_containers_from_the_outside", masquerade_outside),
        test("ptp_without_masquerade_the_outside_sees_the_container", no_masquerade),
        test("ptp_mtu_is_that_of_both_ends", mtu),
        test("ptp_route_attributes_are_installed", attributes),
        test("ptp_dns_replaces_that_of_ipam_where_there_is_any", dns),
        test("ptp_an_address_with_a_whole_prefix_works", whole_prefix),
        test("ptp_refuses_configurations_and_leaves_nothing", refusals),
        test("ptp_check_finds_what_was_changed", check),
        test("ptp_del_without_a_namespace_takes_the_living_pair_away", del_without_namespace),
        test("ptp_gc_takes_masquerade_of_others_away", gc),
        test("ptp_status_tells_of_an_exhausted_pool", status),
    ]);
    tests
}

fn dual() -> Value {
    let routes = json!([{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]);
    let ipam = with(&configs::host_local(&["10.41.0.0/24", "fd00:41::/64"]), json!({"routes": routes}));
    json!({"type": "ptp", "ipam": ipam})
}

fn masquerade(backend: &str) -> Value {
    json!({"ipMasq": true, "ipMasqBackend": backend})
}

fn outer(host: &Host, result: &Value) -> Result<Value> {
    let name = result["interfaces"][0]["name"].as_str().unwrap_or_default();
    Ok(host.json("ip", ["-json", "-details", "link", "show", "dev", name])?[0].clone())
}

fn reach(host: &Host) -> Result<()> {
    let chain = chain(&[&dual()])?;
    let (one, first) = added(&chain, host, "one")?;
    let (two, second) = added(&chain, host, "two")?;
    for gateway in ["10.41.0.1", "fd00:41::1"] {
        traffic::ping(&one, gateway)?;
        traffic::ping(&two, gateway)?;
    }
    for address in residue::addresses(&second) {
        traffic::ping(&one, &address)?;
    }
    for address in residue::addresses(&first) {
        traffic::ping_here(&address)?;
    }
    Ok(())
}

fn tcp(host: &Host) -> Result<()> {
    let (one, result) = added(&chain(&[&dual()])?, host, "one")?;
    let addresses = residue::addresses(&result);
    let (inside, here) = (traffic::Server::start(&one, 8080)?, traffic::Server::start_on_host(8081)?);
    for (address, gateway) in addresses.iter().zip(["10.41.0.1", "fd00:41::1"]) {
        ensure!(traffic::tcp_here(address, 8080)?.to_string() == gateway);
        ensure!(traffic::tcp(&one, gateway, 8081)?.to_string() == *address);
    }
    drop((inside, here));
    Ok(())
}

fn routes(host: &Host) -> Result<()> {
    let (one, result) = added(&chain(&[&dual()])?, host, "one")?;
    let v4 = one.run("ip", ["route"])?;
    for route in
        ["10.41.0.1 dev eth0 scope link src", "10.41.0.0/24 via 10.41.0.1 dev eth0 src", "default via 10.41.0.1"]
    {
        ensure!(v4.contains(route), "{route} is missing in\n{v4}");
    }
    ensure!(v4.matches("10.41.0.0/24").count() == 1, "{v4}");
    let v6 = one.run("ip", ["-6", "route"])?;
    for route in ["fd00:41::1 dev eth0 src", "fd00:41::/64 via fd00:41::1 dev eth0", "default via fd00:41::1"] {
        ensure!(v6.contains(route), "{route} is missing in\n{v6}");
    }
    ensure!(v6.matches("fd00:41::/64").count() == 1, "{v6}");
    let outer = outer(host, &result)?["ifname"].as_str().unwrap_or_default().to_owned();
    let on_host = host.run("ip", ["route"])?;
    ensure!(on_host.contains(&format!("10.41.0.2 dev {outer} scope host")), "{on_host}");
    ensure!(host.sysctl("net/ipv4/ip_forward")? == "1" && host.sysctl("net/ipv6/conf/all/forwarding")? == "1");
    ensure!(host.sysctl(&format!("net/ipv6/conf/{outer}/accept_ra"))? == "0");
    ensure!(one.sysctl("net/ipv4/conf/eth0/arp_notify")? == "1");
    Ok(())
}

fn masquerade_outside(host: &Host) -> Result<()> {
    let outside = host.outside()?.namespace;
    let _server = traffic::Server::start(&outside, 9000)?;
    for (n, backend) in ["nftables", "iptables"].into_iter().enumerate() {
        let subnets = [format!("10.4{}.0.0/24", n + 2), format!("fd00:4{}::/64", n + 2)];
        let ipam = configs::host_local(&[&subnets[0], &subnets[1]]);
        let ipam = with(&ipam, json!({"routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}));
        let chain = chain(&[&json!({"type": "ptp", "ipam": ipam}), &masquerade(backend)])?;
        let (one, first) = added(&chain, host, &format!("{backend}1"))?;
        let (two, second) = added(&chain, host, &format!("{backend}2"))?;
        ensure!(traffic::tcp(&one, Outside::V4, 9000)?.to_string() == Outside::HOST_V4, "{backend}");
        ensure!(traffic::tcp(&one, Outside::V6, 9000)?.to_string() == Outside::HOST_V6, "{backend}");
        let server = traffic::Server::start(&two, 80)?;
        for (from, to) in residue::addresses(&first).iter().zip(residue::addresses(&second)) {
            ensure!(traffic::tcp(&one, &to, 80)?.to_string() == *from, "{backend}: translated inside the subnet");
        }
        drop(server);
        chain.del(&one, &first)?;
        chain.del(&two, &second)?;
        let words = [residue::addresses(&first), residue::addresses(&second)].concat();
        residue::assert_none(host, &words)?;
    }
    Ok(())
}

fn no_masquerade(host: &Host) -> Result<()> {
    let outside = host.outside()?.namespace;
    let _server = traffic::Server::start(&outside, 9000)?;
    outside.run("ip", ["route", "add", "10.41.0.0/24", "via", Outside::HOST_V4])?;
    let (one, result) = added(&chain(&[&dual()])?, host, "one")?;
    let seen = traffic::tcp(&one, Outside::V4, 9000)?.to_string();
    ensure!(seen == residue::addresses(&result)[0], "{seen}");
    Ok(())
}

fn mtu(host: &Host) -> Result<()> {
    let (one, result) = added(&chain(&[&dual(), &json!({"mtu": 1399})])?, host, "one")?;
    ensure!(one.link("eth0")?["mtu"] == 1399 && outer(host, &result)?["mtu"] == 1399);
    Ok(())
}

fn attributes(host: &Host) -> Result<()> {
    let mut config = dual();
    config["ipam"]["routes"] = json!([{"dst": "203.0.113.0/24", "mtu": 1300, "advmss": 1200, "priority": 50}]);
    let chain = chain(&[&config])?;
    let (one, result) = added(&chain, host, "one")?;
    let route = one.run("ip", ["route", "show", "203.0.113.0/24"])?;
    for part in ["via 10.41.0.1", "metric 50", "mtu 1300", "advmss 1200"] {
        ensure!(route.contains(part), "{part} is missing in {route}");
    }
    chain.check(&one, &result)
}

fn dns(host: &Host) -> Result<()> {
    std::fs::write("/run/resolv", "nameserver 203.0.113.1\n")?;
    let mut config = dual();
    config["ipam"]["resolvConf"] = json!("/run/resolv");
    let (_, result) = added(&chain(&[&config])?, host, "one")?;
    ensure!(result["dns"]["nameservers"] == json!(["203.0.113.1"]), "{result}");
    let own = json!({"dns": {"nameservers": ["203.0.113.2"]}});
    let (_, result) = added(&chain(&[&config, &own])?, host, "two")?;
    ensure!(result["dns"] == json!({"nameservers": ["203.0.113.2"]}), "{result}");
    Ok(())
}

fn whole_prefix(host: &Host) -> Result<()> {
    let ipam = json!({"type": "static", "routes": [{"dst": "0.0.0.0/0"}],
        "addresses": [{"address": "10.44.0.9/32", "gateway": "169.254.1.1"}]});
    let chain = chain(&[&json!({"type": "ptp", "ipam": ipam})])?;
    let (one, result) = added(&chain, host, "one")?;
    traffic::ping(&one, "169.254.1.1")?;
    traffic::ping_here("10.44.0.9")?;
    chain.check(&one, &result)
}

fn refusals(host: &Host) -> Result<()> {
    let no_gateway = json!({"ipam": {"type": "static", "addresses": [{"address": "10.44.0.9/24"}]}});
    let one = host.container("one")?;
    let before = Snapshot::take(&[&one])?;
    for (keys, code) in [
        (json!({"mtu": -1}), 7),
        (json!({"mtu": "big"}), 6),
        (json!({"ipMasqBackend": "pf"}), 7),
        (json!({"ipam": {}}), 7),
        (no_gateway, 7),
    ] {
        let chain = chain(&[&dual(), &keys])?;
        let error = chain.call("ADD", &chain.plugins[0], &Value::Null)?.container(&one).error()?;
        ensure!(error.code == code, "{keys}: {error:?}");
    }
    before.assert_same(&Snapshot::take(&[&one])?)
}

fn check(host: &Host) -> Result<()> {
    let chain = chain(&[&dual()])?;
    for (n, what) in ["mac", "address", "route", "link"].into_iter().enumerate() {
        let (one, result) = added(&chain, host, &format!("c{n}"))?;
        chain.check(&one, &result)?;
        let address = result["ips"][0]["address"].as_str().unwrap_or_default();
        match what {
            "mac" => one.run("ip", ["link", "set", "eth0", "address", "02:00:00:00:00:99"])?,
            "address" => one.run("ip", ["address", "delete", address, "dev", "eth0"])?,
            "route" => one.run("ip", ["route", "delete", "default"])?,
            _ => one.run("ip", ["link", "delete", "eth0"])?,
        };
        ensure!(chain.check(&one, &result).is_err(), "CHECK does not see the change of the {what}");
    }
    Ok(())
}

fn del_without_namespace(host: &Host) -> Result<()> {
    let chain = chain(&[&dual(), &masquerade("nftables")])?;
    let (one, result) = added(&chain, host, "one")?;
    chain.del_in(&one, &result, "")?;
    let mut words = residue::addresses(&result);
    words.push("one".into());
    residue::assert_none(host, &words)?;
    ensure!(!one.has_link("eth0"));
    Ok(())
}

fn gc(host: &Host) -> Result<()> {
    for backend in ["nftables", "iptables"] {
        let chain = chain(&[&dual(), &masquerade(backend)])?;
        let (one, first) = added(&chain, host, &format!("{backend}-one"))?;
        let (two, second) = added(&chain, host, &format!("{backend}-two"))?;
        one.unmount()?;
        chain.gc(&[(&two.id, "eth0")])?;
        let rules = host.run("nft", ["list", "ruleset"])?;
        let (gone, kept) = (&residue::addresses(&first)[0], &residue::addresses(&second)[0]);
        ensure!(!rules.contains(&format!("saddr {gone} ")), "{backend}: {rules}");
        ensure!(rules.contains(&format!("saddr {kept} ")), "{backend}: {rules}");
        let leases = host.leases(std::path::Path::new("/run/test/ipam"), "net")?;
        ensure!(!leases.contains(gone) && leases.contains(kept), "{leases:?}");
        chain.check(&two, &second)?;
        chain.del(&two, &second)?;
    }
    Ok(())
}

fn status(host: &Host) -> Result<()> {
    let keys = json!({"ipam": configs::host_local(&["10.41.0.0/30"])});
    let chain = chain(&[&dual(), &keys])?;
    chain.status()?;
    let (_one, _) = added(&chain, host, "one")?;
    ensure!(chain.status().is_err(), "the only address is given out");
    Ok(())
}
