//! The limits of the sandbox hold: a plugin that does not stop, takes too much or falls over is refused with a clear
//! error, and the host program ends well.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::{Command, ExitCode};

use anyhow::{Result, ensure};
use serde_json::json;
use weir_tests::{Call, Host, Programs, programs, run, test};

/// What the plugin does, and a word of the error that says so.
const DEEDS: &[(&str, &str)] = &[
    ("spin", "units of computing"),
    // The stack that the compiler keeps in memory ends before the engine's own does.
    ("recurse", "out of bounds memory access"),
    ("grow", "panicked or aborted"),
    ("panic", "panicked or aborted"),
    ("call", "host calls"),
    ("sleep", "did not finish within"),
    ("long-result", "more than 1048576 bytes"),
];

fn main() -> ExitCode {
    let mut tests: Vec<_> = DEEDS
        .iter()
        .map(|&(deed, word)| test(format!("{deed}_is_stopped_with_an_error"), move |host| stopped(host, deed, word)))
        .collect();
    tests.push(test("without_a_deed_the_same_plugin_succeeds", |host| {
        call(host, "none")?.ok()?;
        Ok(())
    }));
    run(tests)
}

fn call(host: &Host, deed: &str) -> Result<Call> {
    let directory = host.directory("bin")?;
    let dist = programs::dist();
    let installed = Command::new(dist.join("bin/weir"))
        .args(["install", "--grant-requested", "--bin-dir"])
        .arg(&directory)
        .arg(dist.join("guests/unruly.wasm"))
        .output()?;
    ensure!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    let container = host.container("c1")?;
    let config = json!({"cniVersion": "1.1.0", "name": "net", "type": "unruly", "deed": deed});
    Ok(Call::new(&Programs::of(directory), "unruly", "ADD")?.container(&container).config(&config))
}

fn stopped(host: &Host, deed: &str, word: &str) -> Result<()> {
    let error = call(host, deed)?.error()?;
    ensure!(error.code == 102 && error.msg.contains("unruly"), "{error:?}");
    ensure!(error.msg.contains(word), "{error:?}");
    Ok(())
}
