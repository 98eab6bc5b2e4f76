//! Keys of portmap.

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::with;
use weir_tests::host::Outside;
use weir_tests::traffic::{Server, tcp, tcp_here};
use weir_tests::{Chain, Container, Host, Test, configs, residue, test};

use crate::network;

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for backend in ["nftables", "iptables"] {
        let add = |tests: &mut Vec<Test>, name: &str, body: fn(&Host, &'static str) -> Result<()>| {
            tests.push(test(format!("{name}_with_{backend}"), move |host| body(host, backend)));
        };
        add(&mut tests, "backend_decides_where_rules_are", backend_used);
        add(&mut tests, "snat_off_leaves_localhost_unserved", snat);
        add(&mut tests, "masq_all_hides_every_caller", masq_all);
        add(&mut tests, "conditions_limit_who_is_served", conditions);
        add(&mut tests, "conditions_of_one_network_leave_another_alone", own_conditions);
        add(&mut tests, "host_ip_limits_where_it_is_served", host_ip);
        add(&mut tests, "many_ports_of_both_protocols_are_served", many_ports);
        add(&mut tests, "check_sees_a_missing_rule", missing_rule);
    }
    tests.push(test("mark_masq_bit_is_the_mark", mark_bit));
    tests.push(test("external_set_mark_chain_is_jumped_to", external_chain));
    tests
}

fn chain(backend: &str, keys: Value, mappings: Value) -> Result<Chain> {
    let portmap = with(&configs::portmap(backend), keys);
    let bridge = configs::bridge(&["10.120.0.0/24", "fd00:120::/64"]);
    Ok(network(&[bridge, portmap])?.capabilities(json!({"portMappings": mappings})))
}

fn one_port() -> Value {
    json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}])
}

/// A container behind the plugin, a server in it, and somebody outside.
fn start(host: &Host, chain: &Chain) -> Result<(Container, Value, Server, Container)> {
    let outside = host.outside()?.namespace;
    let one = host.container("one")?;
    let result = chain.add(&one)?;
    let server = Server::start(&one, 80)?;
    Ok((one, result, server, outside))
}

fn backend_used(host: &Host, backend: &'static str) -> Result<()> {
    let chain = chain(backend, json!({}), one_port())?;
    let (one, result, _server, outside) = start(host, &chain)?;
    tcp(&outside, Outside::HOST_V4, 8080)?;
    let rules = host.run("nft", ["list", "ruleset"])?;
    ensure!(rules.contains("CNI-HOSTPORT-DNAT") == (backend == "iptables"), "{rules}");
    ensure!(rules.contains("cni_hostport") == (backend == "nftables"), "{rules}");
    chain.check(&one, &result)?;
    chain.del(&one, &result)?;
    residue::assert_none(host, &["one".into(), "10.120.0.2".into(), "fd00:120::2".into()])
}

fn snat(host: &Host, backend: &'static str) -> Result<()> {
    let chain = chain(backend, json!({"snat": false}), one_port())?;
    let (_one, _, _server, outside) = start(host, &chain)?;
    tcp(&outside, Outside::HOST_V4, 8080)?;
    tcp(&outside, Outside::HOST_V6, 8080)?;
    ensure!(tcp_here("127.0.0.1", 8080).is_err(), "localhost works without translation of the source");
    let rules = host.run("nft", ["list", "ruleset"])?;
    ensure!(!rules.contains("masquerade"), "{rules}");
    Ok(())
}

fn masq_all(host: &Host, backend: &'static str) -> Result<()> {
    let chain = chain(backend, json!({"masqAll": true}), one_port())?;
    let (_one, _, _server, outside) = start(host, &chain)?;
    ensure!(tcp(&outside, Outside::HOST_V4, 8080)? == "10.120.0.1".parse::<IpAddr>()?);
    ensure!(tcp(&outside, Outside::HOST_V6, 8080)? == "fd00:120::1".parse::<IpAddr>()?);
    Ok(())
}

fn conditions(host: &Host, backend: &'static str) -> Result<()> {
    let (v4, v6) = match backend {
        "iptables" => (json!(["!", "-s", "192.0.2.2"]), json!(["!", "-s", "2001:db8:ff::2"])),
        _ => (json!(["ip", "saddr", "!=", "192.0.2.2"]), json!(["ip6", "saddr", "!=", "2001:db8:ff::2"])),
    };
    let chain = chain(backend, json!({"conditionsV4": v4, "conditionsV6": v6}), one_port())?;
    let (one, result, _server, outside) = start(host, &chain)?;
    outside.run("ip", ["address", "add", "192.0.2.7/24", "dev", "out0"])?;
    ensure!(tcp(&outside, Outside::HOST_V4, 8080).is_err(), "the excluded caller is served");
    ensure!(tcp(&outside, Outside::HOST_V6, 8080).is_err(), "the excluded caller is served over IPv6");
    outside.run("ip", ["address", "del", "192.0.2.2/24", "dev", "out0"])?;
    outside.run("ip", ["address", "replace", "192.0.2.7/24", "dev", "out0"])?;
    tcp(&outside, Outside::HOST_V4, 8080).context("another caller")?;
    chain.check(&one, &result)
}

