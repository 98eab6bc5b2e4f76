//! The macvlan plugin: who reaches whom in each mode, what is on the wire, and its keys.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::{self, VERSIONS, with};
use weir_tests::{Call, Container, Host, Lifecycle, Programs, Snapshot, Test, lifecycle, residue, test, traffic};

use crate::lan::{added, addresses, chain, lan};

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = lifecycle::tests("macvlan", &VERSIONS, |host, version| {
        let neighbour = lan(host)?;
        let mode = if version.starts_with("0.") { "private" } else { "bridge" };
        Ok(Lifecycle::new(chain(&[&layer3(), &json!({"mode": mode})])?).keep(neighbour))
    });
    tests.extend([
        test("macvlan_bridge_mode_lets_neighbours_reach_each_other", bridge_mode),
        test("macvlan_private_and_vepa_keep_neighbours_apart", other_modes),
        test("macvlan_passthru_gives_the_master_to_one", passthru),
        test("macvlan_carries_tcp_to_and_from_the_lan", tcp),
        test("macvlan_mac_on_the_wire_is_the_one_asked_for", mac),
        test("macvlan_mtu_is_that_of_the_link_and_at_most_the_masters", mtu),
        test("macvlan_bcqueuelen_is_asked_of_the_master", queue),
        test("macvlan_default_master_is_that_of_the_default_route", default_master),
        test("macvlan_link_in_container_stands_on_a_link_there", in_container),
        test("macvlan_without_ipam_is_a_link_that_is_up", layer2),
        test("macvlan_neighbours_learn_the_new_owner_of_an_address", announced),
        test("macvlan_looks_for_duplicates_of_ipv6_addresses", duplicates),
        test("macvlan_refuses_configurations_and_leaves_nothing", refusals),
        test("macvlan_check_finds_what_was_changed", check),
        test("macvlan_del_needs_no_master", del_without_master),
        test("macvlan_gc_gives_addresses_back", gc),
        test("macvlan_status_tells_of_a_missing_master", status),
    ]);
    tests
}

fn layer3() -> Value {
    json!({"type": "macvlan", "master": "nic0", "ipam": addresses()})
}

fn bridge_mode(host: &Host) -> Result<()> {
    let _neighbour = lan(host)?;
    let chain = chain(&[&layer3()])?;
    let (one, first) = added(&chain, host, "one")?;
    let (two, second) = added(&chain, host, "two")?;
    ensure!(one.link("eth0")?["linkinfo"]["info_data"]["mode"] == "bridge", "{}", one.link("eth0")?);
    ensure!(first["interfaces"].as_array().map(Vec::len) == Some(1), "{first}");
    ensure!(first["interfaces"][0]["mac"] == one.link("eth0")?["address"], "{first}");
    let _server = traffic::Server::start(&two, 80)?;
    for (from, to) in residue::addresses(&first).iter().zip(residue::addresses(&second)) {
        traffic::ping(&one, &to)?;
        ensure!(traffic::tcp(&one, &to, 80)?.to_string() == *from);
    }
    Ok(())
}

fn other_modes(host: &Host) -> Result<()> {
    let neighbour = lan(host)?;
    for mode in ["private", "vepa"] {
        let chain = chain(&[&layer3(), &json!({"mode": mode})])?;
        let (one, first) = added(&chain, host, &format!("{mode}1"))?;
        let (two, second) = added(&chain, host, &format!("{mode}2"))?;
        ensure!(one.link("eth0")?["linkinfo"]["info_data"]["mode"] == mode, "{}", one.link("eth0")?);
        // Both are on the wire, but no switch sends their frames back.
        traffic::ping(&one, "10.42.0.1")?;
        traffic::ping(&two, "fd00:42::1")?;
        traffic::assert_silent(&one, &residue::addresses(&second)[0])?;
        chain.check(&one, &first)?;
        chain.del(&one, &first)?;
        chain.del(&two, &second)?;
    }
    drop(neighbour);
    Ok(())
}

