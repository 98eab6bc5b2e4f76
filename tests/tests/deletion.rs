//! DEL: twice, without a namespace, after a half-done ADD. It succeeds, and nothing is left.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_tests::{Chain, Container, Host, Programs, Snapshot, configs, residue, run, test};

/// How a runtime calls DEL.
#[derive(Debug, Clone, Copy)]
enum Way {
    Twice,
    WithoutNamespace,
    NamespaceEmpty,
    NamespaceGone,
    NamespaceNoNamespaceAnyMore,
    LinkGone,
    WithoutResult,
    WithoutResultAndNamespace,
    WithoutCapabilities,
}

fn main() -> ExitCode {
    let ways = [
        ("twice", Way::Twice),
        ("without_a_namespace", Way::WithoutNamespace),
        ("with_an_empty_namespace_path", Way::NamespaceEmpty),
        ("with_a_namespace_that_is_gone", Way::NamespaceGone),
        ("with_a_path_that_is_no_namespace_any_more", Way::NamespaceNoNamespaceAnyMore),
        ("with_the_link_gone", Way::LinkGone),
        ("without_the_result", Way::WithoutResult),
        ("without_the_result_and_namespace", Way::WithoutResultAndNamespace),
        ("without_the_port_mappings", Way::WithoutCapabilities),
    ];
    let mut tests = Vec::new();
    for backend in ["nftables", "iptables"] {
        for (name, way) in ways {
            tests.push(test(format!("del_{name}_leaves_nothing_with_{backend}"), move |host| {
                delete(host, backend, way)
            }));
        }
    }
    for broken in ["tuning", "portmap", "bridge"] {
        tests.push(test(format!("del_after_an_add_that_failed_in_{broken}_leaves_nothing"), move |host| {
            half_done(host, broken)
        }));
    }
    tests.push(test("a_failed_add_leaves_nothing_by_itself", failed_add));
    tests.push(test("del_of_what_never_was_changes_nothing", never_was));
    tests.push(test("del_of_one_of_many_leaves_the_others", one_of_many));
    run(tests)
}

fn chain(programs: &Programs, backend: &str) -> Chain {
    let bridge = configs::with(
        &configs::bridge(&["10.40.0.0/24", "fd00:40::/64"]),
        json!({"ipMasq": true, "ipMasqBackend": backend, "macspoofchk": backend == "nftables"}),
    );
    let tuning = configs::with(&configs::tuning(), json!({"mac": "02:11:22:33:44:55", "mtu": 1400}));
    let plugins = [bridge, tuning, configs::portmap(backend)];
    Chain::new(programs, "net", &plugins)
        .capabilities(json!({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}))
}

fn words(container: &Container, result: &Value) -> Vec<String> {
    let mut words = residue::addresses(result);
    words.push(container.id.clone());
    words
}

/// State of the host without what may stay: the bridge with its gateway's address, and chains that all share.
fn state() -> Result<Snapshot> {
    let stays = |name: &str| name.contains("last_reserved_ip") || name.contains(".weir-index");
    Ok(Snapshot::take(&[])?.without(stays))
}

fn delete(host: &Host, backend: &str, way: Way) -> Result<()> {
    let chain = chain(&Programs::weir()?, backend);
    // A first round makes what stays for good.
    let first = host.container("first")?;
    let result = chain.add(&first)?;
    chain.del(&first, &result)?;
    first.unmount()?;
    let before = state()?;

    let one = host.container("one")?;
    let result = chain.add(&one)?;
    let none = Value::Null;
    match way {
        Way::Twice => {
            chain.del(&one, &result)?;
            chain.del(&one, &result).context("the second time")?;
        }
        Way::WithoutNamespace => {
            for plugin in chain.plugins.iter().rev() {
                chain.call("DEL", plugin, &result)?.container(&one).unset("CNI_NETNS").ok()?;
            }
        }
        Way::NamespaceEmpty => chain.del_in(&one, &result, "")?,
        Way::NamespaceGone => {
            one.unmount()?;
            chain.del(&one, &result)?;
        }
        Way::NamespaceNoNamespaceAnyMore => {
            // What stays of a mount point after a reboot.
            one.unmount()?;
            std::fs::write(&one.path, "")?;
            chain.del(&one, &result)?;
            std::fs::remove_file(&one.path)?;
        }
        Way::LinkGone => {
            one.run("ip", ["link", "delete", "eth0"])?;
            chain.del(&one, &result)?;
        }
        Way::WithoutResult => chain.del(&one, &none)?,
        Way::WithoutResultAndNamespace => chain.del_in(&one, &none, "")?,
        Way::WithoutCapabilities => chain.clone().capabilities(json!({})).del(&one, &result)?,
    }
    // A container's end takes its links; where DEL had no way to reach it, it is the runtime that ends it.
    if one.path.exists() {
        one.unmount()?;
    }
    let words = words(&one, &result);
    drop(one);
    await_links_gone(host)?;
    residue::assert_none(host, &words)?;
    before.assert_same(&state()?)
}

