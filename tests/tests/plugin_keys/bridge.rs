//! Keys of bridge, without VLANs.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::with;
use weir_tests::{Call, Host, Programs, Test, configs, residue, test, traffic};

use crate::{network, port};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        test("bridge_names_the_bridge", name),
        test("bridge_that_exists_is_used", existing),
        test("bridge_refuses_a_link_that_is_no_bridge", no_bridge),
        test("is_gateway_gives_the_bridge_the_gateways_address_and_turns_forwarding_on", is_gateway),
        test("is_default_gateway_adds_the_default_route", is_default_gateway),
        test("is_default_gateway_and_a_default_route_of_ipam_go_together", both_defaults),
        test("force_address_replaces_another_address", force_address),
        test("mtu_is_that_of_link_and_port", mtu),
        test("hairpin_mode_is_set_on_the_port", hairpin),
        test("promisc_mode_is_set_on_the_bridge", promiscuous),
        test("port_isolation_separates_containers", isolation),
        test("disable_container_interface_leaves_the_link_down", disabled),
        test("macspoofchk_stops_packets_with_another_mac", spoof),
        test("enabledad_turns_duplicate_address_detection_on", dad),
        test("dns_replaces_what_ipam_says", dns),
        test("mac_comes_from_runtime_config_then_args_then_cni_args", mac),
        test("without_ipam_a_link_is_up_and_check_passes", layer_two),
        test("masquerade_hides_the_container_outside_its_subnet_only", masquerade),
        test("route_attributes_are_installed", routes),
        test("gateway_addresses_of_both_families_serve_their_containers", two_families),
    ]
}

fn base() -> Value {
    configs::bridge(&["10.90.0.0/24"])
}

fn bridge_addresses(host: &Host, name: &str) -> Result<Vec<String>> {
    let links = host.json("ip", ["-json", "address", "show", "dev", name])?;
    let list = links[0]["addr_info"].as_array().cloned().unwrap_or_default();
    let text = |a: &Value| format!("{}/{}", a["local"].as_str().unwrap_or_default(), a["prefixlen"]);
    Ok(list.iter().filter(|address| address["scope"] == "global").map(text).collect())
}

fn name(host: &Host) -> Result<()> {
    network(&[with(&base(), json!({"bridge": "mybr0"}))])?.add(&host.container("one")?)?;
    let links = host.json("ip", ["-json", "-details", "link", "show", "dev", "mybr0"])?;
    ensure!(links[0]["linkinfo"]["info_kind"] == "bridge" && links[0]["flags"].to_string().contains("UP"));
    Ok(())
}

fn existing(host: &Host) -> Result<()> {
    host.run("ip", ["link", "add", "cni0", "type", "bridge"])?;
    host.run("ip", ["address", "add", "10.90.0.1/24", "dev", "cni0"])?;
    let one = host.container("one")?;
    network(&[base()])?.add(&one)?;
    traffic::ping(&one, "10.90.0.1")
}

fn no_bridge(host: &Host) -> Result<()> {
    host.run("ip", ["link", "add", "cni0", "type", "veth", "peer", "name", "other"])?;
    let one = host.container("one")?;
    let error = network(&[base()])?.add(&one).unwrap_err();
    ensure!(format!("{error:#}").contains("cni0"), "{error:#}");
    ensure!(!one.has_link("eth0"));
    Ok(())
}

fn is_gateway(host: &Host) -> Result<()> {
    let keys = json!({"isDefaultGateway": false, "isGateway": true});
    let one = host.container("one")?;
    network(&[with(&configs::bridge(&["10.90.0.0/24", "fd00:90::/64"]), keys)])?.add(&one)?;
    ensure!(
        bridge_addresses(host, "cni0")? == ["10.90.0.1/24", "fd00:90::1/64"],
        "{:?}",
        bridge_addresses(host, "cni0")?
    );
    ensure!(host.sysctl("net/ipv4/ip_forward")? == "1" && host.sysctl("net/ipv6/conf/all/forwarding")? == "1");
    let routes = one.run("ip", ["route"])?;
    ensure!(!routes.contains("default"), "{routes}");
    Ok(())
}

fn is_default_gateway(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    let result = network(&[configs::bridge(&["10.90.0.0/24", "fd00:90::/64"])])?.add(&one)?;
    ensure!(one.run("ip", ["route"])?.contains("default via 10.90.0.1"));
    ensure!(one.run("ip", ["-6", "route"])?.contains("default via fd00:90::1"));
    let routes = result["routes"].to_string();
    ensure!(routes.contains("0.0.0.0/0") && routes.contains("::/0"), "{routes}");
    Ok(())
}