fn passthru(host: &Host) -> Result<()> {
    let _neighbour = lan(host)?;
    let chain = chain(&[&layer3(), &json!({"mode": "passthru"})])?;
    let (one, first) = added(&chain, host, "one")?;
    let masters = host.json("ip", ["-json", "link", "show", "dev", "nic0"])?;
    ensure!(one.link("eth0")?["linkinfo"]["info_data"]["mode"] == "passthru");
    ensure!(one.link("eth0")?["address"] == masters[0]["address"], "another MAC than the master's");
    traffic::ping(&one, "10.42.0.1")?;
    chain.check(&one, &first)?;
    ensure!(chain.add(&host.container("two")?).is_err(), "the master was given to two");
    let leases = host.leases(Path::new("/run/test/ipam"), "net")?;
    ensure!(leases.len() == 2, "{leases:?}");
    Ok(())
}

fn tcp(host: &Host) -> Result<()> {
    let neighbour = lan(host)?;
    let (one, result) = added(&chain(&[&layer3()])?, host, "one")?;
    let _inside = traffic::Server::start(&one, 80)?;
    let _outside = traffic::Server::start(&neighbour, 9000)?;
    for (own, other) in residue::addresses(&result).iter().zip(["10.42.0.1", "fd00:42::1"]) {
        ensure!(traffic::tcp(&one, other, 9000)?.to_string() == *own);
        ensure!(traffic::tcp(&neighbour, own, 80)?.to_string() == other);
    }
    ensure!(one.run("ip", ["route"])?.contains("default via 10.42.0.1"));
    ensure!(
        one.sysctl("net/ipv4/conf/eth0/arp_notify")? == "1" && one.sysctl("net/ipv6/conf/eth0/ndisc_notify")? == "1"
    );
    ensure!(!one.run("ip", ["address"])?.contains("tentative"), "ADD does not wait for duplicate address detection");
    Ok(())
}

/// The MAC at which a neighbour sees an address.
fn seen_at(neighbour: &Container, address: &str) -> Result<Value> {
    traffic::ping(neighbour, address)?;
    let entries = neighbour.json("ip", ["-json", "neigh", "show", address])?;
    Ok(entries[0]["lladdr"].clone())
}

fn mac(host: &Host) -> Result<()> {
    let neighbour = lan(host)?;
    let own = json!({"mac": "02:00:00:00:00:33"});
    let both = with(&own, json!({"runtimeConfig": {"mac": "02-00-00-00-00-11"}}));
    let programs = Programs::weir()?;
    let variable = "IgnoreUnknown=1;MAC=02:00:00:00:00:22";
    for (name, keys, arguments, expected) in [
        ("a", &own, "", "02:00:00:00:00:33"),
        ("b", &own, variable, "02:00:00:00:00:22"),
        ("c", &both, variable, "02:00:00:00:00:11"),
        ("d", &json!({}), "MAC=02:00:00:00:00:44", "02:00:00:00:00:44"),
    ] {
        let one = host.container(name)?;
        let config = configs::alone("1.0.0", &with(&layer3(), keys.clone()));
        let call = Call::new(&programs, "macvlan", "ADD")?.container(&one).config(&config);
        let result = if arguments.is_empty() { call.ok()? } else { call.env("CNI_ARGS", arguments).ok()? };
        ensure!(result["interfaces"][0]["mac"] == expected, "{result}");
        ensure!(seen_at(&neighbour, &residue::addresses(&result)[0])? == expected, "{name}");
    }
    Ok(())
}

fn mtu(host: &Host) -> Result<()> {
    let neighbour = lan(host)?;
    let (one, result) = added(&chain(&[&layer3(), &json!({"mtu": 1400})])?, host, "one")?;
    ensure!(one.link("eth0")?["mtu"] == 1400);
    let there = residue::addresses(&result)[0].clone();
    traffic::ping(&one, "10.42.0.1")?;
    // 28 bytes of headers; fragments are forbidden.
    one.run("ping", ["-n", "-c", "1", "-W", "2", "-M", "do", "-s", "1372", "10.42.0.1"])?;
    ensure!(
        one.run("ping", ["-n", "-c", "1", "-W", "1", "-M", "do", "-s", "1373", "10.42.0.1"]).is_err(),
        "1401 bytes"
    );
    neighbour.run("ping", ["-n", "-c", "1", "-W", "2", &there])?;
    let (two, _) = added(&chain(&[&layer3()])?, host, "two")?;
    ensure!(two.link("eth0")?["mtu"] == 1500);
    let too_large = chain(&[&layer3(), &json!({"mtu": 1501})])?;
    let three = host.container("three")?;
    let error = too_large.call("ADD", &too_large.plugins[0], &Value::Null)?.container(&three).error()?;
    ensure!(error.code == 7 && error.msg.contains("1500"), "{error:?}");
    Ok(())
}

