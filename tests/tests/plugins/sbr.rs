//! The sbr plugin, behind bridges.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::{VERSIONS, alone, bridge, host_local, with};
use weir_tests::{Call, Chain, Container, Host, Lifecycle, Programs, Test, lifecycle, test, traffic};

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = lifecycle::tests("sbr", &VERSIONS, |_, _| {
        let plugins = [bridge(&["10.45.0.0/24", "fd00:45::/64"]), json!({"type": "sbr"})];
        Ok(Lifecycle::new(Chain::new(&Programs::weir()?, "net", &plugins)))
    });
    tests.extend([
        test("sbr_gives_each_address_a_table_of_its_own_family", tables),
        test("sbr_lets_answers_leave_by_the_interface_of_the_request", answers),
        test("sbr_table_of_the_configuration_gets_rules_only", fixed_table),
        test("sbr_gateways_replace_those_of_the_addresses", gateways),
        test("sbr_source_hints_keep_neighbours_reachable_without_a_source", source_hints),
        test("sbr_interfaces_that_come_at_once_take_different_tables", at_once),
        test("sbr_deletes_without_namespace_interface_or_result", deletion),
        test("sbr_check_sees_lost_rules_and_routes", check),
        test("sbr_a_failed_add_leaves_routes_and_rules_as_they_were", failed_add),
    ]);
    tests
}

/// Of the second interface: no default gateway, so that without sbr answers leave by the first.
fn second(keys: Value) -> Result<Chain> {
    let bridge = json!({
        "type": "bridge", "bridge": "cni1", "isGateway": true,
        "ipam": host_local(&["10.46.0.0/24", "fd00:46::/64"]),
    });
    let sbr = with(&json!({"type": "sbr"}), keys);
    Ok(Chain::new(&Programs::weir()?, "second", &[bridge, sbr]))
}

fn first() -> Result<Chain> {
    Ok(Chain::new(&Programs::weir()?, "first", &[bridge(&["10.45.0.0/24", "fd00:45::/64"])]))
}

fn rules(container: &Container) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for family in ["-4", "-6"] {
        let all = container.run("ip", [family, "rule"])?;
        let added = all.lines().filter_map(|line| line.split_once("from ")).map(|(_, rule)| rule.trim().to_owned());
        found.extend(added.filter(|rule| !rule.starts_with("all ")));
    }
    found.sort();
    Ok(found)
}

/// Routes of a table, or those of an interface in the main table, both families, without link-local ones.
fn routes(container: &Container, what: &[&str]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for family in ["-4", "-6"] {
        // A table without routes may not exist, which is an error for ip.
        let text = container.run("ip", [&[family, "route", "show"], what].concat()).unwrap_or_default();
        let lines = text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.starts_with("fe80::"));
        found.extend(lines);
    }
    Ok(found)
}

fn has(routes: &[String], parts: &[&str]) -> bool {
    routes.iter().any(|route| parts.iter().all(|part| route.contains(part)))
}

fn tables(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    first()?.add(&one)?;
    let mut chain = second(json!({}))?;
    chain.plugins[0]["ipam"]["routes"] = json!([
        {"dst": "203.0.113.0/24", "gw": "10.46.0.7", "mtu": 1300, "advmss": 1200, "priority": 9},
        {"dst": "2001:db8::/32", "gw": "fd00:46::7", "mtu": 1400, "advmss": 1300, "priority": 9},
    ]);
    let result = chain.add_interface(&one, "net1")?;
    ensure!(rules(&one)? == ["10.46.0.2 lookup 100", "fd00:46::2 lookup 101"], "{:?}", rules(&one)?);
    let (v4, v6) = (routes(&one, &["table", "100"])?, routes(&one, &["table", "101"])?);
    ensure!(v4.len() == 3 && v6.len() == 3, "{v4:?} {v6:?}");
    ensure!(has(&v4, &["default via 10.46.0.1 dev net1"]) && has(&v4, &["10.46.0.0/24 dev net1", "src 10.46.0.2"]));
    ensure!(has(&v4, &["203.0.113.0/24 via 10.46.0.7", "mtu 1300", "advmss 1200", "metric 9"]), "{v4:?}");
    ensure!(has(&v6, &["default via fd00:46::1 dev net1"]) && has(&v6, &["fd00:46::/64 dev net1"]), "{v6:?}");
    ensure!(has(&v6, &["2001:db8::/32 via fd00:46::7", "mtu 1400", "advmss 1300", "metric 9"]), "{v6:?}");
    let main = routes(&one, &["dev", "net1"])?;
    ensure!(main.is_empty(), "{main:?}");
    let text = one.run("ip", ["-6", "route", "show", "dev", "net1"])?;
    ensure!(text.contains("fe80::/64"), "neighbour discovery has no route: {text}");
    ensure!(has(&routes(&one, &["dev", "eth0"])?, &["default via 10.45.0.1"]));
    let check = chain.call("CHECK", &chain.plugins[1], &result)?.container(&one).interface("net1");
    check.ok().map(drop)
}

