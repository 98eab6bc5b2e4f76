//! The process that runs plugins in itself stays what it was.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use weir_tests::configs::{alone, bridge, with};
use weir_tests::{Call, Host, Programs};

/// Commands of one round, below.
const OF_ROUND: usize = 8;
const WARM_UP: usize = 40;
const ROUNDS: usize = 2_000 / OF_ROUND;
/// Less than 2 KiB for each command.
const GROWTH_KIB: u64 = 4 << 10;
const PATIENCE: Duration = Duration::from_secs(20);

/// What a process holds.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    threads: usize,
    descriptors: usize,
    children: usize,
}

struct Process(PathBuf);

impl Process {
    fn of(programs: &Programs) -> Result<Self> {
        let id = programs.embedding().context("no process")?.id();
        Ok(Self(Path::new("/proc").join(id.to_string())))
    }

    fn held(&self) -> Result<Held> {
        let count = |what: &str| Ok::<_, anyhow::Error>(std::fs::read_dir(self.0.join(what))?.count());
        let mut children = 0;
        for task in std::fs::read_dir(self.0.join("task"))? {
            // Dead ones that nobody has waited for are in it too.
            let list = std::fs::read_to_string(task?.path().join("children")).unwrap_or_default();
            children += list.split_whitespace().count();
        }
        Ok(Held { threads: count("task")?, descriptors: count("fd")?, children })
    }

    /// Once what is done in the background is done.
    fn at_rest(&self) -> Result<Held> {
        let start = Instant::now();
        loop {
            let held = self.held()?;
            if held.threads == 1 || start.elapsed() > PATIENCE {
                return Ok(held);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn status(path: &Path, key: &str) -> Result<String> {
        let text = std::fs::read_to_string(path.join("status"))?;
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        Ok(value.with_context(|| format!("no {key} in {text}"))?.trim().to_owned())
    }

    fn resident_kib(&self) -> Result<u64> {
        let text = Self::status(&self.0, "VmRSS")?;
        text.trim_end_matches(" kB").parse().with_context(|| text.clone())
    }
}

pub(crate) fn as_it_was(host: &Host) -> Result<()> {
    let programs = Programs::weir()?.in_process(host)?;
    let (container, process) = (host.container("one")?, Process::of(&programs)?);
    let config = alone("1.1.0", &bridge(&["10.94.0.0/24"]));
    let call = |plugin: &str, command: &str, keys: Value| -> Result<Call> {
        Ok(Call::new(&programs, plugin, command)?.container(&container).config(&with(&config, keys)))
    };
    let round = || -> Result<()> {
        let result = call("bridge", "ADD", json!({}))?.ok()?;
        let previous = || json!({ "prevResult": result });
        call("bridge", "CHECK", previous())?.ok()?;
        // It fails when the link is there already, and is rolled back.
        call("bridge", "ADD", json!({}))?.error()?;
        call("bridge", "STATUS", json!({}))?.ok()?;
        call("bridge", "VERSION", json!({}))?.ok()?;
        call("bridge", "GC", json!({"cni.dev/valid-attachments": [{"containerID": "one", "ifname": "eth0"}]}))?.ok()?;
        call("firewall", "ADD", with(&previous(), json!({"backend": "nftables"})))?.ok()?;
        call("bridge", "DEL", previous())?.ok()?;
        Ok(())
    };
    for _ in 0..WARM_UP {
        round()?;
    }
    let (before, resident) = (process.at_rest()?, process.resident_kib()?);
    for number in 0..ROUNDS {
        round().with_context(|| format!("round {number}"))?;
    }
    let (after, now) = (process.at_rest()?, process.resident_kib()?);
    println!("{} commands: {before:?} {resident} KiB before, {after:?} {now} KiB after", ROUNDS * OF_ROUND);
    ensure!(before == after && after.children == 0 && after.threads == 1, "before {before:?}, after {after:?}");
    ensure!(now < resident + GROWTH_KIB, "memory grew from {resident} to {now} KiB");
    Ok(())
}

/// While a command waits for a lock, its thread is the one that has given up rights; afterwards nothing of it is left.
pub(crate) fn confined(host: &Host) -> Result<()> {
    const RIGHTS: [&str; 4] = ["Seccomp", "NoNewPrivs", "CapEff", "CapPrm"];
    let programs = Programs::weir()?.in_process(host)?;
    let (container, process) = (host.container("one")?, Process::of(&programs)?);
    let call = Call::new(&programs, "bridge", "ADD")?.container(&container);
    let call = call.config(&alone("1.1.0", &bridge(&["10.95.0.0/24"])));
    let rights = |task: &Path| RIGHTS.iter().map(|key| Process::status(task, key)).collect::<Result<Vec<_>>>();
    let before = rights(&process.0)?;
    let lock = File::create(host.directory("ipam/net")?.join("lock"))?;
    lock.lock()?;
    let seen = std::thread::scope(|scope| {
        let running = scope.spawn(|| call.ok());
        let start = Instant::now();
        let of_command = loop {
            ensure!(start.elapsed() < PATIENCE, "no thread of the command is seen confined");
            let mut found = None;
            let mut others = BTreeSet::new();
            for task in std::fs::read_dir(process.0.join("task"))? {
                let task = task?.path();
                let name = std::fs::read_to_string(task.join("comm")).unwrap_or_default();
                match (name.trim(), rights(&task)) {
                    ("weir bridge", Ok(rights)) if rights[0] == "2" => found = Some(rights),
                    // What the command itself has started, to wait for the lock.
                    ("store-lock" | "weir bridge", _) | (_, Err(_)) => {}
                    (_, Ok(rights)) => drop(others.insert(rights)),
                }
            }
            if let Some(found) = found {
                ensure!(others == BTreeSet::from([before.clone()]), "other threads: {others:?}, before: {before:?}");
                break found;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        lock.unlock()?;
        running.join().unwrap_or_else(|_| Err(anyhow!("it panicked")))?;
        Ok(of_command)
    })?;
    ensure!(seen[0] == "2" && seen[1] == "1", "{seen:?}");
    let bits = |text: &str| u64::from_str_radix(text, 16).unwrap_or(u64::MAX).count_ones();
    ensure!(bits(&seen[2]) < bits(&before[2]) && bits(&seen[3]) <= 5, "capabilities: {seen:?}, before: {before:?}");
    ensure!(rights(&process.0)? == before, "the process has given up rights");
    // It can still do what the thread could not: start programs.
    let executed = Call::new(&programs.then(Programs::of("/usr/bin")), "true", "VERSION")?.run()?;
    ensure!(executed.status == Some(0), "{executed:?}");
    Ok(())
}
