//! `make bench`: how long `weir-cni` takes from being executed to its end, beside the native plugins.
//!
//! Both run in one go, in turn, each in namespaces of its own, so that whatever else the machine does falls on both.

mod attachments;
mod cases;
mod options;
mod report;
mod same_logic;
mod sandbox;
mod side;
mod statistics;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use weir_tests::Programs;
use weir_tests::privileges::{self, Privileges};

use cases::Case;
use options::Options;
use report::Row;
use side::Side;
use statistics::Statistics;

/// Runs of each case that do not count: they fill caches and make what stays, such as the bridge.
const WARM_UP: usize = 3;
/// What the kernel cleans up after one run is not to be felt by the next.
const PAUSE: Duration = Duration::from_millis(15);

fn main() -> ExitCode {
    // Before anything starts a thread.
    let privileges = privileges::obtain();
    match run(privileges) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(privileges: &Privileges) -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    if let Privileges::None(reason) = privileges {
        bail!("{reason}");
    }
    let native = options.native_programs()?;
    let weir = Programs::weir()?;
    let cases: Vec<_> = cases::all().into_iter().filter(|case| options.wants(case)).collect();
    let sandbox = "sandbox, bridge ADD and DEL".contains(&options.only);
    let many = attachments::NAME.contains(&options.only);
    if cases.is_empty() && !sandbox && !many {
        bail!("no case has this in its name; known are: {}", names(&cases::all()));
    }
    println!("native: {}, weir-cni: {}, {} runs of each", native.cni_path(), weir.cni_path(), options.runs);
    println!("{}", report::header());
    let mut rows = Vec::new();
    for case in &cases {
        let measured = measure(case, &native, &weir, options.runs).with_context(|| case.rows.join(", "))?;
        for row in measured {
            println!("{row}");
            rows.push(row);
        }
    }
    if sandbox {
        same_logic::run(options.runs, |row| {
            println!("{row}");
            rows.push(row);
        })?;
    }
    let costs = if sandbox { sandbox::measure(options.runs).context("sandbox")? } else { Vec::new() };
    for cost in &costs {
        println!("{}", cost.lines());
    }
    let scales = if many { attachments::measure(options.runs).context(attachments::NAME)? } else { Vec::new() };
    for scale in &scales {
        println!("{}", scale.line());
    }
    if let Some(file) = &options.json {
        std::fs::write(file, report::json(&rows, &costs, &scales, &options).to_string())
            .with_context(|| format!("write {}", file.display()))?;
    }
    Ok(())
}

fn names(cases: &[Case]) -> String {
    cases.iter().flat_map(|case| case.rows.iter().copied()).collect::<Vec<_>>().join(", ")
}

/// Run a case on both sides in turn.
fn measure(case: &Case, native: &Programs, weir: &Programs, runs: usize) -> Result<Vec<Row>> {
    let native = Side::start(case.clone(), native.clone()).context("native")?;
    let weir = Side::start(case.clone(), weir.clone()).context("weir-cni")?;
    let mut times = vec![(Vec::with_capacity(runs), Vec::with_capacity(runs)); case.rows.len()];
    for run in 0..WARM_UP + runs {
        // Who comes second finds the caches of the processor as the first left them.
        let (of_native, of_weir) = if run % 2 == 0 {
            let of_native = native.once().context("native")?;
            (of_native, weir.once().context("weir-cni")?)
        } else {
            let of_weir = weir.once().context("weir-cni")?;
            (native.once().context("native")?, of_weir)
        };
        if run >= WARM_UP {
            for ((native, weir), times) in of_native.into_iter().zip(of_weir).zip(&mut times) {
                times.0.push(native);
                times.1.push(weir);
            }
        }
    }
    let notes = native.finish()?;
    weir.finish()?;
    let row = |(name, (native, weir)): (&&'static str, (Vec<_>, Vec<_>))| Row {
        name,
        native: Statistics::of(native),
        weir: Statistics::of(weir),
        note: notes.clone(),
    };
    Ok(case.rows.iter().zip(times).map(row).collect())
}
