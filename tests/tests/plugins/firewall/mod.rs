//! The firewall plugin, behind a bridge.

mod beside;
mod firewalld;
mod keys;
mod policies;
mod takeover;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::{bridge, with};
use weir_tests::host::Outside;
use weir_tests::{Chain, Container, Host, Lifecycle, Programs, Test, lifecycle, traffic};

/// Versions that the plugin speaks: chains came with 0.3.0.
const VERSIONS: [&str; 5] = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for backend in ["nftables", "iptables"] {
        tests.extend(lifecycle::tests(&format!("firewall_{backend}"), &VERSIONS, move |_, _| {
            Ok(Lifecycle::new(network("net", "cni0", 1, json!({"backend": backend, "ingressPolicy": "isolated"}))?))
        }));
    }
    tests.extend(lifecycle::tests("firewall_beside_docker", &VERSIONS, |host, _| {
        beside::docker(host)?;
        Ok(Lifecycle::new(network("net", "cni0", 1, json!({}))?))
    }));
    tests.extend(policies::tests());
    tests.extend(beside::tests());
    tests.extend(keys::tests());
    tests.extend(takeover::tests());
    tests.extend(firewalld::tests());
    tests
}

/// A bridge with the subnets 10.60.N.0/24 and fd00:60:N::/64, and firewall with these keys.
fn network(name: &str, switch: &str, number: u8, keys: Value) -> Result<Chain> {
    let subnets = [format!("10.60.{number}.0/24"), format!("fd00:60:{number}::/64")];
    let bridge = with(&bridge(&[&subnets[0], &subnets[1]]), json!({"bridge": switch}));
    Ok(Chain::new(&Programs::weir()?, name, &[bridge, with(&json!({"type": "firewall"}), keys)]))
}

/// The network beyond the host, which knows the way to the containers.
fn outside(host: &Host) -> Result<Container> {
    let outside = host.outside()?.namespace;
    outside.run("ip", ["route", "add", "10.60.0.0/16", "via", Outside::HOST_V4])?;
    outside.run("ip", ["route", "add", "fd00:60::/32", "via", Outside::HOST_V6])?;
    Ok(outside)
}

/// A packet gets there and an answer back. From the host where there is no container.
fn reaches(from: Option<&Container>, address: &str) -> Result<()> {
    from.map_or_else(|| traffic::ping_here(address), |container| traffic::ping(container, address))
}

/// No packet gets there.
fn is_kept_from(from: &Container, address: &str) -> Result<()> {
    let answer = from.run("ping", ["-n", "-c", "1", "-W", "0.6", address]);
    ensure!(answer.is_err(), "{} reaches {address}, and must not", from.id);
    Ok(())
}
