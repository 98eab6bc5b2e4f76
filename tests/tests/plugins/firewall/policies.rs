//! Ingress policies, as a matrix of pings: two bridges with two containers each, the host, and the outside.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_tests::host::Outside;
use weir_tests::traffic::{Server, tcp};
use weir_tests::{Container, Host, Test, configs, residue, test};

use super::{is_kept_from, network, outside, reaches};

pub(super) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for backend in ["nftables", "iptables"] {
        for policy in ["open", "same-bridge", "isolated"] {
            let name = format!("firewall_policy_{policy}_holds_for_every_pair_with_{backend}");
            tests.push(test(name, move |host| matrix(host, backend, policy)));
        }
        let name = format!("firewall_isolation_does_not_end_at_port_mappings_with_{backend}");
        tests.push(test(name, move |host| mapped_ports(host, backend)));
        tests.push(test(format!("firewall_policies_end_with_their_bridge_with_{backend}"), move |host| {
            bridge_gone(host, backend)
        }));
    }
    tests.push(test("firewall_the_last_policy_of_a_bridge_counts", changed));
    tests.push(test("firewall_a_policy_needs_a_bridge", no_bridge));
    tests
}

struct Member {
    container: Container,
    addresses: Vec<String>,
    bridge: usize,
}

fn matrix(host: &Host, backend: &str, policy: &str) -> Result<()> {
    let keys = || json!({"backend": backend, "ingressPolicy": policy});
    let chains = [network("left", "cni0", 1, keys())?, network("right", "cni1", 2, keys())?];
    let outside = outside(host)?;
    let mut members = Vec::new();
    let mut results = Vec::new();
    for (id, bridge) in [("a1", 0), ("a2", 0), ("b1", 1), ("b2", 1)] {
        let container = host.container(id)?;
        let result = chains[bridge].add(&container)?;
        members.push(Member { container, addresses: residue::addresses(&result), bridge });
        results.push(result);
    }
    for from in &members {
        for to in &members {
            if from.container.id == to.container.id {
                continue;
            }
            let passes = match policy {
                "open" => true,
                "same-bridge" => from.bridge == to.bridge,
                _ => false,
            };
            for address in &to.addresses {
                let what = || format!("{policy}: {} to {} at {address}", from.container.id, to.container.id);
                if passes {
                    reaches(Some(&from.container), address).with_context(what)?;
                } else {
                    is_kept_from(&from.container, address).with_context(what)?;
                }
            }
        }
        for address in &from.addresses {
            reaches(None, address).context("from the host")?;
            reaches(Some(&outside), address).context("from outside")?;
        }
        for address in [Outside::V4, Outside::V6, Outside::HOST_V4, Outside::HOST_V6] {
            reaches(Some(&from.container), address).with_context(|| format!("{} to {address}", from.container.id))?;
        }
    }
    for (member, result) in members.iter().zip(&results) {
        chains[member.bridge].check(&member.container, result)?;
    }
    // A policy outlives single containers: the others keep theirs.
    chains[0].del(&members[0].container, &results[0])?;
    if policy != "open" {
        is_kept_from(&members[1].container, &members[2].addresses[0])?;
    }
    for n in 1..4 {
        chains[members[n].bridge].check(&members[n].container, &results[n]).context("after another's DEL")?;
        chains[members[n].bridge].del(&members[n].container, &results[n])?;
    }
    let mut words: Vec<_> = members.iter().flat_map(|member| member.addresses.clone()).collect();
    words.extend(members.iter().map(|member| member.container.id.clone()));
    residue::assert_none(host, &words)
}

/// What goes from a container to a port of the host and from there to a neighbour is from that container all the same.
fn mapped_ports(host: &Host, backend: &str) -> Result<()> {
    let mut chain = network("net", "cni0", 1, json!({"backend": backend, "ingressPolicy": "isolated"}))?;
    chain.plugins.insert(1, configs::portmap("nftables"));
    let ports = json!({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]});
    let published = chain.clone().capabilities(ports);
    let outside = outside(host)?;
    let (one, two) = (host.container("one")?, host.container("two")?);
    published.add(&one)?;
    chain.add(&two)?;
    let _server = Server::start(&one, 80)?;
    for address in [Outside::HOST_V4, Outside::HOST_V6] {
        tcp(&outside, address, 8080)?;
        ensure!(tcp(&two, address, 8080).is_err(), "a neighbour gets around the policy through {address}");
    }
    Ok(())
}

fn rules(host: &Host) -> Result<String> {
    host.run("nft", ["list", "ruleset"])
}

fn bridge_gone(host: &Host, backend: &str) -> Result<()> {
    let keys = json!({"backend": backend, "ingressPolicy": "same-bridge"});
    let (left, right) = (network("left", "cni0", 1, keys.clone())?, network("right", "cni1", 2, keys)?);
    let (one, two) = (host.container("one")?, host.container("two")?);
    let result = left.add(&one)?;
    let other = right.add(&two)?;
    left.del(&one, &result)?;
    ensure!(rules(host)?.contains("\"cni0\""), "the bridge is there, so is its policy");
    host.run("ip", ["link", "delete", "cni0"])?;
    left.del(&one, &result)?;
    ensure!(!rules(host)?.contains("\"cni0\""), "DEL leaves the policy of a bridge that is gone: {}", rules(host)?);
    ensure!(rules(host)?.contains("\"cni1\""), "another bridge lost its policy");
    host.run("ip", ["link", "delete", "cni1"])?;
    left.gc(&[])?;
    ensure!(!rules(host)?.contains("\"cni1\""), "GC leaves the policy of a bridge that is gone: {}", rules(host)?);
    right.del(&two, &other)
}

fn changed(host: &Host) -> Result<()> {
    let chain = |policy: &str| network("net", "cni0", 1, json!({"backend": "nftables", "ingressPolicy": policy}));
    let (one, two, three) = (host.container("one")?, host.container("two")?, host.container("three")?);
    let first = chain("isolated")?.add(&one)?;
    let at_one = residue::addresses(&first)[0].clone();
    chain("same-bridge")?.add(&two)?;
    let result = chain("same-bridge")?.add(&three)?;
    let at_three = residue::addresses(&result)[0].clone();
    reaches(Some(&two), &at_three)?;
    is_kept_from(&two, &at_one).context("who was isolated stays so")?;
    chain("same-bridge")?.check(&three, &result)?;
    ensure!(chain("isolated")?.check(&three, &result).is_err(), "CHECK does not see another policy");
    chain("isolated")?.del(&one, &first)
}

fn no_bridge(host: &Host) -> Result<()> {
    let chain = network("net", "cni0", 1, json!({"ingressPolicy": "same-bridge"}))?;
    let one = host.container("one")?;
    let previous = json!({"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": "/run/netns/one"}],
        "ips": [{"address": "10.60.1.2/24", "interface": 0}]});
    let error = chain.call("ADD", &chain.plugins[1], &previous)?.container(&one).error()?;
    ensure!(error.code == 7 && error.msg.contains("bridge"), "{error:?}");
    let error = chain.call("ADD", &chain.plugins[1], &Value::Null)?.container(&one).error()?;
    ensure!(error.code == 7 && error.msg.contains("prevResult"), "{error:?}");
    ensure!(rules(host)?.trim().is_empty(), "{}", rules(host)?);
    Ok(())
}
