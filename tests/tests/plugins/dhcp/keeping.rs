//! What becomes of a lease while its container runs.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_tests::dhcp::{self, Scripted, grant, wait_for};
use weir_tests::{Container, Host, residue, traffic};

use super::{network, routes};

/// Wait until the container's one address is this.
fn await_address(container: &Container, wanted: &[&str]) -> Result<()> {
    wait_for(&format!("addresses {wanted:?}"), || Ok(container.addresses("eth0")? == wanted))
}

pub(super) fn renewed(host: &Host) -> Result<()> {
    dhcp::bridge(host)?;
    let server = dhcp::dnsmasq("10.60.0.10,10.60.0.99", &["--dhcp-option=option:T1,3", "--dhcp-option=option:T2,60"])?;
    let _daemon = dhcp::daemon(&[])?;
    let (chain, one) = (network(json!({}))?, host.container("one")?);
    let result = chain.add(&one)?;
    let address = dhcp::address(&result)?;
    server.await_log(&format!("DHCPACK(cni0) {}", address.trim_end_matches("/24")), 3)?;
    ensure!(server.log().matches("DHCPDISCOVER(cni0)").count() == 1, "{}", server.log());
    ensure!(one.addresses("eth0")? == [address]);
    chain.check(&one, &result)
}

pub(super) fn moved_by_dnsmasq(host: &Host) -> Result<()> {
    dhcp::bridge(host)?;
    let times = ["--dhcp-option=option:T1,3", "--dhcp-option=option:T2,60"];
    let mut server = dhcp::dnsmasq("10.60.0.10,10.60.0.10", &times)?;
    let _daemon = dhcp::daemon(&[])?;
    let (chain, one) = (network(json!({}))?, host.container("one")?);
    let result = chain.add(&one)?;
    ensure!(one.addresses("eth0")? == ["10.60.0.10/24"]);
    let before = routes(&one)?;
    server.kill()?;
    std::fs::remove_file("/run/test/dhcp/leases")?;
    let moved = dhcp::dnsmasq("10.60.0.50,10.60.0.50", &times)?;
    await_address(&one, &["10.60.0.50/24"])?;
    ensure!(moved.log().contains("DHCPNAK(cni0) 10.60.0.10"), "{}", moved.log());
    wait_for("the default route", || Ok(routes(&one)? == before))?;
    traffic::ping(&one, "10.60.0.1")?;
    ensure!(chain.check(&one, &result).is_err(), "the result is not true any more");
    chain.del(&one, &result)?;
    moved.await_log("DHCPRELEASE(cni0) 10.60.0.50", 1)
}

pub(super) fn moved_by_renewal(host: &Host) -> Result<()> {
    dhcp::bridge(host)?;
    let last = Arc::new(AtomicU8::new(10));
    let current = Arc::clone(&last);
    let server = Scripted::start(move |said| {
        let address = Ipv4Addr::new(10, 60, 0, current.load(Ordering::Relaxed));
        let mut answer = grant(said, address, [1, 20, 30]);
        if let Some((_, address, options)) = &mut answer {
            // The routes change with the address.
            let to = [&[16, 10, address.octets()[3]][..], &dhcp::SERVER.octets()].concat();
            options.push((121, to));
        }
        answer
    })?;
    let _daemon = dhcp::daemon(&[])?;
    let (chain, one) = (network(json!({"priority": 5}))?, host.container("one")?);
    chain.add(&one)?;
    ensure!(one.addresses("eth0")? == ["10.60.0.10/24"]);
    ensure!(routes(&one)? == ["10.10.0.0/16 via 10.60.0.1 dev eth0 metric 5"], "{:?}", routes(&one)?);
    last.store(77, Ordering::Relaxed);
    await_address(&one, &["10.60.0.77/24"])?;
    let route = ["10.77.0.0/16 via 10.60.0.1 dev eth0 metric 5"];
    wait_for("the new route alone", || Ok(routes(&one)? == route))?;
    traffic::ping(&one, "10.60.0.1")?;
    let renewal = |said: &dhcp::Said| said.kind == 3 && said.client == Ipv4Addr::new(10, 60, 0, 77);
    server.await_said("a renewal of the new address", 1, renewal)
}

pub(super) fn rebound(host: &Host) -> Result<()> {
    dhcp::bridge(host)?;
    let requests = AtomicUsize::new(0);
    let server = Scripted::start(move |said| {
        // The first renewal is not answered, the request that follows it is.
        let is_renewal = said.kind == 3 && !said.client.is_unspecified();
        if is_renewal && requests.fetch_add(1, Ordering::Relaxed) == 0 {
            return None;
        }
        grant(said, Ipv4Addr::new(10, 60, 0, 20), [1, 3, 30])
    })?;
    let _daemon = dhcp::daemon(&["--timeout", "1s"])?;
    let one = host.container("one")?;
    network(json!({}))?.add(&one)?;
    let extension = |said: &dhcp::Said| said.kind == 3 && said.client == Ipv4Addr::new(10, 60, 0, 20);
    server.await_said("a renewal and a rebinding", 3, extension)?;
    ensure!(server.said().iter().filter(|said| said.kind == 1).count() == 1, "{:?}", server.said());
    ensure!(one.addresses("eth0")? == ["10.60.0.20/24"]);
    Ok(())
}

