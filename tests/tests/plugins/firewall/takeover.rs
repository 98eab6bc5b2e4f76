//! A node that moves over, and back, while containers run.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use weir_tests::host::Outside;
use weir_tests::{Chain, Host, Programs, Test, residue, test};

use super::{beside, is_kept_from, network, outside, reaches};

pub(super) fn tests() -> Vec<Test> {
    vec![
        test("firewall_containers_of_the_native_plugin_are_checked_and_deleted", native_first),
        test("firewall_containers_of_ours_are_deleted_by_the_native_plugin", ours_first),
        test("firewall_an_address_that_somebody_else_has_by_now_stays_open", second_owner),
    ]
}

/// The chain with the native firewall in place of ours.
fn native(chain: &Chain) -> Result<Chain> {
    let native = Programs::native()?;
    let directory: PathBuf = native.directories[0].clone();
    let ours = Programs::weir()?;
    // Its bridge and host-local are not what this is about.
    let mixed = PathBuf::from("/run/test/mixed");
    std::fs::create_dir_all(&mixed)?;
    std::os::unix::fs::symlink(directory.join("firewall"), mixed.join("firewall"))
        .or_else(|error| if error.kind() == std::io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })?;
    let mut chain = chain.clone();
    chain.programs = Programs::of(mixed).then(ours);
    Ok(chain)
}

fn native_first(host: &Host) -> Result<()> {
    beside::docker(host)?;
    let keys = json!({"backend": "iptables", "ingressPolicy": "same-bridge"});
    let ours = network("net", "cni0", 1, keys)?.version("1.0.0");
    let theirs = native(&ours)?;
    let _outside = outside(host)?;
    let (one, two) = (host.container("one")?, host.container("two")?);
    let first = theirs.add(&one)?;
    reaches(Some(&one), Outside::V4)?;
    ours.check(&one, &first).context("CHECK of a container of the native plugin")?;
    let second = ours.add(&two)?;
    let rules = host.run("iptables-save", ["-t", "filter"])?;
    for jump in ["-j CNI-FORWARD", "-j CNI-ADMIN", "-j CNI-ISOLATION-STAGE-1", "-i cni0 ! -o cni0"] {
        ensure!(rules.lines().filter(|line| line.contains(jump)).count() == 1, "{jump} more than once: {rules}");
    }
    ours.check(&two, &second)?;
    ours.del(&one, &first)?;
    is_gone(host, &residue::addresses(&first))?;
    reaches(Some(&two), Outside::V4)?;
    // A configuration that names no backend any more finds both.
    let plain = network("net", "cni0", 1, json!({}))?.version("1.0.0");
    let three = host.container("three")?;
    let third = theirs.add(&three)?;
    plain.del(&three, &third)?;
    is_gone(host, &residue::addresses(&third))?;
    plain.del(&two, &second)?;
    is_gone(host, &residue::addresses(&second))
}

fn is_gone(host: &Host, addresses: &[String]) -> Result<()> {
    let rules = host.run("nft", ["list", "ruleset"])?;
    for address in addresses {
        ensure!(!rules.contains(&format!("{address} ")), "rules of {address} stay: {rules}");
    }
    Ok(())
}

fn ours_first(host: &Host) -> Result<()> {
    let ours = network("net", "cni0", 1, json!({"backend": "iptables"}))?.version("1.0.0");
    let theirs = native(&ours)?;
    let one = host.container("one")?;
    let result = ours.add(&one)?;
    theirs.call("CHECK", &theirs.plugins[1], &result)?.container(&one).ok().context("CHECK of a container of ours")?;
    theirs.call("DEL", &theirs.plugins[1], &result)?.container(&one).ok()?;
    let rules = host.run("iptables-save", ["-t", "filter"])?;
    let left: Vec<_> = rules.lines().filter(|line| line.contains("10.60.1.") && !line.contains("DNAT")).collect();
    ensure!(left.is_empty(), "the native plugin leaves {left:?}");
    ours.del(&one, &result)?;
    is_gone(host, &residue::addresses(&result))
}

/// DEL comes late, or again, when the address has been given to another container.
fn second_owner(host: &Host) -> Result<()> {
    beside::docker(host)?;
    let chain = network("net", "cni0", 1, json!({}))?;
    let _outside = outside(host)?;
    let (one, two) = (host.container("one")?, host.container("two")?);
    let first = chain.add(&one)?;
    // The address comes free without the firewall knowing.
    chain.call("DEL", &chain.plugins[0], &first)?.container(&one).ok()?;
    let mut again = chain.clone();
    again.plugins[0]["ipam"]["ranges"] = json!([
        [{"subnet": "10.60.1.0/24", "rangeStart": "10.60.1.2", "rangeEnd": "10.60.1.2"}],
        [{"subnet": "fd00:60:1::/64", "rangeStart": "fd00:60:1::2", "rangeEnd": "fd00:60:1::2"}],
    ]);
    let second = again.add(&two)?;
    ensure!(residue::addresses(&first) == residue::addresses(&second), "{first} {second}");
    chain.call("DEL", &chain.plugins[1], &first)?.container(&one).ok()?;
    reaches(Some(&two), Outside::V4).context("after the late DEL of the first")?;
    chain.check(&two, &second)?;
    chain.call("DEL", &chain.plugins[1], &first)?.container(&one).ok()?;
    reaches(Some(&two), Outside::V6).context("after the repeated DEL of the first")?;
    chain.del(&two, &second)?;
    is_gone(host, &residue::addresses(&second))?;
    is_kept_from(&one, Outside::V4)
}