fn queue(host: &Host) -> Result<()> {
    let _neighbour = lan(host)?;
    let (one, _) = added(&chain(&[&layer3(), &json!({"bcqueuelen": 2345})])?, host, "one")?;
    let link = one.link("eth0")?;
    ensure!(link["linkinfo"]["info_data"]["bcqueuelen"] == 2345, "{link}");
    Ok(())
}

fn default_master(host: &Host) -> Result<()> {
    let _neighbour = lan(host)?;
    host.run("ip", ["link", "add", "other0", "type", "veth", "peer", "name", "other1"])?;
    let mut config = layer3();
    config.as_object_mut().unwrap().remove("master");
    let chain = chain(&[&config])?;
    let one = host.container("one")?;
    let error = chain.call("ADD", &chain.plugins[0], &Value::Null)?.container(&one).error()?;
    ensure!(error.code == 7 && error.msg.contains("default route"), "{error:?}");
    ensure!(chain.status().is_err(), "STATUS does not tell");
    host.run("ip", ["address", "add", "10.42.0.2/24", "dev", "nic0"])?;
    host.run("ip", ["route", "add", "default", "via", "10.42.0.1"])?;
    chain.status()?;
    let result = chain.add(&one)?;
    traffic::ping(&one, "10.42.0.1")?;
    // The default route goes; the attachment stays what it is.
    host.run("ip", ["route", "delete", "default"])?;
    chain.check(&one, &result)?;
    chain.del(&one, &result)
}

fn in_container(host: &Host) -> Result<()> {
    let (one, two) = (host.container("one")?, host.container("two")?);
    one.run("ip", ["link", "add", "net1", "type", "veth", "peer", "name", "net1", "netns", "two"])?;
    one.run("ip", ["link", "set", "net1", "up"])?;
    two.run("ip", ["link", "set", "net1", "up"])?;
    let chain = chain(&[&layer3(), &json!({"master": "net1", "linkInContainer": true})])?;
    let before = Snapshot::take(&[&one])?;
    let first = chain.add(&one)?;
    let second = chain.add(&two)?;
    traffic::ping(&one, &residue::addresses(&second)[0])?;
    chain.check(&one, &first)?;
    chain.del(&one, &first)?;
    chain.del(&two, &second)?;
    let after = Snapshot::take(&[&one])?;
    let files = |name: &str| name.starts_with("file ");
    before.without(files).assert_same(&after.without(files))
}

fn layer2(host: &Host) -> Result<()> {
    let _neighbour = lan(host)?;
    let chain = chain(&[&json!({"type": "macvlan", "master": "nic0"})])?;
    let (one, result) = added(&chain, host, "one")?;
    ensure!(one.link("eth0")?["flags"].to_string().contains("\"UP\""), "{}", one.link("eth0")?);
    ensure!(result.get("ips").is_none_or(|ips| ips == &json!([])), "{result}");
    one.run("ip", ["address", "add", "10.42.0.99/24", "dev", "eth0"])?;
    traffic::ping(&one, "10.42.0.1")?;
    chain.check(&one, &result)?;
    chain.del(&one, &result)?;
    chain.del(&one, &result)
}

