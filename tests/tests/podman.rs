//! podman with its CNI backend, given a directory made by `weir install`.
#![allow(clippy::indexing_slicing, reason = "a test may panic")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use serde_json::json;
use weir_tests::podman::Podman;
use weir_tests::{Host, Programs, Snapshot, configs, run, test, traffic};

fn main() -> ExitCode {
    run(vec![
        test("two_containers_reach_each_other_and_their_port_is_published", |host| {
            lifecycle(host, &Programs::weir()?, "nftables", "10.88.1.0/24")
        }),
        test("the_iptables_backend_publishes_ports_too", |host| {
            lifecycle(host, &Programs::weir()?, "iptables", "10.88.2.0/24")
        }),
        test("what_podman_itself_writes_into_a_network_works", |host| own_network(host, &Programs::weir()?)),
    ])
}

fn lifecycle(host: &Host, programs: &Programs, backend: &str, subnet: &str) -> Result<()> {
    let podman = Podman::new(host, programs)?;
    let outside = host.outside()?;
    let bridge = configs::with(
        &configs::bridge(&[subnet]),
        json!({"ipMasq": true, "ipMasqBackend": backend, "hairpinMode": true}),
    );
    podman.network("lab", &[bridge, configs::tuning(), configs::portmap(backend)])?;
    // What stays for good (the bridge, base chains, lock files, podman's own files) is there after the first round.
    let mut states = Vec::new();
    for _ in 0..2 {
        podman.start(host, "one", "lab", &["--publish", "8080:80"])?;
        podman.start(host, "two", "lab", &[])?;
        let (one, two) = (podman.address("one", "lab")?, podman.address("two", "lab")?);
        ensure!(one != two, "both have {one}");
        let data_dir = PathBuf::from("/run/test/ipam");
        ensure!(host.leases(&data_dir, "lab")?.len() == 2, "{:?}", host.leases(&data_dir, "lab")?);
        let links = podman.run(&["exec", "one", "ip", "address", "show", "eth0"])?;
        ensure!(links.contains(&one), "{links}");
        podman.run(&["exec", "one", "ping", "-c", "1", "-W", "3", &two])?;
        podman.run(&["exec", "two", "ping", "-c", "1", "-W", "3", &one])?;
        podman.run(&["exec", "two", "ping", "-c", "1", "-W", "3", "192.0.2.2"])?;
        for (address, page) in [
            (one.as_str(), traffic::fetch_here(&one, 80)?),
            ("127.0.0.1", traffic::fetch_here("127.0.0.1", 8080)?),
            ("192.0.2.1", outside.namespace.enter(|| traffic::fetch_here("192.0.2.1", 8080))?),
        ] {
            ensure!(page.contains("a page from the container"), "{address}: {page}");
        }
        podman.run(&["rm", "--force", "--time", "0", "one", "two"])?;
        ensure!(host.leases(&data_dir, "lab")?.is_empty(), "addresses stay: {:?}", host.leases(&data_dir, "lab")?);
        ensure!(traffic::tcp_here("127.0.0.1", 8080).is_err(), "the port is still published");
        let state = Snapshot::take_with(&[&outside.namespace], &[])?;
        // The address last given out moves on, and a bridge without ports takes another state.
        states.push(state);
    }
    states[0].assert_same(&states[1])
}

fn own_network(host: &Host, programs: &Programs) -> Result<()> {
    let podman = Podman::new(host, programs)?;
    podman.run(&["network", "create", "--subnet", "10.99.9.0/24", "--ipv6", "--subnet", "fd00:88:9::/64", "own"])?;
    let written = std::fs::read_to_string(podman.networks.join("own.conflist"))?;
    for plugin in ["bridge", "portmap", "firewall", "tuning"] {
        ensure!(written.contains(&format!("\"{plugin}\"")), "{written}");
    }
    podman.start(host, "one", "own", &["--publish", "8081:80"])?;
    podman.start(host, "two", "own", &[])?;
    let two = podman.address("two", "own")?;
    podman.run(&["exec", "one", "ping", "-c", "1", "-W", "3", &two])?;
    let page = traffic::fetch_here("127.0.0.1", 8081)?;
    ensure!(page.contains("a page from the container"), "{page}");
    podman.run(&["rm", "--force", "--time", "0", "one", "two"])?;
    let left =
        std::fs::read_dir("/var/lib/cni/networks/own")?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let left: Vec<_> = left.filter(|name| name.parse::<std::net::IpAddr>().is_ok()).collect();
    ensure!(left.is_empty(), "addresses stay: {left:?}");
    Ok(())
}
