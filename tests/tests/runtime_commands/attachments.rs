//! What becomes of attachments: those that fail, those that are gone, those that are damaged.

use std::fs;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_tests::Host;
use weir_tests::operator::{network_file, said};

use crate::answers::on_terminal;
use crate::{NETNS, operator, recorder};

pub(crate) fn keep(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    desk.network("chain", &[recorder(), json!({"type": "recorder"}), json!({"type": "no-such-plugin"})])?;
    // A plugin that is missing is found out before anything runs.
    desk.fails(&["add", "chain", NETNS], 1)?;
    ensure!(desk.commands()?.is_empty());
    desk.file("bin/fail-ADD", r#"{"code": 7, "msg": "no"}"#)?;
    desk.fails(&["add", "blue", NETNS], 1)?;
    ensure!(desk.commands()? == ["ADD", "DEL"], "what failed is not taken back");
    desk.remembers_nothing()?;
    desk.fails(&["add", "blue", NETNS, "--keep"], 1)?;
    ensure!(desk.commands()? == ["ADD"], "it was taken back");
    let listed = desk.done(&["attachments"])?;
    ensure!(listed["attachments"][0]["finished"] == false, "{listed}");
    desk.done(&["del", "blue", NETNS])?;
    ensure!(desk.commands()? == ["DEL"]);
    desk.remembers_nothing()
}

pub(crate) fn time_limit(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    desk.file("bin/slow-ADD", "")?;
    let begin = std::time::Instant::now();
    let text = desk.fails(&["add", "blue", NETNS, "--timeout", "300ms"], 1)?;
    ensure!(text.contains("recorder") && text.contains("did not end within"), "{text}");
    ensure!(begin.elapsed().as_secs() < 30, "it was waited for");
    ensure!(desk.commands()? == ["ADD", "DEL"]);
    Ok(())
}

pub(crate) fn gc_refused(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    desk.done(&["add", "blue", NETNS])?;
    desk.calls()?;
    desk.file("nothing", " \n")?;
    desk.file("empty.json", "[]")?;
    let (nothing, empty) = (desk.at("nothing"), desk.at("empty.json"));
    for arguments in [
        ["gc", "blue"].as_slice(),
        &["gc", "blue", NETNS],
        &["gc", "blue", "--valid-from", &nothing],
        &["gc", "blue", "--valid-from", &empty],
        &["gc", "blue", "--valid-from", "-"],
    ] {
        let text = desk.fails(arguments, 2)?;
        ensure!(text.contains("--valid ID[:IFNAME]") && text.contains("--all"), "{arguments:?}: {text}");
    }
    ensure!(desk.calls()?.is_empty(), "a plugin was run");
    let listed = desk.done(&["attachments"])?;
    ensure!(listed["attachments"].as_array().unwrap().len() == 1, "{listed}");
    Ok(())
}

pub(crate) fn gc(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    let add =
        |id: &str, interface: &str| desk.done(&["add", "blue", NETNS, "--container-id", id, "--ifname", interface]);
    let attach_all = || -> Result<()> {
        for (id, interface) in [("a", "eth0"), ("a", "net1"), ("b", "eth0"), ("c", "eth0")] {
            add(id, interface)?;
        }
        desk.calls().map(drop)
    };
    let deleted = |arguments: &[&str], input: &str| -> Result<Vec<String>> {
        let output = desk.weir_with(&[&["gc", "blue"], arguments].concat(), input)?;
        ensure!(output.status.success(), "{arguments:?}: {}", said(&output));
        let document: Value = serde_json::from_slice(&output.stdout)?;
        let listed = document["deleted"].as_array().unwrap();
        Ok(listed
            .iter()
            .map(|one| format!("{}:{}", one["containerID"].as_str().unwrap(), one["ifname"].as_str().unwrap()))
            .collect())
    };
    let valid = |calls: &[weir_tests::operator::Recorded]| {
        calls.iter().find(|call| call.command == "GC").map(|call| call.input["cni.dev/valid-attachments"].clone())
    };
    attach_all()?;
    // All interfaces of a, none of b, c.
    ensure!(deleted(&["--valid", "a", "--valid", "x"], "")? == ["b:eth0", "c:eth0"]);
    let calls = desk.calls()?;
    let expected = json!([{"containerID": "a", "ifname": "eth0"}, {"containerID": "a", "ifname": "net1"}, {"containerID": "x", "ifname": "eth0"}]);
    ensure!(valid(&calls) == Some(expected), "{calls:?}");
    let commands: Vec<_> = calls.iter().map(|call| call.command.as_str()).collect();
    ensure!(commands == ["DEL", "DEL", "GC"], "{commands:?}");
    ensure!(deleted(&["--valid", "a:net1"], "")? == ["a:eth0"]);
    ensure!(deleted(&["--all"], "")? == ["a:net1"]);
    // From a file and from standard input, lines and JSON.
    desk.calls()?;
    attach_all()?;
    desk.file("valid", "a\nb:eth0\n")?;
    ensure!(deleted(&["--valid-from", &desk.at("valid")], "")? == ["c:eth0"]);
    ensure!(deleted(&["--valid-from", "-"], r#"[{"containerID": "b", "ifname": "eth0"}]"#)? == ["a:eth0", "a:net1"]);
    ensure!(deleted(&["--all"], "")? == ["b:eth0"]);
    desk.remembers_nothing()
}

pub(crate) fn del_without_configuration(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    desk.done(&["add", "blue", NETNS])?;
    fs::remove_file(network_file(&desk, "blue"))?;
    desk.calls()?;
    let output = desk.weir(&["del", "blue", NETNS])?;
    ensure!(
        output.status.success() && said(&output).contains("using the configuration that was remembered"),
        "{}",
        said(&output)
    );
    let call = desk.calls()?.pop().unwrap();
    ensure!(call.command == "DEL" && call.input["prevResult"]["ips"][0]["address"] == "192.0.2.7/24", "{call:?}");
    desk.remembers_nothing()
}

pub(crate) fn damaged(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    desk.done(&["add", "blue", NETNS, "--container-id", "c1"])?;
    desk.calls()?;
    desk.file("cache/results/blue-c1-eth0", "")?;
    let listed = desk.done(&["attachments"])?;
    let path = desk.at("cache/results/blue-c1-eth0");
    ensure!(listed["attachments"] == json!([]) && listed["damaged"][0]["path"] == path.as_str(), "{listed}");
    ensure!(!listed["damaged"][0]["message"].as_str().unwrap().is_empty(), "{listed}");
    let shown = on_terminal(&mut desk.command(&["attachments"]))?;
    ensure!(shown.contains("DAMAGED") && shown.contains("blue-c1-eth0"), "{shown}");
    let output = desk.weir(&["del", "blue", NETNS, "--container-id", "c1"])?;
    ensure!(output.status.success() && said(&output).contains("blue-c1-eth0"), "{}", said(&output));
    ensure!(desk.commands()? == ["DEL"]);
    desk.remembers_nothing()
}
