//! The dhcp plugin and its daemon: against dnsmasq, and against a server that does what dnsmasq never does, or too slowly.

mod keeping;

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::VERSIONS;
use weir_tests::dhcp::{self, Scripted, grant};
use weir_tests::{Chain, Container, Host, Lifecycle, Programs, Test, lifecycle, residue, test, traffic};

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = lifecycle::tests("dhcp", &VERSIONS, |host, _| {
        dhcp::bridge(host)?;
        let server = dhcp::dnsmasq("10.60.0.10,10.60.0.99", &[])?;
        let daemon = dhcp::daemon(&[])?;
        let life = Lifecycle::new(network(json!({}))?).keep(server).keep(daemon);
        Ok(life.may_change(|name| name.starts_with("file /run/test/dhcp/")))
    });
    tests.extend([
        test("dhcp_gives_addresses_routes_and_names_that_work", whole_lease),
        test("dhcp_static_routes_come_with_the_default_route", static_routes),
        test("dhcp_server_sees_the_options_that_are_provided", provided),
        test("dhcp_releases_at_del_and_the_server_sees_it", released),
        test("dhcp_works_through_macvlan", |host| through(host, "macvlan", &["mode", "bridge"])),
        test("dhcp_works_through_ipvlan", |host| through(host, "ipvlan", &["mode", "l2"])),
        test("dhcp_leases_are_renewed_by_dnsmasq", keeping::renewed),
        test("dhcp_a_refused_lease_is_replaced_on_the_interface", keeping::moved_by_dnsmasq),
        test("dhcp_an_address_that_changes_at_renewal_is_applied", keeping::moved_by_renewal),
        test("dhcp_rebinds_where_the_server_does_not_renew", keeping::rebound),
        test("dhcp_an_expired_address_is_removed_and_a_new_one_found", keeping::expired),
        test("dhcp_an_address_that_a_neighbour_has_is_declined", keeping::declined),
        test("dhcp_leases_survive_a_killed_daemon", keeping::restarted),
        test("dhcp_del_succeeds_without_the_daemon_which_forgets_the_lease_later", keeping::daemon_down),
        test("dhcp_status_and_check_tell_whether_there_is_daemon_and_lease", status_and_check),
        test("dhcp_gc_gives_back_what_is_not_valid", gc),
        test("dhcp_containers_that_start_together_get_an_address_each", together),
        test("dhcp_without_a_server_add_fails_and_leaves_nothing", no_server),
        test("dhcp_daemon_takes_socket_prefix_pidfile_and_broadcast_flags", flags),
        test("dhcp_daemon_takes_the_socket_of_systemd", activated),
    ]);
    tests
}

/// A network on the servers' bridge.
fn network(keys: Value) -> Result<Chain> {
    let mut ipam = json!({"type": "dhcp"});
    for (key, value) in keys.as_object().into_iter().flatten() {
        ipam[key] = value.clone();
    }
    Ok(Chain::new(&Programs::weir()?, "net", &[json!({"type": "bridge", "bridge": dhcp::BRIDGE, "ipam": ipam})]))
}

fn routes(container: &Container) -> Result<Vec<String>> {
    let text = container.run("ip", ["-4", "route"])?;
    Ok(text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.contains("proto kernel")).collect())
}

fn whole_lease(host: &Host) -> Result<()> {
    dhcp::bridge(host)?;
    let arguments = [
        "--dhcp-option=121,10.9.0.0/16,10.60.0.1,0.0.0.0/0,10.60.0.1,10.8.0.0/16,0.0.0.0",
        "--dhcp-option=6,10.60.0.1,9.9.9.9",
        "--domain=a.example",
        "--dhcp-option=119,b.example,c.example",
    ];
    let _server = dhcp::dnsmasq("10.60.0.10,10.60.0.99", &arguments)?;
    let _daemon = dhcp::daemon(&[])?;
    let request = json!([{"option": 121}, {"option": 6}, {"option": "15"}, {"option": 119}]);
    let chain = network(json!({"request": request, "priority": 42}))?;
    let one = host.container("one")?;
    let result = chain.add(&one)?;
    let address = dhcp::address(&result)?;
    ensure!(one.addresses("eth0")? == [address.as_str()] && address.starts_with("10.60.0."), "{result}");
    ensure!(result["ips"][0]["gateway"] == "10.60.0.1", "{result}");
    let dns = json!({"nameservers": ["10.60.0.1", "9.9.9.9"], "domain": "a.example",
        "search": ["b.example", "c.example"]});
    ensure!(result["dns"] == dns, "{result}");
    let expected = [
        "default via 10.60.0.1 dev eth0 metric 42",
        "10.8.0.0/16 dev eth0 scope link metric 42",
        "10.9.0.0/16 via 10.60.0.1 dev eth0 metric 42",
    ];
    ensure!(routes(&one)? == expected, "{:?}", routes(&one)?);
    traffic::ping(&one, "10.60.0.1")?;
    chain.check(&one, &result)?;
    // What is there is not asked for again.
    let again = host.container("two")?;
    ensure!(dhcp::address(&chain.add(&again)?)? != address);
    chain.del(&one, &result)
}

