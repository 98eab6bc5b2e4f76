//! The weir-debug plugin, behind a bridge and alone.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::{VERSIONS, bridge, with};
use weir_tests::{Chain, Host, Lifecycle, Programs, Test, lifecycle, test};

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = lifecycle::tests("weir-debug", &VERSIONS, |_, _| {
        Ok(Lifecycle::new(behind_bridge(json!({"dataDir": "/run/cni/debug"}))?))
    });
    tests.extend([
        test("weir-debug_tells_what_it_was_given_and_what_the_container_has", tells),
        test("weir-debug_level_chooses_which_lines_are_shown", level),
        test("weir-debug_alone_returns_an_empty_result", alone),
        test("weir-debug_refuses_hooks_and_output_files", refused),
    ]);
    tests
}

fn debug(keys: Value) -> Value {
    with(&json!({"type": "weir-debug"}), keys)
}

fn behind_bridge(keys: Value) -> Result<Chain> {
    Ok(Chain::new(&Programs::weir()?, "net", &[bridge(&["10.70.0.0/24", "fd00:70::/64"]), debug(keys)]))
}

fn tells(host: &Host) -> Result<()> {
    let chain = behind_bridge(json!({"dataDir": "/run/test/debug", "sysctls": ["net.ipv4.conf.IFNAME.arp_notify"]}))?;
    let one = host.container("one")?;
    let result = chain.add(&one)?;
    one.run("ip", ["route", "add", "198.51.100.0/24", "via", "10.70.0.1", "table", "77"])?;
    one.run("ip", ["rule", "add", "from", "10.70.0.2", "lookup", "77"])?;
    one.run("ip", ["neighbour", "add", "10.70.0.9", "lladdr", "02:00:00:00:00:09", "dev", "eth0"])?;
    one.run("ip", ["link", "set", "eth0", "alias", "looked at"])?;
    let call = chain.call("CHECK", &chain.plugins[1], &result)?.container(&one).env("CNI_ARGS", "IgnoreUnknown=1;X=y");
    let answer = call.run()?;
    ensure!(answer.ok()?.is_null());
    let mac = one.link("eth0")?["address"].as_str().unwrap().to_owned();
    let expected = [
        "weir: weir-debug: warning: CHECK of container one, interface eth0, network net, namespace /run/netns/one",
        "CNI_ARGS IgnoreUnknown=1;X=y",
        "configuration {\"cniVersion\":\"1.1.0\",\"dataDir\":\"/run/test/debug\",\"name\":\"net\"",
        "prevResult {\"cniVersion\":\"1.1.0\"",
        "lo: loopback",
        &format!("eth0: veth mac {mac} mtu 1500"),
        "alias looked at",
        "address 10.70.0.2/24 dev eth0 scope global",
        "address fd00:70::2/64 dev eth0 scope global",
        "route 0.0.0.0/0 via 10.70.0.1 dev eth0 table 254",
        "route ::/0 via fd00:70::1 dev eth0 table 254",
        "route 198.51.100.0/24 via 10.70.0.1 dev eth0 table 77",
        "IPv4 from 10.70.0.2/32 lookup 77",
        "neighbour 10.70.0.9 dev eth0 lladdr 02:00:00:00:00:09 permanent",
        "sysctl net/ipv4/conf/eth0/arp_notify = 1",
    ];
    for text in expected {
        ensure!(answer.stderr.contains(text), "{text} is not told:\n{}", answer.stderr);
    }
    let file = Path::new("/run/test/debug/one_eth0.json");
    let report: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    let lines = report["report"].as_array().map_or(0, Vec::len);
    ensure!(report["name"] == "net" && lines > 10 && report["report"][0].to_string().contains("ADD of"), "{report}");
    chain.del(&one, &result)?;
    ensure!(!file.exists());
    Ok(())
}

fn level(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    for (level, shown, hidden) in [("info", "info", "warn"), ("error", "error", "nothing"), ("debug", "debug", "info")]
    {
        let chain = behind_bridge(json!({"level": level}))?;
        let call = chain.call("CHECK", &chain.plugins[1], &json!({"cniVersion": "1.1.0"}))?.container(&one);
        ensure!(call.clone().env("WEIR_LOG", shown).run()?.stderr.contains("CHECK of container one"), "{level}");
        let stderr = call.env("WEIR_LOG", hidden).run()?.stderr;
        ensure!(stderr.contains("CHECK of container one") == (level == "error"), "{level}: {stderr}");
    }
    Ok(())
}

fn alone(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    let chain = Chain::new(&Programs::weir()?, "net", &[debug(json!({}))]);
    for version in VERSIONS.into_iter().filter(|version| !matches!(*version, "0.1.0" | "0.2.0")) {
        let result = chain.clone().version(version).add(&one)?;
        ensure!(result["cniVersion"] == version && result["ips"].is_null(), "{result}");
    }
    chain.del_without_namespace(&one, &Value::Null)
}

fn refused(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    for key in ["cniOutput", "addHooks", "checkHooks", "delHooks"] {
        let chain = Chain::new(&Programs::weir()?, "net", &[debug(json!({key: [["touch", "/run/test/made"]]}))]);
        let error = chain.call("ADD", &chain.plugins[0], &Value::Null)?.container(&one).error()?;
        ensure!(error.code == 2 && error.msg.contains(key), "{error:?}");
        chain.del(&one, &Value::Null)?;
        chain.gc(&[])?;
    }
    ensure!(!Path::new("/run/test/made").exists());
    Ok(())
}
