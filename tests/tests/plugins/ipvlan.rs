//! The ipvlan plugin: who reaches whom in each mode, its place in a chain, and its keys.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::{self, VERSIONS};
use weir_tests::{
    Chain, Container, Host, Lifecycle, Programs, Snapshot, Test, lifecycle, residue, skip, test, traffic,
};

use crate::lan::{added, addresses, chain, lan};

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = lifecycle::tests("ipvlan", &VERSIONS, |host, version| {
        let neighbour = card(host)?;
        let mode = if version.starts_with("0.") { "l3s" } else { "l2" };
        Ok(Lifecycle::new(chain(&[&config(mode)])?).keep(neighbour))
    });
    tests.extend([
        test("ipvlan_l2_neighbours_reach_each_other_and_the_lan", layer2),
        test("ipvlan_l3_neighbours_reach_each_other_and_are_routed", layer3),
        test("ipvlan_l3s_packets_pass_the_filters_of_the_host", filtered),
        test("ipvlan_shares_the_mac_of_the_master_and_takes_its_mtu", mac_and_mtu),
        test("ipvlan_default_master_is_that_of_the_default_route", default_master),
        test("ipvlan_link_in_container_stands_on_a_link_there", in_container),
        test("ipvlan_in_a_chain_takes_master_and_addresses_of_the_plugin_before", chained),
        test("ipvlan_refuses_configurations_and_leaves_nothing", refusals),
        test("ipvlan_check_finds_what_was_changed", check),
        test("ipvlan_del_needs_no_master", del_without_master),
        test("ipvlan_gc_and_status_reach_ipam", gc_and_status),
    ]);
    tests
}

/// The network card and its neighbour, where the kernel has ipvlan.
fn card(host: &Host) -> Result<Container> {
    let neighbour = lan(host)?;
    match host.run("ip", ["link", "add", "link", "nic0", "name", "probe", "type", "ipvlan"]) {
        Ok(_) => host.run("ip", ["link", "delete", "probe"])?,
        Err(error) if format!("{error:#}").contains("Unknown device type") => {
            return Err(skip("this kernel makes no link of type ipvlan"));
        }
        Err(error) => return Err(error),
    };
    Ok(neighbour)
}

fn config(mode: &str) -> Value {
    json!({"type": "ipvlan", "master": "nic0", "mode": mode, "ipam": addresses()})
}

fn mode_of(container: &Container) -> Result<Value> {
    Ok(container.link("eth0")?["linkinfo"]["info_data"]["mode"].clone())
}

fn layer2(host: &Host) -> Result<()> {
    let neighbour = card(host)?;
    let mut keys = config("");
    keys.as_object_mut().unwrap().remove("mode");
    let chain = chain(&[&keys])?;
    let (one, first) = added(&chain, host, "one")?;
    let (two, second) = added(&chain, host, "two")?;
    ensure!(mode_of(&one)? == "l2", "{}", mode_of(&one)?);
    let _inside = traffic::Server::start(&two, 80)?;
    let _outside = traffic::Server::start(&neighbour, 9000)?;
    let gateways = ["10.42.0.1", "fd00:42::1"];
    for ((from, to), gateway) in residue::addresses(&first).iter().zip(residue::addresses(&second)).zip(gateways) {
        traffic::ping(&one, &to)?;
        ensure!(traffic::tcp(&one, &to, 80)?.to_string() == *from);
        ensure!(traffic::tcp(&one, gateway, 9000)?.to_string() == *from);
        ensure!(traffic::tcp(&neighbour, &to, 80)?.to_string() == gateway);
    }
    ensure!(one.sysctl("net/ipv4/conf/eth0/arp_notify")? == "1");
    chain.check(&one, &first)
}

/// Containers in 10.43.0.0/24, which the neighbour reaches by the host: 10.42.0.2.
fn routed(host: &Host, mode: &str) -> Result<(Chain, Container)> {
    let neighbour = card(host)?;
    host.run("ip", ["address", "add", "10.42.0.2/24", "dev", "nic0"])?;
    neighbour.run("ip", ["route", "add", "10.43.0.0/24", "via", "10.42.0.2"])?;
    let mut ipam = configs::host_local(&["10.43.0.0/24"]);
    ipam["routes"] = json!([{"dst": "0.0.0.0/0"}]);
    Ok((chain(&[&config(mode), &json!({"ipam": ipam})])?, neighbour))
}