fn static_routes(host: &Host) -> Result<()> {
    dhcp::bridge(host)?;
    let _server = dhcp::dnsmasq("10.60.0.10,10.60.0.99", &["--dhcp-option=33,192.168.7.0,10.60.0.1"])?;
    let _daemon = dhcp::daemon(&[])?;
    let one = host.container("one")?;
    let result = network(json!({"request": [{"option": 33}]}))?.add(&one)?;
    ensure!(
        result["routes"]
            == json!([{"dst": "192.168.7.0/24", "gw": "10.60.0.1"}, {"dst": "0.0.0.0/0",
        "gw": "10.60.0.1"}]),
        "{result}"
    );
    ensure!(result.get("dns").is_none(), "{result}");
    let two = host.container("two")?;
    let bare = network(json!({"request": [{"option": 1, "skipDefault": true}]}))?.add(&two)?;
    ensure!(bare["ips"][0].get("gateway").is_none() && bare.get("routes").is_none(), "{bare}");
    Ok(())
}

fn provided(host: &Host) -> Result<()> {
    dhcp::bridge(host)?;
    let server = dhcp::dnsmasq("10.60.0.10,10.60.0.99", &[])?;
    let _daemon = dhcp::daemon(&[])?;
    let provide = json!([{"option": "host-name", "fromArg": "K8S_POD_NAME"},
        {"option": "vendor-class-identifier", "value": "weir-vendor"}, {"option": 77, "value": "weir-user"}]);
    let mut chain = network(json!({"provide": provide, "request": [{"option": 42}]}))?;
    chain.arguments = "IgnoreUnknown=1;K8S_POD_NAME=pod-7".to_owned();
    chain.add(&host.container("one")?)?;
    for text in ["client provides name: pod-7", "vendor class: weir-vendor", "user class: weir-user", "42:ntp-server"] {
        server.await_log(text, 1)?;
    }
    let leases = || std::fs::read_to_string("/run/test/dhcp/leases");
    let hexadecimal = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":");
    ensure!(leases()?.contains(&format!(" 00:{}", hexadecimal("one/net/eth0"))), "{}", leases()?);
    let own = json!({"provide": [{"option": "dhcp-client-identifier", "value": "\u{1}mine"}]});
    network(own)?.add(&host.container("two")?)?;
    ensure!(leases()?.contains(&hexadecimal("\u{1}mine")), "{}", leases()?);
    Ok(())
}

fn released(host: &Host) -> Result<()> {
    dhcp::bridge(host)?;
    let server = dhcp::dnsmasq("10.60.0.10,10.60.0.99", &[])?;
    let _daemon = dhcp::daemon(&[])?;
    let (chain, one) = (network(json!({}))?, host.container("one")?);
    let result = chain.add(&one)?;
    ensure!(dhcp::records()? == 1);
    chain.del(&one, &result)?;
    let address = dhcp::address(&result)?;
    server.await_log(&format!("DHCPRELEASE(cni0) {}", address.trim_end_matches("/24")), 1)?;
    ensure!(dhcp::records()? == 0);
    residue::assert_none(host, &["one".to_owned()])
}

