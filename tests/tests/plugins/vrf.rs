//! The vrf plugin, behind bridges.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::{alone, bridge, with};
use weir_tests::{Call, Chain, Container, Host, Lifecycle, Programs, Test, lifecycle, test, traffic};

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = lifecycle::tests("vrf", &["0.3.1", "0.4.0", "1.0.0", "1.1.0"], |host, _| {
        require(host)?;
        let plugins = [bridge(&["10.47.0.0/24", "fd00:47::/64"]), vrf(json!({}))];
        let life = Lifecycle::new(Chain::new(&Programs::weir()?, "net", &plugins));
        // With the first VRF of a namespace the kernel makes the rule that leads to the tables of VRFs, for good.
        Ok(life.may_change(|name| name.contains(": rule ") && name.contains(" 1000 ")))
    });
    tests.extend([
        test("vrf_takes_addresses_and_routes_along", moves),
        test("vrf_isolates_networks_with_the_same_addresses", isolation),
        test("vrf_addresses_in_use_are_not_probed_again", settled),
        test("vrf_table_is_the_configured_one_or_free", tables),
        test("vrf_is_shared_and_goes_with_its_last_interface", shared),
        test("vrf_interfaces_that_come_at_once_get_along", at_once),
        test("vrf_deletes_without_interface_or_namespace", deletion),
        test("vrf_check_sees_changes", check),
        test("vrf_refuses_what_is_no_vrf_and_leaves_the_interface_alone", refused),
        test("vrf_before_0_3_1_is_refused", old_versions),
    ]);
    tests
}

fn require(host: &Host) -> Result<()> {
    host.require_link("vrf", &["table", "10"])
}

fn vrf(keys: Value) -> Value {
    with(&json!({"type": "vrf", "vrfname": "red"}), keys)
}

fn chain(keys: Value) -> Result<Chain> {
    Ok(Chain::new(&Programs::weir()?, "net", &[bridge(&["10.47.0.0/24", "fd00:47::/64"]), vrf(keys)]))
}

fn table_of(container: &Container, name: &str) -> Result<u64> {
    let link = container.link(name)?;
    ensure!(link["linkinfo"]["info_kind"] == "vrf", "{link}");
    link["linkinfo"]["info_data"]["table"].as_u64().context("no table")
}

/// Routes of a table, both families, without link-local ones and those that the kernel makes for itself.
fn routes(container: &Container, table: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for family in ["-4", "-6"] {
        let text = container.run("ip", [family, "route", "show", "table", table]).unwrap_or_default();
        let own = ["fe80::", "local ", "broadcast ", "multicast ", "anycast ", "unreachable ", "ff00::"];
        let lines = text.lines().map(|line| line.trim().to_owned());
        found.extend(lines.filter(|line| !own.iter().any(|start| line.starts_with(start))));
    }
    found.sort();
    Ok(found)
}

fn moves(host: &Host) -> Result<()> {
    require(host)?;
    let one = host.container("one")?;
    let mut chain = chain(json!({}))?;
    chain.plugins[0]["ipam"]["routes"] = json!([
        {"dst": "203.0.113.0/24", "gw": "10.47.0.7", "mtu": 1300, "advmss": 1200, "priority": 9},
        {"dst": "2001:db8::/32", "gw": "fd00:47::7", "mtu": 1400, "advmss": 1300, "priority": 9},
        {"dst": "198.51.100.0/24", "gw": "10.47.0.8", "table": 500},
    ]);
    let mut bridge_only = chain.clone();
    bridge_only.plugins.truncate(1);
    let result = bridge_only.add(&one)?;
    let (main, elsewhere) = (routes(&one, "main")?, routes(&one, "500")?);
    ensure!(main.len() == 6 && elsewhere.len() == 1, "{main:?} {elsewhere:?}");
    let call = |command: &str| chain.call(command, &chain.plugins[1], &result).map(|call| call.container(&one));
    ensure!(call("ADD")?.ok()? == result, "the result is not passed on as it is");
    ensure!(table_of(&one, "red")? == 1 && one.link("eth0")?["master"] == "red");
    ensure!(one.link("red")?["flags"].to_string().contains("\"UP\""));
    // The protocol is not the kernel's any more where a route was put back.
    let plain = |routes: Vec<String>| -> Vec<String> {
        routes
            .iter()
            .map(|route| route.replace(" proto kernel", "").replace(" proto boot", "").replace(" pref medium", ""))
            .collect()
    };
    ensure!(plain(routes(&one, "1")?) == plain(main.clone()), "{:?}\n{main:?}", routes(&one, "1")?);
    ensure!(routes(&one, "main")?.is_empty(), "{:?}", routes(&one, "main")?);
    ensure!(plain(routes(&one, "500")?) == plain(elsewhere), "another table has lost its route");
    ensure!(one.addresses("eth0")? == ["10.47.0.2/24", "fd00:47::2/64"], "{:?}", one.addresses("eth0")?);
    for address in ["10.47.0.1", "fd00:47::1"] {
        one.run("ping", ["-n", "-c", "1", "-W", "3", "-I", "red", address])?;
    }
    chain.check(&one, &result)?;
    chain.del(&one, &result)
}

