//! The flannel plugin, with bridge and host-local behind it.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::{VERSIONS, with};
use weir_tests::{Chain, Host, Lifecycle, Programs, Test, lifecycle, residue, test, traffic};

/// Two networks, two IPv4 subnets and one of IPv6.
const SUBNETS: &str = "FLANNEL_NETWORK=10.244.0.0/16,10.245.0.0/16\nFLANNEL_SUBNET=10.244.3.1/24,10.245.3.1/24\n\
    FLANNEL_IPV6_NETWORK=fd00:244::/48\nFLANNEL_IPV6_SUBNET=fd00:244:0:3::1/64\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";
const MOVED: &str =
    "FLANNEL_NETWORK=10.250.0.0/16\nFLANNEL_SUBNET=10.250.7.1/24\nFLANNEL_MTU=1400\nFLANNEL_IPMASQ=false\n";
const SAVED: &str = "/var/lib/cni/flannel";

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = lifecycle::tests("flannel", &VERSIONS, |_, version| {
        // Results of these versions have one address of each family.
        let single = matches!(version, "0.1.0" | "0.2.0");
        write_subnets(
            "/run/flannel",
            &if single { SUBNETS.replace(",10.245.3.1/24", "") } else { SUBNETS.to_owned() },
        )?;
        Ok(Lifecycle::new(network(json!({}))?))
    });
    tests.extend([
        test("flannel_gives_addresses_of_all_subnets_and_routes_to_all_networks", subnets),
        test("flannel_takes_a_changed_file_at_the_next_add", changed),
        test("flannel_keys_name_file_directory_delegate_and_ipam", keys),
        test("flannel_passes_capabilities_on", capabilities),
        test("flannel_masquerades_where_flanneld_does_not", masquerade),
        test("flannel_keeps_the_interfaces_of_a_container_apart", interfaces),
        test("flannel_deletes_what_the_native_plugin_added", native_file),
        test("flannel_gives_the_address_back_without_its_file", lost_file),
        test("flannel_check_and_status_look_behind_it", status),
    ]);
    tests
}

fn network(keys: Value) -> Result<Chain> {
    Ok(Chain::new(&Programs::weir()?, "cbr0", &[with(&json!({"type": "flannel"}), keys)]))
}

fn write_subnets(directory: &str, text: &str) -> Result<()> {
    std::fs::create_dir_all(directory)?;
    Ok(std::fs::write(Path::new(directory).join("subnet.env"), text)?)
}

fn leases(host: &Host) -> Result<Vec<String>> {
    host.leases(Path::new("/var/lib/cni/networks"), "cbr0")
}

