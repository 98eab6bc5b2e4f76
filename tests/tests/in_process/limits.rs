//! Commands that take too long, and such as nobody wants any more.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use weir_tests::configs::{alone, bridge};
use weir_tests::embedding::Limits;
use weir_tests::{Call, Container, Host, Programs, Snapshot};

/// What [`weir::embedding`] waits for the end of a command that it has called off.
const GRACE: Duration = Duration::from_secs(2);
/// For a busy machine.
const SLACK: Duration = Duration::from_secs(3);
const LONG: Duration = Duration::from_secs(100);

/// A network on whose addresses somebody sits.
struct Blocked {
    programs: Programs,
    container: Container,
    lock: File,
}

impl Blocked {
    fn new(host: &Host) -> Result<Self> {
        let programs = Programs::weir()?.in_process(host)?;
        let container = host.container("one")?;
        let blocked = |lock| Self { programs, container, lock };
        let directory = host.directory("ipam/net")?;
        let blocked = blocked(File::create(directory.join("lock"))?);
        // The first attachment makes what stays.
        blocked.call("ADD")?.ok()?;
        blocked.call("DEL")?.ok()?;
        Ok(blocked)
    }

    fn call(&self, command: &str) -> Result<Call> {
        let config = alone("1.1.0", &bridge(&["10.93.0.0/24"]));
        Ok(Call::new(&self.programs, "bridge", command)?.container(&self.container).config(&config))
    }

    fn state(&self) -> Result<Snapshot> {
        let is_mark = |name: &str| name.contains("last_reserved_ip") || name.contains(".weir-index");
        Ok(Snapshot::take(&[&self.container])?.with_processes()?.without(is_mark))
    }

    /// ADD must be stopped, come back in time, and leave nothing.
    fn stopped(&self, limits: Limits, at: Duration, why: &str) -> Result<()> {
        let before = self.state()?;
        self.lock.lock()?;
        let answer = self.call("ADD")?.limits(limits).run()?;
        ensure!(answer.status.is_none() && answer.stderr.contains(why), "{answer:?}");
        ensure!(answer.took >= at && answer.took < at + GRACE + SLACK, "{answer:?}");
        self.lock.unlock()?;
        before.await_same(|| self.state()).context("what the stopped ADD has left")?;
        // And the process works on.
        self.call("ADD")?.ok()?;
        self.call("DEL")?.ok()?;
        before.await_same(|| self.state())
    }
}

pub(crate) fn time(host: &Host) -> Result<()> {
    let limit = Duration::from_millis(400);
    Blocked::new(host)?.stopped(Limits { timeout: limit, cancel_after: None }, limit, "TimedOut")
}

pub(crate) fn cancellation(host: &Host) -> Result<()> {
    let after = Duration::from_millis(300);
    let blocked = Blocked::new(host)?;
    blocked.stopped(Limits { timeout: LONG, cancel_after: Some(after) }, after, "Cancelled")?;
    // The thread that was left is gone.
    let tasks = || -> Result<usize> {
        let id = blocked.programs.embedding().context("no process")?.id();
        Ok(std::fs::read_dir(Path::new("/proc").join(id.to_string()).join("task"))?.count())
    };
    let mut patience = 100;
    while tasks()? > 1 && patience > 0 {
        std::thread::sleep(Duration::from_millis(100));
        patience -= 1;
    }
    ensure!(tasks()? == 1, "{} threads", tasks()?);
    Ok(())
}
