//! What the sandbox costs: of a bridge ADD and DEL, the time that is not spent in the host's own work.
//!
//! With `WEIR_TIMES=1` weir-cni says what it was busy with. `contract` and `calls` are what a native program with the same
//! logic does as well: read, check and print, and ask the kernel. `load`, `instantiate`, `guest`, `broker` and `confine` are
//! the sandbox. `guest` is the plugin's own logic, which a native program would run too, though somewhat quicker; so the
//! sum is what the sandbox costs at most. Where the code runs in a process of its own, `guest` holds the messages and the end of
//! that process, too.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use weir_tests::configs::{alone, bridge, with};
use weir_tests::{Answer, Call, Host, Programs};

use crate::statistics::Statistics;
use crate::{PAUSE, WARM_UP};

/// What is measured of each run: all phases, and the whole process.
const COLUMNS: [&str; 8] = ["load", "instantiate", "guest", "broker", "confine", "contract", "calls", "process"];
/// The columns that are the sandbox.
const SANDBOX: usize = 5;

/// One command.
#[derive(Debug)]
pub(crate) struct Cost {
    name: &'static str,
    columns: [Statistics; COLUMNS.len()],
    sandbox: Statistics,
}

impl Cost {
    fn of(name: &'static str, runs: &[[Duration; COLUMNS.len()]]) -> Self {
        let column = |index: usize| Statistics::of(runs.iter().filter_map(|run| run.get(index).copied()).collect());
        let sandbox = runs.iter().map(|run| run.iter().take(SANDBOX).sum()).collect();
        Self { name, columns: std::array::from_fn(column), sandbox: Statistics::of(sandbox) }
    }

    /// As lines for people.
    pub(crate) fn lines(&self) -> String {
        let process = self.columns.last().map(|all| all.median).unwrap_or_default();
        let share = 100.0 * self.sandbox.median.as_secs_f64() / process.as_secs_f64();
        let parts: Vec<_> = COLUMNS
            .iter()
            .zip(&self.columns)
            .map(|(name, column)| format!("{name} {:.3}", milliseconds(column.median)))
            .collect();
        format!(
            "{}: sandbox {:.3} ms (p90 {:.3}), {share:.1} % of {:.3} ms\n  medians [ms]: {}",
            self.name,
            milliseconds(self.sandbox.median),
            milliseconds(self.sandbox.p90),
            milliseconds(process),
            parts.join(", ")
        )
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let mut columns: serde_json::Map<String, Value> = COLUMNS
            .iter()
            .zip(&self.columns)
            .map(|(name, column)| ((*name).to_owned(), json!(milliseconds(column.median))))
            .collect();
        columns.insert("sandbox".to_owned(), json!(milliseconds(self.sandbox.median)));
        json!({"name": self.name, "medians": columns})
    }
}

/// Measure, on a host of its own: with the code of plugins in the process that acts for them, and in one of its own.
pub(crate) fn measure(runs: usize) -> Result<Vec<Cost>> {
    let mut costs = measure_in(Programs::weir()?, ["sandbox, bridge ADD", "sandbox, bridge DEL"], runs)?;
    let names = ["isolation in a process, bridge ADD", "isolation in a process, bridge DEL"];
    costs.extend(measure_in(Programs::isolated()?, names, runs)?);
    Ok(costs)
}

fn measure_in(programs: Programs, [add_name, del_name]: [&'static str; 2], runs: usize) -> Result<Vec<Cost>> {
    let thread = std::thread::spawn(move || -> Result<Vec<Cost>> {
        let host = Host::new()?;
        let container = host.container("measured")?;
        let config = alone("1.0.0", &bridge(&["10.1.0.0/16"]));
        let call = |command| -> Result<Call> {
            Ok(Call::new(&programs, "bridge", command)?.container(&container).env("WEIR_TIMES", "1"))
        };
        let (add, del) = (call("ADD")?.config(&config), call("DEL")?);
        let (mut adds, mut dels) = (Vec::new(), Vec::new());
        for run in 0..WARM_UP + runs {
            let (answer, added) = once(&add)?;
            std::thread::sleep(PAUSE);
            let (_, deleted) = once(&del.clone().config(&with(&config, json!({"prevResult": answer.ok()?}))))?;
            std::thread::sleep(PAUSE);
            if run >= WARM_UP {
                adds.push(added);
                dels.push(deleted);
            }
        }
        Ok(vec![Cost::of(add_name, &adds), Cost::of(del_name, &dels)])
    });
    thread.join().map_err(|_| anyhow!("it panicked"))?
}

fn once(call: &Call) -> Result<(Answer, [Duration; COLUMNS.len()])> {
    let start = Instant::now();
    let answer = call.run()?;
    let process = start.elapsed();
    ensure!(answer.status == Some(0), "it failed: {answer:?}");
    let line = answer.stderr.lines().find(|line| line.starts_with("{\"weirTimes\"")).context("no times were told")?;
    let times: Value = serde_json::from_str(line)?;
    let of = |name: &&str| {
        let time = times.pointer(&format!("/weirTimes/{name}")).and_then(Value::as_u64);
        time.map_or(process, Duration::from_micros)
    };
    let columns = COLUMNS.each_ref().map(of);
    Ok((answer, columns))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
