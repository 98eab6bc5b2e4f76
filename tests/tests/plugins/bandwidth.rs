//! The bandwidth plugin, behind a bridge: what the kernel is told, and how fast packets really are.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::{bridge, with};
use weir_tests::traffic::{self, Server};
use weir_tests::{Chain, Container, Host, Lifecycle, Programs, Snapshot, Test, lifecycle, residue, test};

const VERSIONS: [&str; 5] = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];
const MEGABIT: u64 = 1_000_000;
/// What kubelet says where the user named no burst.
const NO_BURST: u64 = (1 << 31) - 1;
const GATEWAY: &str = "10.46.0.1";

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = lifecycle::tests("bandwidth", &VERSIONS, |host, _| {
        host.require_link("ifb", &[])?;
        let limits = json!({
            "ingressRate": 8 * MEGABIT, "ingressBurst": 800_000, "egressRate": MEGABIT, "egressBurst": 800_000,
        });
        Ok(Lifecycle::new(network(limits)?))
    });
    tests.extend([
        test("bandwidth_tells_the_kernel_what_each_key_says", keys),
        test("bandwidth_of_the_runtime_counts_unless_the_network_has_limits", sources),
        test("bandwidth_shapes_each_interface_of_a_container_by_itself", two_interfaces),
        test("bandwidth_check_sees_every_change", changes),
        test("bandwidth_leaves_nothing_where_a_step_fails", failures),
        test("bandwidth_del_takes_the_device_of_the_native_plugin_away", native_device),
        test("bandwidth_passes_through_without_limits_and_is_refused_in_old_versions", no_limits),
        test("bandwidth_lets_no_more_than_the_burst_pass_at_once", burst),
        test("bandwidth_keeps_the_queue_short_under_load", queue),
    ]);
    for rate in [8, 40] {
        tests.push(test(format!("bandwidth_holds_{rate}_mbit_per_second_both_ways"), move |host| {
            holds(host, rate * MEGABIT)
        }));
    }
    tests
}

fn network(limits: Value) -> Result<Chain> {
    let bandwidth = with(&json!({"type": "bandwidth", "capabilities": {"bandwidth": true}}), limits);
    Ok(Chain::new(&Programs::weir()?, "net", &[bridge(&["10.46.0.0/24"]), bandwidth]))
}

/// Name of the host's end and, where something is limited on the way out, of the ifb device.
fn devices(result: &Value) -> (String, String) {
    let name = |place: usize| result["interfaces"][place]["name"].as_str().unwrap_or_default().to_owned();
    (name(1), name(3))
}

/// The container's address.
fn inside(result: &Value) -> Result<String> {
    residue::addresses(result).into_iter().next().context("the result has no address")
}

/// What tc says of a link's root discipline: bytes per second, burst, and the longest time in the queue.
fn discipline(host: &Host, link: &str) -> Result<Value> {
    let all = host.json("tc", ["-json", "qdisc", "show", "dev", link, "root"])?;
    Ok(all.get(0).cloned().unwrap_or_default())
}

fn is_shaped(host: &Host, link: &str, rate: u64, burst: u64) -> Result<()> {
    let found = discipline(host, link)?;
    let number = |key: &str| found["options"][key].as_u64().unwrap_or_default();
    ensure!(found["kind"] == "tbf" && found["handle"] == "1:" && number("rate") == rate / 8, "{link}: {found}");
    ensure!(number("burst").abs_diff(burst / 8) <= burst / 8000 + 2, "{link}: {found}");
    Ok(())
}

fn redirects(host: &Host, link: &str) -> Result<String> {
    host.run("tc", ["filter", "show", "dev", link, "parent", "ffff:"])
}

