//! Faults at every host call of a command: what a plugin leaves behind, DEL or GC takes away.
//!
//! For each host call of a clean ADD or DEL and each kind of fault, the command runs by `weir exec --fault`. Then comes
//! what a runtime does next: DEL, or the end of the container and GC. After that everything is as before, and the next
//! ADD works.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::cni::Answer;
use crate::container::Container;
use crate::harness::{Test, test};
use crate::host::Host;
use crate::lifecycle::Lifecycle;
use crate::privileges::{self, Privileges};
use crate::snapshot::Snapshot;

/// `all`, or every how manieth case runs. Without it one of three runs as root of the machine, and fewer as an ordinary user and
/// in the virtual machine, which run the same code again, and slower. `make sweep` runs all.
const STRIDE: &str = "WEIR_SWEEP";
/// None is a multiple of the number of faults: each fault has its turn.
const STRIDE_OF_ROOT: usize = 3;
const STRIDE_OF_USERS: usize = 13;
const STRIDE_IN_MACHINE: usize = 17;
/// What the kernel does in the background, such as the end of a namespace, is done by then.
const PATIENCE: Duration = Duration::from_secs(4);
/// A sweep that fails everywhere need not go on for long.
const MOST_FAILURES: usize = 12;

const FAULTS: [&str; 4] = ["error", "trap", "kill-before", "kill-after"];

/// What `weir exec` says where the command has ended before the call with the fault.
const UNREACHED: &str = "had no effect";

/// Where Weir keeps what attachments have made.
const LEDGER: &str = "/run/weir/ledger";

static CASES: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Add,
    Del,
}

/// What comes after the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Del,
    Gc,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Add { "ADD" } else { "DEL" })
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Del { "DEL" } else { "GC" })
    }
}

/// A host call of the command.
struct Step {
    /// Which plugin of the chain.
    plugin: usize,
    /// Counted from 1, for this plugin.
    number: usize,
    /// What the call is.
    name: String,
}

/// The plugins at the front of a chain that run without faults: they are there for the others.
#[derive(Debug, Clone, Copy)]
pub struct Front {
    plugins: usize,
    /// DEL that comes after a fault leaves them, as far as the container lives on.
    stays: bool,
    /// Faults come only in the calls of this plugin.
    only: Option<&'static str>,
}

impl Front {
    /// Faults come in all plugins.
    pub const NONE: Self = Self { plugins: 0, stays: false, only: None };
    /// The first plugin's interface stays from case to case.
    pub const STAYS: Self = Self { plugins: 1, stays: true, only: None };
    /// The first plugin's interface comes and goes with the others: for plugins whose work ends with the interface.
    pub const GOES: Self = Self { plugins: 1, stays: false, only: None };

    /// Faults come only in the calls of a plugin, which calls others or is called by others that have a sweep of their own.
    pub const fn only(self, plugin: &'static str) -> Self {
        Self { only: Some(plugin), ..self }
    }

    fn staying(self) -> usize {
        if self.stays { self.plugins } else { 0 }
    }
}

/// Four tests: faults of ADD and of DEL, with DEL after them and with GC.
pub fn tests(
    name: &'static str,
    front: Front,
    life: impl Fn(&Host) -> Result<Lifecycle> + Copy + Send + 'static,
) -> Vec<Test> {
    let mut tests = Vec::new();
    for command in [Command::Add, Command::Del] {
        for ending in [Ending::Del, Ending::Gc] {
            tests.push(test(format!("{name}_{command}_with_faults_then_{ending}"), move |host| {
                Sweep { host, life: life(host)?, front, command, ending, name, unreached: Cell::default() }.run()
            }));
        }
    }
    tests
}

/// One test for a plugin that needs nothing of the host: there is nothing to put a fault into.
pub fn without_calls(
    name: &'static str,
    life: impl Fn(&Host) -> Result<Lifecycle> + Copy + Send + 'static,
) -> Vec<Test> {
    vec![test(format!("{name}_makes_no_host_calls"), move |host| {
        for command in [Command::Add, Command::Del] {
            let steps = Sweep {
                host,
                life: life(host)?,
                front: Front::NONE,
                command,
                ending: Ending::Del,
                name,
                unreached: Cell::default(),
            }
            .steps()?;
            ensure!(steps.is_empty(), "{command} makes {} host calls", steps.len());
        }
        Ok(())
    })]
}

/// Say how many cases have run.
pub fn print_total() {
    println!("fault sweep: {} cases in total", CASES.load(Ordering::Relaxed));
}

struct Sweep<'a> {
    host: &'a Host,
    life: Lifecycle,
    front: Front,
    command: Command,
    ending: Ending,
    name: &'static str,
    unreached: Cell<usize>,
}

