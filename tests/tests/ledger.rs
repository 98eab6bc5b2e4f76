//! The ledger: what a plugin that never cleans up has made is gone after a failed ADD, after DEL, after GC, and after a
//! process that was killed; what others made stays.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_tests::{Call, Container, Host, Programs, Snapshot, programs, run, test};

const LEDGER: &str = "/run/weir/ledger/net";

fn main() -> ExitCode {
    let mut tests = Vec::new();
    for end in ["error", "panic", "nonsense"] {
        tests.push(test(format!("add_that_ends_in_{end}_is_rolled_back"), move |host| rolled_back(host, end)));
    }
    for end in ["", "error", "panic"] {
        let name = if end.is_empty() { "nothing" } else { end };
        tests.push(test(format!("del_that_does_{name}_leaves_nothing"), move |host| deleted(host, end)));
    }
    tests.push(test("add_whose_result_nobody_takes_is_rolled_back", unheard));
    tests.push(test("gc_leaves_nothing_of_a_plugin_without_one", collected));
    tests.push(test("del_without_namespace_leaves_nothing", without_namespace));
    tests.push(test("del_spares_what_is_shared", shared_stays));
    tests.push(test("del_finishes_an_add_killed_at_any_call", killed));
    tests.push(test("gc_finishes_an_add_killed_at_any_call", killed_and_collected));
    tests.push(test("add_begins_by_finishing_a_killed_one", added_again));
    tests.push(test("a_second_add_leaves_the_first_alone", added_twice));
    tests.push(test("what_others_made_stays", foreign_stays));
    tests.push(test("a_damaged_ledger_does_not_stop_del", damaged));
    run(tests)
}

/// A host with the plugin, and links that are not the plugin's.
struct Scene<'a> {
    host: &'a Host,
    programs: Programs,
}

impl<'a> Scene<'a> {
    fn new(host: &'a Host) -> Result<Self> {
        let directory = host.directory("bin")?;
        let dist = programs::dist();
        let installed = Command::new(dist.join("bin/weir"))
            .args(["install", "--grant-requested", "--bin-dir"])
            .arg(&directory)
            .arg(dist.join("guests/careless.wasm"))
            .output()?;
        ensure!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
        host.run("ip", ["link", "add", "uplink0", "type", "veth", "peer", "name", "uplink1"])?;
        for link in ["uplink0", "uplink1"] {
            host.run("ip", ["link", "set", link, "up"])?;
        }
        // With its last address the kernel takes all routes from a link.
        host.run("ip", ["address", "add", "10.81.0.1/24", "dev", "uplink0"])?;
        let scene = Self { host, programs: Programs::of(directory) };
        scene.spare()?;
        Ok(scene)
    }

    /// The link that the container gets. It goes with a container that ends without giving it back.
    fn spare(&self) -> Result<()> {
        // The kernel may still be taking the last one away, end by end.
        let deadline = Instant::now() + Duration::from_secs(10);
        while let Err(error) = self.host.run("ip", ["link", "add", "spare0", "type", "veth", "peer", "name", "spare1"])
        {
            ensure!(Instant::now() < deadline, "{error:#}");
            std::thread::sleep(Duration::from_millis(20));
        }
        self.host.run("ip", ["link", "set", "spare0", "up"]).map(drop)
    }

    /// A host on which there was an attachment already, so that what is shared is there.
    fn used(host: &'a Host) -> Result<Self> {
        let scene = Self::new(host)?;
        let first = host.container("first")?;
        scene.call("ADD", "")?.container(&first).ok()?;
        scene.call("DEL", "")?.container(&first).ok()?;
        first.unmount()?;
        Ok(scene)
    }

    fn config(end: &str) -> Value {
        json!({"cniVersion": "1.1.0", "name": "net", "type": "careless", "end": end, "bridge": "careless0"})
    }

    fn call(&self, command: &str, end: &str) -> Result<Call> {
        Ok(Call::new(&self.programs, "careless", command)?.config(&Self::config(end)))
    }

    fn gc(&self) -> Result<()> {
        let mut config = Self::config("");
        config["cni.dev/valid-attachments"] = json!([]);
        let call = Call::new(&self.programs, "careless", "GC")?.config(&config);
        call.unset("CNI_CONTAINERID").unset("CNI_NETNS").unset("CNI_IFNAME").ok().map(drop)
    }