fn keys(host: &Host) -> Result<()> {
    host.require_link("ifb", &[])?;
    let one = host.container("one")?;
    let chain = network(json!({
        "ingressRate": 16 * MEGABIT, "ingressBurst": 240_000, "egressRate": 8 * MEGABIT, "egressBurst": 1_600_000,
    }))?;
    let result = chain.add(&one)?;
    let (veth, ifb) = devices(&result);
    ensure!(ifb.starts_with("bwp") && ifb.len() == 15, "{result}");
    is_shaped(host, &veth, 16 * MEGABIT, 240_000)?;
    is_shaped(host, &ifb, 8 * MEGABIT, 1_600_000)?;
    let filters = redirects(host, &veth)?;
    ensure!(filters.matches("mirred").count() == 1, "one redirect, and not two: {filters}");
    ensure!(filters.contains(&format!("Egress Redirect to device {ifb}")), "{filters}");
    let link = host.json("ip", ["-json", "-details", "link", "show", "dev", ifb.as_str()])?[0].clone();
    ensure!(link["ifalias"] == "cni bandwidth net one eth0" && link["mtu"] == 1500, "{link}");
    ensure!(link["address"] == result["interfaces"][3]["mac"], "{link}");
    chain.check(&one, &result)?;
    chain.del(&one, &result)?;

    for (direction, other) in [("ingress", "egress"), ("egress", "ingress")] {
        let limits = json!({format!("{direction}Rate"): MEGABIT, format!("{direction}Burst"): 800_000});
        let chain = network(limits)?;
        let result = chain.add(&one)?;
        let (veth, ifb) = devices(&result);
        ensure!((ifb.is_empty()) == (direction == "ingress"), "{other} is not limited: {result}");
        ensure!((discipline(host, &veth)?["kind"] == "tbf") == (direction == "ingress"));
        ensure!(redirects(host, &veth)?.is_empty() == (direction == "ingress"));
        chain.check(&one, &result)?;
        chain.del(&one, &result)?;
    }
    Ok(())
}

fn sources(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    let of_runtime = json!({"bandwidth": {"ingressRate": 2 * MEGABIT, "ingressBurst": 800_000}});
    let chain = network(json!({}))?.capabilities(of_runtime.clone());
    let result = chain.add(&one)?;
    is_shaped(host, &devices(&result).0, 2 * MEGABIT, 800_000)?;
    chain.check(&one, &result)?;
    chain.del(&one, &result)?;

    let own = json!({"INGRESSRATE": 4 * MEGABIT, "ingressburst": 400_000});
    let result = network(own)?.capabilities(of_runtime).add(&one)?;
    is_shaped(host, &devices(&result).0, 4 * MEGABIT, 400_000)
}

fn two_interfaces(host: &Host) -> Result<()> {
    host.require_link("ifb", &[])?;
    let one = host.container("one")?;
    let mut chain = network(json!({"egressRate": MEGABIT, "egressBurst": 800_000}))?;
    chain.plugins[0]["isDefaultGateway"] = json!(false);
    let first = chain.add_interface(&one, "eth0")?;
    let second = chain.add_interface(&one, "eth1")?;
    ensure!(devices(&first).1 != devices(&second).1);
    for plugin in chain.plugins.iter().rev() {
        chain.call("DEL", plugin, &second)?.container(&one).interface("eth1").ok()?;
    }
    ensure!(!host.has_link(&devices(&second).1));
    chain.check(&one, &first)?;
    chain.del(&one, &first)?;
    ensure!(!host.has_link(&devices(&first).1));
    Ok(())
}

