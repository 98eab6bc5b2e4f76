//! A network card with a neighbour, for plugins that put links on a card of the host.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::with;
use weir_tests::{Chain, Container, Host, Programs};

/// A network card `nic0` of the host, and the neighbour at its other end: 10.42.0.1, fd00:42::1.
pub(crate) fn lan(host: &Host) -> Result<Container> {
    let neighbour = host.container("lan")?;
    host.run("ip", ["link", "add", "nic0", "type", "veth", "peer", "name", "lan0", "netns", "lan"])?;
    host.run("ip", ["link", "set", "nic0", "up"])?;
    neighbour.run("ip", ["address", "add", "10.42.0.1/24", "dev", "lan0"])?;
    neighbour.run("ip", ["address", "add", "fd00:42::1/64", "dev", "lan0", "nodad"])?;
    neighbour.run("ip", ["link", "set", "lan0", "up"])?;
    // The card gets its link-local address some time later, and snapshots would tell.
    let deadline = Instant::now() + Duration::from_secs(15);
    while !host.run("ip", ["-6", "address", "show", "dev", "nic0"])?.contains("fe80:") {
        ensure!(Instant::now() < deadline, "nic0 gets no link-local address");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(neighbour)
}

/// Addresses of the network at `nic0`, beginning at .16; the neighbour is the gateway.
pub(crate) fn addresses() -> Value {
    let range =
        |subnet: &str, start: &str, gateway: &str| json!([{"subnet": subnet, "rangeStart": start, "gateway": gateway}]);
    json!({
        "type": "host-local", "dataDir": "/run/test/ipam", "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
        "ranges": [range("10.42.0.0/24", "10.42.0.16", "10.42.0.1"), range("fd00:42::/64", "fd00:42::16", "fd00:42::1")],
    })
}

/// A network of one plugin with all these keys.
pub(crate) fn chain(keys: &[&Value]) -> Result<Chain> {
    let config = keys.iter().fold(json!({}), |all, keys| with(&all, (*keys).clone()));
    Ok(Chain::new(&Programs::weir()?, "net", &[config]))
}

pub(crate) fn added(chain: &Chain, host: &Host, name: &str) -> Result<(Container, Value)> {
    let container = host.container(name)?;
    let result = chain.add(&container)?;
    Ok((container, result))
}
