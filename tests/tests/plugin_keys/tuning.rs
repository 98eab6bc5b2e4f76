//! Keys of tuning.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::with;
use weir_tests::{Chain, Host, Test, configs, test};

use crate::network;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        test("sysctl_is_set_for_the_interface_and_restored", sysctl),
        test("mac_mtu_flags_and_queue_length_are_set_and_restored", link),
        test("check_sees_every_change", changes),
        test("tuning_takes_args_then_runtime_config_then_cni_args", sources),
        test("args_without_a_sysctl_of_the_configuration_work", args_alone),
        test("only_allowed_sysctls_are_set", allow_list),
        test("data_dir_holds_what_was_before", data_dir),
    ]
}

fn tuned(keys: Value) -> Result<Chain> {
    let tuning = with(&json!({"type": "tuning"}), keys);
    network(&[configs::bridge(&["10.110.0.0/24"]), tuning])
}

/// DEL of the tuning plugin alone: the link is still there to look at.
fn undo(chain: &Chain, container: &weir_tests::Container, result: &Value) -> Result<()> {
    chain.call("DEL", &chain.plugins[1], result)?.container(container).ok().map(drop)
}

fn sysctl(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    let chain = tuned(json!({"sysctl": {
        "net.ipv4.conf.IFNAME.arp_filter": "1", "net/ipv4/conf/IFNAME/log_martians": "1", "net.ipv4.tcp_syncookies": "0",
    }}))?;
    let before = one.sysctl("net/ipv4/tcp_syncookies")?;
    let elsewhere = host.sysctl("net/ipv4/tcp_syncookies")?;
    let result = chain.add(&one)?;
    ensure!(one.sysctl("net/ipv4/conf/eth0/arp_filter")? == "1");
    ensure!(one.sysctl("net/ipv4/conf/eth0/log_martians")? == "1");
    ensure!(one.sysctl("net/ipv4/tcp_syncookies")? == "0");
    ensure!(host.sysctl("net/ipv4/tcp_syncookies")? == elsewhere, "the host's own has changed");
    chain.check(&one, &result)?;
    undo(&chain, &one, &result)?;
    ensure!(one.sysctl("net/ipv4/tcp_syncookies")? == before, "not restored");
    ensure!(one.sysctl("net/ipv4/conf/eth0/arp_filter")? == "0", "not restored");
    Ok(())
}

fn link(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    let chain = tuned(json!({
        "mac": "02:11:22:33:44:55", "mtu": 1350, "promisc": true, "allmulti": true, "txQLen": 555,
    }))?;
    let result = chain.add(&one)?;
    let link = one.link("eth0")?;
    ensure!(link["address"] == "02:11:22:33:44:55" && link["mtu"] == 1350 && link["txqlen"] == 555, "{link}");
    let flags = link["flags"].to_string();
    ensure!(flags.contains("PROMISC") && flags.contains("ALLMULTI"), "{link}");
    let inside = result["interfaces"].as_array().unwrap().iter().find(|i| i["name"] == "eth0").unwrap().clone();
    ensure!(inside["mac"] == "02:11:22:33:44:55", "{result}");
    chain.check(&one, &result)?;
    undo(&chain, &one, &result)?;
    let link = one.link("eth0")?;
    ensure!(link["address"] != "02:11:22:33:44:55" && link["mtu"] == 1500 && link["txqlen"] != 555, "{link}");
    let flags = link["flags"].to_string();
    ensure!(!flags.contains("PROMISC") && !flags.contains("ALLMULTI"), "{link}");
    undo(&chain, &one, &result).context("again")
}

fn changes(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    let chain = tuned(json!({
        "mac": "02:11:22:33:AA:BB", "mtu": 1350, "promisc": true, "allmulti": true, "txQLen": 555,
        "sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"},
    }))?;
    let result = chain.add(&one)?;
    chain.check(&one, &result).context("an upper-case MAC is the same")?;
    let changes: [(&[&str], &[&str]); 4] = [
        (&["mtu", "1400"], &["mtu", "1350"]),
        (&["promisc", "off"], &["promisc", "on"]),
        (&["allmulticast", "off"], &["allmulticast", "on"]),
        (&["txqueuelen", "5"], &["txqueuelen", "555"]),
    ];
    for (change, back) in changes {
        one.run("ip", [&["link", "set", "eth0"], change].concat())?;
        ensure!(chain.check(&one, &result).is_err(), "CHECK does not see {change:?}");
        one.run("ip", [&["link", "set", "eth0"], back].concat())?;
        chain.check(&one, &result)?;
    }
    one.enter(|| Ok(std::fs::write("/proc/sys/net/ipv4/conf/eth0/arp_filter", "0")?))?;
    ensure!(chain.check(&one, &result).is_err(), "CHECK does not see the sysctl");
    Ok(())
}

fn sources(host: &Host) -> Result<()> {
    let cases = [
        ("a", json!({"mac": "02:00:00:00:00:01"}), "", "02:00:00:00:00:01"),
        ("b", json!({"mac": "02:00:00:00:00:01"}), "MAC=02:00:00:00:00:02", "02:00:00:00:00:02"),
        ("c", json!({"capabilities": {"mac": true}}), "MAC=02:00:00:00:00:02", "02:00:00:00:00:03"),
        (
            "d",
            json!({"capabilities": {"mac": true}, "args": {"cni": {"mac": "02:00:00:00:00:04"}}}),
            "",
            "02:00:00:00:00:04",
        ),
    ];
    for (name, keys, arguments, expected) in cases {
        let one = host.container(name)?;
        let mut chain = tuned(keys)?.capabilities(json!({"mac": "02:00:00:00:00:03"}));
        chain.arguments = arguments.into();
        chain.add(&one)?;
        ensure!(one.link("eth0")?["address"] == expected, "{name}: {}", one.link("eth0")?);
    }
    Ok(())
}

fn args_alone(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    tuned(json!({"args": {"cni": {
        "sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}, "promisc": true, "allmulti": true, "mtu": 1360, "txQLen": 444,
    }}}))?
    .add(&one)?;
    let link = one.link("eth0")?;
    ensure!(link["mtu"] == 1360 && link["txqlen"] == 444 && link["flags"].to_string().contains("PROMISC"), "{link}");
    ensure!(one.sysctl("net/ipv4/conf/eth0/arp_filter")? == "1");
    Ok(())
}

fn allow_list(host: &Host) -> Result<()> {
    std::fs::create_dir_all("/etc/cni/tuning")?;
    std::fs::write("/etc/cni/tuning/allowlist.conf", "^net\\.ipv4\\.conf\\.IFNAME\\.arp_filter$\n")?;
    let (one, two) = (host.container("one")?, host.container("two")?);
    tuned(json!({"sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}}))?.add(&one)?;
    ensure!(one.sysctl("net/ipv4/conf/eth0/arp_filter")? == "1");
    let before = two.sysctl("net/ipv4/tcp_syncookies")?;
    ensure!(tuned(json!({"sysctl": {"net.ipv4.tcp_syncookies": "0"}}))?.add(&two).is_err(), "it is not on the list");
    ensure!(two.sysctl("net/ipv4/tcp_syncookies")? == before);
    Ok(())
}

fn data_dir(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    let chain = tuned(json!({"mtu": 1350, "dataDir": "/run/test/tuning"}))?;
    let result = chain.add(&one)?;
    let file = std::path::Path::new("/run/test/tuning/one_eth0.json");
    let saved: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    ensure!(saved["mtu"] == 1500, "{saved}");
    chain.del(&one, &result)?;
    ensure!(!file.exists());
    Ok(())
}
