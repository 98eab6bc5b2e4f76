//! The usual chain, bridge with host-local, then tuning, then portmap: packets arrive, CHECK agrees, nothing is left.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::net::IpAddr;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use weir_tests::host::Outside;
use weir_tests::traffic::{self, Server};
use weir_tests::{Chain, Container, Host, Programs, configs, residue, run, test};

const V4: &str = "10.20.0.0/24";
const V6: &str = "fd00:20::/64";

fn main() -> ExitCode {
    let mut tests = Vec::new();
    for (family, subnets) in [("ipv4", &[V4][..]), ("ipv6", &[V6]), ("dual_stack", &[V4, V6])] {
        for backend in ["nftables", "iptables"] {
            tests.push(test(format!("packets_arrive_over_{family}_with_{backend}"), move |host| {
                packets(host, subnets, backend)
            }));
        }
    }
    tests.push(test(
        "two_containers_that_publish_the_same_port_on_two_addresses_both_get_their_packets",
        host_addresses,
    ));
    tests.push(test("one_container_in_two_networks_keeps_one_when_it_leaves_the_other", two_networks));
    run(tests)
}

fn network(programs: &Programs, subnets: &[&str], backend: &str) -> Chain {
    let bridge = configs::with(
        &configs::bridge(subnets),
        json!({"ipMasq": true, "ipMasqBackend": backend, "hairpinMode": true}),
    );
    Chain::new(programs, "net", &[bridge, configs::tuning(), configs::portmap(backend)])
}

/// The addresses at which a host is asked for a published port, by family of the container's addresses.
fn host_ends(addresses: &[String]) -> Vec<&'static str> {
    let v6 = addresses.iter().any(|address| address.contains(':')).then_some(Outside::HOST_V6);
    let v4 = addresses.iter().any(|address| address.contains('.')).then_some(Outside::HOST_V4);
    v4.into_iter().chain(v6).collect()
}