/// A network without a host in it, so that its addresses may be those of another.
fn island(name: &str, address: &str, more: &[Value]) -> Result<Chain> {
    let ipam = json!({"type": "static", "addresses": [
        {"address": format!("10.48.0.{address}/24")}, {"address": format!("fd00:48::{address}/64")},
    ]});
    let bridge = json!({"type": "bridge", "bridge": name, "ipam": ipam});
    Ok(Chain::new(&Programs::weir()?, name, &[&[bridge], more].concat()))
}

fn isolation(host: &Host) -> Result<()> {
    require(host)?;
    let one = host.container("one")?;
    let (left, right) = (host.container("left")?, host.container("right")?);
    island("isle0", "9", &[])?.add(&left)?;
    island("isle1", "9", &[])?.add(&right)?;
    // Only there.
    right.run("ip", ["address", "add", "10.48.0.66/24", "dev", "eth0"])?;
    one.enter(|| Ok(std::fs::write("/proc/sys/net/ipv4/tcp_l3mdev_accept", "1")?))?;
    let mut results = Vec::new();
    for (interface, bridge, vrf_name) in [("eth0", "isle0", "red"), ("net1", "isle1", "blue")] {
        let chain = island(bridge, "2", &[vrf(json!({"vrfname": vrf_name}))])?;
        results.push((chain.add_interface(&one, interface)?, chain, interface));
    }
    ensure!(table_of(&one, "red")? != table_of(&one, "blue")?, "one table");
    let server = traffic::Server::start(&one, 80)?;
    for client in [&left, &right] {
        for (to, from) in [("10.48.0.2", "10.48.0.9"), ("fd00:48::2", "fd00:48::9")] {
            let seen = traffic::tcp(client, to, 80).with_context(|| format!("from {}", client.id))?;
            ensure!(seen.to_string() == from, "{seen}");
        }
    }
    let ping = |vrf: &str, to: &str| one.run("ping", ["-n", "-c", "1", "-W", "2", "-I", vrf, to]);
    ping("blue", "10.48.0.66")?;
    ensure!(ping("red", "10.48.0.66").is_err(), "red reaches what is in blue");
    ensure!(traffic::tcp(&one, "10.48.0.9", 80).is_err(), "what is in no VRF reaches one");

    // Out of the VRFs, one of the two gets no answers: that is what they are for.
    for (result, chain, interface) in &results {
        chain.call("DEL", &chain.plugins[1], result)?.container(&one).interface(interface).ok()?;
    }
    let answered = |client: &Container| traffic::tcp(client, "10.48.0.2", 80).is_ok();
    ensure!(!(answered(&left) && answered(&right)), "it works without VRFs, so nothing is shown");
    drop(server);
    Ok(())
}

/// A configuration of vrf alone, for an interface that somebody else has made.
fn for_interface(container: &Container, name: &str, keys: Value) -> Value {
    let previous = json!({"cniVersion": "1.1.0", "interfaces": [{"name": name, "mac": "", "sandbox": container.path}]});
    with(&alone("1.1.0", &vrf(json!({"prevResult": previous}))), keys)
}

fn add_veth(container: &Container, name: &str, peer: &str) -> Result<()> {
    container.run("ip", ["link", "add", name, "type", "veth", "peer", "name", peer])?;
    for end in [name, peer] {
        container.run("ip", ["link", "set", end, "up"])?;
    }
    Ok(())
}

fn call(command: &str, container: &Container, name: &str, keys: Value) -> Result<Call> {
    let config = for_interface(container, name, keys);
    Ok(Call::new(&Programs::weir()?, "vrf", command)?.container(container).interface(name).config(&config))
}

