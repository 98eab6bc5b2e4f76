//! The dummy plugin.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::json;
use weir_tests::configs::{VERSIONS, host_local, with};
use weir_tests::{Chain, Host, Lifecycle, Programs, Test, lifecycle, test, traffic};

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = lifecycle::tests("dummy", &VERSIONS, |host, _| {
        host.require_link("dummy", &[])?;
        Ok(Lifecycle::new(network()?))
    });
    tests.push(test("dummy_holds_its_addresses_and_drops_what_is_sent", addresses));
    tests.push(test("dummy_routes_of_ipam_lead_to_it", routes));
    tests.push(test("dummy_check_finds_what_was_changed", check));
    tests.push(test("dummy_that_fails_leaves_neither_link_nor_address", failed));
    tests
}

fn network() -> Result<Chain> {
    let plugin = json!({"type": "dummy", "ipam": host_local(&["10.45.0.0/24", "fd00:45::/64"])});
    Ok(Chain::new(&Programs::weir()?, "net", &[plugin]))
}

fn addresses(host: &Host) -> Result<()> {
    host.require_link("dummy", &[])?;
    let (network, one) = (network()?, host.container("one")?);
    let result = network.add(&one)?;
    let link = one.link("eth0")?;
    ensure!(link["linkinfo"]["info_kind"] == "dummy" && link["flags"].to_string().contains("\"UP\""), "{link}");
    ensure!(result["interfaces"][0]["mac"] == link["address"], "{result}");
    ensure!(one.addresses("eth0")? == ["10.45.0.2/24", "fd00:45::2/64"], "{:?}", one.addresses("eth0")?);
    traffic::ping(&one, "10.45.0.2")?;
    traffic::ping(&one, "fd00:45::2")?;
    traffic::assert_silent(&one, "10.45.0.3")
}

fn routes(host: &Host) -> Result<()> {
    host.require_link("dummy", &[])?;
    let mut network = network()?;
    network.plugins[0]["ipam"]["routes"] = json!([{"dst": "10.99.0.0/16", "mtu": 1400}, {"dst": "fd00:99::/64"}]);
    network.plugins[0] = with(&network.plugins[0], json!({"dns": {"nameservers": ["9.9.9.9"]}}));
    let one = host.container("one")?;
    let result = network.add(&one)?;
    let route = one.run("ip", ["route", "show", "10.99.0.0/16"])?;
    ensure!(route.contains("dev eth0") && route.contains("mtu 1400"), "{route}");
    ensure!(one.run("ip", ["-6", "route", "show", "fd00:99::/64"])?.contains("dev eth0"));
    ensure!(result["dns"]["nameservers"][0] == "9.9.9.9", "{result}");
    network.check(&one, &result)
}

fn check(host: &Host) -> Result<()> {
    host.require_link("dummy", &[])?;
    let (network, one) = (network()?, host.container("one")?);
    let result = network.add(&one)?;
    network.check(&one, &result)?;
    for (change, back, told) in [
        (["link", "set", "eth0", "down"].as_slice(), ["link", "set", "eth0", "up"].as_slice(), "down"),
        (
            &["address", "delete", "10.45.0.2/24", "dev", "eth0"],
            &["address", "add", "10.45.0.2/24", "dev", "eth0"],
            "10.45.0.2/24",
        ),
    ] {
        one.run("ip", change.iter().copied())?;
        let error = network.check(&one, &result).unwrap_err();
        ensure!(format!("{error:#}").contains(told), "{error:#}");
        one.run("ip", back.iter().copied())?;
        network.check(&one, &result)?;
    }
    one.run("ip", ["link", "delete", "eth0"])?;
    ensure!(network.check(&one, &result).is_err());
    Ok(())
}

fn failed(host: &Host) -> Result<()> {
    let (network, one) = (network()?, host.container("one")?);
    one.run("ip", ["link", "add", "eth0", "type", "veth", "peer", "name", "other"])?;
    ensure!(network.add(&one).is_err());
    ensure!(one.link("eth0")?["linkinfo"]["info_kind"] == "veth", "what was there stays");
    ensure!(host.leases(Path::new("/run/test/ipam"), "net")?.is_empty());
    Ok(())
}
