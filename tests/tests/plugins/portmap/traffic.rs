//! Packets to mapped ports: from everywhere, by every protocol, in both families.

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::{bridge, portmap, with};
use weir_tests::host::Outside;
use weir_tests::traffic::{self, Server};
use weir_tests::{Chain, Container, Host, Programs, Test, residue, sctp, test};

pub(super) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for backend in ["nftables", "iptables"] {
        for protocol in ["tcp", "udp", "sctp"] {
            let name = format!("portmap_every_caller_is_served_by_{protocol}_with_{backend}");
            tests.push(test(name, move |host| every_caller(host, backend, protocol)));
            let name = format!("portmap_only_the_named_address_serves_{protocol}_with_{backend}");
            tests.push(test(name, move |host| named_address(host, backend, protocol)));
        }
    }
    tests
}

/// Ask a port, from a container or from the host; the address that the server sees.
fn ask(protocol: &str, from: Option<&Container>, address: &str, port: u16) -> Result<IpAddr> {
    match (protocol, from) {
        ("tcp", Some(container)) => traffic::tcp(container, address, port),
        ("tcp", None) => traffic::tcp_here(address, port),
        ("udp", Some(container)) => traffic::udp(container, address, port),
        ("udp", None) => traffic::udp_here(address, port),
        (_, Some(container)) => sctp::sctp(container, address, port),
        (_, None) => sctp::sctp_here(address, port),
    }
}

/// Servers for a protocol at all addresses of a result.
fn serve(protocol: &str, container: &Container, result: &Value) -> Result<(Option<Server>, Vec<sctp::Server>)> {
    if protocol != "sctp" {
        return Ok((Some(Server::start(container, 80)?), Vec::new()));
    }
    let addresses = residue::addresses(result);
    let servers = addresses.iter().map(|address| sctp::Server::start(container, address, 80));
    Ok((None, servers.collect::<Result<_>>()?))
}

fn network(backend: &str, mappings: Value) -> Result<Chain> {
    let bridge = with(&bridge(&["10.43.0.0/24", "fd00:43::/64"]), json!({"hairpinMode": true}));
    let chain = Chain::new(&Programs::weir()?, "net", &[bridge, portmap(backend)]);
    Ok(chain.capabilities(json!({"portMappings": mappings})))
}

fn every_caller(host: &Host, backend: &str, protocol: &str) -> Result<()> {
    if protocol == "sctp" {
        sctp::require()?;
    }
    let chain = network(backend, json!([{"hostPort": 8080, "containerPort": 80, "protocol": protocol}]))?;
    let outside = host.outside()?.namespace;
    let (one, two) = (host.container("one")?, host.container("two")?);
    let result = chain.add(&one)?;
    chain.clone().capabilities(json!({})).add(&two)?;
    let servers = serve(protocol, &one, &result)?;
    for (here, there) in [(Outside::HOST_V4, Outside::V4), (Outside::HOST_V6, Outside::V6)] {
        let seen = ask(protocol, Some(&outside), here, 8080).context("from outside")?;
        ensure!(seen == there.parse::<IpAddr>()?, "the container sees {seen} for {there}");
        ask(protocol, None, here, 8080).context("from the host")?;
        ask(protocol, Some(&two), here, 8080).context("from a neighbour")?;
        ask(protocol, Some(&one), here, 8080).context("from the container itself")?;
    }
    ask(protocol, None, "127.0.0.1", 8080).context("from the host by localhost")?;
    chain.check(&one, &result)?;
    chain.del(&one, &result)?;
    // Answers would come too late for SCTP, which tries for long.
    if protocol != "sctp" {
        ensure!(ask(protocol, Some(&outside), Outside::HOST_V4, 8080).is_err(), "served after DEL");
    }
    drop(servers);
    Ok(())
}

fn named_address(host: &Host, backend: &str, protocol: &str) -> Result<()> {
    if protocol == "sctp" {
        sctp::require()?;
    }
    let chain = network(
        backend,
        json!([
            {"hostPort": 8080, "containerPort": 80, "protocol": protocol, "hostIP": "192.0.2.3"},
            {"hostPort": 8080, "containerPort": 80, "protocol": protocol, "hostIP": "2001:db8:ff::3"},
        ]),
    )?;
    let outside = host.outside()?.namespace;
    host.run("ip", ["address", "add", "192.0.2.3/24", "dev", "uplink"])?;
    host.run("ip", ["address", "add", "2001:db8:ff::3/64", "dev", "uplink", "nodad"])?;
    let one = host.container("one")?;
    let result = chain.add(&one)?;
    let _servers = serve(protocol, &one, &result)?;
    for (named, other) in [("192.0.2.3", Outside::HOST_V4), ("2001:db8:ff::3", Outside::HOST_V6)] {
        for from in [Some(&outside), None, Some(&one)] {
            let who = from.map_or("the host", |container| container.id.as_str());
            ask(protocol, from, named, 8080).with_context(|| format!("from {who} to {named}"))?;
            ensure!(ask(protocol, from, other, 8080).is_err(), "{other} serves {who}");
        }
    }
    if protocol != "sctp" {
        ensure!(ask(protocol, None, "127.0.0.1", 8080).is_err(), "localhost serves");
    }
    chain.check(&one, &result)?;
    chain.del(&one, &result)
}
