//! What is asked: flags, variables, defaults.

use std::fs;
use std::os::unix::fs::symlink;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_tests::Host;
use weir_tests::configs::with;
use weir_tests::operator::{Operator, network_file, said};

use crate::{NETNS, operator, recorder};

pub(crate) fn precedence(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    let other = Operator::new(host, "other")?;
    other.network("blue", &[with(&recorder(), json!({"from": "other"}))])?;
    let cache = desk.at("cache");
    let env = |desk: Operator| {
        desk.env("NETCONFPATH", other.at("net.d"))
            .env("CNI_PATH", other.at("bin"))
            .env("CNI_IFNAME", "env0")
            .env("CNI_ARGS", "A=env;B=2")
            .env("CAP_ARGS", r#"{"mac": "02:00:00:00:00:01", "ips": ["192.0.2.1/24"]}"#)
    };
    let desk = env(desk);
    // By variables alone.
    let output = desk.bare(&["add", "blue", NETNS, "--cache-dir", &cache]).output()?;
    ensure!(output.status.success(), "{}", said(&output));
    let call = other.calls()?.pop().unwrap();
    ensure!(call.input["from"] == "other" && call.path == other.at("bin"), "{call:?}");
    ensure!(call.ifname == "env0" && call.args == "A=env;B=2" && call.netns == NETNS, "{call:?}");
    // What the plugin does not declare it does not get.
    ensure!(call.input["runtimeConfig"] == json!({"mac": "02:00:00:00:00:01"}), "{call:?}");
    // A flag for each of them.
    let (conf, bin) = (desk.at("net.d"), desk.at("bin"));
    let flags = ["--conf-dir", &conf, "--path", &bin, "--ifname", "flag0", "--args", "A=flag", "--cap-args"];
    let rest = [r#"{"mac": "02:00:00:00:00:02"}"#, "--container-id", "flagged"];
    for command in ["add", "check", "del"] {
        let said_all = [&[command, "blue", NETNS, "--cache-dir", &cache], flags.as_slice(), &rest].concat();
        let output = desk.bare(&said_all).output()?;
        ensure!(output.status.success(), "{command}: {}", said(&output));
        let call = desk.calls()?.pop().unwrap();
        ensure!(call.command == command.to_uppercase() && call.path == bin, "{call:?}");
        ensure!(call.ifname == "flag0" && call.args == "A=flag" && call.container_id == "flagged", "{call:?}");
        ensure!(call.input["runtimeConfig"] == json!({"mac": "02:00:00:00:00:02"}), "{call:?}");
        ensure!(call.input.get("from").is_none(), "{call:?}");
    }
    ensure!(other.calls()?.is_empty(), "the other directory was used");
    Ok(())
}

pub(crate) fn defaults(host: &Host) -> Result<()> {
    // An empty variable is one that is not set.
    let desk = operator(host)?.env("NETCONFPATH", "").env("CNI_PATH", "").env("CNI_IFNAME", "").env("CAP_ARGS", "");
    fs::create_dir_all("/etc/cni/net.d")?;
    fs::copy(network_file(&desk, "blue"), "/etc/cni/net.d/10-blue.conflist")?;
    symlink(desk.at("bin"), "/opt/cni/bin")?;
    let output = desk.bare(&["add", "blue", NETNS]).output()?;
    ensure!(output.status.success(), "{}", said(&output));
    let call = desk.calls()?.pop().unwrap();
    ensure!(call.ifname == "eth0" && call.args.is_empty() && call.path == "/opt/cni/bin", "{call:?}");
    let file = format!("/var/lib/cni/results/blue-{}-eth0", call.container_id);
    let entry: Value = serde_json::from_slice(&fs::read(&file)?)?;
    ensure!(entry["kind"] == "cniCacheV1" && entry["netns"] == NETNS, "{entry}");
    let output = desk.bare(&["del", "blue", NETNS]).output()?;
    ensure!(output.status.success() && !fs::exists(&file)?, "{}", said(&output));
    Ok(())
}

pub(crate) fn container_id(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    // printf %s /var/run/netns/test | sha512sum | cut -c-20
    let expected = "cnitool-7b8a61d5d8e94d07cbe4";
    for path in ["/var/run/netns/test", "/var//run/./netns/x/../test/"] {
        desk.done(&["del", "blue", path])?;
        let call = desk.calls()?.pop().unwrap();
        ensure!(call.container_id == expected && call.netns == "/var/run/netns/test", "{call:?}");
    }
    // A relative path is made absolute.
    let output = desk.command(&["del", "blue", "netns/test"]).current_dir("/var/run").output()?;
    ensure!(output.status.success(), "{}", said(&output));
    let call = desk.calls()?.pop().unwrap();
    ensure!(call.netns.ends_with("run/netns/test") && call.netns.starts_with('/'), "{call:?}");
    Ok(())
}

pub(crate) fn wrong_arguments(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    for arguments in [
        ["add"].as_slice(),
        &["add", "blue"],
        &["add", "blue", NETNS, "more"],
        &["add", "blue", NETNS, "--no-such-flag"],
        &["add", "blue", NETNS, "--args", "A"],
        &["add", "blue", NETNS, "--args", "A=;B=1"],
        &["add", "blue", NETNS, "--cap-args", "[]"],
        &["add", "blue", NETNS, "--cap-args", "{"],
        &["add", "blue", NETNS, "--ifname", "a/b"],
        &["add", "blue", NETNS, "--ifname", "longer-than-fifteen"],
        &["add", "blue", NETNS, "--container-id", "../x"],
        &["add", "blue", NETNS, "--timeout", "10"],
        &["check", "blue"],
        &["del"],
        &["gc"],
        &["gc", "blue", "--all", "--valid", "c1"],
        &["gc", "blue", "--valid", "a/b"],
        &["gc", "blue", "--valid", "c1:"],
        &["status"],
        &["network", "show"],
        &["result", "blue"],
    ] {
        let text = desk.fails(arguments, 2)?;
        ensure!(!text.is_empty(), "{arguments:?} says nothing");
    }
    for (name, value) in [("CNI_ARGS", "A"), ("CAP_ARGS", "5"), ("CNI_IFNAME", "a b")] {
        let output = desk.command(&["add", "blue", NETNS]).env(name, value).output()?;
        ensure!(output.status.code() == Some(2) && said(&output).contains(name), "{name}: {}", said(&output));
    }
    ensure!(desk.calls()?.is_empty(), "a plugin was run");
    desk.remembers_nothing()
}