fn status_and_check(host: &Host) -> Result<()> {
    dhcp::bridge(host)?;
    let _server = Scripted::start(|said| grant(said, Ipv4Addr::new(10, 60, 0, 70), [20, 40, 60]))?;
    let (chain, one) = (network(json!({}))?, host.container("one")?);
    let told = json!({"cniVersion": "1.1.0", "ips": [{"address": "10.60.0.70/24"}]});
    let plugin = json!({"type": "dhcp", "name": "net", "cniVersion": "1.1.0", "ipam": {"type": "dhcp"},
        "prevResult": told});
    let call = |command: &str| {
        let call = weir_tests::Call::new(&chain.programs, "dhcp", command)?.config(&plugin);
        anyhow::Ok(match command {
            "STATUS" => call.unset("CNI_CONTAINERID").unset("CNI_NETNS").unset("CNI_IFNAME"),
            _ => call.container(&one),
        })
    };
    ensure!(call("STATUS")?.error()?.code == 50);
    let error = call("ADD")?.error()?;
    ensure!(error.msg.contains("weir dhcp-daemon"), "{error:?}");
    let _daemon = dhcp::daemon(&[])?;
    call("STATUS")?.ok()?;
    let error = call("CHECK")?.error()?;
    ensure!(error.msg.contains("no lease"), "{error:?}");
    let result = chain.add(&one)?;
    chain.check(&one, &result)?;
    chain.del(&one, &result)?;
    ensure!(call("CHECK")?.error().is_ok());
    let mode = std::fs::metadata("/run/cni/dhcp.sock")?.permissions().mode() & 0o777;
    ensure!(mode == 0o600, "{mode:o}");
    let mode = std::fs::metadata("/run/cni/dhcp")?.permissions().mode() & 0o777;
    ensure!(mode == 0o700, "{mode:o}");
    Ok(())
}

/// Through links that have no bridge port of their own.
fn through(host: &Host, kind: &str, options: &[&str]) -> Result<()> {
    dhcp::bridge(host)?;
    host.run("ip", ["link", "add", "uplink", "type", "veth", "peer", "name", "port"])?;
    host.run("ip", ["link", "set", "port", "master", dhcp::BRIDGE, "up"])?;
    host.run("ip", ["link", "set", "uplink", "up"])?;
    host.require_link(kind, &[&["link", "uplink"], options].concat())?;
    let server = dhcp::dnsmasq("10.60.0.10,10.60.0.99", &["--dhcp-option=option:T1,3"])?;
    let _daemon = dhcp::daemon(&[])?;
    let plugin = json!({"type": kind, "master": "uplink", "ipam": {"type": "dhcp"}});
    let chain = Chain::new(&Programs::weir()?, "net", &[plugin]);
    let (one, two) = (host.container("one")?, host.container("two")?);
    let results = [chain.add(&one)?, chain.add(&two)?];
    let addresses = results.iter().map(dhcp::address).collect::<Result<Vec<_>>>()?;
    ensure!(addresses[0] != addresses[1], "{addresses:?}");
    traffic::ping(&one, "10.60.0.1")?;
    traffic::ping(&two, addresses[0].trim_end_matches("/24"))?;
    for address in &addresses {
        server.await_log(&format!("DHCPACK(cni0) {}", address.trim_end_matches("/24")), 2)?;
    }
    for (container, result) in [(&one, &results[0]), (&two, &results[1])] {
        chain.check(container, result)?;
        chain.del(container, result)?;
    }
    server.await_log("DHCPRELEASE(cni0)", 2)?;
    ensure!(dhcp::records()? == 0);
    Ok(())
}

fn gc(host: &Host) -> Result<()> {
    dhcp::bridge(host)?;
    let server = dhcp::dnsmasq("10.60.0.10,10.60.0.99", &[])?;
    let _daemon = dhcp::daemon(&[])?;
    let chain = network(json!({}))?;
    let containers = ["one", "two", "three"].map(|name| host.container(name).unwrap());
    let mut results = Vec::new();
    for container in &containers {
        results.push(chain.add(container)?);
    }
    ensure!(dhcp::records()? == 3);
    // One whose namespace is gone, one that is there and that the runtime does not know.
    containers[0].unmount()?;
    chain.gc(&[("three", "eth0")])?;
    ensure!(dhcp::records()? == 1);
    let two = dhcp::address(&results[1])?;
    server.await_log(&format!("DHCPRELEASE(cni0) {}", two.trim_end_matches("/24")), 1)?;
    chain.check(&containers[2], &results[2])
}

