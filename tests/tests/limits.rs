//! The limits of the sandbox hold: a plugin that does not stop, takes too much or falls over is refused with a clear
//! error, and the host program ends well. And the limit matrix: for each limit that a grant can set, a plugin that needs
//! exactly so much succeeds, and with one less it is stopped with an error that names the limit.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[allow(dead_code, unreachable_pub, unused_imports, reason = "the host's own list of limits; only the list is used")]
#[path = "../../host/src/broker/limits.rs"]
mod grantable;
#[path = "limits/lab.rs"]
mod lab;
#[path = "limits/matrix.rs"]
mod matrix;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use weir_tests::{Host, run, test};

use lab::Lab;

/// What the plugin does, and a word of the error that says so.
const DEEDS: &[(&str, &str)] = &[
    ("spin", "units of computing"),
    // The stack that the compiler keeps in memory ends before the engine's own does.
    ("recurse", "out of bounds memory access"),
    ("grow", "used more than 67108864 bytes of memory"),
    ("panic", "panicked or aborted"),
    ("call", "made more than 100000 host calls"),
    ("sleep", "did not finish within 500 ms"),
    ("long-result", "returned a result of more than 1048576 bytes"),
];

fn main() -> ExitCode {
    let mut tests: Vec<_> = DEEDS
        .iter()
        .map(|&(deed, word)| test(format!("{deed}_is_stopped_with_an_error"), move |host| stopped(host, deed, word)))
        .collect();
    tests.push(test("without_a_deed_the_same_plugin_succeeds", |host| {
        Lab::new(host)?.call("none", 0)?.ok()?;
        Ok(())
    }));
    tests.extend(
        matrix::rows().into_iter().map(|(key, row)| test(format!("matrix::{key}"), move |host| row(&Lab::new(host)?))),
    );
    tests.push(test("no_value_above_a_ceiling_is_taken", |host| {
        let lab = Lab::new(host)?;
        lab.limit(&json!({"wallTimeMs": 600_001}))?;
        let error = lab.call("none", 0)?.error()?;
        ensure!(error.code == 100 && error.msg.contains("600000"), "{error:?}");
        Ok(())
    }));
    run(tests)
}

fn stopped(host: &Host, deed: &str, word: &str) -> Result<()> {
    let lab = Lab::new(host)?;
    if deed == "sleep" {
        lab.limit(&json!({"wallTimeMs": 500}))?;
    }
    let started = Instant::now();
    let error = lab.call(deed, 0)?.error()?;
    ensure!(error.code == 102 && error.msg.contains("unruly"), "{error:?}");
    ensure!(error.msg.contains(word), "{error:?}");
    ensure!(deed != "sleep" || started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    Ok(())
}
