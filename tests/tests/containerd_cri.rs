//! kubelet's way to a network: pods of containerd's CRI service, with a directory made by `weir install`.
#![allow(clippy::indexing_slicing, reason = "a test may panic")]

use std::net::TcpStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use weir_tests::containerd::cri::Cri;
use weir_tests::{Host, Programs, Snapshot, configs, run, test, traffic};

fn main() -> ExitCode {
    run(vec![test("pods_get_their_network_ports_and_limits_and_leave_nothing", lifecycle)])
}

fn lifecycle(host: &Host) -> Result<()> {
    let subnets = ["10.78.0.0/24", "fd00:78::/64"];
    // What a node has, besides what kubelet sets: ports and limits come as capabilities.
    let network = json!({
        "cniVersion": "1.0.0", "name": "pods",
        "plugins": [
            configs::bridge(&subnets), configs::portmap("nftables"),
            {"type": "firewall"}, {"type": "bandwidth", "capabilities": {"bandwidth": true}},
        ],
    });
    let programs = Programs::weir()?;
    let cri = Cri::start(host, &programs.directories[0], &network)?;
    ensure!(cri.is_network_ready()?, "the network is not ready");
    let data_dir = Path::new("/run/test/ipam");
    // What stays for good (the bridge, base chains) is there after the first round.
    let mut states = Vec::new();
    for round in 0..2 {
        let pods = [cri.run("one", &["8080:80"])?, cri.run("two", &[])?];
        let addresses = [cri.addresses(&pods[0])?, cri.addresses(&pods[1])?];
        ensure!(addresses.iter().all(|both| both.len() == 2), "{addresses:?}");
        ensure!(host.leases(data_dir, "pods")?.len() == 4, "{:?}", host.leases(data_dir, "pods")?);
        for address in &addresses[0] {
            let ping = ["/bin/ping", "-c", "1", "-W", "3", address];
            cri.exec(&pods[1], &ping).with_context(|| format!("round {round}"))?;
            let page = traffic::fetch_here(address, 80)?;
            ensure!(page.contains("a page from the container"), "{page}");
        }
        let page = traffic::fetch_here("127.0.0.1", 8080).context("the published port")?;
        ensure!(page.contains("a page from the container"), "{page}");
        let links = cri.exec(&pods[0], &["/bin/ip", "address"])?;
        ensure!(links.contains("127.0.0.1/8") && !links.contains("lo: <LOOPBACK> "), "loopback is not up: {links}");
        let limits = host.run("tc", ["qdisc", "show"])?;
        ensure!(limits.matches("rate 8Mbit").count() == 2, "{limits}");

        for pod in &pods {
            cri.stop(pod)?;
            // kubelet asks again until all is gone.
            cri.stop(pod)?;
            cri.remove(pod)?;
        }
        let leases = host.leases(data_dir, "pods")?;
        ensure!(leases.is_empty(), "addresses stay: {leases:?}");
        let published = TcpStream::connect_timeout(&([127, 0, 0, 1], 8080).into(), Duration::from_secs(1));
        ensure!(published.is_err(), "the port is still published");
        states.push(Snapshot::take_with(&[], &[])?);
    }
    states[0].assert_same(&states[1])
}
