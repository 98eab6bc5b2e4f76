//! Plugins whose code runs in a process of its own (`"isolation": "process"`): the same results and the same state of the
//! kernel as without, and what becomes of both processes when one of them ends.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use weir_tests::configs::{bridge, host_local, portmap, tuning, with};
use weir_tests::{Call, Chain, Container, Host, Lifecycle, Programs, Snapshot, Test, lifecycle, run, test, traffic};

fn main() -> ExitCode {
    let mut tests = vec![
        test("the_same_results_and_the_same_state_as_in_one_process", the_same),
        test("errors_are_the_same_as_in_one_process", errors_are_the_same),
        test("the_code_of_a_plugin_runs_in_a_process_without_rights", without_rights),
        test("a_child_that_is_killed_is_an_error_and_leaves_nothing", child_killed),
        test("a_child_ends_with_its_parent", parent_killed),
    ];
    tests.extend(lives());
    run(tests)
}

/// Whole lives of attachments, in this mode.
fn lives() -> Vec<Test> {
    const VERSIONS: [&str; 2] = ["0.4.0", "1.1.0"];
    let mut tests = lifecycle::tests("in_a_process_loopback", &VERSIONS, |_, _| {
        let network = Chain::new(&Programs::isolated()?, "lo", &[json!({"type": "loopback"})]);
        let prepared = Lifecycle::new(network)
            .prepare(|_, container| container.run("ip", ["link", "set", "lo", "down"]).map(drop));
        Ok(prepared
            .may_change(|name| !name.starts_with("host: ") && name.contains(": address ") && name.contains("\"lo\"")))
    });
    tests.extend(lifecycle::tests("in_a_process_ptp", &VERSIONS, |_, _| {
        let plugin = json!({"type": "ptp", "ipMasq": true, "ipam": host_local(&["10.61.0.0/24", "fd00:61::/64"])});
        Ok(Lifecycle::new(Chain::new(&Programs::isolated()?, "net", &[plugin])))
    }));
    tests
}