fn announced(host: &Host) -> Result<()> {
    let neighbour = lan(host)?;
    let ipam = json!({"type": "static", "addresses": [{"address": "10.42.0.50/24"}]});
    let chain = chain(&[&layer3(), &json!({"ipam": ipam})])?;
    let (one, result) = added(&chain, host, "one")?;
    let before = seen_at(&neighbour, "10.42.0.50")?;
    chain.del(&one, &result)?;
    let (two, _) = added(&chain, host, "two")?;
    let now = two.link("eth0")?["address"].clone();
    ensure!(before != now, "both containers have the MAC {now}");
    // Nobody asked: the neighbour's table is changed by the announcement alone.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(15);
    loop {
        let entry = neighbour.json("ip", ["-json", "neigh", "show", "10.42.0.50"])?[0]["lladdr"].clone();
        if entry == now {
            return Ok(());
        }
        ensure!(std::time::Instant::now() < deadline, "the neighbour knows {entry}, not {now}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn duplicates(host: &Host) -> Result<()> {
    let neighbour = lan(host)?;
    neighbour.run("ip", ["address", "add", "fd00:42::16/64", "dev", "lan0", "nodad"])?;
    let chain = chain(&[&layer3()])?;
    let one = host.container("one")?;
    one.enter(|| Ok(std::fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "1")?))?;
    let before = Snapshot::take(&[&one])?;
    let error = chain.call("ADD", &chain.plugins[0], &Value::Null)?.container(&one).error()?;
    ensure!(error.msg.contains("fd00:42::16") || error.msg.contains("duplicate"), "{error:?}");
    let files = |name: &str| name.starts_with("file /run/test");
    before.without(files).assert_same(&Snapshot::take(&[&one])?.without(files))?;
    ensure!(host.leases(Path::new("/run/test/ipam"), "net")?.is_empty(), "addresses are not given back");
    // The next addresses are nobody's.
    let result = chain.add(&one)?;
    ensure!(residue::addresses(&result).contains(&"fd00:42::17".to_owned()), "{result}");
    ensure!(!one.run("ip", ["address"])?.contains("tentative"), "ADD does not wait");
    traffic::ping(&one, "fd00:42::1")
}

fn refusals(host: &Host) -> Result<()> {
    let _neighbour = lan(host)?;
    let one = host.container("one")?;
    let before = Snapshot::take(&[&one])?;
    for (keys, code) in [
        (json!({"mode": "l2"}), 7),
        (json!({"mtu": -1}), 7),
        (json!({"mac": "01:00:00:00:00:01"}), 7),
        (json!({"master": "nic7"}), 7),
        (json!({"master": "nic0", "linkInContainer": true}), 7),
        (json!({"bcqueuelen": -1}), 6),
        (json!({"ipam": {"type": "static", "addresses": []}}), 999),
    ] {
        let chain = chain(&[&layer3(), &keys])?;
        let error = chain.call("ADD", &chain.plugins[0], &Value::Null)?.container(&one).error()?;
        ensure!(error.code == code, "{keys}: {error:?}");
    }
    before.assert_same(&Snapshot::take(&[&one])?)
}

fn check(host: &Host) -> Result<()> {
    let _neighbour = lan(host)?;
    let chain = chain(&[&layer3()])?;
    for (n, what) in ["mac", "address", "route", "mode", "link"].into_iter().enumerate() {
        let (one, result) = added(&chain, host, &format!("c{n}"))?;
        chain.check(&one, &result)?;
        let address = result["ips"][0]["address"].as_str().unwrap_or_default();
        match what {
            "mac" => one.run("ip", ["link", "set", "eth0", "address", "02:00:00:00:00:99"])?,
            "address" => one.run("ip", ["address", "delete", address, "dev", "eth0"])?,
            "route" => one.run("ip", ["route", "delete", "default"])?,
            "mode" => one.run("ip", ["link", "set", "eth0", "type", "macvlan", "mode", "vepa"])?,
            _ => one.run("ip", ["link", "delete", "eth0"])?,
        };
        ensure!(chain.check(&one, &result).is_err(), "CHECK does not see the change of the {what}");
    }
    Ok(())
}

fn del_without_master(host: &Host) -> Result<()> {
    let neighbour = lan(host)?;
    let chain = chain(&[&layer3()])?;
    let (one, result) = added(&chain, host, "one")?;
    host.run("ip", ["link", "delete", "nic0"])?;
    drop(neighbour);
    ensure!(!one.has_link("eth0"), "the kernel takes it along");
    chain.del(&one, &result)?;
    chain.del_without_namespace(&one, &Value::Null)?;
    residue::assert_none(host, &residue::addresses(&result))
}

fn gc(host: &Host) -> Result<()> {
    let _neighbour = lan(host)?;
    let chain = chain(&[&layer3()])?;
    let (one, first) = added(&chain, host, "one")?;
    let (two, second) = added(&chain, host, "two")?;
    one.unmount()?;
    chain.gc(&[("two", "eth0")])?;
    let leases = host.leases(Path::new("/run/test/ipam"), "net")?;
    ensure!(leases.iter().all(|lease| residue::addresses(&second).contains(lease)), "{leases:?} after {first}");
    ensure!(leases.len() == 2, "{leases:?}");
    chain.check(&two, &second)
}

fn status(host: &Host) -> Result<()> {
    let chain = chain(&[&layer3()])?;
    let one = chain.call("STATUS", &chain.plugins[0], &Value::Null)?;
    ensure!(one.error()?.code == 50);
    let _neighbour = lan(host)?;
    chain.status()
}
