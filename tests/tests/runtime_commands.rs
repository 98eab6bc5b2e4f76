//! The commands that do what a runtime does: every flag and variable, exit status, what is printed for programs and for
//! people, and packets.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::process::{Command, ExitCode};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::{bridge, tuning, with};
use weir_tests::operator::{Operator, network_file, said};
use weir_tests::{Host, Snapshot, run, test, traffic};

fn main() -> ExitCode {
    run(vec![
        test("a_flag_goes_before_a_variable_and_a_variable_before_the_default", precedence),
        test("the_defaults_are_those_of_cnitool", defaults),
        test("the_container_id_is_made_of_the_namespaces_path_as_cnitool_does", container_id),
        test("every_command_tells_programs_one_document", documents),
        test("people_are_told_in_tables", tables),
        test("a_failure_is_told_in_words_and_as_an_object", failures),
        test("wrong_arguments_are_status_2_and_run_nothing", wrong_arguments),
        test("a_failed_add_is_taken_back_or_kept_where_that_is_said", keep),
        test("a_time_limit_ends_a_plugin", time_limit),
        test("gc_without_a_list_is_refused_and_says_how", gc_refused),
        test("gc_keeps_what_is_valid_and_deletes_the_rest", gc),
        test("del_works_with_the_remembered_configuration", del_without_configuration),
        test("damaged_entries_are_shown_and_do_not_block_del", damaged),
        test("a_broken_file_hides_no_other_network", broken_network),
        test("networks_are_validated_by_asking_their_plugins", validate),
        test("status_is_that_of_the_plugins", status),
        test("in_process_does_the_same_as_by_execution", in_process),
        test("two_namespaces_reach_each_other_and_nothing_is_left", packets),
    ])
}

/// The recorder alone.
fn recorder() -> Value {
    json!({"type": "recorder", "capabilities": {"mac": true}})
}

fn operator(host: &Host) -> Result<Operator> {
    let operator = Operator::new(host, "operator")?;
    operator.network("blue", &[recorder()])?;
    Ok(operator)
}

const NETNS: &str = "/run/netns/none";

fn precedence(host: &Host) -> Result<()> {
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

fn defaults(host: &Host) -> Result<()> {
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

fn container_id(host: &Host) -> Result<()> {
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

fn documents(host: &Host) -> Result<()> {
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
fn on_terminal(command: &mut Command) -> Result<String> {
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

fn tables(host: &Host) -> Result<()> {
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

fn failures(host: &Host) -> Result<()> {
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

fn wrong_arguments(host: &Host) -> Result<()> {
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

fn keep(host: &Host) -> Result<()> {
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

fn time_limit(host: &Host) -> Result<()> {
    let desk = operator(host)?;
    desk.file("bin/slow-ADD", "")?;
    let begin = std::time::Instant::now();
    let text = desk.fails(&["add", "blue", NETNS, "--timeout", "300ms"], 1)?;
    ensure!(text.contains("recorder") && text.contains("did not end within"), "{text}");
    ensure!(begin.elapsed().as_secs() < 30, "it was waited for");
    ensure!(desk.commands()? == ["ADD", "DEL"]);
    Ok(())
}

fn gc_refused(host: &Host) -> Result<()> {
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

fn gc(host: &Host) -> Result<()> {
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

fn del_without_configuration(host: &Host) -> Result<()> {
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

fn damaged(host: &Host) -> Result<()> {
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

fn broken_network(host: &Host) -> Result<()> {
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

fn validate(host: &Host) -> Result<()> {
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

fn status(host: &Host) -> Result<()> {
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

fn packets(host: &Host) -> Result<()> {
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

fn in_process(host: &Host) -> Result<()> {
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