/// The kernel takes links of an ended namespace away in the background.
fn await_links_gone(host: &Host) -> Result<()> {
    for _ in 0..100 {
        if host.run("ip", ["-oneline", "link", "show", "type", "veth"])?.is_empty() {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(30));
    }
    Ok(())
}

fn half_done(host: &Host, broken: &str) -> Result<()> {
    let chain = chain(&Programs::weir()?, "nftables");
    let one = host.container("one")?;
    let mut spoilt = chain.clone();
    match broken {
        "tuning" => spoilt.plugins[1]["sysctl"] = json!({"net.ipv4.conf.nonexistent.arp_filter": "1"}),
        "portmap" => spoilt.plugins[2]["conditionsV4"] = json!(["no", "such", "condition"]),
        // Fails after the link and the addresses are there.
        _ => spoilt.plugins[0]["ipam"]["routes"] = json!([{"dst": "10.99.0.0/16", "gw": "203.0.113.77"}]),
    }
    ensure!(spoilt.add(&one).is_err(), "the spoilt chain works");
    // A runtime has no result of a failed ADD.
    spoilt.del(&one, &Value::Null)?;
    ensure!(!one.has_link("eth0"), "the link stays");
    residue::assert_none(host, &["one".into(), "10.40.0.2".into(), "fd00:40::2".into()])?;
    // The same container can be added now.
    let result = chain.add(&one)?;
    chain.check(&one, &result)?;
    chain.del(&one, &result)
}

fn failed_add(host: &Host) -> Result<()> {
    let chain = chain(&Programs::weir()?, "nftables");
    let one = host.container("one")?;
    let mut bridge = chain.plugins[0].clone();
    bridge["ipam"]["routes"] = json!([{"dst": "10.99.0.0/16", "gw": "203.0.113.77"}]);
    chain.call("ADD", &bridge, &Value::Null)?.container(&one).error()?;
    ensure!(!one.has_link("eth0"), "the link stays");
    residue::assert_none(host, &["one".into(), "10.40.0.2".into(), "fd00:40::2".into()])?;
    ensure!(host.leases(Path::new("/run/test/ipam"), "net")?.is_empty(), "an address stays");
    Ok(())
}

fn never_was(host: &Host) -> Result<()> {
    let chain = chain(&Programs::weir()?, "nftables");
    let one = host.container("one")?;
    let before = Snapshot::take(&[&one])?;
    chain.del(&one, &Value::Null)?;
    chain.del_in(&one, &Value::Null, "")?;
    before.assert_same(&Snapshot::take(&[&one])?)
}

fn one_of_many(host: &Host) -> Result<()> {
    let mut chain = chain(&Programs::weir()?, "nftables");
    chain.capabilities = json!({});
    // A MAC for each.
    chain.plugins[1].as_object_mut().unwrap().remove("mac");
    let containers = ["a", "b", "a-b", "b-a"].map(|name| host.container(name));
    let containers = containers.into_iter().collect::<Result<Vec<_>>>()?;
    let results = containers.iter().map(|container| chain.add(container)).collect::<Result<Vec<_>>>()?;
    chain.del_in(&containers[2], &results[2], "")?;
    for n in [0, 1, 3] {
        chain.check(&containers[n], &results[n]).with_context(|| containers[n].id.clone())?;
    }
    chain.del(&containers[0], &results[0])?;
    for n in [1, 3] {
        chain.check(&containers[n], &results[n]).with_context(|| containers[n].id.clone())?;
    }
    ensure!(host.leases(Path::new("/run/test/ipam"), "net")?.len() == 4);
    Ok(())
}
