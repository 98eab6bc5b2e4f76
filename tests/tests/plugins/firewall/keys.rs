//! Keys of the firewall plugin.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_tests::host::Outside;
use weir_tests::{Host, Test, test};

use super::{is_kept_from, network, outside, reaches};

pub(super) fn tests() -> Vec<Test> {
    vec![
        test("firewall_backend_decides_where_rules_are", backend),
        test("firewall_the_operators_chain_comes_first", admin_chain),
        test("firewall_wrong_values_are_errors_that_name_them", wrong),
        test("firewall_check_sees_missing_rules_and_makes_none", missing),
        test("firewall_status_says_what_is_missing", status),
    ]
}

fn backend(host: &Host) -> Result<()> {
    for (keys, in_iptables) in [
        (json!({}), false),
        (json!({"backend": "auto"}), false),
        (json!({"backend": "nftables"}), false),
        (json!({"backend": "iptables"}), true),
    ] {
        let chain = network("net", "cni0", 1, keys.clone())?;
        let one = host.container("one")?;
        let result = chain.add(&one)?;
        let rules = host.run("nft", ["list", "ruleset"])?;
        ensure!(rules.contains("CNI-FORWARD") == in_iptables, "{keys}: {rules}");
        ensure!(rules.contains("owners4") && rules.contains("10.60.1."), "{keys}: {rules}");
        chain.check(&one, &result)?;
        chain.del(&one, &result)?;
        let rules = host.run("nft", ["list", "ruleset"])?;
        ensure!(!rules.contains("10.60.1."), "{keys}: {rules}");
        one.unmount()?;
    }
    Ok(())
}

fn admin_chain(host: &Host) -> Result<()> {
    // Its name alone says that iptables is meant.
    let chain = network("net", "cni0", 1, json!({"iptablesAdminChainName": "OFFICE"}))?;
    let _outside = outside(host)?;
    let one = host.container("one")?;
    let result = chain.add(&one)?;
    reaches(Some(&one), Outside::V4)?;
    host.run("iptables", ["-A", "OFFICE", "-d", Outside::V4, "-j", "DROP"])?;
    is_kept_from(&one, Outside::V4)?;
    reaches(Some(&one), Outside::V6)?;
    chain.check(&one, &result)?;
    chain.del(&one, &result)?;
    let rules = host.run("iptables-save", ["-t", "filter"])?;
    ensure!(rules.contains("-A OFFICE -d 192.0.2.2/32 -j DROP"), "the operator's rules stay: {rules}");
    ensure!(!rules.contains("10.60.1."), "{rules}");
    // The default.
    let chain = network("net", "cni0", 1, json!({"backend": "iptables"}))?;
    let result = chain.add(&one)?;
    ensure!(host.run("iptables-save", ["-t", "filter"])?.contains("-j CNI-ADMIN"));
    chain.del(&one, &result)
}

fn wrong(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    let previous =
        json!({"cniVersion": "1.1.0", "interfaces": [{"name": "cni0"}], "ips": [{"address": "10.60.1.2/24"}]});
    for (keys, word) in [
        (json!({"backend": "ipchains"}), "ipchains"),
        (json!({"ingressPolicy": "closed"}), "closed"),
        (json!({"iptablesAdminChainName": "two words"}), "two words"),
        (json!({"iptablesAdminChainName": "a-name-that-is-longer-than-allowed"}), "28"),
    ] {
        let chain = network("net", "cni0", 1, keys)?;
        let error = chain.call("ADD", &chain.plugins[1], &previous)?.container(&one).error()?;
        ensure!(error.code == 7 && error.msg.contains(word), "{error:?}");
        chain.call("DEL", &chain.plugins[1], &Value::Null)?.container(&one).ok()?;
    }
    ensure!(host.run("nft", ["list", "ruleset"])?.trim().is_empty());
    Ok(())
}

fn missing(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    for (backend, deletions) in [
        ("nftables", vec!["nft flush set inet cni_firewall owners6", "nft delete table inet cni_firewall"]),
        ("nftables", vec!["nft flush map inet cni_firewall policies", "nft flush chain inet cni_firewall forward"]),
        ("nftables", vec!["nft flush set bridge cni_firewall ports"]),
        ("iptables", vec!["iptables -F CNI-FORWARD", "ip6tables -F CNI-FORWARD", "iptables -D FORWARD 2"]),
        ("iptables", vec!["iptables -F CNI-ISOLATION-STAGE-1", "ip6tables -F CNI-ISOLATION-STAGE-2"]),
    ] {
        for deletion in deletions {
            let chain = network("net", "cni0", 1, json!({"backend": backend, "ingressPolicy": "isolated"}))?;
            let result = chain.add(&one)?;
            chain.check(&one, &result)?;
            let mut words = deletion.split(' ');
            host.run(words.next().unwrap_or_default(), words)?;
            let before = host.run("nft", ["list", "ruleset"])?;
            ensure!(chain.check(&one, &result).is_err(), "CHECK does not see: {deletion}");
            ensure!(before == host.run("nft", ["list", "ruleset"])?, "CHECK changes something after: {deletion}");
            chain.del(&one, &result)?;
            host.run("nft", ["flush", "ruleset"])?;
        }
    }
    Ok(())
}

fn status(_: &Host) -> Result<()> {
    for backend in ["auto", "nftables", "iptables"] {
        let mut chain = network("net", "cni0", 1, json!({"backend": backend}))?;
        chain.plugins.remove(0);
        chain.status()?;
    }
    let chain = network("net", "cni0", 1, json!({"backend": "firewalld"}))?;
    let error = chain.call("STATUS", &chain.plugins[1], &Value::Null)?.error()?;
    ensure!(error.code == 50 && error.msg.contains("firewalld"), "{error:?}");
    Ok(())
}