impl Sweep<'_> {
    fn run(self) -> Result<()> {
        let (start, stride) = (Instant::now(), stride()?);
        // What all attachments share is there from now on.
        let first = self.life.container(self.host, "first")?;
        let result = self.life.chain.add(&first).context("the first ADD")?;
        self.life.chain.del(&first, &result).context("the first DEL")?;
        first.unmount()?;
        drop(first);
        let steps = self.steps()?;
        ensure!(!steps.is_empty(), "no host calls were counted");
        let cases: Vec<_> = steps.iter().flat_map(|step| FAULTS.map(|fault| (step, fault))).collect();
        let cases: Vec<_> = cases.into_iter().step_by(stride).collect();
        let failures = match self.ending {
            Ending::Del => self.deleted(&cases)?,
            Ending::Gc => self.collected(&cases)?,
        };
        CASES.fetch_add(cases.len(), Ordering::Relaxed);
        println!(
            "{} {} then {}: faults in {} host calls, {} cases{}, {} left something over, {:.1} s",
            self.name,
            self.command,
            self.ending,
            steps.len(),
            cases.len(),
            if stride == 1 { String::new() } else { format!(" (1 of {stride}; {STRIDE}=all runs all)") },
            failures.len(),
            start.elapsed().as_secs_f64(),
        );
        let unreached = self.unreached.get();
        ensure!(unreached * 10 <= cases.len(), "{unreached} of {} faults came too late to do anything", cases.len());
        ensure!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
        Ok(())
    }

    /// The host calls of a clean command, of all plugins that faults are put into.
    fn steps(&self) -> Result<Vec<Step>> {
        let container = self.life.container(self.host, "counted")?;
        let file = self.host.directory("sweep")?.join("calls");
        let mut steps = Vec::new();
        let mut count = |command: Command, plugin: usize, answer: Answer| -> Result<Value> {
            let result = answer.ok().with_context(|| format!("a clean {command}"))?;
            let names = std::fs::read_to_string(&file).context("read the names of host calls")?;
            if command == self.command && plugin >= self.front.plugins {
                steps.extend(names.lines().zip(1..).map(|(name, number)| Step {
                    plugin,
                    number,
                    name: name.to_owned(),
                }));
                // A line of log changes nothing: the first stands for all.
                let mut is_first = true;
                steps.retain(|step| !step.name.ends_with(" log.write") || std::mem::take(&mut is_first));
                let only = self.front.only.map(|only| format!("{only} "));
                steps.retain(|step| only.as_ref().is_none_or(|only| step.name.starts_with(only)));
            }
            Ok(result)
        };
        let option = file.to_string_lossy().into_owned();
        let run = |command: Command, plugin: &Value, result: &Value| {
            let call = self.life.chain.call(&command.to_string(), plugin, result)?.container(&container);
            call.exec(&["--count-calls", &option])?.run()
        };
        let mut result = Value::Null;
        for (number, plugin) in self.life.chain.plugins.iter().enumerate() {
            result = count(Command::Add, number, run(Command::Add, plugin, &result)?)?;
        }
        for (number, plugin) in self.life.chain.plugins.iter().enumerate().rev() {
            count(Command::Del, number, run(Command::Del, plugin, &result)?)?;
        }
        std::fs::remove_file(&file)?;
        container.unmount()?;
        Ok(steps)
    }

    /// All cases in one container, or in another after one that has left something over.
    fn deleted(&self, cases: &[(&Step, &str)]) -> Result<Vec<String>> {
        let (mut failures, mut cases) = (Vec::new(), cases.iter().peekable());
        while cases.peek().is_some() && failures.len() < MOST_FAILURES {
            let container = self.life.container(self.host, &format!("one{}", failures.len()))?;
            let before = self.add(&container, 0..self.front.staying(), &Value::Null)?;
            // Of an interface that stays the ledger stays too, and tells what has come and gone.
            let own = format!("file {LEDGER}/{}/{}:", self.life.chain.name, container.id);
            let is_own = |name: &str| self.front.stays && name.starts_with(&own);
            let state = || Ok(self.life.state(&[&container])?.without(is_own));
            let add_and_del = || -> Result<()> {
                let result = self.add(&container, self.front.staying().., &before).context("the next ADD")?;
                self.del(&container, &result).context("the next DEL")
            };
            // Not everything in a fresh one comes back as it was.
            add_and_del()?;
            let base = state()?;
            let failure = cases.by_ref().find_map(|(step, fault)| {
                let case = || -> Result<()> {
                    let result = self.faulted(&container, &before, step, fault)?;
                    self.del(&container, &result).context("DEL after it")?;
                    same(&base, state)?;
                    add_and_del()
                };
                case().err().map(|error| self.describe(step, fault, &error))
            });
            if failure.is_none() {
                same(&base, state).context("after the last DEL")?;
            }
            failures.extend(failure);
            // What is left over now must not be taken for what the next cases leave.
            let last = self.life.chain.del(&container, &before);
            container.unmount()?;
            if failures.is_empty() {
                last.context("the last DEL")?;
                let ledgers = std::fs::read_dir(format!("{LEDGER}/{}", self.life.chain.name)).into_iter().flatten();
                ensure!(ledgers.count() == 0, "a ledger is left after the last DEL");
            }
        }
        Ok(failures)
    }

    /// A container for each case, gone before GC.
    fn collected(&self, cases: &[(&Step, &str)]) -> Result<Vec<String>> {
        let state = || self.life.state_without_containers();
        let (mut base, mut failures) = (state()?, Vec::new());
        for (number, (step, fault)) in cases.iter().enumerate() {
            let case = || -> Result<()> {
                let container = self.life.container(self.host, &format!("c{number}"))?;
                let before = self.add(&container, 0..self.front.staying(), &Value::Null)?;
                let faulted = self.faulted(&container, &before, step, fault);
                container.unmount()?;
                faulted?;
                drop(container);
                self.life.chain.gc(&[]).context("GC after it")
            };
            if let Err(error) = case().and_then(|()| same(&base, state)) {
                failures.push(self.describe(step, fault, &error));
                if failures.len() >= MOST_FAILURES {
                    break;
                }
                base = state()?;
            }
        }
        let last = self.life.container(self.host, "last")?;
        let result = self.life.chain.add(&last).context("ADD after all")?;
        self.life.chain.del(&last, &result).context("DEL after all")?;
        last.unmount()?;
        Ok(failures)
    }

    fn describe(&self, step: &Step, fault: &str, error: &anyhow::Error) -> String {
        let Step { number, name, .. } = step;
        format!("{}: {} with {fault}@{number} ({name}), then {}: {error:#}", self.name, self.command, self.ending)
    }

    /// The command with the fault; what a runtime has as result afterwards.
    fn faulted(&self, container: &Container, before: &Value, step: &Step, fault: &str) -> Result<Value> {
        let option = format!("{fault}@{}", step.number);
        let run = |command: &str, result: &Value| -> Result<Option<Value>> {
            let plugin = self.life.chain.plugins.get(step.plugin).context("no such plugin")?;
            let answer = self.life.chain.call(command, plugin, result)?.container(container);
            let answer = answer.exec(&["--fault", &option])?.run()?;
            self.unreached.set(self.unreached.get() + usize::from(answer.stderr.contains(UNREACHED)));
            judge(&answer, fault)
        };
        match self.command {
            Command::Add => {
                let result = self.add(container, self.front.staying()..step.plugin, before)?;
                match run("ADD", &result)? {
                    Some(result) => self.add(container, step.plugin.saturating_add(1).., &result),
                    None => Ok(Value::Null),
                }
            }
            Command::Del => {
                let result = self.add(container, self.front.staying().., before)?;
                for plugin in self.life.chain.plugins.iter().skip(step.plugin.saturating_add(1)).rev() {
                    self.life.chain.call("DEL", plugin, &result)?.container(container).ok()?;
                }
                run("DEL", &result)?;
                Ok(result)
            }
        }
    }

    /// ADD of some plugins of the chain, behind those that gave this result.
    fn add(&self, container: &Container, plugins: impl std::ops::RangeBounds<usize>, before: &Value) -> Result<Value> {
        let mut result = before.clone();
        for (_, plugin) in self.life.chain.plugins.iter().enumerate().filter(|(number, _)| plugins.contains(number)) {
            result = self.life.chain.call("ADD", plugin, &result)?.container(container).ok()?;
        }
        Ok(result)
    }

    /// DEL of all plugins but those that stay.
    fn del(&self, container: &Container, result: &Value) -> Result<()> {
        for plugin in self.life.chain.plugins.iter().skip(self.front.staying()).rev() {
            self.life.chain.call("DEL", plugin, result)?.container(container).ok()?;
        }
        Ok(())
    }
}

