//! The caller is killed at every step of a chain, by wrappers around real plugins: the next DEL, or the container's end
//! and the next GC, leave nothing.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use weir_tests::runtime::{Runtime, succeed, words};
use weir_tests::{Container, Host, Programs, Snapshot, configs, run, test};

/// The chain, in the order of ADD.
const CHAIN: [&str; 3] = ["bridge", "tuning", "portmap"];
const NETWORK: &str = "kill";
/// Which step kills its caller: command, plugin, moment.
const ORDER: &str = "/run/test/order";
/// Which steps there were.
const STEPS: &str = "/run/test/steps";

/// Stands for a plugin, runs it, and kills its caller where the order says so. `ended`: the plugin has ended and its
/// answer is there, but the caller was stopped before it could look at it.
const WRAPPER: &str = r#"#!/bin/sh
step="$CNI_COMMAND ${0##*/}"
echo "$step" >> STEPS
order=$(cat ORDER 2> /dev/null)
if [ "$order" = "$step before" ]; then kill -KILL $PPID; exit 1; fi
"PROGRAMS/${0##*/}"
status=$?
if [ "$order" = "$step after" ]; then kill -KILL $PPID; fi
if [ "$order" = "$step ended" ]; then
    kill -STOP $PPID
    (
        until [ ! -e /proc/$$ ] || grep -q '^State:.Z' /proc/$$/status; do sleep 0.01; done
        kill -KILL $PPID
    ) < /dev/null > /dev/null 2>&1 &
fi
exit $status
"#;

fn main() -> ExitCode {
    run(vec![
        test("a_killed_add_is_undone_by_the_next_del", |host| each(host, Verb::Add, Then::Del)),
        test("a_killed_add_is_undone_by_the_next_gc", |host| each(host, Verb::Add, Then::Gc)),
        test("a_killed_add_that_is_forgotten_is_undone_by_the_next_del", |host| {
            each(host, Verb::Add, Then::DelOfForgotten)
        }),
        test("a_killed_add_that_is_forgotten_is_undone_by_the_next_gc", |host| {
            each(host, Verb::Add, Then::GcOfForgotten)
        }),
        test("a_killed_del_is_finished_by_the_next_del", |host| each(host, Verb::Del, Then::Del)),
        test("a_killed_del_is_finished_by_the_next_gc", |host| each(host, Verb::Del, Then::Gc)),
        test("a_killed_gc_is_finished_by_the_next_gc", |host| each(host, Verb::Gc, Then::Gc)),
        test("a_killed_gc_is_finished_by_the_next_del", |host| each(host, Verb::Gc, Then::Del)),
    ])
}

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Add,
    Del,
    /// Of an attachment whose container is gone: DEL of its plugins, then GC of each.
    Gc,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Del,
    /// The container ends without DEL.
    Gc,
    /// What was remembered is lost, as it always is where Go's libcni is killed.
    DelOfForgotten,
    /// Both.
    GcOfForgotten,
}

struct Lab<'h> {
    host: &'h Host,
    runtime: Runtime,
}

