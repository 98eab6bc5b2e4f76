//! containerd with a directory made by `weir install`.
#![allow(clippy::indexing_slicing, reason = "a test may panic")]

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use weir_tests::containerd::{Containerd, await_leases};
use weir_tests::{Host, Programs, Snapshot, configs, rootfs, run, test, traffic};

fn main() -> ExitCode {
    run(vec![test("a_container_gets_its_network_and_leaves_nothing", |host| lifecycle(host, &Programs::weir()?))])
}

fn lifecycle(host: &Host, programs: &Programs) -> Result<()> {
    let subnets = ["10.77.0.0/24", "fd00:77::/64"];
    let network = json!({
        "cniVersion": "1.0.0", "name": "lab",
        "plugins": [configs::bridge(&subnets), configs::tuning(), configs::portmap("nftables")],
    });
    let containerd = Containerd::start(host, &programs.directories[0], &network)?;
    let root = host.directory("rootfs")?;
    rootfs::make(&root)?;
    let data_dir = Path::new("/run/test/ipam");
    // What stays for good (the bridge, base chains) is there after the first round.
    let mut states = Vec::new();
    for round in 0..2 {
        let mut one = containerd.run(&root, "one")?;
        await_leases(host, &mut one, 2)?;
        let mut two = containerd.run(&root, "two")?;
        await_leases(host, &mut two, 4)?;
        let leases = host.leases(data_dir, "lab")?;
        let links = containerd.exec("one", &["/bin/ip", "address"])?;
        ensure!(links.contains("10.77.0.") && links.contains("fd00:77::"), "{links}");
        ensure!(links.contains("127.0.0.1/8") && !links.contains("lo: <LOOPBACK> "), "loopback is not up: {links}");
        for address in &leases {
            let ping = ["/bin/ping", "-c", "1", "-W", "3", address];
            containerd.exec("two", &ping).with_context(|| format!("round {round}"))?;
            let page = traffic::fetch_here(address, 80)?;
            ensure!(page.contains("a page from the container"), "{page}");
        }
        containerd.stop("one", one)?;
        containerd.stop("two", two)?;
        let leases = host.leases(data_dir, "lab")?;
        ensure!(leases.is_empty(), "addresses stay: {leases:?}");
        states.push(Snapshot::take_with(&[], &[])?);
    }
    states[0].assert_same(&states[1])
}
