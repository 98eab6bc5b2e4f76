//! A component built for wasm32-wasip2 runs, and WASI gives it nothing of the host.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::process::{Command, ExitCode};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_tests::{Call, Host, Programs, programs, run, test};

fn main() -> ExitCode {
    run(vec![
        test("a_wasi_component_inherits_nothing", inherits_nothing),
        test("what_a_wasi_component_prints_goes_to_the_log_and_never_into_the_answer", output_is_logged),
        test("the_bundled_plugins_import_no_wasi", bundled_plugins_import_no_wasi),
    ])
}

fn call(host: &Host) -> Result<Call> {
    let directory = host.directory("bin")?;
    let dist = programs::dist();
    let installed = Command::new(dist.join("bin/weir"))
        .args(["install", "--grant-requested", "--bin-dir"])
        .arg(&directory)
        .arg(dist.join("guests/wasi-probe.wasm"))
        .output()?;
    ensure!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    let container = host.container("c1")?;
    let config = json!({"cniVersion": "1.1.0", "name": "net", "type": "wasi-probe"});
    let programs = Programs::of(directory);
    Ok(Call::new(&programs, "wasi-probe", "ADD")?
        .container(&container)
        .env("WEIR_LOG", "info")
        .env("SECRET", "1")
        .config(&config))
}

fn inherits_nothing(host: &Host) -> Result<()> {
    let error = call(host)?.error()?;
    ensure!(error.code == 142, "{error:?}");
    let report: Value = serde_json::from_str(&error.msg)?;
    let expected = json!({
        "arguments": 0, "variables": 0, "input": 0, "root": false, "passwd": false, "write": false,
        "connect": false, "listen": false, "resolve": false, "clock": true
    });
    ensure!(report == expected, "it reports {report}");
    Ok(())
}

fn output_is_logged(host: &Host) -> Result<()> {
    let answer = call(host)?.run()?;
    answer.error()?;
    for place in ["standard output", "standard error"] {
        let line = format!("weir: wasi-probe: info: probe says hello on {place}");
        ensure!(answer.stderr.lines().any(|l| l == line), "no line {line:?} in {}", answer.stderr);
    }
    Ok(())
}

fn bundled_plugins_import_no_wasi(_: &Host) -> Result<()> {
    let dist = programs::dist();
    for plugin in ["loopback", "bridge", "host-local", "static", "portmap", "tuning"] {
        let path = dist.join(format!("plugins/{plugin}.wasm"));
        let report = Command::new(dist.join("bin/weir")).args(["inspect", "--json"]).arg(path).output()?;
        let report: Value = serde_json::from_slice(&report.stdout)?;
        ensure!(report["wasi"] == json!(false), "{report}");
        ensure!(report["manifest"]["name"] == json!(plugin), "{report}");
    }
    Ok(())
}