fn answers(host: &Host) -> Result<()> {
    let outside = host.outside()?.namespace;
    let one = host.container("one")?;
    first()?.add(&one)?;
    let _server = traffic::Server::start(&one, 80)?;
    outside.run("ip", ["route", "add", "default", "via", "192.0.2.1"])?;
    outside.run("ip", ["route", "add", "default", "via", "2001:db8:ff::1"])?;
    // Packets of the second network that come from the first are wrong.
    for (family, source) in [("ip", "10.46.0.0/24"), ("ip6", "fd00:46::/64")] {
        let rules = format!(
            "add table {family} lab; add chain {family} lab f {{ type filter hook forward priority 0; }}; \
             add rule {family} lab f iifname cni0 {family} saddr {source} drop; \
             add rule {family} lab f iifname cni1 {family} saddr != {source} drop"
        );
        host.run("nft", [rules.as_str()])?;
    }
    let chain = second(json!({}))?;
    let mut without = chain.clone();
    without.plugins.truncate(1);
    let result = without.add_interface(&one, "net1")?;
    for address in ["10.46.0.2", "fd00:46::2"] {
        ensure!(traffic::tcp(&outside, address, 80).is_err(), "{address}: it works without sbr, so nothing is shown");
    }
    let call = chain.call("ADD", &chain.plugins[1], &result)?.container(&one).interface("net1");
    call.ok()?;
    for (address, from) in [
        ("10.46.0.2", "192.0.2.2"),
        ("fd00:46::2", "2001:db8:ff::2"),
        ("10.45.0.2", "192.0.2.2"),
        ("fd00:45::2", "2001:db8:ff::2"),
    ] {
        let seen = traffic::tcp(&outside, address, 80).with_context(|| format!("to {address}"))?;
        ensure!(seen.to_string() == from, "{address} sees {seen}");
    }
    // What binds to the second address leaves by the second interface.
    one.run("ping", ["-n", "-c", "1", "-W", "3", "-I", "10.46.0.2", "192.0.2.2"])?;
    one.run("ping", ["-n", "-c", "1", "-W", "3", "-I", "fd00:46::2", "2001:db8:ff::2"]).map(drop)
}

fn fixed_table(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    first()?.add(&one)?;
    let mut chain = second(json!({"table": 5001}))?;
    chain.plugins[0]["ipam"]["routes"] = json!([
        {"dst": "0.0.0.0/0", "gw": "10.46.0.1", "table": 5001}, {"dst": "::/0", "gw": "fd00:46::1", "table": 5001},
    ]);
    let result = chain.add_interface(&one, "net1")?;
    ensure!(rules(&one)? == ["10.46.0.2 lookup 5001", "fd00:46::2 lookup 5001"], "{:?}", rules(&one)?);
    ensure!(routes(&one, &["dev", "net1"])?.len() == 2, "the main table has changed");
    let table = routes(&one, &["table", "5001"])?;
    ensure!(table.len() == 2 && has(&table, &["default via 10.46.0.1"]), "{table:?}");
    let route = one.run("ip", ["route", "get", "192.0.2.2", "from", "10.46.0.2"])?;
    ensure!(route.contains("via 10.46.0.1 dev net1"), "{route}");
    let call = |command| {
        Ok::<_, anyhow::Error>(chain.call(command, &chain.plugins[1], &result)?.container(&one).interface("net1"))
    };
    call("CHECK")?.ok()?;
    call("DEL")?.ok()?;
    ensure!(rules(&one)?.is_empty(), "{:?}", rules(&one)?);
    ensure!(routes(&one, &["table", "5001"])?.len() == 2, "the table is not ours to empty");
    call("CHECK")?.error().map(drop)
}

