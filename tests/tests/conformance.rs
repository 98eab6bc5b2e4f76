//! The contract of the specification, for each plugin, each command and each version.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::{VERSIONS, with};
use weir_tests::{Call, Chain, Container, Host, Programs, configs, programs, residue, run, test};

/// Those whose results are looked at in each version; the life of every other is in the test program `plugins`.
const PLUGINS: [&str; 6] = ["bridge", "host-local", "loopback", "portmap", "static", "tuning"];

fn main() -> ExitCode {
    let mut tests = Vec::new();
    for plugin in PLUGINS {
        for version in VERSIONS {
            tests.push(test(format!("{plugin}_speaks_{version}"), move |host| speaks(host, plugin, version)));
        }
    }
    let makefile = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Makefile")).unwrap();
    for plugin in programs::bundled(&makefile) {
        let (one, two) = (plugin.clone(), plugin.clone());
        tests.push(test(format!("{plugin}_tells_its_versions"), move |_| versions(&one)));
        tests.push(test(format!("{plugin}_without_a_command_tells_what_it_is"), move |_| about(&two)));
    }
    tests.push(test("keys_are_found_whatever_their_case_and_unknown_ones_ignored", key_case));
    tests.push(test("a_missing_version_means_0_1_0", missing_version));
    tests.push(test("an_error_object_tells_the_version_of_the_configuration", error_version));
    tests.push(test("the_callers_namespace_is_accepted_where_it_is_asked_for", own_namespace));
    tests.push(test("gc_takes_back_addresses_and_rules_of_attachments_that_are_not_listed", collect));
    tests.push(test("status_tells_that_no_address_is_left", status));
    tests.push(test("adding_the_same_interface_twice_is_refused_and_the_first_stays", twice));
    tests.push(test("a_second_interface_of_a_container_is_another_attachment", second_interface));
    run(tests)
}

fn is_chained(plugin: &str) -> bool {
    matches!(plugin, "portmap" | "tuning")
}

fn has_addresses(plugin: &str) -> bool {
    !matches!(plugin, "loopback")
}

/// A result of an earlier plugin in a version's own shape.
fn previous(version: &str, container: &Container) -> Value {
    let interfaces = json!([{"name": "eth0", "mac": "02:00:00:00:00:02", "sandbox": container.path}]);
    match version {
        "0.1.0" | "0.2.0" => json!({"cniVersion": version, "ip4": {"ip": "10.70.0.2/24", "gateway": "10.70.0.1"}}),
        "0.3.0" | "0.3.1" | "0.4.0" => json!({"cniVersion": version, "interfaces": interfaces,
            "ips": [{"version": "4", "address": "10.70.0.2/24", "gateway": "10.70.0.1", "interface": 0}]}),
        _ => json!({"cniVersion": version, "interfaces": interfaces,
            "ips": [{"address": "10.70.0.2/24", "gateway": "10.70.0.1", "interface": 0}]}),
    }
}