fn changes(host: &Host) -> Result<()> {
    host.require_link("ifb", &[])?;
    let one = host.container("one")?;
    let chain = network(json!({
        "ingressRate": MEGABIT, "ingressBurst": 80_000, "egressRate": MEGABIT, "egressBurst": 80_000,
    }))?;
    let limit = "root handle 1: tbf rate 1mbit burst 10000 limit 13125";
    for (change, seen) in [
        ("tc qdisc change dev VETH root handle 1: tbf rate 2mbit burst 10000 limit 13125", true),
        ("tc qdisc change dev VETH root handle 1: tbf rate 1mbit burst 20000 limit 13125", true),
        ("tc qdisc change dev VETH root handle 1: tbf rate 1mbit burst 10000 limit 63125", true),
        ("tc qdisc del dev VETH root", true),
        (&format!("tc qdisc change dev VETH {limit}"), false),
        ("tc qdisc change dev IFB root handle 1: tbf rate 2mbit burst 10000 limit 13125", true),
        ("tc qdisc del dev IFB root", true),
        (&format!("tc qdisc change dev IFB {limit}"), false),
        ("tc qdisc del dev VETH ingress", true),
        ("ip link set IFB down", true),
        ("ip link del IFB", true),
    ] {
        let result = chain.add(&one)?;
        chain.check(&one, &result)?;
        let (veth, ifb) = devices(&result);
        let command = change.replace("VETH", &veth).replace("IFB", &ifb);
        let mut words = command.split(' ');
        host.run(words.next().unwrap_or_default(), words)?;
        ensure!(chain.check(&one, &result).is_err() == seen, "{change}");
        chain.del(&one, &result).with_context(|| format!("DEL after {change}"))?;
    }
    Ok(())
}

fn failures(host: &Host) -> Result<()> {
    host.require_link("ifb", &[])?;
    let one = host.container("one")?;
    let chain = network(json!({
        "ingressRate": MEGABIT, "ingressBurst": 80_000, "egressRate": MEGABIT, "egressBurst": 80_000,
    }))?;
    let result = chain.call("ADD", &chain.plugins[0], &Value::Null)?.container(&one).ok()?;
    let veth = devices(&result).0;
    for spoil in ["root handle 5: pfifo", "ingress"] {
        host.run("tc", ["qdisc", "add", "dev", veth.as_str()].into_iter().chain(spoil.split(' ')))?;
        // The ledger of the attachment goes on; what is undone is struck off in it.
        let state = || Ok(Snapshot::take(&[&one])?.without(|part| part.contains("/run/weir/ledger")));
        let before = state()?;
        let error = chain.call("ADD", &chain.plugins[1], &result)?.container(&one).error()?;
        ensure!(error.msg.contains("limit what the container"), "{error:?}");
        before.await_same(state)?;
        let kind = if spoil == "ingress" { "ingress" } else { "root" };
        host.run("tc", ["qdisc", "del", "dev", veth.as_str(), kind])?;
    }
    let limited = chain.call("ADD", &chain.plugins[1], &result)?.container(&one).ok()?;
    chain.del(&one, &limited)
}

fn native_device(host: &Host) -> Result<()> {
    host.require_link("ifb", &[])?;
    let one = host.container("one")?;
    let limits = json!({"egressRate": MEGABIT, "egressBurst": 80_000});
    let chain = network(limits)?;
    let bridge = chain.call("ADD", &chain.plugins[0], &Value::Null)?.container(&one).ok()?;
    let veth = devices(&bridge).0;
    // `printf netone | sha512sum`, and the filter with two actions, as the native plugin makes them.
    let ifb = "bwp872ac0255154";
    host.run("ip", ["link", "add", ifb, "type", "ifb"])?;
    host.run("ip", ["link", "set", ifb, "up"])?;
    host.run(
        "tc",
        "qdisc add dev DEV root handle 1: tbf rate 1mbit burst 10000 limit 13125".replace("DEV", ifb).split(' '),
    )?;
    host.run("tc", ["qdisc", "add", "dev", veth.as_str(), "handle", "ffff:", "ingress"])?;
    let send = format!("action mirred egress redirect dev {ifb}");
    let filter = format!("filter add dev {veth} parent ffff: protocol all prio 1 u32 match u32 0 0 {send} {send}");
    host.run("tc", filter.split(' '))?;
    let mut result = bridge;
    let interfaces = result["interfaces"].as_array_mut().context("interfaces")?;
    interfaces.push(json!({"name": ifb, "mac": "02:00:00:00:00:01"}));

    chain.check(&one, &result).context("CHECK of what the native plugin made")?;
    chain.call("DEL", &chain.plugins[1], &result)?.container(&one).ok()?;
    ensure!(!host.has_link(ifb) && redirects(host, &veth)?.is_empty());
    traffic::ping(&one, GATEWAY)?;
    chain.del(&one, &result)
}