fn gateways(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    let mut chain = second(json!({"gateways": ["10.46.0.250", "fd00:46::fa"]}))?;
    chain.plugins[0]["isDefaultGateway"] = json!(true);
    chain.add_interface(&one, "net1")?;
    let (v4, v6) = (routes(&one, &["table", "100"])?, routes(&one, &["table", "101"])?);
    ensure!(has(&v4, &["default via 10.46.0.250"]) && !has(&v4, &["via 10.46.0.1 "]), "{v4:?}");
    ensure!(has(&v6, &["default via fd00:46::fa"]) && !has(&v6, &["via fd00:46::1 "]), "{v6:?}");
    for gateways in [json!(["10.46.0.2", "10.46.0.3"]), json!(["nonsense"])] {
        let plugin = with(&chain.plugins[1], json!({"gateways": gateways}));
        let error = chain.call("STATUS", &plugin, &Value::Null)?.error()?;
        ensure!(error.code == 7 && error.msg.contains("gateways"), "{error:?}");
    }
    Ok(())
}

fn source_hints(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    first()?.add(&one)?;
    let neighbour = host.container("two")?;
    second(json!({}))?.add_interface(&neighbour, "net1")?;
    let chain = second(json!({"addSourceHints": true}))?;
    chain.add_interface(&one, "net1")?;
    let main = routes(&one, &["dev", "net1"])?;
    ensure!(main.len() == 2, "{main:?}");
    ensure!(
        has(&main, &["10.46.0.0/24", "src 10.46.0.3"]) && has(&main, &["fd00:46::/64", "src fd00:46::3"]),
        "{main:?}"
    );
    // No source is given here, so the main table decides.
    traffic::ping(&one, "10.46.0.2")?;
    traffic::ping(&one, "fd00:46::2")?;
    let route = one.run("ip", ["route", "get", "10.46.0.2"])?;
    ensure!(route.contains("dev net1 src 10.46.0.3"), "{route}");
    Ok(())
}

/// A configuration of sbr alone, for an interface that somebody else has made.
fn for_interface(container: &Container, name: &str, addresses: &[(&str, &str)]) -> Value {
    let ips: Vec<_> = addresses
        .iter()
        .map(|(address, gateway)| json!({"interface": 0, "address": address, "gateway": gateway}))
        .collect();
    let interfaces = json!([{"name": name, "mac": "", "sandbox": container.path}]);
    let previous = json!({"cniVersion": "1.1.0", "interfaces": interfaces, "ips": ips});
    alone("1.1.0", &json!({"type": "sbr", "prevResult": previous}))
}

fn at_once(host: &Host) -> Result<()> {
    const INTERFACES: usize = 8;
    let programs = Programs::weir()?;
    for round in 0..3 {
        let one = host.container(&format!("c{round}"))?;
        let mut calls = Vec::new();
        for n in 0..INTERFACES {
            let (name, peer) = (format!("net{n}"), format!("peer{n}"));
            let (address, gateway) = (format!("10.50.{n}.5/24"), format!("10.50.{n}.1"));
            let (address6, gateway6) = (format!("fd00:50:{n}::5/64"), format!("fd00:50:{n}::1"));
            one.run("ip", ["link", "add", &name, "type", "veth", "peer", "name", &peer])?;
            for end in [&name, &peer] {
                one.run("ip", ["link", "set", end, "up"])?;
            }
            one.run("ip", ["address", "add", &address, "dev", &name])?;
            one.run("ip", ["address", "add", &address6, "dev", &name, "nodad"])?;
            let config = for_interface(&one, &name, &[(&address, &gateway), (&address6, &gateway6)]);
            calls.push(Call::new(&programs, "sbr", "ADD")?.container(&one).interface(&name).config(&config));
        }
        std::thread::scope(|scope| {
            let threads: Vec<_> = calls.iter().map(|call| scope.spawn(|| call.ok())).collect();
            threads.into_iter().try_for_each(|thread| thread.join().unwrap().map(drop))
        })?;
        let found = rules(&one)?;
        ensure!(found.len() == 2 * INTERFACES, "{found:?}");
        for rule in &found {
            let (source, table) = rule.split_once(" lookup ").with_context(|| rule.clone())?;
            let family = if source.contains(':') { "6" } else { "4" };
            let same = found.iter().filter(|other| {
                other
                    .split_once(" lookup ")
                    .is_some_and(|(from, other)| other == table && from.contains(':') == (family == "6"))
            });
            ensure!(same.count() == 1, "table {table} is taken twice: {found:?}");
            let default = one.run("ip", [&format!("-{family}"), "route", "show", "default", "table", table])?;
            let prefix = source.trim_end_matches('5');
            ensure!(default.contains(&format!("via {prefix}1 ")), "{source}: {default}");
        }
        for call in &calls {
            call.clone().env("CNI_COMMAND", "DEL").ok()?;
        }
        ensure!(rules(&one)?.is_empty(), "{:?}", rules(&one)?);
    }
    Ok(())
}

