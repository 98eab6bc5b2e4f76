//! Networks as a whole, and containers on them.

use std::fs;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::{bridge, tuning, with};
use weir_tests::operator::{Operator, said};
use weir_tests::{Host, Snapshot, traffic};

use crate::answers::on_terminal;
use crate::{NETNS, operator, recorder};

pub(crate) fn broken_network(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    desk.file("net.d/00-broken.conflist", "{")?;
    desk.file("net.d/20-single.conf", r#"{"cniVersion": "0.4.0", "name": "single", "type": "recorder"}"#)?;
    let listed = desk.done(&["network", "list"])?;
    let names: Vec<_> = listed["networks"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    ensure!(names == [Value::Null, json!("blue"), json!("single")], "{listed}");
    ensure!(listed["networks"][0]["error"].as_str().unwrap().contains("00-broken"), "{listed}");
    let shown = on_terminal(&mut desk.command(&["network", "list"]))?;
    ensure!(shown.contains("NOT USABLE") && shown.contains("00-broken.conflist"), "{shown}");
    desk.done(&["add", "blue", NETNS])?;
    let shown = desk.done(&["network", "show", "single"])?;
    ensure!(shown["cniVersion"] == "0.4.0" && shown["config"]["plugins"][0]["type"] == "recorder", "{shown}");
    // A directory without networks, and one that is not there.
    fs::create_dir(desk.root.join("empty"))?;
    for directory in [desk.at("empty"), desk.at("missing")] {
        let output =
            desk.bare(&["network", "list", "--conf-dir", &directory, "--cache-dir", &desk.at("cache")]).output()?;
        ensure!(
            output.status.success() && serde_json::from_slice::<Value>(&output.stdout)? == json!({"networks": []}),
            "{}",
            said(&output)
        );
    }
    Ok(())
}

pub(crate) fn validate(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    desk.network("old", &[recorder()])?;
    desk.network_with("old", json!({"cniVersion": "0.2.0"}), &[recorder()])?;
    desk.network("missing", &[recorder(), json!({"type": "no-such-plugin"})])?;
    let output = desk.weir(&["network", "validate"])?;
    ensure!(output.status.code() == Some(1), "{}", said(&output));
    let document: Value = serde_json::from_slice(&output.stdout)?;
    let valid: Vec<_> = document["networks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["name"].as_str().unwrap(), one["valid"] == true))
        .collect();
    ensure!(valid == [("blue", true), ("missing", false), ("old", false)], "{document}");
    ensure!(document["networks"][1]["error"].as_str().unwrap().contains("no-such-plugin"), "{document}");
    ensure!(document["networks"][2]["error"].as_str().unwrap().contains("0.2.0"), "{document}");
    ensure!(desk.commands()?.iter().all(|command| command == "VERSION"), "something else than VERSION was run");
    Ok(())
}

pub(crate) fn status(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    desk.file("bin/fail-STATUS", r#"{"cniVersion": "1.1.0", "code": 50, "msg": "the pool is full"}"#)?;
    let output = desk.weir(&["status", "blue", NETNS])?;
    let object: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(
        output.status.code() == Some(1) && object["code"] == 50 && object["command"] == "STATUS",
        "{}",
        said(&output)
    );
    // A version without STATUS.
    desk.network_with("blue", json!({"cniVersion": "1.0.0"}), &[recorder()])?;
    desk.calls()?;
    let document = desk.done(&["status", "blue"])?;
    ensure!(document["asked"] == false && desk.calls()?.is_empty(), "{document}");
    Ok(())
}

pub(crate) fn packets(host: &Host) -> Result<()> {
    let desk = Operator::new(host, "operator")?;
    desk.network("blue", &[bridge(&["10.61.0.0/24", "fd61::/64"]), tuning()])?;
    let (a, b) = (host.container("a")?, host.container("b")?);
    let (path_a, path_b) = (a.path.display().to_string(), b.path.display().to_string());
    // What the first attachment of a network makes and all share stays.
    desk.done(&["add", "blue", &path_a])?;
    desk.done(&["del", "blue", &path_a])?;
    let state = || -> Result<Snapshot> {
        let is_mark = |name: &str| name.contains("last_reserved_ip") || name.contains(".weir-index");
        Ok(Snapshot::take(&[&a, &b])?.without(is_mark))
    };
    let before = state()?;
    desk.done(&["add", "blue", &path_a])?;
    let result = desk.done(&["add", "blue", &path_b, "--cap-args", r#"{"mac": "02:00:00:00:00:61"}"#])?;
    let address = result["ips"][0]["address"].as_str().unwrap().split('/').next().unwrap().to_owned();
    traffic::ping(&a, &address)?;
    let link = b.link("eth0")?;
    ensure!(link["address"] == "02:00:00:00:00:61", "{link}");
    desk.done(&["check", "blue", &path_b])?;
    desk.done(&["status", "blue"])?;
    // Taken away by hand: CHECK says so.
    b.run("ip", ["link", "set", "eth0", "down"])?;
    b.run("ip", ["address", "flush", "dev", "eth0"])?;
    desk.fails(&["check", "blue", &path_b], 1)?;
    desk.done(&["del", "blue", &path_b])?;
    // The other one by GC.
    let collected = desk.done(&["gc", "blue", "--valid", "somebody-else"])?;
    ensure!(collected["deleted"].as_array().unwrap().len() == 1, "{collected}");
    before.await_same(state)
}

pub(crate) fn in_process(host: &Host) -> Result<()> {
    let desk = Operator::new(host, "operator")?;
    desk.network("blue", &[bridge(&["10.64.0.0/24"]), tuning()])?;
    desk.network("mixed", &[with(&bridge(&["10.65.0.0/24"]), json!({"bridge": "cni1"})), recorder()])?;
    let container = host.container("c1")?;
    let path = container.path.display().to_string();
    let mut lives = Vec::new();
    for mode in [[].as_slice(), &["--in-process"]] {
        let weir = |command: &str| desk.done(&[&[command, "blue", &path], mode].concat());
        let result = weir("add")?;
        ensure!(weir("result")? == result, "it is remembered otherwise");
        let seen = (container.addresses("eth0")?.len(), result["interfaces"].as_array().unwrap().len());
        weir("check")?;
        weir("status")?;
        weir("del")?;
        ensure!(!container.has_link("eth0"), "it is still attached");
        // A failure is told in the same words.
        desk.network("faulty", &[with(&bridge(&["10.66.0.0/24"]), json!({"mtu": "wide"}))])?;
        let failure = desk.fails(&[&["add", "faulty", &path], mode].concat(), 1)?;
        lives.push((seen, failure));
    }
    ensure!(lives[0] == lives[1], "{lives:?}");
    // A native plugin of the chain is executed.
    let mixed = desk.done(&["add", "mixed", &path, "--in-process"])?;
    ensure!(mixed["ips"][0]["address"] == "192.0.2.7/24", "{mixed}");
    desk.done(&["del", "mixed", &path, "--in-process"])?;
    ensure!(desk.commands()? == ["ADD", "DEL"]);
    // A directory that weir install has not made cannot be named, and one is needed.
    desk.fails(&["add", "blue", &path, "--in-process", "--bin-dir", &desk.at("bin")], 1)?;
    let bin = desk.at("bin");
    let output =
        desk.bare(&["add", "blue", &path, "--conf-dir", &desk.at("net.d"), "--path", &bin, "--in-process"]).output()?;
    ensure!(output.status.code() == Some(1) && said(&output).contains("--bin-dir"), "{}", said(&output));
    desk.fails(&["add", "blue", &path, "--bin-dir", &bin], 2)?;
    desk.remembers_nothing()
}