impl<'h> Lab<'h> {
    fn new(host: &'h Host) -> Result<Self> {
        let programs = Programs::weir()?;
        let wrappers = host.directory("wrappers")?;
        let text = WRAPPER.replace("STEPS", STEPS).replace("ORDER", ORDER).replace("PROGRAMS", &programs.cni_path());
        for plugin in CHAIN {
            let path = wrappers.join(plugin);
            std::fs::write(&path, &text)?;
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755))?;
        }
        let mut runtime = Runtime::new(host, &Programs::of(wrappers))?;
        runtime.capabilities = json!({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]});
        let bridge = configs::with(&configs::bridge(&["10.66.0.0/24"]), json!({"ipMasq": true}));
        runtime.network(NETWORK, "1.1.0", &[bridge, configs::tuning(), configs::portmap("nftables")])?;
        Ok(Self { host, runtime })
    }

    /// The command, not yet run.
    fn command(&self, verb: Verb, container: &Container) -> Result<Command> {
        match verb {
            Verb::Add => Ok(self.runtime.attachment("add", NETWORK, container)),
            Verb::Del => Ok(self.runtime.attachment("del", NETWORK, container)),
            Verb::Gc => self.runtime.gc_command(NETWORK, &[]),
        }
    }

    /// What is there, without what may change.
    fn state(&self) -> Result<Snapshot> {
        let changes = |name: &str| {
            name.starts_with("file /run/netns/")
                || name.contains("last_reserved_ip")
                || name.contains(".weir-index")
                || [STEPS, ORDER].iter().any(|file| name.ends_with(file))
        };
        Ok(Snapshot::take(&[])?.with_processes()?.without(changes))
    }

    /// The steps that a command takes, in their order.
    fn steps(&self, verb: Verb) -> Result<Vec<String>> {
        let container = self.host.container("steps")?;
        if verb != Verb::Add {
            self.runtime.run("add", NETWORK, &container)?;
        }
        if verb == Verb::Gc {
            container.unmount()?;
        }
        std::fs::write(STEPS, "")?;
        succeed(&mut self.command(verb, &container)?)?;
        let steps: Vec<_> = std::fs::read_to_string(STEPS)?.lines().map(str::to_owned).collect();
        if verb == Verb::Add {
            self.runtime.run("del", NETWORK, &container)?;
        }
        if verb != Verb::Gc {
            container.unmount()?;
        }
        Ok(steps)
    }

    /// Kill the command at a step; then the other must leave nothing.
    fn case(&self, name: &str, verb: Verb, order: &str, then: Then) -> Result<()> {
        let before = self.state()?;
        let container = self.host.container(name)?;
        if verb != Verb::Add {
            self.runtime.run("add", NETWORK, &container)?;
        }
        if verb == Verb::Gc {
            container.unmount()?;
        }
        std::fs::write(ORDER, order)?;
        let output = self.command(verb, &container)?.output()?;
        std::fs::remove_file(ORDER)?;
        ensure!(output.status.signal() == Some(9), "it was not killed: {}", words(&output));
        if matches!(then, Then::DelOfForgotten | Then::GcOfForgotten) {
            std::fs::remove_dir_all(self.runtime.cache_dir.join("results"))?;
            std::fs::create_dir(self.runtime.cache_dir.join("results"))?;
        }
        match then {
            Then::Del | Then::DelOfForgotten => drop(self.runtime.run("del", NETWORK, &container)?),
            Then::Gc | Then::GcOfForgotten => {
                if container.path.exists() {
                    container.unmount()?;
                }
                self.runtime.gc(NETWORK, &[])?;
            }
        }
        if container.path.exists() {
            container.unmount()?;
        }
        drop(container);
        ensure!(self.runtime.cached()?.is_empty(), "remembered still: {:?}", self.runtime.cached()?);
        before.await_same(|| self.state())
    }
}

fn each(host: &Host, verb: Verb, then: Then) -> Result<()> {
    let lab = Lab::new(host)?;
    // The first attachment makes what stays for all others.
    let steps = lab.steps(verb)?;
    let expected = if verb == Verb::Gc { 2 * CHAIN.len() } else { CHAIN.len() };
    ensure!(steps.len() == expected, "{steps:?}");
    let mut orders: Vec<_> =
        steps.iter().flat_map(|step| ["before", "after"].map(|moment| format!("{step} {moment}"))).collect();
    // Between the last plugin, of ADD, DEL or GC, and what the caller writes down.
    let is_last = |(index, _): &(usize, &String)| (index + 1).is_multiple_of(CHAIN.len());
    orders.extend(steps.iter().enumerate().filter(is_last).map(|(_, step)| format!("{step} ended")));
    for (index, order) in orders.iter().enumerate() {
        lab.case(&format!("c{index}"), verb, order, then).with_context(|| format!("{verb:?} killed at {order}"))?;
    }
    // The network is as good as new.
    let container = host.container("last")?;
    lab.runtime.run("add", NETWORK, &container)?;
    lab.runtime.run("check", NETWORK, &container)?;
    lab.runtime.run("del", NETWORK, &container)?;
    println!("{verb:?}, then {then:?}: {} cases", orders.len());
    ensure!(!Path::new(ORDER).exists());
    Ok(())
}