fn together(host: &Host) -> Result<()> {
    dhcp::bridge(host)?;
    let _server = dhcp::dnsmasq("10.60.0.10,10.60.0.99", &[])?;
    let daemon = dhcp::daemon(&[])?;
    let before = daemon.weight()?;
    let chain = network(json!({}))?;
    let containers: Vec<_> = (0..8).map(|n| host.container(&format!("c{n}"))).collect::<Result<_>>()?;
    let results: Vec<Value> = std::thread::scope(|scope| {
        let chain = &chain;
        let add = |container| scope.spawn(move || chain.add(container));
        let threads: Vec<_> = containers.iter().map(add).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Result<_>>()
    })?;
    let mut addresses: Vec<_> = results.iter().map(dhcp::address).collect::<Result<_>>()?;
    addresses.sort();
    addresses.dedup();
    ensure!(addresses.len() == 8, "{addresses:?}");
    // Leases at rest cost neither threads nor open namespaces.
    dhcp::wait_for("rest", || Ok(daemon.weight()? == before))?;
    for (container, result) in containers.iter().zip(&results) {
        traffic::ping(container, "10.60.0.1")?;
        chain.del(container, result)?;
    }
    ensure!(dhcp::records()? == 0);
    Ok(())
}

fn no_server(host: &Host) -> Result<()> {
    dhcp::bridge(host)?;
    let _daemon = dhcp::daemon(&["--resendtimeout", "1s"])?;
    let (chain, one) = (network(json!({}))?, host.container("one")?);
    let before = weir_tests::Snapshot::take(&[&one])?;
    let error = chain.call("ADD", &chain.plugins[0], &Value::Null)?.container(&one).error()?;
    ensure!(error.code == 11 && error.msg.contains("no DHCP server answered"), "{error:?}");
    // The bridge takes over some properties of a port, and keeps them.
    let change = |name: &str| name.starts_with("file /run/test/dhcp/") || name.contains("\"cni0\"");
    before.without(change).await_same(|| Ok(weir_tests::Snapshot::take(&[&one])?.without(change)))
}

fn flags(host: &Host) -> Result<()> {
    dhcp::bridge(host)?;
    let server = Scripted::start(|said| grant(said, Ipv4Addr::new(10, 60, 0, 80), [20, 40, 60]))?;
    std::os::unix::fs::symlink("/", "/run/prefix")?;
    let arguments = [
        "--broadcast",
        "--hostprefix",
        "/run/prefix",
        "--socketpath",
        "/run/other/d.sock",
        "--pidfile",
        "/run/test/pid",
        "--statedir",
        "/run/test/state",
    ];
    let mut daemon = dhcp::daemon(&arguments)?;
    let chain = network(json!({"daemonSocketPath": "/run/other/d.sock"}))?;
    let one = host.container("one")?;
    let result = chain.add(&one)?;
    ensure!(server.said().iter().all(|said| said.broadcast), "{:?}", server.said());
    ensure!(std::fs::read_dir("/run/test/state")?.count() == 1 && dhcp::records()? == 0);
    let pid: u32 = std::fs::read_to_string("/run/test/pid")?.trim().parse()?;
    ensure!(std::path::Path::new(&format!("/proc/{pid}")).exists());
    chain.del(&one, &result)?;
    ensure!(daemon.terminate()?);
    ensure!(!std::path::Path::new("/run/test/pid").exists() && !std::path::Path::new("/run/other/d.sock").exists());
    Ok(())
}

fn activated(host: &Host) -> Result<()> {
    dhcp::bridge(host)?;
    let _server = Scripted::start(|said| grant(said, Ipv4Addr::new(10, 60, 0, 90), [20, 40, 60]))?;
    let listener = UnixListener::bind("/run/cni/dhcp.sock")?;
    let mut daemon = dhcp::activated_daemon(listener)?;
    ensure!(daemon.log().contains("the socket of systemd"), "{}", daemon.log());
    let (chain, one) = (network(json!({}))?, host.container("one")?);
    let result = chain.add(&one)?;
    chain.check(&one, &result)?;
    chain.del(&one, &result)?;
    ensure!(daemon.terminate()?);
    ensure!(std::path::Path::new("/run/cni/dhcp.sock").exists(), "the socket is systemd's");
    Ok(())
}