fn layer3(host: &Host) -> Result<()> {
    let (chain, neighbour) = routed(host, "l3")?;
    let (one, first) = added(&chain, host, "one")?;
    let (two, second) = added(&chain, host, "two")?;
    ensure!(mode_of(&one)? == "l3", "{}", mode_of(&one)?);
    let (from, to) = (&residue::addresses(&first)[0], &residue::addresses(&second)[0]);
    let _inside = traffic::Server::start(&two, 80)?;
    let _outside = traffic::Server::start(&neighbour, 9000)?;
    ensure!(traffic::tcp(&one, to, 80)?.to_string() == *from);
    ensure!(traffic::tcp(&one, "10.42.0.1", 9000)?.to_string() == *from);
    ensure!(traffic::tcp(&neighbour, to, 80)?.to_string() == "10.42.0.1");
    chain.check(&one, &first)
}

fn filtered(host: &Host) -> Result<()> {
    let (chain, neighbour) = routed(host, "l3s")?;
    let (one, first) = added(&chain, host, "one")?;
    let (two, second) = added(&chain, host, "two")?;
    ensure!(mode_of(&one)? == "l3s", "{}", mode_of(&one)?);
    traffic::ping(&one, &residue::addresses(&second)[0])?;
    traffic::ping(&neighbour, &residue::addresses(&first)[0])?;
    host.run("nft", ["add table ip filter; add chain ip filter in { type filter hook input priority 0; }"])?;
    host.run("nft", ["add rule ip filter in ip saddr 10.42.0.1 drop"])?;
    traffic::assert_silent(&neighbour, &residue::addresses(&first)[0])?;
    chain.check(&two, &second)
}

fn mac_and_mtu(host: &Host) -> Result<()> {
    let _neighbour = card(host)?;
    let masters = host.json("ip", ["-json", "link", "show", "dev", "nic0"])?;
    let (one, result) = added(&chain(&[&config("l2")])?, host, "one")?;
    let link = one.link("eth0")?;
    ensure!(link["address"] == masters[0]["address"] && link["mtu"] == 1500, "{link}");
    ensure!(result["interfaces"][0]["mac"] == masters[0]["address"], "{result}");
    ensure!(result["interfaces"].as_array().map(Vec::len) == Some(1), "{result}");
    let (two, _) = added(&chain(&[&config("l2"), &json!({"mtu": 1400})])?, host, "two")?;
    ensure!(two.link("eth0")?["mtu"] == 1400);
    two.run("ping", ["-n", "-c", "1", "-W", "2", "-M", "do", "-s", "1372", "10.42.0.1"])?;
    ensure!(
        two.run("ping", ["-n", "-c", "1", "-W", "1", "-M", "do", "-s", "1373", "10.42.0.1"]).is_err(),
        "1401 bytes"
    );
    Ok(())
}

fn default_master(host: &Host) -> Result<()> {
    let _neighbour = card(host)?;
    let mut keys = config("l2");
    keys.as_object_mut().unwrap().remove("master");
    let chain = chain(&[&keys])?;
    let one = host.container("one")?;
    let error = chain.call("ADD", &chain.plugins[0], &Value::Null)?.container(&one).error()?;
    ensure!(error.code == 7 && error.msg.contains("default route"), "{error:?}");
    host.run("ip", ["address", "add", "10.42.0.2/24", "dev", "nic0"])?;
    host.run("ip", ["route", "add", "default", "via", "10.42.0.1"])?;
    let result = chain.add(&one)?;
    traffic::ping(&one, "10.42.0.1")?;
    // The default route goes; CHECK and DEL do not mind.
    host.run("ip", ["route", "delete", "default"])?;
    chain.check(&one, &result)?;
    chain.del(&one, &result)
}

fn in_container(host: &Host) -> Result<()> {
    let _neighbour = card(host)?;
    let (one, two) = (host.container("one")?, host.container("two")?);
    one.run("ip", ["link", "add", "net1", "type", "veth", "peer", "name", "net1", "netns", "two"])?;
    one.run("ip", ["link", "set", "net1", "up"])?;
    two.run("ip", ["link", "set", "net1", "up"])?;
    let chain = chain(&[&config("l2"), &json!({"master": "net1", "linkInContainer": true})])?;
    let first = chain.add(&one)?;
    let second = chain.add(&two)?;
    traffic::ping(&one, &residue::addresses(&second)[0])?;
    chain.check(&one, &first)?;
    chain.del(&one, &first)?;
    ensure!(one.has_link("net1") && !one.has_link("eth0"));
    Ok(())
}