fn settled(host: &Host) -> Result<()> {
    require(host)?;
    for keep in ["0", "1"] {
        let one = host.container(&format!("keep{keep}"))?;
        add_veth(&one, "eth0", "peer0")?;
        one.enter(|| {
            std::fs::write("/proc/sys/net/ipv6/conf/eth0/accept_dad", "1")?;
            Ok(std::fs::write("/proc/sys/net/ipv6/conf/eth0/keep_addr_on_down", keep)?)
        })?;
        one.run("ip", ["address", "add", "fd00:49::5/64", "dev", "eth0", "nodad"])?;
        one.run("ip", ["address", "add", "fd00:4a::5/64", "dev", "eth0", "noprefixroute", "nodad"])?;
        one.run("ip", ["-6", "route", "add", "2001:db8::/32", "via", "fd00:49::1", "src", "fd00:49::5"])?;
        call("ADD", &one, "eth0", json!({}))?.ok()?;
        let addresses = one.run("ip", ["-6", "address", "show", "dev", "eth0", "scope", "global"])?;
        ensure!(addresses.contains("fd00:49::5") && addresses.contains("fd00:4a::5"), "{keep}: {addresses}");
        ensure!(!addresses.contains("tentative"), "{keep}: {addresses}");
        let table = routes(&one, "1")?;
        ensure!(table.len() == 2, "{keep}: {table:?}");
        ensure!(
            table
                .iter()
                .any(|route| route.contains("2001:db8::/32 via fd00:49::1") && route.contains("src fd00:49::5")),
            "{table:?}"
        );
    }
    Ok(())
}

fn tables(host: &Host) -> Result<()> {
    require(host)?;
    let one = host.container("one")?;
    for n in 0..5 {
        add_veth(&one, &format!("net{n}"), &format!("peer{n}"))?;
    }
    one.run("ip", ["link", "add", "mine", "up", "type", "vrf", "table", "1"])?;
    one.run("ip", ["route", "add", "192.0.2.0/24", "dev", "net4", "table", "2"])?;
    call("ADD", &one, "net0", json!({"vrfname": "free"}))?.ok()?;
    ensure!(table_of(&one, "free")? == 3, "{}", table_of(&one, "free")?);
    call("ADD", &one, "net1", json!({"vrfname": "fixed", "table": 70_000}))?.ok()?;
    ensure!(table_of(&one, "fixed")? == 70_000);
    let error = call("ADD", &one, "net2", json!({"vrfname": "fixed", "table": 5}))?.error()?;
    ensure!(error.code == 7 && error.msg.contains("70000"), "{error:?}");
    call("ADD", &one, "net2", json!({"vrfname": "mine", "table": 1}))?.ok()?;
    ensure!(one.link("net2")?["master"] == "mine");
    let error = call("ADD", &one, "net2", json!({}))?.error()?;
    ensure!(error.msg.contains("controlled by mine") && !one.has_link("red"), "{error:?}");
    Ok(())
}

fn shared(host: &Host) -> Result<()> {
    require(host)?;
    let one = host.container("one")?;
    let chain = chain(json!({}))?;
    let first = chain.add(&one)?;
    let second = chain.add_interface(&one, "net1")?;
    ensure!(one.link("eth0")?["master"] == "red" && one.link("net1")?["master"] == "red");
    chain.check(&one, &first)?;
    chain.del(&one, &first)?;
    ensure!(one.link("net1")?["master"] == "red", "the VRF went with its first interface");
    chain.call("DEL", &chain.plugins[1], &second)?.container(&one).interface("net1").ok()?;
    ensure!(!one.has_link("red") && one.link("net1")?.get("master").is_none());
    Ok(())
}

