//! `weir run`: commands in namespaces that are attached while they run, and what is left when anything ends too early.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv6Addr, TcpListener};
use std::process::{Child, ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::mount::{MsFlags, mount};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use weir_tests::configs::{bridge, portmap, with};
use weir_tests::operator::{Operator, said};
use weir_tests::{Host, Snapshot, run, test, traffic};

/// Set for the server that runs in a container: this program again.
const SERVER: &str = "WEIR_RUN_SERVER";
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    if let Ok(port) = std::env::var(SERVER) {
        return serve(&port);
    }
    run(vec![
        test("the_exit_status_is_that_of_the_command", exit_status),
        test("the_namespace_has_lo_and_an_interface_for_each_network", interfaces),
        test("two_runs_reach_each_other_and_nothing_is_left", packets),
        test("a_published_port_leads_to_the_command", publish),
        test("the_networks_dns_settings_are_the_commands_alone", dns),
        test("signals_reach_the_command_and_then_it_is_detached", signals),
        test("a_signal_while_attaching_takes_back_what_was_done", signal_while_attaching),
        test("an_add_that_fails_half_way_leaves_nothing", failing_add),
        test("what_a_killed_run_leaves_the_next_run_takes_away", killed_then_run),
        test("what_a_killed_run_leaves_gc_takes_away", killed_then_gc),
        test("gc_spares_what_runs", gc_spares),
        test("an_attachment_of_somebody_else_is_not_touched", foreign),
    ])
}

/// Tell everybody that somebody is here.
fn serve(port: &str) -> ExitCode {
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port.parse().unwrap())).unwrap();
    for stream in listener.incoming() {
        let _ = stream.and_then(|mut stream| stream.write_all(b"192.0.2.99"));
    }
    ExitCode::SUCCESS
}

fn recorder() -> Value {
    json!({"type": "recorder"})
}

/// A network of a bridge, with what it leaves behind for all made already, and one of the recorder.
fn operator(host: &Host) -> Result<Operator> {
    let desk = Operator::new(host, "operator")?;
    desk.network("blue", &[bridge(&["10.62.0.0/24", "fd62::/64"]), portmap("nftables")])?;
    desk.network("tape", &[recorder()])?;
    let output = desk.weir(&["run", "--network", "blue", "--publish", "8061:80", "--", "true"])?;
    ensure!(output.status.success(), "{}", said(&output));
    Ok(desk)
}

fn state() -> Result<Snapshot> {
    let is_mark =
        |name: &str| name.contains("last_reserved_ip") || name.contains(".weir-index") || name.contains("bin/calls");
    Ok(Snapshot::take(&[])?.with_processes()?.without(is_mark))
}

/// A run that is there until it is ended: `weir run ... -- sleep 600`.
struct Running {
    child: Child,
}

