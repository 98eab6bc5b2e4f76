//! VLANs of the bridge plugin: access ports, trunks, the default VLAN, and a gateway inside a VLAN. Needs a kernel
//! with bridge VLAN filtering; `make test-vm` brings one.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::with;
use weir_tests::{Chain, Container, Host, Programs, residue, run, test, traffic};

fn main() -> ExitCode {
    run(vec![
        test("an_access_port_is_in_its_vlan_alone", access),
        test("only_ports_of_one_vlan_reach_each_other", separated),
        test("a_trunk_carries_its_vlans_tagged", trunk),
        test("a_trunk_with_an_access_vlan_has_both", trunk_with_access),
        test("a_trunk_reaches_access_ports_of_its_vlans_only", trunk_packets),
        test("the_default_vlan_stays_where_it_is_asked_for", preserve_default),
        test("a_gateway_inside_a_vlan_serves_that_vlan", gateway),
        test("a_port_without_vlan_keys_stays_in_the_default_vlan", plain),
    ])
}

/// A bridge without addresses of its own; each container's address is given.
fn bridge(host: &Host, address: &str, keys: Value) -> Result<Chain> {
    host.require_link("bridge", &["vlan_filtering", "1"])?;
    let ipam = json!({"type": "static", "addresses": [{"address": address}]});
    let plugin = with(&json!({"type": "bridge", "bridge": "cni0", "ipam": ipam}), keys);
    Ok(Chain::new(&Programs::weir()?, "net", &[plugin]))
}

/// VLANs of a container's port: ID, and whether untagged packets from the container are in it.
fn vlans(host: &Host, result: &Value) -> Result<Vec<(u64, bool)>> {
    let interfaces = result["interfaces"].as_array().cloned().unwrap_or_default();
    let port = interfaces
        .iter()
        .filter(|interface| interface.get("sandbox").is_none_or(|sandbox| sandbox == ""))
        .filter_map(|interface| interface["name"].as_str())
        .find(|name| name.starts_with("veth"))
        .context("no host end in the result")?;
    let shown = host.json("bridge", ["-json", "vlan", "show", "dev", port])?;
    let mut found = Vec::new();
    for entry in shown[0]["vlans"].as_array().into_iter().flatten() {
        let first = entry["vlan"].as_u64().unwrap();
        let last = entry["vlanEnd"].as_u64().unwrap_or(first);
        let is_native = entry["flags"].as_array().is_some_and(|flags| flags.iter().any(|flag| flag == "PVID"));
        found.extend((first..=last).map(|id| (id, is_native)));
    }
    Ok(found)
}

fn filtering(host: &Host) -> Result<bool> {
    let links = host.json("ip", ["-json", "-details", "link", "show", "dev", "cni0"])?;
    Ok(links[0]["linkinfo"]["info_data"]["vlan_filtering"] == 1)
}

fn access(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    let chain = bridge(host, "10.80.0.1/24", json!({"vlan": 10, "preserveDefaultVlan": false}))?;
    let result = chain.add(&one)?;
    ensure!(filtering(host)?, "the bridge does not filter");
    ensure!(vlans(host, &result)? == [(10, true)], "{:?}", vlans(host, &result)?);
    chain.check(&one, &result)?;
    chain.del(&one, &result)?;
    residue::assert_none(host, &["one".into()])
}

fn separated(host: &Host) -> Result<()> {
    let join = |name: &str, address: &str, vlan: u64| -> Result<Container> {
        let container = host.container(name)?;
        bridge(host, address, json!({"vlan": vlan}))?.add(&container)?;
        Ok(container)
    };
    let one = join("one", "10.80.0.1/24", 10)?;
    let _two = join("two", "10.80.0.2/24", 10)?;
    let three = join("three", "10.80.0.3/24", 20)?;
    traffic::ping(&one, "10.80.0.2")?;
    traffic::assert_silent(&one, "10.80.0.3")?;
    traffic::assert_silent(&three, "10.80.0.1")
}

fn trunk(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    let keys =
        json!({"vlanTrunk": [{"id": 100}, {"minID": 200, "maxID": 202}, {"minID": 300, "maxID": 301, "id": 400}]});
    let chain = bridge(host, "10.80.0.1/24", keys)?;
    let result = chain.add(&one)?;
    let expected =
        [(1, true), (100, false), (200, false), (201, false), (202, false), (300, false), (301, false), (400, false)];
    ensure!(vlans(host, &result)? == expected, "{:?}", vlans(host, &result)?);
    chain.check(&one, &result)?;
    chain.del(&one, &result)
}