fn at_once(host: &Host) -> Result<()> {
    require(host)?;
    const INTERFACES: usize = 4;
    let one = host.container("one")?;
    for n in 0..2 * INTERFACES {
        add_veth(&one, &format!("net{n}"), &format!("peer{n}"))?;
    }
    // Half of them each in a VRF of its own, the others in one.
    let vrf_of = |n: usize| if n < INTERFACES { format!("own{n}") } else { "common".to_owned() };
    let run = |command: &str| -> Result<()> {
        let calls: Vec<_> = (0..2 * INTERFACES)
            .map(|n| call(command, &one, &format!("net{n}"), json!({"vrfname": vrf_of(n)})))
            .collect::<Result<_>>()?;
        std::thread::scope(|scope| {
            let threads: Vec<_> = calls.iter().map(|call| scope.spawn(|| call.ok())).collect();
            threads.into_iter().try_for_each(|thread| thread.join().unwrap().map(drop))
        })
    };
    for round in 0..2 {
        run("ADD")?;
        let mut tables = vec![table_of(&one, "common")?];
        for n in 0..2 * INTERFACES {
            let master = &one.link(&format!("net{n}"))?["master"];
            ensure!(*master == vrf_of(n), "round {round}, net{n}: {master}");
            if n < INTERFACES {
                tables.push(table_of(&one, &vrf_of(n))?);
            }
        }
        let number = tables.len();
        tables.sort_unstable();
        tables.dedup();
        ensure!(tables.len() == number, "round {round}: one table for two VRFs: {tables:?}");
        run("DEL")?;
        let left = one.run("ip", ["-brief", "link", "show", "type", "vrf"])?;
        ensure!(left.trim().is_empty(), "round {round}: {left}");
    }
    Ok(())
}

fn deletion(host: &Host) -> Result<()> {
    require(host)?;
    let one = host.container("one")?;
    let chain = chain(json!({}))?;
    let result = chain.add(&one)?;
    let del =
        |previous: &Value| Ok::<_, anyhow::Error>(chain.call("DEL", &chain.plugins[1], previous)?.container(&one));
    one.run("ip", ["link", "delete", "eth0"])?;
    del(&Value::Null)?.ok()?;
    ensure!(!one.has_link("red"), "the VRF stays without its interface");
    for namespace in ["/run/netns/gone", ""] {
        del(&result)?.env("CNI_NETNS", namespace).ok()?;
    }
    // What ADD would refuse has made nothing.
    let config = alone("1.0.0", &json!({"type": "vrf", "table": "x"}));
    Call::new(&Programs::weir()?, "vrf", "DEL")?.container(&one).config(&config).ok().map(drop)
}

fn check(host: &Host) -> Result<()> {
    require(host)?;
    let one = host.container("one")?;
    let chain = chain(json!({}))?;
    let result = chain.add(&one)?;
    chain.check(&one, &result)?;
    let check = || chain.call("CHECK", &chain.plugins[1], &result).map(|call| call.container(&one));
    one.run("ip", ["route", "delete", "default", "table", "1"])?;
    ensure!(check()?.error()?.msg.contains("0.0.0.0/0"));
    one.run("ip", ["route", "add", "default", "via", "10.47.0.1", "table", "1"])?;
    check()?.ok()?;
    let other = vrf(json!({"table": 9}));
    let error = chain.call("CHECK", &other, &result)?.container(&one).error()?;
    ensure!(error.msg.contains("table 1"), "{error:?}");
    one.run("ip", ["link", "set", "eth0", "nomaster"])?;
    ensure!(check()?.error()?.msg.contains("not in VRF red"));
    one.run("ip", ["link", "delete", "red"])?;
    ensure!(check()?.error()?.msg.contains("no VRF red"));
    Ok(())
}

fn refused(host: &Host) -> Result<()> {
    require(host)?;
    let one = host.container("one")?;
    let chain = chain(json!({"vrfname": "other"}))?;
    let mut bridge_only = chain.clone();
    bridge_only.plugins.truncate(1);
    let result = bridge_only.add(&one)?;
    one.run("ip", ["link", "add", "other", "type", "bridge"])?;
    let before = (routes(&one, "all")?, one.addresses("eth0")?);
    for (keys, told) in [
        (json!({"vrfname": "other"}), "no VRF"),
        (json!({"vrfname": ""}), "vrfname"),
        (json!({"vrfname": "no/name"}), "vrfname"),
        (json!({"table": -1}), "table"),
    ] {
        let error = chain.call("ADD", &vrf(keys.clone()), &result)?.container(&one).error()?;
        ensure!(error.code == 7 && error.msg.contains(told), "{keys}: {error:?}");
    }
    ensure!((routes(&one, "all")?, one.addresses("eth0")?) == before, "the interface has changed");
    Ok(())
}

fn old_versions(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    for version in ["0.1.0", "0.2.0", "0.3.0"] {
        let config = alone(version, &vrf(json!({})));
        let error = Call::new(&Programs::weir()?, "vrf", "ADD")?.container(&one).config(&config).error()?;
        ensure!(error.code == 1, "{version}: {error:?}");
    }
    Ok(())
}