fn no_limits(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    let chain = network(json!({}))?;
    let result = chain.add(&one)?;
    ensure!(result["interfaces"].as_array().is_some_and(|interfaces| interfaces.len() == 3), "{result}");
    ensure!(discipline(host, &devices(&result).0)?["kind"] != "tbf");
    chain.check(&one, &result)?;
    chain.del(&one, &result)?;
    let error = chain.call("ADD", &chain.plugins[1], &Value::Null)?.container(&one).error()?;
    ensure!(error.code == 7, "without limits and prevResult: {error:?}");
    for version in ["0.1.0", "0.2.0"] {
        let chain = chain.clone().version(version);
        let error = chain.call("ADD", &chain.plugins[1], &Value::Null)?.container(&one).error()?;
        ensure!(error.code == 1, "{version}: {error:?}");
    }
    Ok(())
}

/// Which way a stream goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToContainer,
    FromContainer,
}

/// How many bytes had arrived when.
type Arrivals = Vec<(Duration, u64)>;

/// Send as much over TCP as will go, for some time. `inside` is the container's address.
fn stream(container: &Container, inside: &str, direction: Direction, time: Duration) -> Result<Arrivals> {
    let (address, port) = match direction {
        Direction::ToContainer => (inside, 7001),
        Direction::FromContainer => (GATEWAY, 7002),
    };
    let (ready, listening) = std::sync::mpsc::channel();
    let receive = move || -> Result<Arrivals> {
        let listener = TcpListener::bind((address, port))?;
        ready.send(())?;
        let (mut connection, _) = listener.accept()?;
        connection.set_read_timeout(Some(Duration::from_secs(5)))?;
        let (start, mut total, mut buffer) = (Instant::now(), 0, vec![0; 1 << 16]);
        let mut arrivals = Vec::new();
        while start.elapsed() < time {
            total += connection.read(&mut buffer)? as u64;
            arrivals.push((start.elapsed(), total));
        }
        Ok(arrivals)
    };
    let send = || -> Result<()> {
        let mut connection = TcpStream::connect((address, port))?;
        connection.set_write_timeout(Some(Duration::from_secs(10)))?;
        let piece = vec![0; 1 << 14];
        // Until the receiver has seen enough and closes.
        while connection.write_all(&piece).is_ok() {}
        Ok(())
    };
    std::thread::scope(|scope| {
        // Threads begin in the namespace of the one that starts them: the host's.
        let receiver = scope.spawn(move || match direction {
            Direction::ToContainer => container.enter(receive),
            Direction::FromContainer => receive(),
        });
        listening.recv_timeout(Duration::from_secs(10)).context("the receiver does not listen")?;
        match direction {
            Direction::ToContainer => send()?,
            Direction::FromContainer => container.enter(send)?,
        }
        receiver.join().map_err(|_| anyhow::anyhow!("the receiver panicked"))?
    })
}

/// Bits per second from when so many bytes had come, which the burst may have brought at once.
fn rate_after(arrivals: &Arrivals, skipped: u64) -> Result<u64> {
    let first = arrivals.iter().find(|(_, total)| *total >= skipped).context("nothing after the burst")?;
    let last = arrivals.last().context("nothing")?;
    let time = last.0.saturating_sub(first.0);
    ensure!(time > Duration::from_secs(2), "too short to measure: {time:?} of {:?}", last.0);
    Ok(((last.1 - first.1) as f64 * 8.0 / time.as_secs_f64()) as u64)
}

/// How often a rate is measured that a busy machine did not reach.
const ATTEMPTS: u32 = 4;

