//! A native plugin before or after one of ours in a chain, and under one of ours as IPAM.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_tests::traffic::{self, Server};
use weir_tests::{Chain, Container, Host, Programs, configs, residue, run, test};

fn main() -> ExitCode {
    run(vec![
        test("our_bridge_then_native_tuning_and_portmap", |host| mixed(host, &["bridge"])),
        test("native_bridge_then_our_tuning_and_portmap", |host| mixed(host, &["tuning", "portmap"])),
        test("our_tuning_between_native_plugins", |host| mixed(host, &["tuning"])),
        test("our_portmap_at_the_end_of_native_plugins", |host| mixed(host, &["portmap"])),
        test("native_bridge_over_our_host_local", native_over_ours),
        test("native_ptp_over_our_host_local_then_our_portmap", native_ptp),
    ])
}

/// Directories with links to the chosen programs, so that a type is found in one place only.
fn choose(host: &Host, ours: &[&str], all: &[&str]) -> Result<(Programs, Programs)> {
    let (weir, native) = (Programs::weir()?, Programs::native()?);
    let others = host.directory("native")?;
    for plugin in all.iter().filter(|plugin| !ours.contains(plugin)) {
        std::os::unix::fs::symlink(native.find(plugin)?, others.join(plugin))?;
    }
    Ok((weir, Programs::of(others)))
}

/// The chain of bridge, tuning and portmap; these types are ours, the rest is native. A runtime has both directories
/// in CNI_PATH.
struct Mixed {
    chain: Chain,
    ours: Vec<String>,
    weir: Programs,
    native: Programs,
}

impl Mixed {
    fn each(&self, command: &str, container: &Container, result: &Value, plugin: &Value) -> Result<Value> {
        let kind = plugin["type"].as_str().unwrap();
        let mut chain = self.chain.clone();
        let ours = self.ours.iter().any(|name| name == kind);
        chain.programs = if ours { self.weir.clone() } else { self.native.clone() };
        // IPAM is looked up in CNI_PATH.
        let path = format!("{}:{}:/usr/lib/cni", chain.programs.cni_path(), self.native.cni_path());
        chain.call(command, plugin, result)?.container(container).env("CNI_PATH", path).ok()
    }

    fn add(&self, container: &Container) -> Result<Value> {
        let mut result = Value::Null;
        for plugin in &self.chain.plugins {
            result = self.each("ADD", container, &result, plugin)?;
        }
        Ok(result)
    }

    fn check(&self, container: &Container, result: &Value) -> Result<()> {
        for plugin in &self.chain.plugins {
            let kind = plugin["type"].as_str().unwrap();
            // Debian's portmap does not recognise its own rules as its iptables prints them.
            if kind != "portmap" || self.ours.iter().any(|name| name == kind) {
                self.each("CHECK", container, result, plugin)?;
            }
        }
        Ok(())
    }

    fn del(&self, container: &Container, result: &Value) -> Result<()> {
        for plugin in self.chain.plugins.iter().rev() {
            self.each("DEL", container, result, plugin)?;
        }
        Ok(())
    }
}

fn mixed(host: &Host, ours: &[&str]) -> Result<()> {
    let (weir, native) = choose(host, ours, &["bridge", "host-local", "tuning", "portmap"])?;
    let outside = host.outside()?.namespace;
    let bridge = configs::with(&configs::bridge(&["10.60.0.0/24", "fd00:60::/64"]), json!({"ipMasq": true}));
    let tuning = configs::with(&configs::tuning(), json!({"mac": "02:11:22:33:44:66"}));
    let chain = Chain::new(&weir, "net", &[bridge, tuning, configs::portmap("iptables")])
        .version("1.0.0")
        .capabilities(json!({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}));
    let mixed = Mixed { chain, ours: ours.iter().map(ToString::to_string).collect(), weir, native };
    let one = host.container("one")?;
    let result = mixed.add(&one)?;
    ensure!(one.link("eth0")?["address"] == "02:11:22:33:44:66", "{}", one.link("eth0")?);
    mixed.check(&one, &result)?;
    let _server = Server::start(&one, 80)?;
    for end in ["192.0.2.1", "2001:db8:ff::1"] {
        traffic::tcp(&outside, end, 8080).with_context(|| format!("to {end}"))?;
    }
    for there in ["192.0.2.2", "2001:db8:ff::2"] {
        traffic::ping(&one, there)?;
    }
    mixed.del(&one, &result)?;
    mixed.del(&one, &result).context("again")?;
    let mut words = residue::addresses(&result);
    words.push("one".into());
    residue::assert_none(host, &words)
}

/// The native bridge executes host-local from CNI_PATH: ours, by its name there.
fn native_over_ours(host: &Host) -> Result<()> {
    over_ours(host, &["bridge"], &[configs::bridge(&["10.61.0.0/24"])], "10.61.0.2")
}

fn native_ptp(host: &Host) -> Result<()> {
    let ptp = json!({"type": "ptp", "ipMasq": true, "ipam": configs::host_local(&["10.62.0.0/24"])});
    let ptp = configs::with(
        &ptp,
        json!({"ipam": {
            "type": "host-local", "dataDir": "/run/test/ipam", "ranges": [[{"subnet": "10.62.0.0/24"}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        }}),
    );
    over_ours(host, &["ptp"], &[ptp, configs::portmap("nftables")], "10.62.0.2")
}

fn over_ours(host: &Host, native: &[&str], plugins: &[Value], address: &str) -> Result<()> {
    let outside = host.outside()?.namespace;
    let (weir, others) = choose(host, &["host-local", "portmap"], &[native, &["host-local", "portmap"]].concat())?;
    let programs = others.then(weir);
    let chain = Chain::new(&programs, "net", plugins)
        .version("1.0.0")
        .capabilities(json!({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}));
    let one = host.container("one")?;
    let result = chain.add(&one)?;
    ensure!(residue::addresses(&result) == [address], "{result}");
    ensure!(host.leases(Path::new("/run/test/ipam"), "net")? == [address]);
    chain.check(&one, &result)?;
    traffic::ping_here(address)?;
    if plugins.len() > 1 {
        let _server = Server::start(&one, 80)?;
        traffic::tcp(&outside, "192.0.2.1", 8080)?;
    }
    chain.del(&one, &result)?;
    residue::assert_none(host, &[address.into(), "one".into()])
}
