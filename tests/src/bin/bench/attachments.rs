//! What many attachments in the cache cost: `weir attachments`, `weir gc` with all of them valid, and `weir status`.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use weir_tests::configs::{bridge, portmap};
use weir_tests::runtime::{Runtime, succeed};
use weir_tests::{Container, Host, Programs};

use crate::statistics::Statistics;

/// What `--only` finds it by.
pub(crate) const NAME: &str = "cached attachments";
const COUNTS: [usize; 4] = [625, 1_250, 2_500, 5_000];
const COMMANDS: [&str; 3] = ["attachments", "gc", "status"];
/// More runs tell no more.
const MOST_RUNS: usize = 20;
const NETWORK: &str = "many";

/// One number of attachments.
#[derive(Debug)]
pub(crate) struct Scale {
    count: usize,
    times: [Statistics; COMMANDS.len()],
    together: Statistics,
}

impl Scale {
    /// As a line for people.
    pub(crate) fn line(&self) -> String {
        let times = COMMANDS.iter().zip(&self.times);
        let parts: Vec<_> = times.map(|(name, time)| format!("{name} {:.1}", milliseconds(time.median))).collect();
        format!(
            "{} {NAME}: {:.1} ms (p90 {:.1}), {:.1} µs each; medians [ms]: {}",
            self.count,
            milliseconds(self.together.median),
            milliseconds(self.together.p90),
            1e3 * milliseconds(self.together.median) / self.count as f64,
            parts.join(", ")
        )
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let times: serde_json::Map<String, Value> = COMMANDS
            .iter()
            .zip(&self.times)
            .map(|(name, time)| ((*name).to_owned(), json!(milliseconds(time.median))))
            .collect();
        json!({"attachments": self.count, "medians": times, "together": milliseconds(self.together.median)})
    }
}

/// Measure, on a host of its own.
pub(crate) fn measure(runs: usize) -> Result<Vec<Scale>> {
    let thread = std::thread::spawn(move || -> Result<Vec<Scale>> {
        let host = Host::new()?;
        let mut runtime = Runtime::new(&host, &Programs::weir()?)?;
        runtime.network(NETWORK, "1.1.0", &[bridge(&["10.1.0.0/16"]), portmap("nftables")])?;
        let container = host.container("model")?;
        runtime.run("add", NETWORK, &container)?;
        COUNTS.iter().map(|&count| scale(&mut runtime, &container, count, runs.min(MOST_RUNS))).collect()
    });
    thread.join().map_err(|_| anyhow!("it panicked"))?
}

fn scale(runtime: &mut Runtime, model: &Container, count: usize, runs: usize) -> Result<Scale> {
    // A real attachment, copied: each is a container's that lives.
    let results = runtime.cache_dir.join("results");
    let file = |id: &str| results.join(format!("{NETWORK}-{id}-eth0"));
    let text = fs::read_to_string(file(&model.id)).context("read the model")?;
    let mut valid = vec![model.id.clone()];
    for number in 1..count {
        let id = format!("{}-{number:05}", model.id);
        let quoted = |id: &str| format!("\"containerId\":\"{id}\"");
        fs::write(file(&id), text.replace(&quoted(&model.id), &quoted(&id)))?;
        valid.push(id);
    }
    let valid: Vec<_> = valid.iter().map(String::as_str).collect();
    let mut times: [Vec<Duration>; COMMANDS.len()] = Default::default();
    let mut together = Vec::new();
    for _ in 0..runs {
        let mut commands = [
            runtime.command("attachments", &[]),
            runtime.gc_command(NETWORK, &valid)?,
            runtime.command("status", &[NETWORK.as_ref()]),
        ];
        let mut sum = Duration::ZERO;
        for (command, times) in commands.iter_mut().zip(&mut times) {
            let start = Instant::now();
            succeed(command)?;
            let time = start.elapsed();
            times.push(time);
            sum += time;
        }
        together.push(sum);
    }
    ensure!(runtime.cached()?.len() == count, "GC has removed what is valid");
    Ok(Scale { count, times: times.map(Statistics::of), together: Statistics::of(together) })
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