    fn state(&self, containers: &[&Container]) -> Result<Snapshot> {
        let changes = |name: &str| {
            // Directories and locks are made once for all; a spare link made anew has another index.
            let stays = ["file /run/cni/careless", "file /run/test/careless", "file /run/test/careless/net"];
            name.starts_with("file /run/netns/")
                || [".weir-index", "last_reserved_ip", "/net/lock", "\"spare0\"", "\"spare1\""]
                    .iter()
                    .any(|part| name.contains(part))
                || stays.contains(&name)
        };
        Ok(Snapshot::take(containers)?.without(changes))
    }

    fn assert_as(&self, before: &Snapshot, containers: &[&Container]) -> Result<()> {
        before.await_same(|| self.state(containers))?;
        ensure!(!Path::new(LEDGER).exists(), "the ledger stays");
        Ok(())
    }

    /// ADD with a fault. Returns whether it was put in.
    fn faulted(&self, fault: &str, container: &Container) -> Result<bool> {
        let mut child = Command::new(programs::dist().join("bin/weir"))
            .args(["exec", "careless", "--fault", fault, "--bin-dir"])
            .arg(&self.programs.directories[0])
            .env_clear()
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
            .envs([("CNI_COMMAND", "ADD"), ("CNI_IFNAME", "eth0"), ("CNI_CONTAINERID", &container.id)])
            .env("CNI_NETNS", &container.path)
            .env("CNI_PATH", self.programs.cni_path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("run weir exec")?;
        child.stdin.take().unwrap().write_all(Self::config("").to_string().as_bytes())?;
        let output = child.wait_with_output()?;
        ensure!(output.status.success() || output.status.code().is_none(), "{output:?}");
        Ok(output.status.code().is_none())
    }
}

fn rolled_back(host: &Host, end: &str) -> Result<()> {
    let scene = Scene::new(host)?;
    let one = host.container("c1")?;
    // Twice: what the first has left would be in the way of the second.
    for _ in 0..2 {
        let before = scene.state(&[&one])?;
        let config = weir_tests::configs::with(&Scene::config(end), json!({"shared": true}));
        let error = scene.call("ADD", end)?.config(&config).container(&one).error()?;
        ensure!(!error.details.contains("rolling back"), "{error:?}");
        ensure!(end != "error" || error.msg.contains("on purpose"), "{error:?}");
        scene.assert_as(&before, &[&one])?;
    }
    Ok(())
}

fn unheard(host: &Host) -> Result<()> {
    let scene = Scene::new(host)?;
    let one = host.container("c1")?;
    let before = scene.state(&[&one])?;
    let mut child = Command::new(scene.programs.find("careless")?)
        .env_clear()
        .envs([("CNI_COMMAND", "ADD"), ("CNI_IFNAME", "eth0"), ("CNI_CONTAINERID", "c1"), ("CNI_PATH", "/none")])
        .env("CNI_NETNS", &one.path)
        .stdin(Stdio::piped())
        .stdout(std::fs::File::options().write(true).open("/dev/full")?)
        .spawn()?;
    child.stdin.take().unwrap().write_all(Scene::config("").to_string().as_bytes())?;
    ensure!(!child.wait()?.success(), "a result that nobody has got is no success");
    scene.assert_as(&before, &[&one])
}

fn deleted(host: &Host, end: &str) -> Result<()> {
    let scene = Scene::used(host)?;
    let one = host.container("c1")?;
    let before = scene.state(&[&one])?;
    scene.call("ADD", "")?.container(&one).ok()?;
    ensure!(Path::new(LEDGER).join("c1:eth0").exists(), "nothing was written down");
    ensure!(before.assert_same(&scene.state(&[&one])?).is_err(), "the plugin did nothing");
    let del = scene.call("DEL", end)?.container(&one);
    if end.is_empty() {
        del.ok()?;
    } else {
        // The plugin's own error is told all the same.
        del.error()?;
    }
    if !end.is_empty() {
        // What the plugin kept for its DEL stays until one succeeds; nothing else does.
        let kept = |name: &str| name.starts_with("file /run/cni/careless") || name.starts_with("file /run/weir");
        let left = scene.state(&[&one])?.without(kept);
        before.clone().without(kept).assert_same(&left)?;
    } else {
        scene.assert_as(&before, &[&one])?;
    }
    scene.call("DEL", "")?.container(&one).ok()?;
    scene.assert_as(&before, &[&one])
}

fn collected(host: &Host) -> Result<()> {
    let scene = Scene::used(host)?;
    let before = scene.state(&[])?;
    let one = host.container("c1")?;
    scene.call("ADD", "")?.container(&one).ok()?;
    one.unmount()?;
    drop(one);
    scene.gc()?;
    // A veth pair ends with the namespace of one end.
    scene.spare()?;
    scene.assert_as(&before, &[])
}

fn without_namespace(host: &Host) -> Result<()> {
    let scene = Scene::used(host)?;
    let before = scene.state(&[])?;
    let one = host.container("c1")?;
    scene.call("ADD", "")?.container(&one).ok()?;
    scene.call("DEL", "")?.container(&one).unset("CNI_NETNS").ok()?;
    one.unmount()?;
    drop(one);
    while host.has_link("spare1") {
        std::thread::sleep(Duration::from_millis(5));
    }
    scene.spare()?;
    scene.assert_as(&before, &[])
}

fn shared_stays(host: &Host) -> Result<()> {
    let scene = Scene::used(host)?;
    let one = host.container("c1")?;
    let config = weir_tests::configs::with(&Scene::config(""), json!({"shared": true}));
    scene.call("ADD", "")?.config(&config).container(&one).ok()?;
    scene.call("DEL", "")?.container(&one).ok()?;
    ensure!(host.has_link("careless0"), "the bridge is gone, which others may use by now");
    ensure!(host.sysctl("net/ipv4/ip_forward")? == "1", "forwarding is off, which others may need by now");
    ensure!(host.run("nft", ["list", "table", "inet", "careless"])?.contains("chain forward"), "the chain is gone");
    Ok(())
}

/// The most calls that the plugin is expected to make.
const MOST_CALLS: u32 = 100;

fn killed(host: &Host) -> Result<()> {
    let scene = Scene::used(host)?;
    let one = host.container("c1")?;
    let before = scene.state(&[&one])?;
    let mut cases = 0;
    for fault in ["kill-before", "kill-after"] {
        for number in 1..MOST_CALLS {
            let put_in = scene.faulted(&format!("{fault}@{number}"), &one)?;
            scene.call("DEL", "")?.container(&one).ok().with_context(|| format!("DEL after {fault}@{number}"))?;
            scene.assert_as(&before, &[&one]).with_context(|| format!("after {fault}@{number} and DEL"))?;
            if !put_in {
                break;
            }
            cases += 1;
        }
    }
    ensure!(cases > 40, "only {cases} faults were put in");
    Ok(())
}

fn killed_and_collected(host: &Host) -> Result<()> {
    let scene = Scene::used(host)?;
    let before = scene.state(&[])?;
    let mut cases = 0;
    for number in 1..MOST_CALLS {
        let one = host.container("c1")?;
        let put_in = scene.faulted(&format!("kill-after@{number}"), &one)?;
        one.unmount()?;
        drop(one);
        scene.gc().with_context(|| format!("GC after kill-after@{number}"))?;
        // The container's end takes the spare link along where it was there.
        std::thread::sleep(Duration::from_millis(30));
        if !host.has_link("spare0") {
            scene.spare()?;
        }
        scene.assert_as(&before, &[]).with_context(|| format!("after kill-after@{number} and GC"))?;
        if !put_in {
            break;
        }
        cases += 1;
    }
    ensure!(cases > 20, "only {cases} faults were put in");
    Ok(())
}

fn added_again(host: &Host) -> Result<()> {
    let scene = Scene::used(host)?;
    let one = host.container("c1")?;
    let before = scene.state(&[&one])?;
    for number in [5, 15, 20] {
        ensure!(scene.faulted(&format!("kill-after@{number}"), &one)?, "no fault was put in at call {number}");
        scene.call("ADD", "")?.container(&one).ok().with_context(|| format!("ADD after kill-after@{number}"))?;
        scene.call("DEL", "")?.container(&one).ok()?;
        scene.assert_as(&before, &[&one])?;
    }
    Ok(())
}

fn added_twice(host: &Host) -> Result<()> {
    let scene = Scene::used(host)?;
    let one = host.container("c1")?;
    let before = scene.state(&[&one])?;
    scene.call("ADD", "")?.container(&one).ok()?;
    let ledger = |name: &str| name.contains("/run/weir/ledger");
    let added = scene.state(&[&one])?.without(ledger);
    scene.call("ADD", "")?.container(&one).error()?;
    added.await_same(|| Ok(scene.state(&[&one])?.without(ledger)))?;
    scene.call("DEL", "")?.container(&one).ok()?;
    scene.assert_as(&before, &[&one])
}

/// What an administrator has made, under the names that the plugin uses.
const FOREIGN: &[&[&str]] = &[
    &["ip", "address", "add", "10.78.0.1/24", "dev", "uplink0"],
    &["ip", "route", "add", "10.79.0.0/24", "dev", "uplink0"],
    &["ip", "rule", "add", "from", "all", "lookup", "101", "priority", "77"],
    &["ip", "link", "add", "careless9", "type", "veth", "peer", "name", "careless8"],
    &["tc", "qdisc", "add", "dev", "uplink0", "root", "tbf", "rate", "1mbit", "burst", "10kb", "limit", "10kb"],
    &["nft", "table inet careless { set ports { type inet_service; elements = { 8080 comment \"mine\" }; }; }"],
    &["nft", "table inet careless { chain of-c1 { accept comment \"no name in it\"; }; }"],
];

fn foreign_stays(host: &Host) -> Result<()> {
    let scene = Scene::new(host)?;
    let one = host.container("c1")?;
    for command in FOREIGN {
        let (program, arguments) = command.split_first().unwrap();
        host.run(program, arguments.iter().copied())?;
        let before = scene.state(&[&one])?;
        let answer = scene.call("ADD", "")?.container(&one).run()?;
        scene.call("DEL", "")?.container(&one).ok()?;
        // A rule set is there for all attachments once it is there, and some of it may have been made by this one.
        let table = |name: &str| name.contains("nft");
        let before = before.without(table);
        let state = || Ok(scene.state(&[&one])?.without(table));
        before.await_same(state).with_context(|| format!("after {command:?} and an ADD that said {answer:?}"))?;
        if *program == "nft" {
            let rules = host.run("nft", ["list", "table", "inet", "careless"])?;
            ensure!(rules.contains("mine") || rules.contains("no name in it"), "{command:?}: {rules}");
            host.run("nft", ["delete", "table", "inet", "careless"])?;
        }
        // Out of the way of the next.
        match command {
            [_, kind, "add", rest @ ..] if *program == "ip" => {
                let rest = if *kind == "link" { &rest[..1] } else { rest };
                host.run("ip", [*kind, "delete"].into_iter().chain(rest.iter().copied()))?;
            }
            ["tc", ..] => drop(host.run("tc", ["qdisc", "delete", "dev", "uplink0", "root"])?),
            _ => {}
        }
        let _ = host.run("nft", ["delete", "table", "inet", "careless"]);
    }
    Ok(())
}

fn damaged(host: &Host) -> Result<()> {
    let scene = Scene::used(host)?;
    let one = host.container("c1")?;
    let before = scene.state(&[&one])?;
    let file = Path::new(LEDGER).join("c1:eth0");
    scene.call("ADD", "")?.container(&one).ok()?;
    damage(&file)?;
    scene.call("DEL", "")?.container(&one).ok()?;
    scene.assert_as(&before, &[&one])?;
    // Nothing good at all: DEL says so and goes on.
    std::fs::create_dir_all(LEDGER)?;
    std::fs::write(&file, b"no ledger at all\n")?;
    let answer = scene.call("DEL", "")?.container(&one).run()?;
    answer.ok()?;
    ensure!(answer.stderr.contains("cannot be read"), "{answer:?}");
    scene.assert_as(&before, &[&one])
}

/// Put strange lines between all lines, and half a one at the end.
fn damage(file: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file)?;
    let strange = ["", "{}", "{\"intent\": 5}", "\u{0}", "[[[[", "null"];
    let mixed: Vec<_> =
        text.lines().zip(strange.iter().cycle()).map(|(line, odd)| format!("{line}\n{odd}\n")).collect();
    std::fs::write(file, mixed.concat() + "{\"intent\":{\"run\":\"").context("write the ledger")
}