fn both_defaults(host: &Host) -> Result<()> {
    let mut config = base();
    config["ipam"]["routes"] = json!([{"dst": "0.0.0.0/0"}]);
    let one = host.container("one")?;
    let chain = network(&[config])?;
    let result = chain.add(&one)?;
    let routes = one.run("ip", ["route"])?;
    ensure!(routes.matches("default").count() == 1, "{routes}");
    chain.check(&one, &result)
}

fn force_address(host: &Host) -> Result<()> {
    host.run("ip", ["link", "add", "cni0", "type", "bridge"])?;
    host.run("ip", ["address", "add", "10.91.0.1/24", "dev", "cni0"])?;
    let one = host.container("one")?;
    ensure!(network(&[base()])?.add(&one).is_err(), "another address is no conflict");
    ensure!(bridge_addresses(host, "cni0")? == ["10.91.0.1/24"]);
    network(&[with(&base(), json!({"forceAddress": true}))])?.add(&one)?;
    ensure!(bridge_addresses(host, "cni0")? == ["10.90.0.1/24"], "{:?}", bridge_addresses(host, "cni0")?);
    Ok(())
}

fn mtu(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    let result = network(&[with(&base(), json!({"mtu": 1399}))])?.add(&one)?;
    ensure!(one.link("eth0")?["mtu"] == 1399 && port(host, &result)?["mtu"] == 1399);
    Ok(())
}

fn hairpin(host: &Host) -> Result<()> {
    for (name, on) in [("one", true), ("two", false)] {
        let result = network(&[with(&base(), json!({"hairpinMode": on}))])?.add(&host.container(name)?)?;
        let port = port(host, &result)?;
        ensure!(port["linkinfo"]["info_slave_data"]["hairpin"] == on, "{port}");
    }
    Ok(())
}

fn promiscuous(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    let chain = network(&[with(&base(), json!({"promiscMode": true}))])?;
    let result = chain.add(&one)?;
    let links = host.json("ip", ["-json", "-details", "link", "show", "dev", "cni0"])?;
    ensure!(links[0]["flags"].to_string().contains("PROMISC"), "{links}");
    chain.check(&one, &result)?;
    host.run("ip", ["link", "set", "cni0", "promisc", "off"])?;
    ensure!(chain.check(&one, &result).is_err(), "CHECK does not see it");
    Ok(())
}

fn isolation(host: &Host) -> Result<()> {
    let (one, two) = (host.container("one")?, host.container("two")?);
    let chain = network(&[with(&base(), json!({"portIsolation": true}))])?;
    let first = chain.add(&one)?;
    let second = chain.add(&two)?;
    ensure!(port(host, &first)?["linkinfo"]["info_slave_data"]["isolated"] == true);
    traffic::ping(&one, "10.90.0.1")?;
    traffic::assert_silent(&one, &residue::addresses(&second)[0])
}

fn disabled(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    let chain = network(&[json!({"type": "bridge", "bridge": "cni0", "disableContainerInterface": true})])?;
    let result = chain.add(&one)?;
    ensure!(!one.link("eth0")?["flags"].to_string().contains("\"UP\""), "{}", one.link("eth0")?);
    chain.check(&one, &result)?;
    chain.del(&one, &result)
}

fn spoof(host: &Host) -> Result<()> {
    let (one, two) = (host.container("one")?, host.container("two")?);
    let chain = network(&[with(&base(), json!({"macspoofchk": true}))])?;
    let first = chain.add(&one)?;
    let second = chain.add(&two)?;
    let there = &residue::addresses(&second)[0];
    traffic::ping(&one, there)?;
    one.run("ip", ["link", "set", "eth0", "address", "02:de:ad:be:ef:01"])?;
    one.run("ip", ["neigh", "flush", "dev", "eth0"])?;
    traffic::assert_silent(&one, there)?;
    traffic::ping(&two, "10.90.0.1").context("the other")?;
    chain.del(&one, &first)?;
    chain.del(&two, &second)?;
    residue::assert_none(host, &["one".into(), "two".into()])
}

fn dad(host: &Host) -> Result<()> {
    for (name, on) in [("one", true), ("two", false)] {
        let one = host.container(name)?;
        network(&[with(&configs::bridge(&["fd00:90::/64"]), json!({"enabledad": on}))])?.add(&one)?;
        let accept = one.sysctl("net/ipv6/conf/eth0/accept_dad")?;
        ensure!((accept != "0") == on, "accept_dad is {accept}");
        ensure!(!one.run("ip", ["address"])?.contains("tentative"), "ADD does not wait");
    }
    Ok(())
}