fn deletion(host: &Host) -> Result<()> {
    let programs = Programs::weir()?;
    let one = host.container("one")?;
    first()?.add(&one)?;
    let chain = second(json!({}))?;
    let result = chain.add_interface(&one, "net1")?;
    let del = |previous: &Value| -> Result<Call> {
        Ok(chain.call("DEL", &chain.plugins[1], previous)?.container(&one).interface("net1"))
    };
    // A rule of somebody else, of the same shape, for an address of another interface.
    one.run("ip", ["rule", "add", "from", "10.45.0.2", "table", "700"])?;
    one.run("ip", ["link", "delete", "net1"])?;
    del(&Value::Null)?.ok()?;
    ensure!(rules(&one)? == ["10.45.0.2 lookup 700"], "{:?}", rules(&one)?);
    del(&Value::Null)?.ok()?;

    let gone = host.directory("netns")?.join("gone");
    let gone = gone.to_str().unwrap_or_default();
    for namespace in [gone, ""] {
        del(&result)?.env("CNI_NETNS", namespace).ok()?;
    }
    ensure!(!std::path::Path::new(gone).exists(), "a stray file");
    // DEL takes even a configuration that ADD refuses.
    let bad = alone("1.0.0", &json!({"type": "sbr", "table": "x"}));
    Call::new(&programs, "sbr", "DEL")?.container(&one).interface("net1").config(&bad).ok().map(drop)
}

fn check(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    let chain = second(json!({}))?;
    let result = chain.add_interface(&one, "net1")?;
    let check = || chain.call("CHECK", &chain.plugins[1], &result).map(|call| call.container(&one).interface("net1"));
    // The whole chain passes, although the routes of the bridge's result are elsewhere now.
    for plugin in &chain.plugins {
        chain.call("CHECK", plugin, &result)?.container(&one).interface("net1").ok()?;
    }
    for (break_it, mend_it, told) in [
        ("rule del from 10.46.0.2", "rule add from 10.46.0.2 table 100", "10.46.0.2"),
        ("route del default table 100", "route add default via 10.46.0.1 table 100", "default route"),
        ("-6 route del fd00:46::/64 table 101", "-6 route add fd00:46::/64 dev net1 table 101", "fd00:46::/64"),
        ("-6 rule del from fd00:46::2", "-6 rule add from fd00:46::2 table 101", "fd00:46::2"),
    ] {
        one.run("ip", break_it.split(' '))?;
        let error = check()?.error()?;
        ensure!(error.msg.contains(told), "{break_it}: {error:?}");
        one.run("ip", mend_it.split(' '))?;
        check()?.ok()?;
    }
    Ok(())
}

fn failed_add(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    let chain = second(json!({}))?;
    let mut bridge_only = chain.clone();
    bridge_only.plugins.truncate(1);
    let mut result = bridge_only.add_interface(&one, "net1")?;
    // The second address's gateway cannot be reached, so the second table cannot be filled.
    result["ips"][1]["gateway"] = json!("2001:db8:dead::1");
    let before = (rules(&one)?, routes(&one, &["table", "all"])?);
    chain.call("ADD", &chain.plugins[1], &result)?.container(&one).interface("net1").error()?;
    let after = (rules(&one)?, routes(&one, &["table", "all"])?);
    ensure!(before == after, "{before:?}\n{after:?}");
    Ok(())
}
