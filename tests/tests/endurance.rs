//! Many attachments at once, again and again, on one host: all of them work, and at the end nothing is left.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use weir_tests::configs::{bridge, portmap, tuning, with};
use weir_tests::{Chain, Host, Programs, Snapshot, run, test, traffic};

const WORKERS: usize = 8;
const CYCLES: usize = 200;
const NETWORKS: usize = 4;
const ROUNDS: usize = 40;

fn main() -> ExitCode {
    run(vec![
        test("chains_of_five_come_and_go_200_times_in_8_workers_and_leave_nothing", chains_of_five),
        test("adds_that_fail_beside_others_on_a_new_bridge_disturb_nobody", failing_beside_others),
    ])
}

/// Work in several threads, which begin in the namespaces of this one: those of the host.
fn in_parallel<T: Send>(work: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
    let work = &work;
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|worker| scope.spawn(move || work(worker))).collect();
        let outcomes: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|_| Err(anyhow!("a worker panicked")))).collect()
    })
}

/// What is there, without the marks of the last addresses given out.
fn state() -> Result<Snapshot> {
    let is_mark = |name: &str| name.contains("last_reserved_ip") || name.contains(".weir-index");
    Ok(Snapshot::take(&[])?.with_processes()?.without(is_mark))
}

/// A network with a bridge and a subnet of its own. Half of them use nftables, half of them iptables.
fn chain_of_five(network: usize) -> Result<Chain> {
    let nftables = network.is_multiple_of(2);
    let backend = if nftables { "nftables" } else { "iptables" };
    let subnets = [format!("10.{}.0.0/24", 70 + network), format!("fd00:{}::/64", 70 + network)];
    let subnets: Vec<_> = subnets.iter().map(String::as_str).collect();
    let keys = json!({
        "bridge": format!("endure{network}"), "ipMasq": true, "ipMasqBackend": backend, "macspoofchk": nftables,
    });
    let limits = json!({
        "type": "bandwidth", "ingressRate": 800_000_000, "ingressBurst": 8_000_000, "egressRate": 800_000_000,
        "egressBurst": 8_000_000,
    });
    let firewall = json!({"type": "firewall", "backend": backend, "ingressPolicy": "same-bridge"});
    let plugins = [with(&bridge(&subnets), keys), portmap(backend), tuning(), firewall, limits];
    Ok(Chain::new(&Programs::weir()?, &format!("net{network}"), &plugins))
}

/// One life of a container. Every fifth ends without DEL, and is left to GC.
fn live(host: &Host, number: usize) -> Result<()> {
    let network = number % NETWORKS;
    let chain = chain_of_five(network)?.capabilities(json!({"portMappings": [
        {"hostPort": 10_000 + number, "containerPort": 80, "protocol": "tcp"},
        {"hostPort": 10_000 + number, "containerPort": 80, "protocol": "udp"},
    ]}));
    let container = host.container(&format!("c{number}"))?;
    let result = chain.add(&container).context("ADD")?;
    ensure!(result["interfaces"].as_array().is_some_and(|interfaces| interfaces.len() == 4), "{result}");
    chain.check(&container, &result).context("CHECK")?;
    traffic::ping(&container, &format!("10.{}.0.1", 70 + network))?;
    match number / NETWORKS % 5 {
        0 => chain.del(&container, &result)?,
        1 => {
            chain.del(&container, &result)?;
            chain.del(&container, &result).context("DEL again")?;
        }
        2 => chain.del_without_namespace(&container, &result)?,
        3 => {
            container.unmount()?;
            return chain.del(&container, &result).context("DEL after the namespace");
        }
        _ => {}
    }
    container.unmount()
}

fn chains_of_five(host: &Host) -> Result<()> {
    host.require_link("ifb", &[])?;
    // What all attachments of a network share stays: the first makes it.
    for network in 0..NETWORKS {
        live(host, network)?;
    }
    let before = state()?;
    let (next, start) = (AtomicUsize::new(NETWORKS), Instant::now());
    in_parallel(|_| {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= NETWORKS + CYCLES {
                return Ok(());
            }
            live(host, number).with_context(|| format!("container c{number}"))?;
        }
    })?;
    let cycles = start.elapsed();
    for network in 0..NETWORKS {
        chain_of_five(network)?.gc(&[]).context("GC")?;
    }
    println!("{CYCLES} chains of five up and down in {WORKERS} workers, in {:.1} s", cycles.as_secs_f64());
    before.await_same(state)
}

fn failing_beside_others(host: &Host) -> Result<()> {
    // What stays after the first attachment: forwarding, the directory of addresses.
    let plugin = with(&bridge(&["10.80.0.0/24"]), json!({"bridge": "fresh"}));
    let (chain, first) = (Chain::new(&Programs::weir()?, "net", &[plugin]), host.container("first")?);
    let result = chain.add(&first)?;
    chain.del(&first, &result)?;
    first.unmount()?;
    host.run("ip", ["link", "delete", "dev", "fresh"])?;
    let (before, start) = (state()?, Instant::now());
    for round in 0..ROUNDS {
        let name = format!("fresh{round}");
        let plain = with(&bridge(&["10.80.0.0/24"]), json!({"bridge": name}));
        // IPAM refuses, when the port is on the bridge already.
        let refused = with(&plain, json!({"args": {"cni": {"ips": ["10.81.0.5"]}}}));
        let programs = Programs::weir()?;
        let [good, bad] = [&plain, &refused].map(|plugin| Chain::new(&programs, "net", std::slice::from_ref(plugin)));
        let containers: Vec<_> =
            (0..WORKERS).map(|worker| host.container(&format!("r{round}w{worker}"))).collect::<Result<_>>()?;
        let fails = |worker: usize| worker.is_multiple_of(2);
        let results = in_parallel(|worker| {
            let (chain, container) = (if fails(worker) { &bad } else { &good }, &containers[worker]);
            if !fails(worker) {
                return chain.add(container).context("ADD beside failing ones");
            }
            let error = chain.call("ADD", &chain.plugins[0], &Value::Null)?.container(container).error()?;
            ensure!(error.msg.contains("10.81.0.5"), "{error:?}");
            ensure!(!container.has_link("eth0"), "a failed ADD leaves eth0");
            Ok(Value::Null)
        })
        .with_context(|| format!("round {round}"))?;
        in_parallel(|worker| {
            let (container, result) = (&containers[worker], &results[worker]);
            if !fails(worker) {
                good.check(container, result).context("CHECK")?;
                traffic::ping(container, "10.80.0.1")?;
                good.del(container, result)?;
            }
            container.unmount()
        })
        .with_context(|| format!("round {round}"))?;
        host.run("ip", ["link", "delete", "dev", name.as_str()])?;
    }
    let count = ROUNDS * WORKERS / 2;
    println!("{ROUNDS} new bridges, {count} ADDs beside as many that fail, in {:.1} s", start.elapsed().as_secs_f64());
    before.await_same(state)
}
