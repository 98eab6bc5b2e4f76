//! Beside others who drop forwarded packets: Docker, and an operator's own nftables.

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::json;
use weir_tests::host::Outside;
use weir_tests::traffic::{Server, tcp, udp};
use weir_tests::{Chain, Host, Test, configs, residue, test};

use super::{is_kept_from, network, outside, reaches};

const WORKERS: usize = 6;
const ROUNDS: usize = 4;

pub(super) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for backend in ["auto", "nftables", "iptables"] {
        tests.push(test(format!("firewall_packets_pass_beside_docker_with_{backend}"), move |host| {
            docker(host)?;
            drop_policy(host, backend)
        }));
    }
    for backend in ["nftables", "iptables"] {
        tests.push(test(format!("firewall_containers_come_and_go_at_once_with_{backend}"), move |host| {
            at_once(host, backend)
        }));
    }
    tests.push(test("firewall_packets_pass_beside_a_chain_of_nftables_that_drops", |host| {
        foreign(host)?;
        drop_policy(host, "nftables")
    }));
    tests.push(test("firewall_packets_pass_beside_a_chain_with_the_name_of_iptables", |host| {
        unreadable(host)?;
        drop_policy(host, "nftables")
    }));
    tests.push(test("firewall_what_another_chain_refuses_stays_refused", refused));
    tests.push(test("firewall_docker_alone_stops_containers", without));
    tests.push(test("firewall_check_sees_a_chain_that_came_later", later));
    tests
}

/// What Docker does to the host's firewall.
pub(super) fn docker(host: &Host) -> Result<()> {
    for program in ["iptables", "ip6tables"] {
        host.run(program, ["-P", "FORWARD", "DROP"])?;
        host.run(program, ["-N", "DOCKER-USER"])?;
        host.run(program, ["-A", "FORWARD", "-j", "DOCKER-USER"])?;
    }
    Ok(())
}

/// What an operator does who forwards little.
fn foreign(host: &Host) -> Result<()> {
    host.run("nft", ["add table inet office"])?;
    host.run("nft", ["add chain inet office forward { type filter hook forward priority 10; policy drop; }"]).map(drop)
}

/// What an operator does who replaced iptables, and whose rules its programs do not read.
fn unreadable(host: &Host) -> Result<()> {
    for family in ["ip", "ip6"] {
        host.run("nft", [format!("add table {family} filter").as_str()])?;
        let chain =
            format!("add chain {family} filter FORWARD {{ type filter hook forward priority 0; policy drop; }}");
        host.run("nft", [chain.as_str()])?;
        host.run("nft", [format!("add rule {family} filter FORWARD ct state vmap {{ invalid : drop }}").as_str()])?;
    }
    ensure!(host.run("iptables-save", ["-t", "filter"]).is_ok_and(|text| text.contains("incompatible")));
    Ok(())
}