/// A chain of five. Its addresses are in a store of its own, so that they are the same each time.
fn chain(programs: &Programs, store: &str, backend: &str) -> Chain {
    let mut ipam = host_local(&["10.60.0.0/24", "fd00:60::/64"]);
    ipam["dataDir"] = format!("/run/test/{store}").into();
    let keys = json!({"bridge": "iso0", "ipMasq": true, "ipMasqBackend": backend, "ipam": ipam});
    let firewall = json!({"type": "firewall", "backend": backend, "ingressPolicy": "same-bridge"});
    let bandwidth = json!({"type": "bandwidth", "ingressRate": 800_000_000, "ingressBurst": 8_000_000});
    let plugins = [with(&bridge(&[]), keys), portmap(backend), tuning(), firewall, bandwidth];
    Chain::new(programs, "net", &plugins).capabilities(json!({"portMappings": [
        {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
        {"hostPort": 8053, "containerPort": 53, "protocol": "udp"},
    ]}))
}

/// What the kernel has, without what is different each time: hardware addresses and what follows from them, names by lot,
/// numbers of links, counters; and whether a cable is plugged in, which the kernel notices when it finds the time.
fn state(host: &Host, container: &Container) -> Result<Vec<String>> {
    const SEEN: [&[&str]; 5] = [
        &["ip", "-br", "link"],
        &["ip", "-br", "addr"],
        &["ip", "route", "show", "table", "all"],
        &["ip", "-6", "route", "show", "table", "all"],
        &["ip", "rule"],
    ];
    let mut seen = Vec::new();
    for command in SEEN {
        seen.push(host.run(command[0], command[1..].iter().copied())?);
        seen.push(container.run(command[0], command[1..].iter().copied())?);
    }
    seen.push(host.run("nft", ["list", "ruleset"])?);
    seen.push(host.run("iptables-save", [] as [&str; 0]).unwrap_or_default());
    let lines = seen.iter().flat_map(|text| text.lines()).filter(|line| !line.starts_with('#'));
    let mut lines: Vec<String> = lines.map(normal).collect();
    // Rules and routes that come at the same time may be in any order where it does not matter.
    lines.sort();
    Ok(lines)
}

/// The state, once it is as expected, or after some time: the kernel takes away later what belonged to a link.
fn settled(host: &Host, container: &Container, expected: &[String]) -> Result<Vec<String>> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let seen = state(host, container)?;
        if seen == expected || Instant::now() > deadline {
            return Ok(seen);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn normal(line: &str) -> String {
    let is_mac = |word: &str| word.len() == 17 && word.split(':').count() == 6;
    let is_carrier = |word: &str| matches!(word, "UP" | "DOWN" | "LOWERLAYERDOWN" | "UNKNOWN" | "linkdown");
    let mut counter = false;
    let words = line.split_whitespace().filter(|word| {
        let counted = std::mem::replace(&mut counter, matches!(*word, "packets" | "bytes"));
        !counted && !is_carrier(word) && !word.contains("fe80:")
    });
    let words = words.map(|word| match word {
        _ if is_mac(word) => "MAC".to_owned(),
        // `<NO-CARRIER,BROADCAST,MULTICAST,UP>`: this UP is what somebody has set.
        _ if word.starts_with('<') => word.replace("NO-CARRIER,", "").replace(",LOWER_UP", ""),
        _ if word.starts_with("veth") => "veth".to_owned(),
        _ if word.starts_with('[') && word.ends_with(']') => "[n:n]".to_owned(),
        _ => word.split('@').next().unwrap_or_default().to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A result without what is different each time.
fn plain(mut result: Value) -> Value {
    for interface in result["interfaces"].as_array_mut().into_iter().flatten() {
        interface["mac"] = "MAC".into();
        if interface["name"].as_str().is_some_and(|name| name.starts_with("veth")) {
            interface["name"] = "veth".into();
        }
    }
    result
}

fn the_same(host: &Host) -> Result<()> {
    for backend in ["nftables", "iptables"] {
        let container = host.container(&format!("c-{backend}"))?;
        let mut outcomes: Vec<(Value, Vec<String>)> = Vec::new();
        // The bridge stays.
        let first = chain(&Programs::weir()?, &format!("first-{backend}"), backend);
        let result = first.add(&container)?;
        first.del(&container, &result)?;
        let empty = state(host, &container)?;
        for (mode, programs) in [("engine", Programs::weir()?), ("process", Programs::isolated()?)] {
            let chain = chain(&programs, &format!("{mode}-{backend}"), backend);
            let result = chain.add(&container).with_context(|| format!("ADD, {mode}"))?;
            chain.check(&container, &result).with_context(|| format!("CHECK, {mode}"))?;
            traffic::ping(&container, "10.60.0.1")?;
            traffic::ping(&container, "fd00:60::1")?;
            chain.status().with_context(|| format!("STATUS, {mode}"))?;
            chain.gc(&[(&container.id, "eth0")]).with_context(|| format!("GC, {mode}"))?;
            let seen = match outcomes.first() {
                Some((_, first)) => settled(host, &container, first)?,
                None => state(host, &container)?,
            };
            outcomes.push((plain(result.clone()), seen));
            chain.del(&container, &result).with_context(|| format!("DEL, {mode}"))?;
            let after = settled(host, &container, &empty)?;
            ensure!(after == empty, "DEL of {mode} left {:?}", difference(&empty, &after));
        }
        ensure!(outcomes[0].0 == outcomes[1].0, "{} and {}", outcomes[0].0, outcomes[1].0);
        ensure!(outcomes[0].1.len() > 40, "there is too little to compare: {:?}", outcomes[0].1);
        ensure!(outcomes[0].1 == outcomes[1].1, "{:?}", difference(&outcomes[0].1, &outcomes[1].1));
    }
    Ok(())
}

fn difference(one: &[String], other: &[String]) -> Vec<String> {
    let (one, other): (BTreeSet<_>, BTreeSet<_>) = (one.iter().collect(), other.iter().collect());
    one.symmetric_difference(&other).map(ToString::to_string).collect()
}

fn errors_are_the_same(host: &Host) -> Result<()> {
    let container = host.container("c1")?;
    let full = json!({"type": "host-local", "dataDir": "/run/test/full",
        "ranges": [[{"subnet": "10.62.0.0/30", "rangeStart": "10.62.0.2", "rangeEnd": "10.62.0.2"}]]});
    let cases = [
        ("ADD", with(&bridge(&["10.63.0.0/24"]), json!({"bridge": "a/b"}))),
        ("ADD", with(&bridge(&["10.63.0.0/24"]), json!({"mtu": 1}))),
        ("ADD", with(&bridge(&["not a subnet"]), json!({}))),
        ("ADD", with(&bridge(&["10.63.0.0/24"]), json!({"ipam": {"type": "no-such-plugin"}}))),
        ("ADD", with(&bridge(&["10.63.0.0/24"]), json!({"ipam": {"type": "host-local", "dataDir": "/etc/x"}}))),
        ("ADD", with(&bridge(&["10.63.0.0/24"]), json!({"vlan": 5000}))),
        ("ADD", json!({"type": "host-device", "device": "not-there"})),
        ("ADD", json!({"type": "macvlan", "master": "not-there"})),
        ("ADD", json!({"type": "ptp", "ipam": full})),
        ("ADD", json!({"type": "tuning", "sysctl": {"net.core.somaxconn": "x"}})),
        ("CHECK", bridge(&["10.63.0.0/24"])),
        ("STATUS", with(&bridge(&["10.63.0.0/24"]), json!({"ipam": {"type": "no-such-plugin"}}))),
    ];
    let other = host.container("c2")?;
    let taker = json!({"cniVersion": "1.1.0", "name": "net", "type": "ptp", "ipam": full});
    Call::new(&Programs::weir()?, "ptp", "ADD")?.container(&other).config(&taker).ok()?;
    for (command, plugin) in cases {
        let config = with(&plugin, json!({"cniVersion": "1.1.0", "name": "net"}));
        let kind = config["type"].as_str().context("no type")?;
        let answer =
            |programs: Programs| Call::new(&programs, kind, command)?.container(&container).config(&config).run();
        let (here, there) = (answer(Programs::weir()?)?, answer(Programs::isolated()?)?);
        ensure!(here.status == Some(1), "{command} {config} succeeded: {here:?}");
        ensure!(here.stdout == there.stdout, "{command} {config}:\n{}\n{}", here.stdout, there.stdout);
    }
    Ok(())
}

/// A command that is held up by somebody who has locked the store of its addresses.
struct HeldUp {
    parent: Child,
    _lock: Flock<fs::File>,
}

impl HeldUp {
    fn new(host: &Host, container: &Container) -> Result<Self> {
        let store = host.directory("ipam")?;
        fs::create_dir_all(store.join("net"))?;
        let lock = fs::File::create(store.join("net/lock"))?;
        let lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
        let ipam = json!({"type": "host-local", "dataDir": store, "ranges": [[{"subnet": "10.64.0.0/24"}]]});
        let config = json!({"cniVersion": "1.1.0", "name": "net", "type": "bridge", "bridge": "held0", "ipam": ipam});
        let parent = start("bridge", container, &config)?;
        let held = Self { parent, _lock: lock };
        held.await_lock()?;
        Ok(held)
    }

    fn await_lock(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            let id = format!(" {} ", self.parent.id());
            if fs::read_to_string("/proc/locks")?.lines().any(|line| line.contains("->") && line.contains(&id)) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("bridge does not wait for the lock")
    }

    /// The processes of the code of bridge and of host-local.
    fn children(&self) -> Result<Vec<u32>> {
        children(self.parent.id())
    }
}

impl Drop for HeldUp {
    fn drop(&mut self) {
        let _ = self.parent.kill();
        let _ = self.parent.wait();
    }
}

fn start(plugin: &str, container: &Container, config: &Value) -> Result<Child> {
    let programs = Programs::isolated()?;
    let mut child = Command::new(programs.find(plugin)?)
        .env_clear()
        .env("CNI_COMMAND", "ADD")
        .env("CNI_CONTAINERID", &container.id)
        .env("CNI_IFNAME", "eth0")
        .env("CNI_NETNS", &container.path)
        .env("CNI_PATH", programs.cni_path())
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child.stdin.take().context("no standard input")?.write_all(config.to_string().as_bytes())?;
    Ok(child)
}

fn children(parent: u32) -> Result<Vec<u32>> {
    let text = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    // The process may be gone.
    Ok(text.unwrap_or_default().split_whitespace().filter_map(|id| id.parse().ok()).collect())
}

fn status(id: u32, key: &str) -> Result<String> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    Ok(line.with_context(|| format!("no {key} in {status}"))?.trim().to_owned())
}

fn without_rights(host: &Host) -> Result<()> {
    let container = host.container("c1")?;
    let held = HeldUp::new(host, &container)?;
    let children = held.children()?;
    ensure!(children.len() == 2, "bridge and host-local: {children:?}");
    for child in children {
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            ensure!(u64::from_str_radix(&status(child, set)?, 16)? == 0, "{set}: {}", status(child, set)?);
        }
        ensure!(status(child, "NoNewPrivs")? == "1" && status(child, "Seccomp")? == "2");
        // That of the parent, and its own.
        ensure!(status(child, "Seccomp_filters")? == "2", "{}", status(child, "Seccomp_filters")?);
        ensure!(status(child, "Threads")? == "1");
        // Files are the channel and the code.
        if let Ok(open) = fs::read_dir(format!("/proc/{child}/fd")) {
            let open: Vec<_> = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).collect();
            let is_known = |path: &&PathBuf| {
                let path = path.to_string_lossy();
                path.starts_with("socket:") || path.ends_with(".cwasm")
            };
            ensure!(open.iter().filter(is_known).count() == open.len(), "open: {open:?}");
            ensure!(open.iter().filter(|path| path.to_string_lossy().starts_with("socket:")).count() == 1, "{open:?}");
        }
    }
    Ok(())
}

fn child_killed(host: &Host) -> Result<()> {
    let container = host.container("c1")?;
    let config = |number: u64| {
        let mut config = bridge(&["10.65.0.0/24", "fd00:65::/64"]);
        config["ipMasq"] = true.into();
        with(&config, json!({"cniVersion": "1.1.0", "name": "net", "bridge": "kill0", "number": number}))
    };
    let programs = Programs::isolated()?;
    // The bridge and the lock files stay.
    let result = Call::new(&programs, "bridge", "ADD")?.container(&container).config(&config(0)).ok()?;
    let del = |result: &Value| {
        let config = with(&config(0), json!({"prevResult": result}));
        Call::new(&programs, "bridge", "DEL")?.container(&container).config(&config).ok()
    };
    del(&result)?;
    let is_mark = |name: &str| name.contains("last_reserved_ip") || name.contains(".weir-index");
    let take = || Ok::<_, anyhow::Error>(Snapshot::take(&[&container])?.with_processes()?.without(is_mark));
    let before = take()?;
    let (mut killed, mut succeeded) = (0, 0);
    for number in 0..40_u64 {
        let parent = start("bridge", &container, &config(number))?;
        // From the start of the first child on, a little later each time.
        let deadline = Instant::now() + Duration::from_secs(20);
        let child = loop {
            match children(parent.id())?.last() {
                Some(child) => break Some(*child),
                None if Instant::now() > deadline => break None,
                None => std::thread::yield_now(),
            }
        };
        std::thread::sleep(Duration::from_micros(number * 150));
        // The last one: that of host-local while there is one.
        let child = children(parent.id())?.last().copied().or(child);
        if let Some(child) = child {
            let _ = kill(Pid::from_raw(i32::try_from(child)?), Signal::SIGKILL);
        }
        let output = parent.wait_with_output()?;
        let answer: Value = serde_json::from_slice(&output.stdout).context("no answer")?;
        if output.status.success() {
            succeeded += 1;
            del(&answer)?;
        } else {
            killed += 1;
            let text = answer.to_string();
            // Or it was a program that the host had started.
            let is_known = text.contains("lost its process") || text.contains("ended by signal 9");
            ensure!(is_known, "{answer}");
        }
        before.await_same(take).with_context(|| format!("number {number}: {answer}"))?;
    }
    println!("of 40 children {killed} were killed in time, {succeeded} were quicker");
    ensure!(killed > 5, "only {killed} were killed in time");
    Ok(())
}

fn parent_killed(host: &Host) -> Result<()> {
    let container = host.container("c1")?;
    let mut held = HeldUp::new(host, &container)?;
    let children = held.children()?;
    ensure!(children.len() == 2, "bridge and host-local: {children:?}");
    held.parent.kill()?;
    held.parent.wait()?;
    let deadline = Instant::now() + Duration::from_secs(10);
    for child in children {
        // Where nobody reaps, it stays as a name.
        while status(child, "State").is_ok_and(|state| !state.starts_with('Z')) {
            if Instant::now() > deadline {
                return Err(anyhow!("process {child} lives on: {}", status(child, "State")?));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}