fn saved() -> Result<Vec<String>> {
    let Ok(entries) = std::fs::read_dir(SAVED) else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn subnets(host: &Host) -> Result<()> {
    write_subnets("/run/flannel", SUBNETS)?;
    let chain = network(json!({}))?;
    let (one, two) = (host.container("one")?, host.container("two")?);
    let first = chain.add(&one)?;
    let second = chain.add(&two)?;
    ensure!(residue::addresses(&first) == ["10.244.3.2", "10.245.3.2", "fd00:244:0:3::2"], "{first}");
    ensure!(residue::addresses(&second) == ["10.244.3.3", "10.245.3.3", "fd00:244:0:3::3"], "{second}");
    for (container, result) in [(&one, &first), (&two, &second)] {
        chain.check(container, result)?;
        ensure!(container.link("eth0")?["mtu"] == 1450);
        let routes = container.run("ip", ["route"])? + &container.run("ip", ["-6", "route"])?;
        for destination in ["10.244.0.0/16", "10.245.0.0/16", "fd00:244::/48"] {
            ensure!(routes.contains(destination), "no route to {destination}:\n{routes}");
        }
    }
    let _server = traffic::Server::start(&two, 8080)?;
    for (own, other) in residue::addresses(&first).iter().zip(residue::addresses(&second)) {
        traffic::ping(&one, &other)?;
        ensure!(traffic::tcp(&one, &other, 8080)?.to_string() == *own);
    }
    for gateway in ["10.244.3.1", "10.245.3.1", "fd00:244:0:3::1"] {
        traffic::ping(&one, gateway)?;
    }
    ensure!(!host.run("nft", ["list", "ruleset"])?.contains("masquerade"), "flanneld masquerades");
    for (container, result) in [(&one, &first), (&two, &second)] {
        chain.del(container, result)?;
    }
    ensure!(leases(host)?.is_empty() && saved()?.is_empty());
    residue::assert_none(host, &["one".into(), "two".into()])
}

fn changed(host: &Host) -> Result<()> {
    write_subnets("/run/flannel", SUBNETS)?;
    let chain = network(json!({"delegate": {"ipMasqBackend": "nftables", "forceAddress": true}}))?;
    let one = host.container("one")?;
    let before = chain.add(&one)?;
    write_subnets("/run/flannel", MOVED)?;
    chain.check(&one, &before)?;
    chain.del(&one, &before)?;
    ensure!(leases(host)?.is_empty(), "addresses of the old subnets stay");
    let after = chain.add(&one)?;
    ensure!(residue::addresses(&after) == ["10.250.7.2"], "{after}");
    ensure!(one.link("eth0")?["mtu"] == 1400);
    traffic::ping(&one, "10.250.7.1")?;
    chain.del(&one, &after)?;
    ensure!(leases(host)?.is_empty() && saved()?.is_empty());
    residue::assert_none(host, &["one".into()])
}

fn keys(host: &Host) -> Result<()> {
    write_subnets("/run/test/elsewhere", MOVED)?;
    let chain = network(json!({
        "subnetFile": "/run/test/elsewhere/subnet.env", "dataDir": "/run/test/kept",
        "delegate": {"bridge": "fl0", "mtu": 1300, "ipMasq": false, "isDefaultGateway": true},
        "ipam": {"dataDir": "/run/test/ipam", "routes": [{"dst": "198.51.100.0/24"}]},
    }))?;
    let one = host.container("one")?;
    let result = chain.add(&one)?;
    ensure!(host.has_link("fl0") && one.link("eth0")?["mtu"] == 1300);
    ensure!(host.leases(Path::new("/run/test/ipam"), "cbr0")? == ["10.250.7.2"]);
    let routes = one.run("ip", ["route"])?;
    for destination in ["default via 10.250.7.1", "198.51.100.0/24", "10.250.0.0/16"] {
        ensure!(routes.contains(destination), "no route to {destination}:\n{routes}");
    }
    ensure!(!host.run("nft", ["list", "ruleset"])?.contains("masquerade"), "ipMasq is false");
    let kept: Value = serde_json::from_slice(&std::fs::read("/run/test/kept/one")?)?;
    ensure!(kept["type"] == "bridge" && kept["name"] == "cbr0" && kept["ipam"]["type"] == "host-local", "{kept}");
    chain.check(&one, &result)?;
    chain.del(&one, &result)?;
    ensure!(host.leases(Path::new("/run/test/ipam"), "cbr0")?.is_empty());
    residue::assert_none(host, &["one".into()])
}

fn capabilities(host: &Host) -> Result<()> {
    write_subnets("/run/flannel", MOVED)?;
    let chain = network(json!({"capabilities": {"mac": true}}))?.capabilities(json!({"mac": "02:11:22:33:44:55"}));
    let one = host.container("one")?;
    let result = chain.add(&one)?;
    ensure!(one.link("eth0")?["address"] == "02:11:22:33:44:55", "{result}");
    chain.del(&one, &result)
}

fn masquerade(host: &Host) -> Result<()> {
    write_subnets("/run/flannel", MOVED)?;
    let outside = host.outside()?;
    let chain = network(json!({"delegate": {"ipMasqBackend": "nftables", "isDefaultGateway": true}}))?;
    let one = host.container("one")?;
    let result = chain.add(&one)?;
    // The network beyond has no route back to containers.
    let _server = traffic::Server::start(&outside.namespace, 8080)?;
    ensure!(traffic::tcp(&one, "192.0.2.2", 8080)?.to_string() == "192.0.2.1");
    chain.del_without_namespace(&one, &result)?;
    residue::assert_none(host, &["one".into(), "10.250.7.2".into()])
}

fn interfaces(host: &Host) -> Result<()> {
    write_subnets("/run/flannel", SUBNETS)?;
    let chain = network(json!({}))?;
    let one = host.container("one")?;
    let zero = chain.add(&one)?;
    write_subnets("/run/flannel", MOVED)?;
    let other = network(json!({"delegate": {"bridge": "fl1", "ipMasqBackend": "nftables"}}))?;
    let first = other.add_interface(&one, "eth1")?;
    ensure!(saved()? == ["one", "one:eth1"], "{:?}", saved()?);
    let delete = |chain: &Chain, interface: &str, result: &Value| {
        chain.call("DEL", &chain.plugins[0], result)?.container(&one).interface(interface).ok()
    };
    delete(&chain, "eth0", &zero)?;
    ensure!(saved()? == ["one:eth1"] && leases(host)? == ["10.250.7.2"]);
    ensure!(!one.has_link("eth0") && one.has_link("eth1"));
    delete(&other, "eth1", &first)?;
    ensure!(saved()?.is_empty() && leases(host)?.is_empty() && !one.has_link("eth1"));
    residue::assert_none(host, &["one".into(), "10.250.7.2".into()])
}

/// The native plugin keeps the delegate's configuration, and nothing else, under the container's ID.
fn native_file(host: &Host) -> Result<()> {
    write_subnets("/run/flannel", SUBNETS)?;
    let chain = network(json!({}))?;
    let one = host.container("one")?;
    let result = chain.add(&one)?;
    let path = Path::new(SAVED).join("one");
    let mut document: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    let own = document.as_object_mut().unwrap().remove("weir.dev/interface");
    ensure!(own == Some(json!("eth0")), "the one key that the native plugin does not write");
    let expected = json!({
        "cniVersion": "1.1.0", "name": "cbr0", "type": "bridge", "ipMasq": false, "isGateway": true, "mtu": 1450,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": "10.244.3.0/24"}], [{"subnet": "10.245.3.0/24"}], [{"subnet": "fd00:244:0:3::/64"}]],
            "routes": [{"dst": "10.244.0.0/16"}, {"dst": "10.245.0.0/16"}, {"dst": "fd00:244::/48"}],
        },
    });
    ensure!(document == expected, "{document}");
    std::fs::write(&path, document.to_string())?;
    std::fs::remove_file("/run/flannel/subnet.env")?;
    chain.check(&one, &result)?;
    chain.del(&one, &result)?;
    ensure!(leases(host)?.is_empty() && saved()?.is_empty() && !one.has_link("eth0"));
    Ok(())
}