impl Running {
    fn start(desk: &Operator, arguments: &[&str], command: &[&str]) -> Result<Self> {
        Ok(Self { child: desk.start(&[&["run"], arguments, &["--"], command].concat())? })
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.child.id())?), signal)?)
    }

    fn wait(mut self) -> Result<(ExitStatus, String)> {
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            ensure!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        let (mut out, mut err) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut out)?;
        self.child.stderr.take().unwrap().read_to_string(&mut err)?;
        Ok((self.child.wait()?, out + &err))
    }

    fn end(self, signal: Signal) -> Result<String> {
        self.signal(signal)?;
        let (status, text) = self.wait()?;
        ensure!(status.code() == Some(128 + signal as i32), "{status}: {text}");
        Ok(text)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn until<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("never seen: {what}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The attachment of a container, once it is finished.
fn attached(desk: &Operator, container: &str) -> Result<Value> {
    until("an attachment", || {
        let listed = desk.done(&["attachments", "--container-id", container])?;
        Ok(listed["attachments"].as_array().unwrap().iter().find(|one| one["finished"] == true).cloned())
    })
}

fn address(attachment: &Value) -> String {
    let address = attachment["result"]["ips"][0]["address"].as_str().unwrap_or_default();
    address.split('/').next().unwrap_or_default().to_owned()
}

fn exit_status(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    desk.file("text", "no program")?;
    let before = state()?;
    let text = desk.at("text");
    for (command, status) in [
        (["sh", "-c", "exit 0"].as_slice(), 0),
        (&["sh", "-c", "exit 7"], 7),
        (&["sh", "-c", "exit 255"], 255),
        (&["sh", "-c", "kill -KILL $$"], 137),
        (&["sh", "-c", "kill -TERM $$"], 143),
        (&["/nonexistent/command"], 127),
        (&[&text], 126),
    ] {
        desk.fails(&[&["run", "--network", "blue", "--"], command].concat(), status)?;
    }
    // Not attached at all.
    for (arguments, status) in [
        (["run", "--network", "green", "--", "true"].as_slice(), 125),
        (&["run", "--network", "tape", "--publish", "8080:80", "--", "true"], 125),
        (&["run", "--network", "tape"], 2),
        (&["run", "--", "true"], 2),
        (&["run", "--network", "tape", "true"], 2),
        (&["run", "--network", "tape", "--publish", "80", "--", "true"], 2),
        (&["run", "--network", "tape", "--ifname", "a", "--ifname", "b", "--", "true"], 2),
        (&["run", "--network", "tape", "--network", "blue", "--ifname", "eth1", "--", "true"], 2),
        (&["run", "--network", "tape", "--container-id", "a/b", "--", "true"], 2),
        (&["run", "--network", "tape", "--args", "A", "--", "true"], 2),
    ] {
        desk.fails(arguments, status)?;
    }
    ensure!(desk.calls()?.is_empty(), "a plugin was run");
    desk.remembers_nothing()?;
    before.await_same(state)
}

fn interfaces(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    desk.network("green", &[with(&bridge(&["10.63.0.0/24"]), json!({"bridge": "cni1", "isDefaultGateway": false}))])?;
    let look = "ping -n -c1 -W2 127.0.0.1 >/dev/null && for link in $(ls /proc/sys/net/ipv4/conf); do echo $link; done";
    let mut seen = Vec::new();
    for names in [[].as_slice(), &["--ifname", "net7"]] {
        let arguments =
            [&["run", "--network", "blue", "--network", "green"], names, &["--", "sh", "-c", look]].concat();
        let output = desk.weir(&arguments)?;
        ensure!(output.status.success(), "{}", said(&output));
        let text = String::from_utf8(output.stdout)?;
        seen.push(text.lines().filter(|link| !matches!(*link, "all" | "default")).collect::<Vec<_>>().join(" "));
    }
    ensure!(seen == ["eth0 eth1 lo", "eth1 lo net7"], "{seen:?}");
    // Plugins are told of arguments, and the last network is detached first.
    desk.network("tape2", &[recorder()])?;
    let arguments =
        ["run", "--network", "tape", "--network", "tape2", "--args", "K=v", "--container-id", "c1", "--", "true"];
    desk.fails(&arguments, 0)?;
    let calls = desk.calls()?;
    let order: Vec<_> =
        calls.iter().map(|call| format!("{} {} {}", call.command, call.ifname, call.container_id)).collect();
    ensure!(order == ["ADD eth0 c1", "ADD eth1 c1", "DEL eth1 c1", "DEL eth0 c1"], "{order:?}");
    ensure!(calls.iter().all(|call| call.args == "K=v" && call.netns.starts_with("/proc/")), "{calls:?}");
    Ok(())
}

fn packets(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    let before = state()?;
    let first = Running::start(&desk, &["--network", "blue", "--container-id", "one"], &["sleep", "600"])?;
    let address = address(&attached(&desk, "one")?);
    let output =
        desk.weir(&["run", "--network", "blue", "--", "ping", "-n", "-c", "3", "-i", "0.2", "-W", "3", &address])?;
    ensure!(output.status.success(), "{}", said(&output));
    traffic::ping_here(&address)?;
    first.end(Signal::SIGTERM)?;
    desk.remembers_nothing()?;
    before.await_same(state)
}

fn publish(host: &Host) -> Result<()> {
    let desk = operator(host)?.env(SERVER, "80");
    let before = state()?;
    let server = std::env::current_exe()?.display().to_string();
    let arguments = ["--network", "blue", "--container-id", "server", "--publish", "8062:80"];
    let running = Running::start(&desk, &arguments, &[&server])?;
    attached(&desk, "server")?;
    // The server needs a moment.
    until("an answer of the server", || Ok(traffic::tcp_here("127.0.0.1", 8062).ok()))?;
    ensure!(traffic::tcp_here("127.0.0.1", 8062)?.to_string() == "192.0.2.99");
    running.end(Signal::SIGTERM)?;
    ensure!(traffic::tcp_here("127.0.0.1", 8062).is_err(), "the port is still published");
    before.await_same(state)
}

fn dns(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    // The machine's file belongs to somebody else where the test has a user namespace of its own.
    let own = host.directory("dns")?.join("resolv.conf");
    std::fs::write(&own, "nameserver 192.0.2.1\n")?;
    mount(Some(&own), "/etc/resolv.conf", None::<&str>, MsFlags::MS_BIND, None::<&str>).context("mount resolv.conf")?;
    desk.network("tape", &[recorder()])?;
    desk.file("bin/add.json", r#"{"cniVersion": "1.1.0", "dns": {"nameservers": ["192.0.2.53"], "search": ["a.example"], "options": ["ndots:2"]}}"#)?;
    let output = desk.weir(&["run", "--network", "tape", "--", "cat", "/etc/resolv.conf"])?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(text == "search a.example\nnameserver 192.0.2.53\noptions ndots:2\n", "{}", said(&output));
    ensure!(std::fs::read_to_string("/etc/resolv.conf")? == "nameserver 192.0.2.1\n", "the host's was changed");
    // A network that says nothing changes nothing.
    let output = desk.weir(&["run", "--network", "blue", "--", "cat", "/etc/resolv.conf"])?;
    ensure!(output.stdout == b"nameserver 192.0.2.1\n", "{}", said(&output));
    desk.remembers_nothing()
}

fn signals(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    let before = state()?;
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let running = Running::start(&desk, &["--network", "blue", "--container-id", "c1"], &["sleep", "600"])?;
        attached(&desk, "c1")?;
        running.end(signal)?;
        desk.remembers_nothing()?;
    }
    // A command that does something else with it decides itself.
    let script = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done";
    let running = Running::start(&desk, &["--network", "blue", "--container-id", "c1"], &["sh", "-c", script])?;
    let mut running = running;
    let mut ready = [0; 6];
    running.child.stdout.as_mut().unwrap().read_exact(&mut ready)?;
    running.signal(Signal::SIGTERM)?;
    let (status, text) = running.wait()?;
    ensure!(status.code() == Some(5), "{status}: {text}");
    desk.remembers_nothing()?;
    before.await_same(state)
}

fn signal_while_attaching(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    desk.network("slow", &[bridge(&["10.62.0.0/24"]), recorder()])?;
    desk.fails(&["run", "--network", "slow", "--", "true"], 0)?;
    desk.file("bin/slow-ADD", "")?;
    let before = state()?;
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        desk.calls()?;
        let arguments = ["--network", "blue", "--network", "slow"];
        let running = Running::start(&desk, &arguments, &["sh", "-c", "echo the command ran"])?;
        until("the slow plugin", || Ok(std::fs::read_dir(desk.root.join("bin/calls"))?.next().transpose()?))?;
        let begin = Instant::now();
        let text = running.end(signal)?;
        ensure!(!text.contains("the command ran") && begin.elapsed() < PATIENCE, "{text}");
        desk.remembers_nothing()?;
        before.await_same(state)?;
    }
    Ok(())
}

fn failing_add(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    desk.network("failing", &[bridge(&["10.62.0.0/24"]), recorder()])?;
    desk.fails(&["run", "--network", "failing", "--", "true"], 0)?;
    desk.file("bin/fail-ADD", r#"{"code": 11, "msg": "no luck"}"#)?;
    let before = state()?;
    for networks in [["--network", "failing"].as_slice(), &["--network", "blue", "--network", "failing"]] {
        let output = desk.weir(&[&["run"], networks, &["--", "sh", "-c", "echo the command ran"]].concat())?;
        let text = said(&output);
        ensure!(
            output.status.code() == Some(125) && text.contains("no luck") && !text.contains("the command ran"),
            "{text}"
        );
        desk.remembers_nothing()?;
        before.await_same(state)?;
    }
    Ok(())
}

/// A run that was ended by SIGKILL, and whose command has ended with it.
fn killed(desk: &Operator) -> Result<()> {
    let arguments = ["--network", "blue", "--container-id", "lost", "--publish", "8063:80"];
    let running = Running::start(desk, &arguments, &["sh", "-c", "echo $$; exec sleep 600"])?;
    attached(desk, "lost")?;
    let mut running = running;
    let mut id = String::new();
    BufReader::new(running.child.stdout.as_mut().unwrap()).read_line(&mut id)?;
    let command = format!("/proc/{}", id.trim());
    ensure!(std::fs::exists(&command)?, "{command} is not there");
    running.signal(Signal::SIGKILL)?;
    running.child.wait()?;
    until("the end of the command", || Ok((!std::fs::exists(&command)?).then_some(())))?;
    let listed = desk.done(&["attachments"])?;
    ensure!(listed["attachments"].as_array().unwrap().len() == 1, "{listed}");
    Ok(())
}

fn killed_then_run(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    let before = state()?;
    killed(&desk)?;
    let output = desk.weir(&["run", "--network", "blue", "--", "true"])?;
    ensure!(output.status.success() && said(&output).contains("lost was killed; detaching"), "{}", said(&output));
    desk.remembers_nothing()?;
    before.await_same(state)
}

fn killed_then_gc(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    let before = state()?;
    killed(&desk)?;
    let output = desk.weir(&["gc", "blue", "--valid", "somebody"])?;
    ensure!(output.status.success() && said(&output).contains("lost was killed; detaching"), "{}", said(&output));
    desk.remembers_nothing()?;
    before.await_same(state)
}

fn gc_spares(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    let running = Running::start(&desk, &["--network", "blue", "--container-id", "alive"], &["sleep", "600"])?;
    let address = address(&attached(&desk, "alive")?);
    let collected = desk.done(&["gc", "blue", "--valid", "somebody"])?;
    ensure!(collected["deleted"] == json!([]), "{collected}");
    traffic::ping_here(&address)?;
    let collected = desk.done(&["gc", "blue", "--all"])?;
    ensure!(collected["deleted"] == json!([{"containerID": "alive", "ifname": "eth0"}]), "{collected}");
    running.end(Signal::SIGTERM)?;
    desk.remembers_nothing()
}

fn foreign(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    let container = host.container("c1")?;
    let path = container.path.display().to_string();
    desk.done(&["add", "blue", &path, "--container-id", "c1"])?;
    let text = desk.fails(&["run", "--network", "blue", "--container-id", "c1", "--", "true"], 125)?;
    ensure!(text.contains("already"), "{text}");
    ensure!(container.has_link("eth0"), "it was detached");
    desk.done(&["del", "blue", &path, "--container-id", "c1"])?;
    // Nor a run that lives.
    let running = Running::start(&desk, &["--network", "blue", "--container-id", "c2"], &["sleep", "600"])?;
    let address = address(&attached(&desk, "c2")?);
    desk.fails(&["run", "--network", "tape", "--container-id", "c2", "--", "true"], 125)?;
    traffic::ping_here(&address)?;
    running.end(Signal::SIGTERM)?;
    desk.remembers_nothing()
}
