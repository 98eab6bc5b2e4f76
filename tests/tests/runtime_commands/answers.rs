//! What is answered: to programs, to people, and where it failed.

use std::fs;
use std::io::Read;
use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_tests::Host;
use weir_tests::operator::{network_file, said};

use crate::{NETNS, operator, recorder};

pub(crate) fn documents(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    let target = ["blue", NETNS, "--container-id", "c1"];
    let about = |command: &str| json!({"command": command, "network": "blue", "containerId": "c1", "ifName": "eth0", "netns": NETNS});
    let with_target = |command: &'static str| [&[command], target.as_slice()].concat();
    // As cnitool: the result itself.
    let result = desk.done(&with_target("add"))?;
    ensure!(result == json!({"cniVersion": "1.1.0", "ips": [{"address": "192.0.2.7/24"}]}), "{result}");
    let check = desk.done(&with_target("check"))?;
    ensure!(check == about("check"), "{check}");
    let remembered = desk.done(&with_target("result"))?;
    ensure!(remembered == result, "{remembered}");
    let attachments = desk.done(&["attachments"])?;
    let entry = json!({"network": "blue", "containerId": "c1", "ifName": "eth0", "netns": NETNS, "finished": true, "result": result});
    ensure!(attachments == json!({"attachments": [entry], "damaged": []}), "{attachments}");
    for (filter, count) in [
        (["--container-id", "c1"], 1),
        (["--container-id", "c2"], 0),
        (["--network", "blue"], 1),
        (["--network", "x"], 0),
    ] {
        let listed = desk.done(&[&["attachments"], filter.as_slice()].concat())?;
        ensure!(listed["attachments"].as_array().unwrap().len() == count, "{filter:?}: {listed}");
    }
    let status = desk.done(&["status", "blue"])?;
    ensure!(status == json!({"command": "status", "network": "blue", "ready": true, "asked": true}), "{status}");
    let networks = desk.done(&["network", "list"])?;
    let listed = json!({"name": "blue", "cniVersion": "1.1.0", "plugins": ["recorder"], "file": network_file(&desk, "blue"), "attachments": 1});
    ensure!(networks == json!({"networks": [listed]}), "{networks}");
    let shown = desk.done(&["network", "show", "blue"])?;
    ensure!(shown["config"]["plugins"] == json!([recorder()]) && shown["disableGC"] == false, "{shown}");
    let valid = desk.done(&["network", "validate", "blue"])?;
    ensure!(valid == json!({"networks": [{"name": "blue", "valid": true, "capabilities": ["mac"]}]}), "{valid}");
    let gc = desk.done(&["gc", "blue", NETNS, "--valid", "c1"])?;
    ensure!(gc == json!({"command": "gc", "network": "blue", "deleted": [], "damaged": []}), "{gc}");
    let del = desk.done(&with_target("del"))?;
    ensure!(del == about("del"), "{del}");
    desk.remembers_nothing()
}

/// What a command prints on a terminal.
pub(crate) fn on_terminal(command: &mut Command) -> Result<String> {
    let pty = nix::pty::openpty(None, None)?;
    let mut child = command.stdout(pty.slave.try_clone()?).spawn()?;
    command.stdout(std::process::Stdio::null());
    drop(pty.slave);
    let mut text = Vec::new();
    // The terminal ends with EIO.
    let _ = fs::File::from(pty.master).read_to_end(&mut text);
    ensure!(child.wait()?.success(), "it failed");
    Ok(String::from_utf8(text)?.replace("\r\n", "\n"))
}

