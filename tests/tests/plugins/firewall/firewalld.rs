//! Beside firewalld: the real one, on a bus and in namespaces of its own.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use weir_tests::harness::require_program;
use weir_tests::host::Outside;
use weir_tests::{Host, Lifecycle, Test, lifecycle, residue, test};

use super::{VERSIONS, is_kept_from, network, outside, reaches};

/// Starting it takes seconds, and far longer in a machine that is emulated.
const START_LIMIT: Duration = Duration::from_secs(180);

const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="false"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"#;

pub(super) fn tests() -> Vec<Test> {
    let newest = [VERSIONS[VERSIONS.len() - 1]];
    let mut tests = lifecycle::tests("firewall_firewalld", &newest, |host, _| {
        let daemons = start(host)?;
        let chain = network("net", "cni0", 1, json!({"backend": "firewalld", "ingressPolicy": "same-bridge"}))?;
        // firewalld writes its state and its log while it runs.
        let own = |name: &str| name.contains("firewalld") || name.starts_with("file /run/dbus");
        Ok(Lifecycle::new(chain).keep(daemons).may_change(own))
    });
    tests.push(test("firewall_packets_pass_firewalld", packets));
    tests.push(test("firewall_a_zone_that_firewalld_lacks_is_an_error", no_zone));
    tests.push(test("firewall_firewalld_that_does_not_run_is_an_error_for_add_alone", not_running));
    tests
}

/// Ends with the test.
struct Daemons(Vec<Child>);

impl Drop for Daemons {
    fn drop(&mut self) {
        for daemon in self.0.iter_mut().rev() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

fn daemon(program: &str, arguments: &[&str]) -> Result<Child> {
    let mut command = Command::new(program);
    command.args(arguments).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env_remove("DBUS_SYSTEM_BUS_ADDRESS");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().with_context(|| format!("start {program}"))
}

/// A bus, and firewalld on it.
fn start(host: &Host) -> Result<Daemons> {
    require_program("firewalld", "firewalld")?;
    require_program("dbus-daemon", "dbus")?;
    std::fs::create_dir_all("/run/dbus")?;
    std::fs::write("/run/dbus/bus.conf", BUS)?;
    let bus = daemon("dbus-daemon", &["--config-file=/run/dbus/bus.conf", "--nofork", "--nopidfile"])?;
    let mut daemons = Daemons(vec![bus]);
    let deadline = Instant::now() + START_LIMIT;
    let wait = |what: &str, ready: &dyn Fn() -> bool| loop {
        match ready() {
            true => return Ok(()),
            false if Instant::now() > deadline => bail!("{what} did not start"),
            false => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    wait("the bus", &|| std::path::Path::new("/run/dbus/system_bus_socket").exists())?;
    daemons.0.push(daemon("firewalld", &["--nofork", "--nopid", "--log-target", "console"])?);
    let has_owner = [
        "--system",
        "--print-reply=literal",
        "--dest=org.freedesktop.DBus",
        "/org/freedesktop/DBus",
        "org.freedesktop.DBus.NameHasOwner",
        "string:org.fedoraproject.FirewallD1",
    ];
    wait("firewalld", &|| host.run("dbus-send", has_owner).is_ok_and(|answer| answer.contains("true")))?;
    Ok(daemons)
}

fn sources(host: &Host) -> Result<String> {
    host.run("firewall-cmd", ["--zone=trusted", "--list-sources"])
}

fn packets(host: &Host) -> Result<()> {
    let _daemons = start(host)?;
    // No backend is named: firewalld runs, so it is used.
    let chain = network("net", "cni0", 1, json!({}))?;
    let mut bare = chain.clone();
    bare.plugins.truncate(1);
    let _outside = outside(host)?;
    // In one zone with the bridge firewalld would let everything through.
    host.run("firewall-cmd", ["--zone=dmz", "--add-interface=uplink"])?;
    let (one, two) = (host.container("one")?, host.container("two")?);
    bare.add(&two)?;
    is_kept_from(&two, Outside::V4).context("without the plugin")?;
    let result = chain.add(&one)?;
    reaches(Some(&one), Outside::V4)?;
    reaches(Some(&one), Outside::V6)?;
    for address in residue::addresses(&result) {
        ensure!(sources(host)?.contains(&address), "{}", sources(host)?);
    }
    chain.check(&one, &result)?;
    host.run("firewall-cmd", ["--zone=trusted", "--remove-source", "10.60.1.3/32"])?;
    ensure!(chain.check(&one, &result).is_err(), "CHECK does not see a source that is gone");
    // A source that is gone already, and one that is there.
    chain.del(&one, &result)?;
    ensure!(sources(host)?.trim().is_empty(), "{}", sources(host)?);
    // Without a result, from what is written down; with another zone in the configuration by now.
    chain.add(&one)?;
    ensure!(!sources(host)?.trim().is_empty());
    let moved = network("net", "cni0", 1, json!({"backend": "firewalld", "firewalldZone": "internal"}))?;
    moved.del(&one, &Value::Null)?;
    ensure!(sources(host)?.trim().is_empty(), "{}", sources(host)?);
    let result = moved.add(&one)?;
    let inside = host.run("firewall-cmd", ["--zone=internal", "--list-sources"])?;
    ensure!(inside.contains(&residue::addresses(&result)[0]), "{inside}");
    moved.del(&one, &result)
}

fn no_zone(host: &Host) -> Result<()> {
    let _daemons = start(host)?;
    let chain = network("net", "cni0", 1, json!({"backend": "firewalld", "firewalldZone": "nowhere"}))?;
    let one = host.container("one")?;
    let previous = chain.call("ADD", &chain.plugins[0], &Value::Null)?.container(&one).ok()?;
    let error = chain.call("ADD", &chain.plugins[1], &previous)?.container(&one).error()?;
    ensure!(error.code == 7 && error.msg.contains("nowhere"), "{error:?}");
    let rules = host.run("nft", ["list", "ruleset"])?;
    ensure!(!rules.contains("10.60.1."), "a failed ADD leaves {rules}");
    chain.del(&one, &previous)
}

fn not_running(host: &Host) -> Result<()> {
    let chain = network("net", "cni0", 1, json!({"backend": "firewalld"}))?;
    let one = host.container("one")?;
    let previous = chain.call("ADD", &chain.plugins[0], &Value::Null)?.container(&one).ok()?;
    let error = chain.call("ADD", &chain.plugins[1], &previous)?.container(&one).error()?;
    ensure!(error.msg.contains("dbus"), "{error:?}");
    chain.del(&one, &previous)?;
    residue::assert_none(host, &["one".into(), "10.60.1.2".into(), "fd00:60:1::2".into()])
}