/// What came of the fault: a result where the plugin does without the call, none where it failed as it should.
fn judge(answer: &Answer, fault: &str) -> Result<Option<Value>> {
    // One that looks around makes more calls where there is more to see.
    if answer.stderr.contains(UNREACHED) {
        return answer.ok().map(Some);
    }
    if fault.starts_with("kill") {
        ensure!(answer.status.is_none(), "{fault} did not end the process: {answer:?}");
        return Ok(None);
    }
    if fault == "error" && answer.status == Some(0) {
        return answer.ok().map(Some);
    }
    let error = answer.error()?;
    ensure!(fault == "error" || error.code == 102, "a stopped plugin has code 102: {error:?}");
    Ok(None)
}

/// Wait until what `take` sees is the same.
fn same(base: &Snapshot, take: impl Fn() -> Result<Snapshot>) -> Result<()> {
    let start = Instant::now();
    loop {
        let outcome = base.assert_same(&take()?);
        if outcome.is_ok() || start.elapsed() > PATIENCE {
            return outcome;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn stride() -> Result<usize> {
    let Ok(text) = std::env::var(STRIDE) else {
        return Ok(match privileges::current() {
            _ if std::env::var_os("WEIR_TESTS_VM").is_some() => STRIDE_IN_MACHINE,
            Privileges::Root => STRIDE_OF_ROOT,
            _ => STRIDE_OF_USERS,
        });
    };
    match text.parse() {
        _ if text == "all" => Ok(1),
        Ok(number) if number > 0 => Ok(number),
        _ => bail!("{STRIDE} is {text:?}, not `all` or a number"),
    }
}