fn chained(host: &Host) -> Result<()> {
    let _neighbour = card(host)?;
    let one = host.container("one")?;
    let previous = json!({
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "nic0"}],
        "ips": [{"address": "10.42.0.77/24", "gateway": "10.42.0.1", "interface": 0}],
        "routes": [{"dst": "0.0.0.0/0"}], "dns": {"nameservers": ["203.0.113.1"]},
    });
    let chain = Chain::new(&Programs::weir()?, "net", &[json!({"type": "ipvlan", "mode": "l2"})]).version("1.0.0");
    let plugin = &chain.plugins[0];
    let before = Snapshot::take(&[&one])?;
    let result = chain.call("ADD", plugin, &previous)?.container(&one).ok()?;
    ensure!(result["interfaces"][0]["name"] == "eth0" && result["ips"][0]["interface"] == 0, "{result}");
    ensure!(result["dns"]["nameservers"] == json!(["203.0.113.1"]), "{result}");
    ensure!(one.addresses("eth0")? == ["10.42.0.77/24"]);
    traffic::ping(&one, "10.42.0.1")?;
    chain.check(&one, &result)?;
    chain.del(&one, &result)?;
    chain.del_without_namespace(&one, &Value::Null)?;
    before.await_same(|| Snapshot::take(&[&one]))
}

fn refusals(host: &Host) -> Result<()> {
    let _neighbour = card(host)?;
    let one = host.container("one")?;
    let before = Snapshot::take(&[&one])?;
    for (keys, code) in [
        (json!({"mode": "bridge"}), 7),
        (json!({"mtu": -1}), 7),
        (json!({"master": "nic7"}), 7),
        (json!({"ipam": {}}), 7),
        (json!({"mtu": "big"}), 6),
    ] {
        let chain = chain(&[&config("l2"), &keys])?;
        let error = chain.call("ADD", &chain.plugins[0], &Value::Null)?.container(&one).error()?;
        ensure!(error.code == code, "{keys}: {error:?}");
    }
    before.assert_same(&Snapshot::take(&[&one])?)
}

fn check(host: &Host) -> Result<()> {
    let _neighbour = card(host)?;
    let chain = chain(&[&config("l2")])?;
    for (n, what) in ["address", "route", "link", "mode"].into_iter().enumerate() {
        let (one, result) = added(&chain, host, &format!("c{n}"))?;
        chain.check(&one, &result)?;
        let address = result["ips"][0]["address"].as_str().unwrap_or_default();
        match what {
            "address" => one.run("ip", ["address", "delete", address, "dev", "eth0"])?,
            "route" => one.run("ip", ["route", "delete", "default"])?,
            "link" => one.run("ip", ["link", "delete", "eth0"])?,
            // The mode belongs to the master, so it changes for all.
            _ => one.run("ip", ["link", "set", "eth0", "type", "ipvlan", "mode", "l3"])?,
        };
        ensure!(chain.check(&one, &result).is_err(), "CHECK does not see the change of the {what}");
    }
    Ok(())
}

fn del_without_master(host: &Host) -> Result<()> {
    let neighbour = card(host)?;
    let chain = chain(&[&config("l2")])?;
    let (one, result) = added(&chain, host, "one")?;
    host.run("ip", ["link", "delete", "nic0"])?;
    drop(neighbour);
    ensure!(!one.has_link("eth0"), "the kernel takes it along");
    chain.del(&one, &result)?;
    chain.del_without_namespace(&one, &Value::Null)?;
    residue::assert_none(host, &residue::addresses(&result))
}

fn gc_and_status(host: &Host) -> Result<()> {
    let _neighbour = card(host)?;
    let chain = chain(&[&config("l2")])?;
    chain.status()?;
    let (one, _) = added(&chain, host, "one")?;
    let (two, second) = added(&chain, host, "two")?;
    one.unmount()?;
    chain.gc(&[("two", "eth0")])?;
    let leases = host.leases(Path::new("/run/test/ipam"), "net")?;
    ensure!(leases.len() == 2 && leases.iter().all(|lease| residue::addresses(&second).contains(lease)), "{leases:?}");
    chain.check(&two, &second)?;
    host.run("ip", ["link", "delete", "nic0"])?;
    ensure!(chain.call("STATUS", &chain.plugins[0], &Value::Null)?.error()?.code == 50);
    Ok(())
}