fn published(backend: &str) -> Result<Chain> {
    let mut chain = network("net", "cni0", 1, json!({"backend": backend}))?;
    chain.plugins.insert(1, configs::portmap("nftables"));
    Ok(chain.capabilities(json!({"portMappings": [
        {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
        {"hostPort": 8053, "containerPort": 80, "protocol": "udp"},
    ]})))
}

fn drop_policy(host: &Host, backend: &str) -> Result<()> {
    let chain = published(backend)?;
    let outside = outside(host)?;
    let one = host.container("one")?;
    let result = chain.add(&one)?;
    let _server = Server::start(&one, 80)?;
    for (there, here) in [(Outside::V4, Outside::HOST_V4), (Outside::V6, Outside::HOST_V6)] {
        reaches(Some(&one), there).context("out and back")?;
        tcp(&outside, here, 8080).context("in by a mapped port")?;
        udp(&outside, here, 8053).context("in by a mapped port")?;
    }
    for address in residue::addresses(&result) {
        reaches(None, &address)?;
        is_kept_from(&outside, &address).context("what nobody asked for")?;
    }
    chain.check(&one, &result)?;
    chain.del(&one, &result)?;
    let mut words = residue::addresses(&result);
    words.push("one".into());
    residue::assert_none(host, &words)?;
    // The same container again, collected by GC.
    let result = chain.add(&one)?;
    reaches(Some(&one), Outside::V4)?;
    chain.gc(&[("one", "eth0")])?;
    reaches(Some(&one), Outside::V4).context("after GC that spares it")?;
    one.unmount()?;
    drop(one);
    chain.gc(&[])?;
    let rules = host.run("nft", ["list", "ruleset"])?;
    for address in residue::addresses(&result) {
        ensure!(!rules.contains(&address), "GC leaves {address}: {rules}");
    }
    Ok(())
}

/// Commands in parallel disturb neither each other nor what others have on the host.
fn at_once(host: &Host, backend: &str) -> Result<()> {
    docker(host)?;
    foreign(host)?;
    let chain = network("net", "cni0", 1, json!({"backend": backend, "ingressPolicy": "isolated"}))?;
    let work = &|worker: usize| -> Result<()> {
        for round in 0..ROUNDS {
            let one = host.container(&format!("w{worker}r{round}"))?;
            let result = chain.add(&one).context("ADD")?;
            chain.check(&one, &result).context("CHECK")?;
            // Every other runtime has lost the result.
            let known = if round % 2 == 0 { result.clone() } else { serde_json::Value::Null };
            chain.del(&one, &known).context("DEL")?;
            one.unmount()?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|worker| scope.spawn(move || work(worker))).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?)
    })?;
    let rules = host.run("nft", ["list", "ruleset"])?;
    ensure!(!rules.contains("10.60.1.") && !rules.contains("fd00:60:1:"), "{rules}");
    for jump in ["jump CNI-FORWARD", "jump CNI-ADMIN"] {
        // One for each family.
        ensure!(rules.matches(jump).count() == 2, "{jump}: {rules}");
    }
    Ok(())
}

/// Without the plugin the container reaches nobody, so the tests above say something.
fn without(host: &Host) -> Result<()> {
    docker(host)?;
    let mut chain = network("net", "cni0", 1, json!({}))?;
    chain.plugins.truncate(1);
    let _outside = outside(host)?;
    let one = host.container("one")?;
    chain.add(&one)?;
    reaches(Some(&one), Outside::HOST_V4)?;
    is_kept_from(&one, Outside::V4)?;
    is_kept_from(&one, Outside::V6)
}

fn refused(host: &Host) -> Result<()> {
    foreign(host)?;
    host.run("nft", ["add rule inet office forward ip daddr 192.0.2.2 icmp type echo-request drop"])?;
    let chain = network("net", "cni0", 1, json!({"backend": "nftables"}))?;
    let _outside = outside(host)?;
    let one = host.container("one")?;
    let result = chain.add(&one)?;
    is_kept_from(&one, Outside::V4)?;
    reaches(Some(&one), Outside::V6)?;
    chain.del(&one, &result)?;
    let rules = host.run("nft", ["list", "chain", "inet", "office", "forward"])?;
    ensure!(rules.contains("echo-request drop") && !rules.contains("accept"), "{rules}");
    Ok(())
}

fn later(host: &Host) -> Result<()> {
    let chain = network("net", "cni0", 1, json!({"backend": "nftables"}))?;
    let one = host.container("one")?;
    let result = chain.add(&one)?;
    chain.check(&one, &result)?;
    foreign(host)?;
    ensure!(chain.check(&one, &result).is_err(), "CHECK does not see that packets are dropped");
    host.run("nft", ["delete", "table", "inet", "office"])?;
    chain.check(&one, &result)?;
    docker(host)?;
    ensure!(chain.check(&one, &result).is_err(), "CHECK does not see that iptables drops packets");
    let rules = host.run("iptables-save", ["-t", "filter"])?;
    ensure!(!rules.contains("CNI-"), "CHECK makes chains: {rules}");
    chain.del(&one, &result)
}