pub(super) fn expired(host: &Host) -> Result<()> {
    dhcp::bridge(host)?;
    let phase = Arc::new(AtomicU8::new(0));
    let current = Arc::clone(&phase);
    let _server = Scripted::start(move |said| match current.load(Ordering::Relaxed) {
        0 => grant(said, Ipv4Addr::new(10, 60, 0, 30), [1, 2, 3]),
        1 => None,
        _ => grant(said, Ipv4Addr::new(10, 60, 0, 31), [60, 80, 90]),
    })?;
    let _daemon = dhcp::daemon(&["--timeout", "500ms", "--resendmax", "500ms"])?;
    let one = host.container("one")?;
    network(json!({}))?.add(&one)?;
    ensure!(one.addresses("eth0")? == ["10.60.0.30/24"]);
    phase.store(1, Ordering::Relaxed);
    await_address(&one, &[])?;
    ensure!(routes(&one)?.is_empty(), "{:?}", routes(&one)?);
    phase.store(2, Ordering::Relaxed);
    await_address(&one, &["10.60.0.31/24"])?;
    wait_for("the default route", || Ok(routes(&one)? == ["default via 10.60.0.1 dev eth0"]))?;
    traffic::ping(&one, "10.60.0.1")
}

pub(super) fn declined(host: &Host) -> Result<()> {
    dhcp::bridge(host)?;
    // The second address of the host is the first that the server gives.
    host.run("ip", ["address", "add", "10.60.0.40/24", "dev", dhcp::BRIDGE])?;
    let declined = Arc::new(Mutex::new(false));
    let server = Scripted::start(move |said| {
        let mut declined = declined.lock().unwrap();
        *declined |= said.kind == 4;
        grant(said, Ipv4Addr::new(10, 60, 0, if *declined { 41 } else { 40 }), [60, 80, 90])
    })?;
    let _daemon = dhcp::daemon(&[])?;
    let one = host.container("one")?;
    let result = network(json!({}))?.add(&one)?;
    ensure!(dhcp::address(&result)? == "10.60.0.41/24", "{result}");
    let said = server.said();
    let decline = said.iter().find(|said| said.kind == 4);
    ensure!(decline.and_then(|said| said.option(50)) == Some(&[10, 60, 0, 40]), "{said:?}");
    Ok(())
}

pub(super) fn restarted(host: &Host) -> Result<()> {
    dhcp::bridge(host)?;
    let server = Scripted::start(|said| grant(said, Ipv4Addr::new(10, 60, 0, 50), [2, 40, 60]))?;
    let mut daemon = dhcp::daemon(&[])?;
    let (chain, one) = (network(json!({}))?, host.container("one")?);
    let result = chain.add(&one)?;
    daemon.kill()?;
    let extension = |said: &dhcp::Said| said.kind == 3 && !said.client.is_unspecified();
    let before = server.said().iter().filter(|said| extension(said)).count();
    ensure!(chain.status().is_err() && chain.check(&one, &result).is_err());
    let mut second = dhcp::daemon(&[])?;
    second.await_log("took up 1 leases", 1)?;
    chain.check(&one, &result)?;
    server.await_said("renewals after the restart", before + 2, extension)?;
    ensure!(server.said().iter().filter(|said| said.kind == 1).count() == 1, "{:?}", server.said());
    ensure!(one.addresses("eth0")? == ["10.60.0.50/24"]);
    ensure!(second.terminate()?, "{}", second.log());
    ensure!(!std::path::Path::new("/run/cni/dhcp.sock").exists() && dhcp::records()? == 1);
    let _third = dhcp::daemon(&[])?;
    chain.del(&one, &result)?;
    server.await_said("a release", 1, |said| said.kind == 7)?;
    ensure!(dhcp::records()? == 0);
    Ok(())
}

pub(super) fn daemon_down(host: &Host) -> Result<()> {
    dhcp::bridge(host)?;
    let _server = Scripted::start(|said| grant(said, Ipv4Addr::new(10, 60, 0, 60), [20, 40, 60]))?;
    let mut daemon = dhcp::daemon(&[])?;
    let (chain, one) = (network(json!({}))?, host.container("one")?);
    let result = chain.add(&one)?;
    daemon.kill()?;
    chain.del(&one, &result)?;
    chain.del(&one, &Value::Null)?;
    chain.gc(&[])?;
    residue::assert_none(host, &["one".to_owned()])?;
    ensure!(dhcp::records()? == 1);
    let again = dhcp::daemon(&[])?;
    again.await_log("forgot eth0 of container one in network net", 1)?;
    ensure!(dhcp::records()? == 0);
    chain.add(&one).map(drop)
}