fn holds(host: &Host, rate: u64) -> Result<()> {
    host.require_link("ifb", &[])?;
    let one = host.container("one")?;
    let burst = 400_000;
    let chain = network(json!({
        "ingressRate": rate, "ingressBurst": burst, "egressRate": rate, "egressBurst": burst,
    }))?;
    let result = chain.add(&one)?;
    let inside = inside(&result)?;
    for direction in [Direction::ToContainer, Direction::FromContainer] {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let arrivals = stream(&one, &inside, direction, Duration::from_secs(5))?;
            let measured = rate_after(&arrivals, burst / 8 + rate / 8 / 2)?;
            println!("{direction:?}: {rate} bit/s configured, {measured} bit/s of payload measured");
            ensure!(measured <= rate + rate / 10, "{direction:?}: {measured} bit/s, more than {rate}");
            if measured >= rate - rate / 10 {
                break;
            }
            // A busy machine may not get so much through; more than configured never passes.
            ensure!(attempts < ATTEMPTS, "{direction:?}: {measured} bit/s instead of {rate}, {attempts} times");
        }
    }
    let _servers = (Server::start(&one, 80)?, Server::start_on_host(80)?);
    traffic::ping(&one, GATEWAY)?;
    traffic::ping_here(&inside)?;
    traffic::udp(&one, GATEWAY, 80)?;
    traffic::udp_here(&inside, 80)?;
    chain.check(&one, &result)?;
    chain.del(&one, &result)
}

fn burst(host: &Host) -> Result<()> {
    host.require_link("ifb", &[])?;
    let one = host.container("one")?;
    let rate = 8 * MEGABIT;
    let second = Duration::from_secs(1);
    for (burst, bucket) in [(NO_BURST, 100_000), (240_000, 30_000), (8_000_000, 1_000_000)] {
        let chain = network(json!({
            "ingressRate": rate, "ingressBurst": burst, "egressRate": rate, "egressBurst": burst,
        }))?;
        let result = chain.add(&one)?;
        let inside = inside(&result)?;
        for direction in [Direction::ToContainer, Direction::FromContainer] {
            let arrivals = stream(&one, &inside, direction, second)?;
            let (time, total) = arrivals.last().copied().context("nothing arrived")?;
            // What the rate brings, and the bucket; ten percent, because no clock is exact.
            let most = (rate as f64 / 8.0 * time.as_secs_f64()) as u64 + bucket;
            ensure!(
                total <= most + most / 10,
                "{direction:?}, burst {burst}: {total} bytes in {time:?}, {most} allowed"
            );
            ensure!(total >= bucket, "{direction:?}, burst {burst}: only {total} bytes in {time:?}");
        }
        chain.del(&one, &result)?;
    }
    Ok(())
}

fn queue(host: &Host) -> Result<()> {
    host.require_link("ifb", &[])?;
    let one = host.container("one")?;
    // The native plugin's queue would hold the burst too: 2 MB, or two seconds.
    let chain = network(json!({
        "ingressRate": 8 * MEGABIT, "ingressBurst": 16 * MEGABIT, "egressRate": 8 * MEGABIT, "egressBurst": 16 * MEGABIT,
    }))?;
    let result = chain.add(&one)?;
    let inside = inside(&result)?;
    for direction in [Direction::ToContainer, Direction::FromContainer] {
        let times = std::thread::scope(|scope| -> Result<String> {
            let streaming = scope.spawn(|| stream(&one, &inside, direction, Duration::from_secs(8)));
            std::thread::sleep(Duration::from_secs(4));
            let times = host.run("ping", ["-n", "-q", "-c", "10", "-i", "0.2", "-W", "4", inside.as_str()])?;
            streaming.join().map_err(|_| anyhow::anyhow!("the stream panicked"))??;
            Ok(times)
        })?;
        let line = times.lines().find(|line| line.starts_with("rtt")).with_context(|| times.clone())?;
        let average: f64 = line.split('/').nth(4).context("no average")?.parse()?;
        println!("{direction:?}: {line}");
        ensure!(average < 500.0, "{direction:?}: packets wait for {average} ms");
    }
    chain.del(&one, &result)
}
