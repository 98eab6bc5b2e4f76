//! Keys of host-local and static, and loopback.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::with;
use weir_tests::{Call, Container, Host, Programs, Test, configs, residue, test};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        test("host_local_ranges_bound_what_is_given_out", bounds),
        test("host_local_takes_the_legacy_single_range_first", legacy),
        test("host_local_data_dir_and_its_default", data_dir),
        test("host_local_routes_and_resolver_are_passed_on", passed_on),
        test("host_local_ip_ranges_of_the_runtime_come_first", ip_ranges),
        test("host_local_gives_the_asked_addresses", asked),
        test("host_local_refuses_the_gateway_and_addresses_of_no_range", refused),
        test("static_gives_its_addresses_routes_and_dns", fixed),
        test("static_addresses_come_from_runtime_config_then_args", fixed_sources),
        test("static_adds_the_address_and_gateway_of_cni_args", fixed_arguments),
        test("loopback_is_up_with_its_addresses_and_check_sees_it_down", loopback),
    ]
}

fn call(plugin: &str, container: &Container, ipam: Value, keys: Value) -> Result<Call> {
    let config = with(&configs::alone("1.0.0", &json!({"type": plugin, "ipam": ipam})), keys);
    Ok(Call::new(&Programs::weir()?, plugin, "ADD")?.container(container).config(&config))
}

fn host_local(container: &Container, ranges: Value, keys: Value) -> Result<Call> {
    call("host-local", container, json!({"type": "host-local", "dataDir": "/run/test/ipam", "ranges": ranges}), keys)
}

fn bounds(host: &Host) -> Result<()> {
    let range = json!({"subnet": "10.100.0.0/24", "rangeStart": "10.100.0.10", "rangeEnd": "10.100.0.12",
        "gateway": "10.100.0.11"});
    let more = json!({"subnet": "10.101.0.0/29"});
    let ranges = json!([[range, more], [{"subnet": "fd00:100::/64"}]]);
    let mut got = Vec::new();
    for n in 0..7 {
        let result = host_local(&host.container(&format!("c{n}"))?, ranges.clone(), json!({}))?.ok()?;
        let addresses = residue::addresses(&result);
        ensure!(addresses[1] == format!("fd00:100::{}", n + 2), "{addresses:?}");
        let gateway = if n < 2 { "10.100.0.11" } else { "10.101.0.1" };
        ensure!(result["ips"][0]["gateway"] == gateway, "{result}");
        got.push(addresses[0].clone());
    }
    let expected = ["10.100.0.10", "10.100.0.12", "10.101.0.2", "10.101.0.3", "10.101.0.4", "10.101.0.5", "10.101.0.6"];
    ensure!(got == expected, "{got:?}");
    let error = host_local(&host.container("late")?, ranges, json!({}))?.error()?;
    ensure!(!error.msg.is_empty());
    let leases = host.leases(Path::new("/run/test/ipam"), "net")?;
    ensure!(leases.len() == 14, "an address of the other set stays: {leases:?}");
    Ok(())
}

fn legacy(host: &Host) -> Result<()> {
    let ipam = json!({"type": "host-local", "dataDir": "/run/test/ipam", "subnet": "10.102.0.0/24",
        "rangeStart": "10.102.0.20", "rangeEnd": "10.102.0.30", "gateway": "10.102.0.254",
        "ranges": [[{"subnet": "10.103.0.0/24"}]]});
    let result = call("host-local", &host.container("one")?, ipam, json!({}))?.ok()?;
    ensure!(residue::addresses(&result) == ["10.102.0.20", "10.103.0.2"], "{result}");
    ensure!(result["ips"][0]["gateway"] == "10.102.0.254");
    Ok(())
}

fn data_dir(host: &Host) -> Result<()> {
    let ipam = json!({"type": "host-local", "dataDir": "/run/elsewhere", "subnet": "10.102.0.0/24"});
    call("host-local", &host.container("one")?, ipam, json!({}))?.ok()?;
    ensure!(std::fs::read("/run/elsewhere/net/10.102.0.2")? == b"one\r\neth0");
    let ipam = json!({"type": "host-local", "subnet": "10.102.0.0/24"});
    call("host-local", &host.container("two")?, ipam, json!({}))?.ok()?;
    ensure!(std::fs::read("/var/lib/cni/networks/net/10.102.0.2")? == b"two\r\neth0");
    Ok(())
}

