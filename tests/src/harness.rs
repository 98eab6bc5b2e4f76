//! Runs tests, each in a thread and a host of its own, and tells which were skipped and why.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use anyhow::Result;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::host::Host;
use crate::privileges::{self, Privileges};
use crate::record::{self, Calls};

/// Tests that run at the same time, for each core.
const AT_ONCE_PER_CORE: usize = 3;

/// A named test.
pub struct Test {
    name: String,
    body: Box<dyn FnOnce() -> Result<()> + Send>,
}

/// A test in a host of its own. Its name says what must hold.
pub fn test(name: impl Into<String>, body: impl FnOnce(&Host) -> Result<()> + Send + 'static) -> Test {
    Test { name: name.into(), body: Box::new(move || body(&Host::new()?)) }
}

/// The reason for which a test cannot run here.
#[derive(Debug)]
struct Skipped(String);

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "skipped: {}", self.0)
    }
}

impl std::error::Error for Skipped {}

/// The error by which a test says that it cannot run here.
pub fn skip(reason: impl Into<String>) -> anyhow::Error {
    Skipped(reason.into()).into()
}

/// Skip unless this is root of the machine, not of a user namespace alone.
pub fn require_root() -> Result<()> {
    match privileges::current() {
        Privileges::Root => Ok(()),
        _ => Err(skip("needs root of the machine, not of a user namespace alone")),
    }
}

/// Skip unless a program is installed; `package` tells where it comes from.
pub fn require_program(program: &str, package: &str) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories: Vec<_> = std::env::split_paths(&path).collect();
    directories.extend(["/usr/sbin".into(), "/sbin".into()]);
    if directories.iter().any(|directory| directory.join(program).is_file()) {
        return Ok(());
    }
    Err(skip(format!("{program} is missing (Debian package {package})")))
}

/// The whole of a test program's `main`.
pub fn run(tests: Vec<Test>) -> ExitCode {
    // Before anything starts a thread.
    let privileges = privileges::obtain();
    let mut arguments = Arguments::from_args();
    // Most of a test's time it waits: for the kernel, for a lease, for a deadline.
    if arguments.test_threads.is_none() {
        arguments.test_threads = std::thread::available_parallelism().ok().map(|cores| cores.get() * AT_ONCE_PER_CORE);
    }
    let is_selected = match record::selection() {
        Ok(is_selected) => is_selected,
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::FAILURE;
        }
    };
    let trials = tests
        .into_iter()
        .filter(|test| is_selected(&test.name))
        .map(|Test { name, body }| {
            Trial::ignorable_test(name.clone(), move || {
                let calls = Calls::default();
                let result = match privileges {
                    Privileges::None(reason) => Err(skip(reason.clone())),
                    _ => in_thread(body, calls.clone()),
                };
                judge(&name, result, &calls)
            })
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Namespaces belong to threads, and the harness uses its own again: a thread per test.
fn in_thread(body: Box<dyn FnOnce() -> Result<()> + Send>, calls: Calls) -> Result<()> {
    let thread = std::thread::Builder::new().name("test".into()).spawn(move || {
        calls.begin();
        catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            Err(anyhow::anyhow!(text.unwrap_or_else(|| "panicked".into())))
        })
    })?;
    thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the test's thread died")))
}

fn judge(name: &str, result: Result<()>, calls: &Calls) -> Result<Completion, Failed> {
    let (outcome, reason, verdict) = match result {
        Ok(()) => ("passed", String::new(), Ok(Completion::Completed)),
        Err(error) => match error.downcast_ref::<Skipped>() {
            // The harness prints it behind the test's name.
            Some(reason) => ("skipped", reason.0.clone(), Ok(Completion::ignored_with(reason))),
            None => ("failed", format!("{error:#}"), Err(Failed::from(format!("{error:#}")))),
        },
    };
    record::write(name, outcome, &reason, calls).map_err(|error| Failed::from(format!("{error:#}")))?;
    verdict
}