fn config(plugin: &str, version: &str, container: &Container) -> Value {
    let old = matches!(version, "0.1.0" | "0.2.0");
    let both = ["10.70.0.0/24", "fd00:70::/64"];
    let own = match plugin {
        "bridge" => configs::bridge(&both),
        "host-local" => json!({"type": plugin, "ipam": configs::host_local(&both)}),
        "static" => json!({"type": plugin, "ipam": {"type": plugin, "addresses": [
            {"address": "10.70.0.2/24", "gateway": "10.70.0.1"}, {"address": "fd00:70::2/64"}]}}),
        "tuning" => json!({"type": plugin, "sysctl": {"net.ipv4.conf.all.arp_filter": "0"}}),
        // Results before 0.3.0 do not tell whose an address is.
        "portmap" if old => json!({"type": plugin, "backend": "nftables"}),
        "portmap" => json!({"type": plugin, "backend": "nftables", "runtimeConfig": {"portMappings": [
            {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}}),
        _ => json!({"type": plugin}),
    };
    let config = configs::alone(version, &own);
    if is_chained(plugin) { with(&config, json!({"prevResult": previous(version, container)})) } else { config }
}

fn speaks(host: &Host, plugin: &str, version: &str) -> Result<()> {
    let programs = Programs::weir()?;
    if programs.are_native() && version == "1.1.0" {
        return Err(weir_tests::skip("the stand-ins know no 1.1.0"));
    }
    let container = host.container("one")?;
    if is_chained(plugin) {
        container.run("ip", ["link", "add", "eth0", "type", "veth", "peer", "name", "eth1"])?;
        container.run("ip", ["address", "add", "10.70.0.2/24", "dev", "eth0"])?;
    }
    let config = config(plugin, version, &container);
    let call = |command: &str| -> Result<Call> {
        Ok(Call::new(&programs, plugin, command)?.container(&container).config(&config))
    };
    let result = call("ADD")?.ok()?;
    shape(plugin, version, &result).with_context(|| result.to_string())?;

    let checked = with(&config, json!({"prevResult": result}));
    let check = call("CHECK")?.config(&checked);
    if matches!(version, "0.4.0" | "1.0.0" | "1.1.0") {
        ensure!(programs.are_native() || check.ok()?.is_null(), "CHECK prints something");
    } else {
        ensure!(check.error()?.code == 1, "CHECK before 0.4.0");
    }
    for command in ["GC", "STATUS"] {
        let bare = call(command)?.unset("CNI_CONTAINERID").unset("CNI_NETNS").unset("CNI_IFNAME");
        let bare = if command == "GC" {
            let listed = json!([{"containerID": "one", "ifname": "eth0"}]);
            bare.config(&with(&config, json!({"cni.dev/valid-attachments": listed, "cni.dev/attachments": listed})))
        } else {
            bare
        };
        if version == "1.1.0" {
            ensure!(bare.ok()?.is_null(), "{command} prints something");
        } else if !programs.are_native() {
            ensure!(bare.error()?.code == 1, "{command} before 1.1.0");
        }
    }
    // GC spared what was listed.
    if version == "1.1.0" {
        call("CHECK")?.config(&checked).ok().context("CHECK after GC")?;
    }
    ensure!(call("DEL")?.config(&checked).ok()?.is_null(), "DEL prints something");
    ensure!(call("DEL")?.ok()?.is_null(), "DEL without prevResult, again");
    Ok(())
}

/// Results look as each version's specification says.
fn shape(plugin: &str, version: &str, result: &Value) -> Result<()> {
    ensure!(result["cniVersion"] == version, "the version is not the configuration's");
    let is_ipam = matches!(plugin, "host-local" | "static");
    match version {
        "0.1.0" | "0.2.0" => {
            for key in ["interfaces", "ips", "routes"] {
                ensure!(result.get(key).is_none(), "{key} did not exist");
            }
            if has_addresses(plugin) {
                ensure!(result["ip4"]["ip"] == "10.70.0.2/24", "no ip4");
                ensure!(is_chained(plugin) || result["ip6"]["ip"] == "fd00:70::2/64", "no ip6");
            }
        }
        _ => {
            let with_version = version.starts_with("0.");
            let ips = result["ips"].as_array().cloned().unwrap_or_default();
            ensure!(ips.len() == 2 || !has_addresses(plugin) || is_chained(plugin), "addresses are missing");
            for ip in &ips {
                ensure!(ip.get("version").is_some() == with_version, "ips[].version");
                ensure!(ip["address"].as_str().is_some_and(|address| address.contains('/')), "ips[].address");
                ensure!(!is_ipam || ip.get("interface").is_none(), "IPAM tells no interface");
            }
            ensure!(is_ipam == result.get("interfaces").is_none(), "interfaces");
            for interface in result["interfaces"].as_array().into_iter().flatten() {
                ensure!(interface["name"].is_string() && interface["mac"].is_string(), "interfaces[]");
                let newer = ["mtu", "socketPath", "pciID"].iter().any(|key| interface.get(key).is_some());
                ensure!(!newer || version == "1.1.0", "a field of 1.1.0");
            }
        }
    }
    Ok(())
}

/// The oldest version that a plugin speaks: what it does cannot be told in older ones.
fn oldest(plugin: &str) -> &'static str {
    match plugin {
        "bandwidth" | "firewall" => "0.3.0",
        "vrf" => "0.3.1",
        _ => "0.1.0",
    }
}

fn versions(plugin: &str) -> Result<()> {
    let programs = Programs::weir()?;
    let newest = programs.newest();
    let spoken: Vec<_> = VERSIONS.into_iter().filter(|version| (oldest(plugin)..=newest).contains(version)).collect();
    for version in VERSIONS {
        let call = Call::new(&programs, plugin, "VERSION")?.config(&json!({"cniVersion": version}));
        // Runtimes send dummies, or nothing at all.
        let bare = call.clone().unset("CNI_CONTAINERID").unset("CNI_NETNS").unset("CNI_IFNAME").unset("CNI_PATH");
        let dummy = call.env("CNI_NETNS", "dummy").env("CNI_IFNAME", "dummy").env("CNI_PATH", "dummy");
        for call in [bare, dummy] {
            let answer = if programs.are_native() { call.env("CNI_PATH", "/x").ok()? } else { call.ok()? };
            let known: Vec<_> = answer["supportedVersions"].as_array().into_iter().flatten().collect();
            ensure!(programs.are_native() || known == spoken, "wanted {spoken:?}: {answer}");
            ensure!(programs.are_native() || answer["cniVersion"] == version, "asked in {version}: {answer}");
        }
        if !programs.are_native() && !spoken.contains(&version) {
            let add = Call::new(&programs, plugin, "ADD")?.config(&configs::alone(version, &json!({"type": plugin})));
            let error = add.error()?;
            ensure!(error.code == 1, "version {version}: {error:?}");
        }
    }
    Ok(())
}

fn about(plugin: &str) -> Result<()> {
    let call = Call::new(&Programs::weir()?, plugin, "")?.unset("CNI_COMMAND");
    let answer = call.run()?;
    ensure!(answer.status == Some(0) && answer.stdout.is_empty() && !answer.stderr.is_empty(), "{answer:?}");
    // Nomad takes the first word that is a version, older ones the last, and wants 0.4.0 or later of the plugins of its
    // bridge networks.
    let found: Vec<_> = answer.stderr.split_whitespace().filter_map(version_of).collect();
    for version in [found.first(), found.last()] {
        let version = version.with_context(|| format!("no version in {}", answer.stderr))?;
        ensure!(version.as_slice() >= [0, 4, 0].as_slice(), "Nomad reads version {version:?}: {}", answer.stderr);
    }
    Ok(())
}

/// The numbers of a word such as `v1.2.3`; none: no version.
fn version_of(word: &str) -> Option<Vec<u64>> {
    word.strip_prefix('v').unwrap_or(word).split('.').map(|number| number.parse().ok()).collect()
}

fn key_case(host: &Host) -> Result<()> {
    let container = host.container("one")?;
    let config = r#"{
        "CNIVERSION": "1.0.0", "Name": "net", "TYPE": "bridge", "BRIDGE": "br7", "isgateway": true, "futureKey": {"a": 1},
        "IPAM": {"type": "host-local", "datadir": "/run/test/ipam", "comment": "x",
                 "RANGES": [[{"SubNet": "10.71.0.0/24", "rangestart": "10.71.0.9"}]]}
    }"#;
    let call = Call::new(&Programs::weir()?, "bridge", "ADD")?.container(&container).input(config);
    let result = call.ok()?;
    ensure!(residue::addresses(&result) == ["10.71.0.9"], "{result}");
    ensure!(host.has_link("br7"));
    Ok(())
}