fn own_conditions(host: &Host, backend: &'static str) -> Result<()> {
    let exclude = match backend {
        "iptables" => json!(["!", "-s", "192.0.2.2"]),
        _ => json!(["ip", "saddr", "!=", "192.0.2.2"]),
    };
    let limited = chain(backend, json!({"conditionsV4": exclude}), one_port())?;
    let (one, limited_result, _server, outside) = start(host, &limited)?;
    // The other comes later, and goes earlier.
    let two = host.container("two")?;
    let mut open = chain(backend, json!({}), json!([{"hostPort": 8081, "containerPort": 80, "protocol": "tcp"}]))?;
    open.name = "open".into();
    open.plugins[0]["bridge"] = json!("cni1");
    open.plugins[0]["ipam"] = configs::host_local(&["10.121.0.0/24"]);
    let open_result = open.add(&two)?;
    let _other_server = Server::start(&two, 80)?;
    tcp(&outside, Outside::HOST_V4, 8081).context("without conditions")?;
    ensure!(tcp(&outside, Outside::HOST_V4, 8080).is_err(), "the other network's conditions are used");
    limited.check(&one, &limited_result)?;
    open.check(&two, &open_result)?;
    open.del(&two, &open_result)?;
    ensure!(tcp(&outside, Outside::HOST_V4, 8080).is_err(), "the conditions went with the other network");
    limited.check(&one, &limited_result)
}

fn host_ip(host: &Host, backend: &'static str) -> Result<()> {
    host.run("ip", ["address", "add", "198.51.100.1/32", "dev", "lo"])?;
    let mappings = json!([
        {"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": "198.51.100.1"},
        {"hostPort": 8081, "containerPort": 80, "protocol": "tcp", "hostIP": "2001:db8:ff::1"},
        {"hostPort": 8082, "containerPort": 80, "protocol": "tcp", "hostIP": "0.0.0.0"},
        {"hostPort": 8083, "containerPort": 80, "protocol": "TCP", "hostIP": "::"},
    ]);
    let chain = chain(backend, json!({}), mappings)?;
    let (one, result, _server, outside) = start(host, &chain)?;
    outside.run("ip", ["route", "add", "198.51.100.1", "via", "192.0.2.1"])?;
    tcp(&outside, "198.51.100.1", 8080)?;
    tcp(&outside, Outside::HOST_V6, 8081)?;
    tcp(&outside, Outside::HOST_V4, 8082)?;
    tcp(&outside, Outside::HOST_V6, 8083)?;
    for (address, port) in [(Outside::HOST_V4, 8080), (Outside::HOST_V4, 8081), (Outside::HOST_V6, 8082)] {
        ensure!(tcp(&outside, address, port).is_err(), "{address} serves {port}");
    }
    chain.check(&one, &result)
}

fn many_ports(host: &Host, backend: &'static str) -> Result<()> {
    let mappings: Vec<_> = (0..40)
        .map(|n| {
            let protocol = if n % 2 == 0 { "tcp" } else { "udp" };
            json!({"hostPort": 9000 + n, "containerPort": 80, "protocol": protocol})
        })
        .collect();
    let chain = chain(backend, json!({}), json!(mappings))?;
    let (one, result, _server, outside) = start(host, &chain)?;
    for port in [9000, 9018, 9038] {
        tcp(&outside, Outside::HOST_V4, port)?;
        weir_tests::traffic::udp(&outside, Outside::HOST_V6, port + 1)?;
    }
    chain.check(&one, &result)?;
    chain.del(&one, &result)?;
    residue::assert_none(host, &["one".into(), "10.120.0.2".into(), "fd00:120::2".into()])
}

fn missing_rule(host: &Host, backend: &'static str) -> Result<()> {
    let chain = chain(backend, json!({}), one_port())?;
    let (one, result, _server, _outside) = start(host, &chain)?;
    chain.check(&one, &result)?;
    match backend {
        "nftables" => host.run("nft", ["flush", "chain", "ip", "cni_hostport", "hostports"])?,
        _ => host.run("iptables", ["-t", "nat", "-F", "CNI-HOSTPORT-DNAT"])?,
    };
    ensure!(chain.check(&one, &result).is_err(), "CHECK does not see it");
    chain.del(&one, &result)
}

fn mark_bit(host: &Host) -> Result<()> {
    let chain = chain("iptables", json!({"markMasqBit": 20}), one_port())?;
    let (_one, _, _server, _outside) = start(host, &chain)?;
    tcp_here("127.0.0.1", 8080)?;
    let rules = host.run("iptables-save", ["-t", "nat"])?;
    ensure!(rules.contains("0x100000/0x100000"), "{rules}");
    Ok(())
}

fn external_chain(host: &Host) -> Result<()> {
    for program in ["iptables", "ip6tables"] {
        host.run(program, ["-t", "nat", "-N", "MY-MARK"])?;
    }
    let chain = chain("iptables", json!({"externalSetMarkChain": "MY-MARK"}), one_port())?;
    let (one, result, _server, outside) = start(host, &chain)?;
    tcp(&outside, Outside::HOST_V4, 8080)?;
    let rules = host.run("iptables-save", ["-t", "nat"])?;
    ensure!(rules.contains("-j MY-MARK") && !rules.contains("CNI-HOSTPORT-SETMARK"), "{rules}");
    chain.check(&one, &result)?;
    chain.del(&one, &result)?;
    host.run("iptables", ["-t", "nat", "-X", "MY-MARK"]).context("nothing refers to it any more").map(drop)
}