pub(crate) fn tables(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    desk.file("bin/add.json", r#"{"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": "/run/netns/none", "mac": "02:00:00:00:00:07"}],
        "ips": [{"address": "192.0.2.7/24", "gateway": "192.0.2.1", "interface": 0}], "routes": [{"dst": "0.0.0.0/0"}],
        "dns": {"nameservers": ["192.0.2.53"]}}"#)?;
    let target = ["blue", NETNS, "--container-id", "c1"];
    let show = |command: &[&str]| on_terminal(&mut desk.command(command));
    let tables = "INTERFACE  MAC                MTU  WHERE\neth0       02:00:00:00:00:07  -    /run/netns/none\n\n\
        ADDRESS       GATEWAY    INTERFACE\n192.0.2.7/24  192.0.2.1  eth0\n\n\
        ROUTE      VIA\n0.0.0.0/0  -\n\n\
        DNS\nname servers  192.0.2.53\n";
    let added = show(&[&["add"], target.as_slice()].concat())?;
    ensure!(added == format!("eth0 of c1 attached to blue\n\n{tables}"), "{added}");
    let result = show(&[&["result"], target.as_slice()].concat())?;
    ensure!(result == tables, "{result}");
    let checked = show(&[&["check"], target.as_slice()].concat())?;
    ensure!(checked == "eth0 of c1 is as it should be on blue\n", "{checked}");
    let listed = show(&["attachments"])?;
    let head = "NETWORK  CONTAINER  IFNAME  ADDRESSES     NAMESPACE\nblue     c1         eth0    192.0.2.7/24  /run/netns/none\n";
    ensure!(listed == head, "{listed}");
    let networks = show(&["network", "list"])?;
    ensure!(
        networks.starts_with("NETWORK  VERSION  PLUGINS   ATTACHED  SIZE")
            && networks.contains("\nblue     1.1.0    recorder  1         "),
        "{networks}"
    );
    let shown = show(&["network", "show", "blue"])?;
    ensure!(
        shown.contains("PLUGIN    IPAM  CAPABILITIES  FOUND\nrecorder  -     mac           ")
            && shown.contains("/bin/recorder"),
        "{shown}"
    );
    ensure!(show(&["network", "validate"])? == "NETWORK  VALID  CAPABILITIES\nblue     yes    mac\n");
    ensure!(show(&["status", "blue"])? == "blue is ready\n");
    ensure!(show(&["gc", "blue", "--all"])? == "DELETED  IFNAME\nc1       eth0\n");
    ensure!(show(&["gc", "blue", "--all"])? == "blue: nothing to delete\n");
    ensure!(show(&["attachments"])? == "no attachments are remembered\n");
    // --json goes before the terminal.
    let json: Value = serde_json::from_str(&show(&["status", "blue", "--json"])?)?;
    ensure!(json["ready"] == true, "{json}");
    Ok(())
}

pub(crate) fn failures(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    desk.file(
        "bin/fail-ADD",
        r#"{"cniVersion": "1.1.0", "code": 11, "msg": "no address", "details": "all 4 are taken"}"#,
    )?;
    let output = desk.weir(&["add", "blue", NETNS])?;
    let words = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(1), "{:?}", output.status);
    ensure!(words == "weir: plugin recorder (ADD): no address; all 4 are taken (code 11)\n", "{words}");
    let object: Value = serde_json::from_slice(&output.stdout)?;
    let expected = json!({
        "code": 11, "msg": "no address", "details": "all 4 are taken", "plugin": "recorder", "command": "ADD",
        "message": words.trim_start_matches("weir: ").trim_end(),
    });
    ensure!(object == expected, "{object}");
    // What no plugin has said has no code.
    for (arguments, why) in [
        (["add", "green", NETNS], "no network \"green\""),
        (["check", "blue", NETNS], "no result of ADD is known"),
        (["result", "blue", NETNS], "no result is remembered"),
        (["del", "green", NETNS], "nothing is remembered of this attachment"),
    ] {
        let output = desk.weir(&arguments)?;
        let object: Value = serde_json::from_slice(&output.stdout)?;
        let message = object["message"].as_str().unwrap();
        ensure!(output.status.code() == Some(1) && message.contains(why), "{arguments:?}: {}", said(&output));
        ensure!(object.get("code").is_none() && said(&output).contains("weir: "), "{object}");
    }
    // A plugin that is not there.
    desk.network("red", &[json!({"type": "no-such-plugin"})])?;
    let text = desk.fails(&["add", "red", NETNS], 1)?;
    ensure!(text.contains("no-such-plugin") && text.contains(&desk.at("bin")), "{text}");
    Ok(())
}