fn packets(host: &Host, subnets: &[&str], backend: &str) -> Result<()> {
    let programs = Programs::weir()?;
    let outside = host.outside()?.namespace;
    let (one, two) = (host.container("one")?, host.container("two")?);
    let plain = network(&programs, subnets, backend);
    let published = plain.clone().capabilities(json!({"portMappings": [
        {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
        {"hostPort": 8053, "containerPort": 80, "protocol": "udp"},
    ]}));
    let first = published.add(&one)?;
    let second = plain.add(&two)?;
    let (at_one, at_two) = (residue::addresses(&first), residue::addresses(&second));
    ensure!(at_one.len() == subnets.len() && at_two.len() == subnets.len(), "{first} {second}");
    ensure!(
        one.addresses("eth0")?.iter().all(|inside| at_one.iter().any(|told| inside.starts_with(&format!("{told}/")))),
        "the result tells {at_one:?}, inside are {:?}",
        one.addresses("eth0")?
    );
    published.check(&one, &first)?;
    plain.check(&two, &second)?;

    let server = (Server::start(&one, 80)?, Server::start(&outside, 9000)?);
    for address in &at_one {
        traffic::ping(&two, address)?;
        traffic::ping_here(address)?;
        ensure!(at_two.contains(&traffic::tcp(&two, address, 80)?.to_string()), "between containers nobody translates");
        traffic::udp(&two, address, 80)?;
    }
    for address in &at_two {
        traffic::ping(&one, address)?;
    }
    // Towards the outside the host's address stands for the containers.
    for (there, here) in [(Outside::V4, Outside::HOST_V4), (Outside::V6, Outside::HOST_V6)] {
        if host_ends(&at_one).contains(&here) {
            traffic::ping(&one, there)?;
            let seen = traffic::tcp(&one, there, 9000)?;
            ensure!(seen == here.parse::<IpAddr>()?, "outside sees {seen} for {here}");
        }
    }
    published_port_answers(&outside, &one, &two, &at_one, &at_two)?;
    published.check(&one, &first).context("CHECK after packets")?;

    published.del(&one, &first)?;
    for end in host_ends(&at_one) {
        ensure!(outside.enter(|| traffic::tcp_here(end, 8080)).is_err(), "the port of a deleted container answers");
    }
    plain.check(&two, &second).context("CHECK of the other after DEL")?;
    for there in host_ends(&at_two).iter().map(|end| if end.contains(':') { Outside::V6 } else { Outside::V4 }) {
        traffic::ping(&two, there).context("the other after DEL")?;
    }
    plain.del(&two, &second)?;
    drop(server);
    let words: Vec<_> = at_one.into_iter().chain(at_two).chain(["one".into(), "two".into()]).collect();
    residue::assert_none(host, &words)
}

fn published_port_answers(
    outside: &Container,
    one: &Container,
    two: &Container,
    at_one: &[String],
    at_two: &[String],
) -> Result<()> {
    for end in host_ends(at_one) {
        let seen = traffic::tcp(outside, end, 8080)?;
        let there = if end.contains(':') { Outside::V6 } else { Outside::V4 };
        ensure!(seen == there.parse::<IpAddr>()?, "the container sees {seen} for a caller at {there}");
        traffic::udp(outside, end, 8053)?;
        traffic::tcp_here(end, 8080).with_context(|| format!("from the host to {end}"))?;
        traffic::tcp(two, end, 8080).with_context(|| format!("from {at_two:?} to {end}"))?;
        traffic::tcp(one, end, 8080).with_context(|| format!("from the container itself to {end}"))?;
    }
    if at_one.iter().any(|address| address.contains('.')) {
        traffic::tcp_here("127.0.0.1", 8080).context("from the host to localhost")?;
    }
    Ok(())
}

fn host_addresses(host: &Host) -> Result<()> {
    let programs = Programs::weir()?;
    let outside = host.outside()?.namespace;
    host.run("ip", ["address", "add", "192.0.2.3/24", "dev", "uplink"])?;
    let (one, two) = (host.container("one")?, host.container("two")?);
    let plain = network(&programs, &[V4], "nftables");
    let on = |address: &str| {
        let mapping = json!({"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": address});
        plain.clone().capabilities(json!({"portMappings": [mapping]}))
    };
    let (first, second) = (on("192.0.2.1").add(&one)?, on("192.0.2.3").add(&two)?);
    let only_one = Server::start(&one, 80)?;
    traffic::tcp(&outside, "192.0.2.1", 8080)?;
    ensure!(traffic::tcp(&outside, "192.0.2.3", 8080).is_err(), "the second address leads to the first container");
    drop(only_one);
    let _only_two = Server::start(&two, 80)?;
    traffic::tcp(&outside, "192.0.2.3", 8080)?;
    ensure!(traffic::tcp(&outside, "192.0.2.1", 8080).is_err(), "the first address leads to the second container");
    on("192.0.2.1").del(&one, &first)?;
    traffic::tcp(&outside, "192.0.2.3", 8080).context("after the other is gone")?;
    on("192.0.2.3").del(&two, &second)
}

fn two_networks(host: &Host) -> Result<()> {
    let programs = Programs::weir()?;
    let outside = host.outside()?.namespace;
    let one = host.container("one")?;
    let port = |port: u16| json!({"portMappings": [{"hostPort": port, "containerPort": 80, "protocol": "tcp"}]});
    let left = network(&programs, &["10.21.0.0/24"], "nftables").capabilities(port(8081));
    let mut right = network(&programs, &["10.22.0.0/24"], "nftables").capabilities(port(8082));
    right.name = "right".into();
    right.plugins[0]["bridge"] = json!("cni1");
    right.plugins[0]["isDefaultGateway"] = json!(false);
    right.plugins[0]["isGateway"] = json!(true);
    let first = left.add_interface(&one, "eth0")?;
    right.add_interface(&one, "eth1")?;
    let _server = Server::start(&one, 80)?;
    traffic::tcp(&outside, "192.0.2.1", 8081)?;
    for plugin in right.plugins.iter().rev() {
        right.call("DEL", plugin, &serde_json::Value::Null)?.container(&one).interface("eth1").ok()?;
    }
    ensure!(!one.has_link("eth1") && one.has_link("eth0"));
    traffic::tcp(&outside, "192.0.2.1", 8081).context("the first network after the second is gone")?;
    left.check(&one, &first)?;
    left.del(&one, &first)?;
    residue::assert_none(host, &["one".into(), "10.21.0.2".into(), "10.22.0.2".into()])
}