fn trunk_with_access(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    let chain = bridge(
        host,
        "10.80.0.1/24",
        json!({"vlan": 10, "vlanTrunk": [{"minID": 20, "maxID": 21}], "preserveDefaultVlan": false}),
    )?;
    let result = chain.add(&one)?;
    ensure!(vlans(host, &result)? == [(10, true), (20, false), (21, false)], "{:?}", vlans(host, &result)?);
    chain.check(&one, &result)?;
    chain.del(&one, &result)
}

fn trunk_packets(host: &Host) -> Result<()> {
    let access = |name: &str, address: &str, vlan: u64| -> Result<Container> {
        let container = host.container(name)?;
        bridge(host, address, json!({"vlan": vlan}))?.add(&container)?;
        Ok(container)
    };
    let ten = access("ten", "10.81.10.2/24", 10)?;
    let _twenty = access("twenty", "10.81.20.2/24", 20)?;
    let _thirty = access("thirty", "10.81.30.2/24", 30)?;
    let router = host.container("router")?;
    bridge(host, "10.80.0.9/24", json!({"vlanTrunk": [{"id": 10}, {"id": 20}]}))?.add(&router)?;
    for (id, address) in [("10", "10.81.10.1/24"), ("20", "10.81.20.1/24"), ("30", "10.81.30.1/24")] {
        let name = format!("eth0.{id}");
        router.run("ip", ["link", "add", "link", "eth0", "name", &name, "type", "vlan", "id", id])?;
        router.run("ip", ["address", "add", address, "dev", &name])?;
        router.run("ip", ["link", "set", &name, "up"])?;
    }
    traffic::ping(&router, "10.81.10.2")?;
    traffic::ping(&router, "10.81.20.2")?;
    traffic::assert_silent(&router, "10.81.30.2")?;
    traffic::ping(&ten, "10.81.10.1")
}

fn preserve_default(host: &Host) -> Result<()> {
    // As with the reference plugin, keeping it is the default.
    for (name, keys) in [("one", json!({"vlan": 10, "preserveDefaultVlan": true})), ("two", json!({"vlan": 10}))] {
        let container = host.container(name)?;
        let chain = bridge(host, "10.80.0.1/24", keys)?;
        let result = chain.add(&container)?;
        ensure!(vlans(host, &result)? == [(1, false), (10, true)], "{:?}", vlans(host, &result)?);
        chain.check(&container, &result)?;
        chain.del(&container, &result)?;
    }
    Ok(())
}

fn gateway(host: &Host) -> Result<()> {
    host.require_link("bridge", &["vlan_filtering", "1"])?;
    let ranges = |subnet: &str| json!([[{"subnet": subnet}]]);
    let chain = |vlan: u64, subnet: &str| -> Result<Chain> {
        let ipam = json!({"type": "host-local", "dataDir": "/run/test/ipam", "ranges": ranges(subnet)});
        let plugin = json!({"type": "bridge", "bridge": "cni0", "isDefaultGateway": true, "vlan": vlan, "ipam": ipam});
        Ok(Chain::new(&Programs::weir()?, &format!("net{vlan}"), &[plugin]))
    };
    let (ten, twenty) = (chain(10, "10.82.10.0/24")?, chain(20, "10.82.20.0/24")?);
    let (one, two) = (host.container("one")?, host.container("two")?);
    let first = ten.add(&one)?;
    let second = twenty.add(&two)?;
    traffic::ping(&one, "10.82.10.1")?;
    traffic::ping(&two, "10.82.20.1")?;
    ensure!(host.has_link("cni0.10") && host.has_link("cni0.20"), "no gateway links");
    // Through the gateways, which forward, each reaches the other.
    traffic::ping(&one, "10.82.20.2")?;
    ten.check(&one, &first)?;
    twenty.check(&two, &second)?;
    let third = host.container("three")?;
    ten.add(&third).context("a second container behind the same gateway")?;
    ten.del(&one, &first)?;
    traffic::ping(&third, "10.82.10.1").context("the gateway after the first is gone")?;
    twenty.del(&two, &second)
}

fn plain(host: &Host) -> Result<()> {
    let (one, two) = (host.container("one")?, host.container("two")?);
    bridge(host, "10.80.0.1/24", json!({"vlan": 10}))?.add(&one)?;
    let chain = bridge(host, "10.80.0.2/24", json!({}))?;
    let result = chain.add(&two)?;
    ensure!(vlans(host, &result)? == [(1, true)], "{:?}", vlans(host, &result)?);
    traffic::assert_silent(&one, "10.80.0.2")
}