fn passed_on(host: &Host) -> Result<()> {
    std::fs::write("/run/resolv", "nameserver 203.0.113.1\ndomain a.example\nsearch b.example\noptions ndots:2\n")?;
    let ipam = json!({"type": "host-local", "dataDir": "/run/test/ipam", "subnet": "10.102.0.0/24",
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.0.0.0/8", "gw": "10.102.0.9"}], "resolvConf": "/run/resolv"});
    let result = call("host-local", &host.container("one")?, ipam, json!({}))?.ok()?;
    ensure!(result["routes"] == json!([{"dst": "0.0.0.0/0"}, {"dst": "10.0.0.0/8", "gw": "10.102.0.9"}]), "{result}");
    let dns = json!({"nameservers": ["203.0.113.1"], "domain": "a.example", "search": ["b.example"],
        "options": ["ndots:2"]});
    ensure!(result["dns"] == dns, "{result}");
    Ok(())
}

fn ip_ranges(host: &Host) -> Result<()> {
    let keys = json!({"runtimeConfig": {"ipRanges": [[{"subnet": "10.104.0.0/24"}]]}});
    let result = host_local(&host.container("one")?, json!([[{"subnet": "10.105.0.0/24"}]]), keys)?.ok()?;
    ensure!(residue::addresses(&result) == ["10.104.0.2", "10.105.0.2"], "{result}");
    Ok(())
}

fn asked(host: &Host) -> Result<()> {
    let ranges = || json!([[{"subnet": "10.105.0.0/24"}], [{"subnet": "fd00:105::/64"}]]);
    let cases = [
        (
            "a",
            json!({"runtimeConfig": {"ips": ["10.105.0.40", "fd00:105::40/64"]}}),
            "",
            ["10.105.0.40", "fd00:105::40"],
        ),
        ("b", json!({"args": {"cni": {"ips": ["10.105.0.41"]}}}), "", ["10.105.0.41", "fd00:105::41"]),
        ("c", json!({}), "IP=10.105.0.42", ["10.105.0.42", "fd00:105::42"]),
        ("d", json!({"runtimeConfig": {"ips": ["10.105.0.43"]}}), "IP=fd00:105::99", ["10.105.0.43", "fd00:105::99"]),
    ];
    for (name, keys, arguments, expected) in cases {
        let result = host_local(&host.container(name)?, ranges(), keys)?.env("CNI_ARGS", arguments).ok()?;
        ensure!(residue::addresses(&result) == expected, "{name}: {result}");
    }
    Ok(())
}

fn refused(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    let ranges = || json!([[{"subnet": "10.105.0.0/24"}], [{"subnet": "10.106.0.0/24"}]]);
    for ips in [json!(["10.105.0.1"]), json!(["10.107.0.5"]), json!(["10.106.0.5", "10.107.0.5"])] {
        let error = host_local(&one, ranges(), json!({"runtimeConfig": {"ips": ips}}))?.error()?;
        ensure!(error.msg.contains("10.10"), "{error:?}");
    }
    let leases = host.leases(Path::new("/run/test/ipam"), "net")?;
    ensure!(leases.is_empty(), "of a failed ADD stay {leases:?}");
    let taken = json!({"runtimeConfig": {"ips": ["10.105.0.50"]}});
    host_local(&one, ranges(), taken.clone())?.ok()?;
    host_local(&host.container("two")?, ranges(), taken)?.error()?;
    Ok(())
}

fn fixed(host: &Host) -> Result<()> {
    let ipam = json!({"type": "static", "addresses": [
        {"address": "10.106.0.5/24", "gateway": "10.106.0.254"}, {"address": "fd00:106::5/64"}],
        "routes": [{"dst": "0.0.0.0/0", "gw": "10.106.0.254"}],
        "dns": {"nameservers": ["203.0.113.7"], "domain": "x.example", "search": ["y.example"], "options": ["rotate"]}});
    let result = call("static", &host.container("one")?, ipam.clone(), json!({}))?.ok()?;
    let ips = json!([{"address": "10.106.0.5/24", "gateway": "10.106.0.254"}, {"address": "fd00:106::5/64"}]);
    ensure!(result["ips"] == ips, "{result}");
    ensure!(result["routes"] == ipam["routes"] && result["dns"] == ipam["dns"], "{result}");
    Ok(())
}

fn fixed_sources(host: &Host) -> Result<()> {
    let ipam = || json!({"type": "static", "addresses": [{"address": "10.106.0.5/24"}]});
    let arguments = json!({"args": {"cni": {"ips": ["10.107.0.5/24"]}}});
    let both = with(&arguments, json!({"runtimeConfig": {"ips": ["10.108.0.5/24", "fd00:108::5/64"]}}));
    let result = call("static", &host.container("one")?, ipam(), arguments)?.ok()?;
    ensure!(residue::addresses(&result) == ["10.107.0.5"], "{result}");
    let result = call("static", &host.container("two")?, ipam(), both)?.ok()?;
    ensure!(residue::addresses(&result) == ["10.108.0.5", "fd00:108::5"], "{result}");
    Ok(())
}

fn fixed_arguments(host: &Host) -> Result<()> {
    let ipam = json!({"type": "static", "addresses": [{"address": "10.106.0.5/24"}]});
    let result = call("static", &host.container("one")?, ipam, json!({}))?
        .env("CNI_ARGS", "IP=10.109.0.5/24,fd00:109::5/64;GATEWAY=10.109.0.1,fd00:109::1")
        .ok()?;
    ensure!(residue::addresses(&result) == ["10.106.0.5", "10.109.0.5", "fd00:109::5"], "{result}");
    ensure!(result["ips"][1]["gateway"] == "10.109.0.1" && result["ips"][2]["gateway"] == "fd00:109::1", "{result}");
    Ok(())
}

fn loopback(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    one.run("ip", ["link", "set", "lo", "down"])?;
    let chain = crate::network(&[json!({"type": "loopback"})])?;
    let result = chain.add(&one)?;
    ensure!(one.link("lo")?["flags"].to_string().contains("\"UP\""));
    ensure!(
        result["interfaces"][0]["name"] == "lo" && result["interfaces"][0]["mac"] == "00:00:00:00:00:00",
        "{result}"
    );
    ensure!(residue::addresses(&result).contains(&"127.0.0.1".to_owned()), "{result}");
    chain.check(&one, &result)?;
    one.run("ip", ["link", "set", "lo", "down"])?;
    ensure!(chain.check(&one, &result).is_err(), "CHECK does not see it down");
    chain.add(&one)?;
    chain.del(&one, &result)?;
    ensure!(!one.link("lo")?["flags"].to_string().contains("\"UP\""), "lo stays up");
    Ok(())
}