fn missing_version(host: &Host) -> Result<()> {
    let container = host.container("one")?;
    let config = json!({"name": "net", "type": "static", "ipam": {
        "type": "static", "addresses": [{"address": "10.72.0.5/24"}]}});
    let result = Call::new(&Programs::weir()?, "static", "ADD")?.container(&container).config(&config).ok()?;
    ensure!(result["ip4"]["ip"] == "10.72.0.5/24" && result["cniVersion"] == "0.1.0", "{result}");
    Ok(())
}

fn error_version(host: &Host) -> Result<()> {
    let programs = Programs::weir()?;
    let container = host.container("one")?;
    for version in ["0.4.0", "1.0.0", "1.1.0"] {
        let config = json!({"cniVersion": version, "name": "net", "type": "bridge", "vlan": 9999});
        let error = Call::new(&programs, "bridge", "ADD")?.container(&container).config(&config).error()?;
        ensure!(programs.are_native() || error.version == version, "{error:?}");
    }
    Ok(())
}

fn own_namespace(_: &Host) -> Result<()> {
    let call = Call::new(&Programs::weir()?, "loopback", "ADD")?
        .env("CNI_NETNS", "/proc/self/ns/net")
        .env("CNI_NETNS_OVERRIDE", "1")
        .config(&json!({"cniVersion": "1.0.0", "name": "net", "type": "loopback"}));
    let result = call.ok()?;
    ensure!(result["interfaces"][0]["name"] == "lo", "{result}");
    Ok(())
}