fn dns(host: &Host) -> Result<()> {
    std::fs::write("/run/resolv", "nameserver 203.0.113.1\nsearch a.example\n")?;
    let mut config = base();
    config["ipam"]["resolvConf"] = json!("/run/resolv");
    let result = network(std::slice::from_ref(&config))?.add(&host.container("one")?)?;
    ensure!(result["dns"]["nameservers"] == json!(["203.0.113.1"]), "{result}");
    let own = with(&config, json!({"dns": {"nameservers": ["203.0.113.2"], "domain": "b.example"}}));
    let result = network(&[own])?.add(&host.container("two")?)?;
    ensure!(result["dns"] == json!({"nameservers": ["203.0.113.2"], "domain": "b.example"}), "{result}");
    Ok(())
}

fn mac(host: &Host) -> Result<()> {
    let runtime = json!({"runtimeConfig": {"mac": "02:00:00:00:00:11"}});
    let argument = json!({"args": {"cni": {"mac": "02:00:00:00:00:22"}}});
    let both = with(&argument, runtime);
    let variable = "IgnoreUnknown=1;MAC=02:00:00:00:00:33";
    let cases = [
        ("a", both, variable, "02:00:00:00:00:11"),
        ("b", argument, variable, "02:00:00:00:00:22"),
        ("c", json!({}), variable, "02:00:00:00:00:33"),
        // host-local under the bridge does not stumble over it.
        ("d", json!({}), "MAC=02:00:00:00:00:44", "02:00:00:00:00:44"),
    ];
    let programs = Programs::weir()?;
    for (name, keys, arguments, expected) in cases {
        let one = host.container(name)?;
        let config = configs::alone("1.0.0", &with(&base(), keys));
        let call = Call::new(&programs, "bridge", "ADD")?.container(&one).env("CNI_ARGS", arguments).config(&config);
        let result = call.ok()?;
        ensure!(one.link("eth0")?["address"] == expected, "{name}: {}", one.link("eth0")?);
        ensure!(result["interfaces"].to_string().contains(expected), "{result}");
    }
    Ok(())
}

fn layer_two(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    let chain = network(&[json!({"type": "bridge", "bridge": "cni0"})])?;
    let result = chain.add(&one)?;
    ensure!(one.link("eth0")?["flags"].to_string().contains("\"UP\""));
    chain.check(&one, &result)?;
    chain.del(&one, &result)?;
    chain.del(&one, &result)
}

fn masquerade(host: &Host) -> Result<()> {
    let outside = host.outside()?.namespace;
    let _server = traffic::Server::start(&outside, 9000)?;
    for (n, backend) in ["nftables", "iptables"].into_iter().enumerate() {
        let (one, two) = (host.container(&format!("{backend}1"))?, host.container(&format!("{backend}2"))?);
        let chain = network(&[with(
            &configs::bridge(&[&format!("10.9{}.0.0/24", n + 3)]),
            json!({"bridge": format!("cni{n}"), "ipMasq": true, "ipMasqBackend": backend}),
        )])?;
        let first = chain.add(&one)?;
        let second = chain.add(&two)?;
        let (at_one, at_two) = (&residue::addresses(&first)[0], &residue::addresses(&second)[0]);
        ensure!(traffic::tcp(&one, "192.0.2.2", 9000)?.to_string() == "192.0.2.1", "{backend}");
        let server = traffic::Server::start(&two, 80)?;
        ensure!(traffic::tcp(&one, at_two, 80)?.to_string() == *at_one, "{backend}: translated inside the subnet");
        drop(server);
        let rules = host.run("nft", ["list", "ruleset"])?;
        let native_table = if backend == "nftables" { "cni_plugins_masquerade" } else { "POSTROUTING" };
        ensure!(rules.contains(native_table), "{backend}: {rules}");
    }
    Ok(())
}

fn routes(host: &Host) -> Result<()> {
    let mut config = base();
    config["ipam"]["routes"] = json!([
        {"dst": "203.0.113.0/24", "gw": "10.90.0.7", "mtu": 1300, "advmss": 1200, "priority": 50},
        {"dst": "198.51.100.0/24", "table": 77, "gw": "10.90.0.8"},
    ]);
    let one = host.container("one")?;
    let chain = network(&[config])?;
    let result = chain.add(&one)?;
    let main = one.run("ip", ["route", "show", "203.0.113.0/24"])?;
    for part in ["via 10.90.0.7", "metric 50", "mtu 1300", "advmss 1200"] {
        ensure!(main.contains(part), "{part} is missing in {main}");
    }
    ensure!(one.run("ip", ["route", "show", "table", "77"])?.contains("198.51.100.0/24 via 10.90.0.8"));
    chain.check(&one, &result)
}

fn two_families(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    network(&[configs::bridge(&["10.90.0.0/24", "fd00:90::/64"])])?.add(&one)?;
    ensure!(one.addresses("eth0")? == ["10.90.0.2/24", "fd00:90::2/64"], "{:?}", one.addresses("eth0")?);
    traffic::ping(&one, "10.90.0.1")?;
    traffic::ping(&one, "fd00:90::1")
}
