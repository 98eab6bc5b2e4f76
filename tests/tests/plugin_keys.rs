//! Every key of every plugin does something that the kernel, or the result, shows.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "plugin_keys/bridge.rs"]
mod bridge;
#[path = "plugin_keys/ipam.rs"]
mod ipam;
#[path = "plugin_keys/portmap.rs"]
mod portmap;
#[path = "plugin_keys/tuning.rs"]
mod tuning;

use std::process::ExitCode;

use anyhow::{Result, bail};
use serde_json::Value;
use weir_tests::{Chain, Host, Programs, run};

fn main() -> ExitCode {
    let tests = bridge::tests().into_iter().chain(ipam::tests()).chain(tuning::tests()).chain(portmap::tests());
    run(tests.collect())
}

/// A network of one plugin or more.
fn network(plugins: &[Value]) -> Result<Chain> {
    Ok(Chain::new(&Programs::weir()?, "net", plugins))
}

/// The bridge port at which a result's container is.
fn port(host: &Host, result: &Value) -> Result<Value> {
    for interface in result["interfaces"].as_array().into_iter().flatten() {
        let name = interface["name"].as_str().unwrap_or_default();
        if name.starts_with("veth") {
            let links = host.json("ip", ["-json", "-details", "link", "show", "dev", name])?;
            return Ok(links[0].clone());
        }
    }
    bail!("no host end in {result}")
}