fn collect(host: &Host) -> Result<()> {
    let bridge = with(
        &configs::bridge(&["10.73.0.0/24"]),
        json!({"ipMasq": true, "ipMasqBackend": "nftables", "macspoofchk": true}),
    );
    let port = |port: u16| json!({"portMappings": [{"hostPort": port, "containerPort": 80, "protocol": "tcp"}]});
    let chain = Chain::new(&Programs::weir()?, "net", &[bridge, configs::tuning(), configs::portmap("nftables")]);
    let mut other = chain.clone();
    other.name = "other".into();
    other.plugins[0]["bridge"] = json!("cni1");
    other.plugins[0]["ipam"]["ranges"] = json!([[{"subnet": "10.74.0.0/24"}]]);
    let containers = ["kept", "lost", "neighbour"].map(|name| host.container(name));
    let [kept, lost, neighbour] = containers.map(Result::unwrap);
    let result = chain.clone().capabilities(port(8081)).add(&kept)?;
    chain.clone().capabilities(port(8082)).add(&lost)?;
    let foreign = other.clone().capabilities(port(8083)).add(&neighbour)?;
    lost.run("ip", ["link", "delete", "eth0"])?;
    chain.gc(&[("kept", "eth0")])?;
    let rules = host.run("nft", ["list", "ruleset"])?;
    ensure!(!rules.contains("10.73.0.3") && !rules.contains("lost"), "rules of the lost one stay:\n{rules}");
    let leases = host.leases(Path::new("/run/test/ipam"), "net")?;
    ensure!(leases == ["10.73.0.2"], "{leases:?}");
    chain.clone().capabilities(port(8081)).check(&kept, &result).context("the listed one")?;
    other.clone().capabilities(port(8083)).check(&neighbour, &foreign).context("another network's")?;
    // Nothing listed: all of this network goes, nothing of another.
    kept.run("ip", ["link", "delete", "eth0"])?;
    chain.gc(&[])?;
    ensure!(host.leases(Path::new("/run/test/ipam"), "net")?.is_empty());
    let rules = host.run("nft", ["list", "ruleset"])?;
    ensure!(!rules.contains("10.73.0.2"), "rules stay:\n{rules}");
    other.clone().capabilities(port(8083)).check(&neighbour, &foreign).context("another network's, after all")
}

fn status(host: &Host) -> Result<()> {
    let chain = Chain::new(&Programs::weir()?, "net", &[configs::bridge(&["10.75.0.0/30"])]);
    chain.status()?;
    chain.add(&host.container("one")?)?;
    let config = configs::alone("1.1.0", &chain.plugins[0]);
    let error = Call::new(&chain.programs, "bridge", "STATUS")?.config(&config).error()?;
    ensure!(error.code == 50 || error.code == 51, "{error:?}");
    Ok(())
}

fn twice(host: &Host) -> Result<()> {
    let chain = Chain::new(&Programs::weir()?, "net", &[configs::bridge(&["10.76.0.0/24"])]);
    let one = host.container("one")?;
    let result = chain.add(&one)?;
    let error = chain.call("ADD", &chain.plugins[0], &Value::Null)?.container(&one).error()?;
    ensure!(!error.msg.is_empty());
    chain.check(&one, &result).context("the first")?;
    chain.del(&one, &result)
}

fn second_interface(host: &Host) -> Result<()> {
    let mut chain = Chain::new(&Programs::weir()?, "net", &[configs::bridge(&["10.77.0.0/24"])]);
    chain.plugins[0]["isDefaultGateway"] = json!(false);
    let one = host.container("one")?;
    let first = chain.add(&one)?;
    let second = chain.add_interface(&one, "eth1")?;
    ensure!(residue::addresses(&first) == ["10.77.0.2"] && residue::addresses(&second) == ["10.77.0.3"]);
    chain.del(&one, &first)?;
    ensure!(one.has_link("eth1") && !one.has_link("eth0"));
    ensure!(host.leases(Path::new("/run/test/ipam"), "net")? == ["10.77.0.3"]);
    Ok(())
}