fn lost_file(host: &Host) -> Result<()> {
    write_subnets("/run/flannel", SUBNETS)?;
    let chain = network(json!({}))?;
    let one = host.container("one")?;
    let result = chain.add(&one)?;
    for lost in [true, false] {
        // Once without the file, once with what a power failure leaves.
        if lost {
            std::fs::remove_file(Path::new(SAVED).join("one"))?
        } else {
            std::fs::write(Path::new(SAVED).join("one"), "")?
        }
        std::fs::remove_file("/run/flannel/subnet.env")?;
        chain.del(&one, &result)?;
        ensure!(leases(host)?.is_empty() && !one.has_link("eth0"), "lost: {lost}");
        if lost {
            write_subnets("/run/flannel", SUBNETS)?;
            chain.add(&one)?;
        }
    }
    Ok(())
}

fn status(host: &Host) -> Result<()> {
    let chain = network(json!({}))?;
    let one = host.container("one")?;
    let call = |command: &str, previous: &Value| chain.call(command, &chain.plugins[0], previous);
    ensure!(call("ADD", &Value::Null)?.container(&one).error()?.code == 11, "flanneld may still come");
    let bare = |call: weir_tests::Call| call.unset("CNI_CONTAINERID").unset("CNI_NETNS").unset("CNI_IFNAME");
    let error = bare(call("STATUS", &Value::Null)?).error()?;
    ensure!(error.code == 50 && error.msg.contains("/run/flannel/subnet.env"), "{error:?}");
    write_subnets("/run/flannel", &MOVED.replace("10.250.7.1/24", "10.250.7.1/30"))?;
    chain.status()?;
    let result = chain.add(&one)?;
    ensure!(bare(call("STATUS", &Value::Null)?).error()?.code == 50, "the pool is empty");
    chain.check(&one, &result)?;
    one.run("ip", ["link", "delete", "eth0"])?;
    ensure!(call("CHECK", &result)?.container(&one).error().is_ok(), "the link is gone");
    chain.del(&one, &result)?;
    ensure!(leases(host)?.is_empty());
    Ok(())
}
