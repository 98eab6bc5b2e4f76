//! Malformed invocations: each gives one error object with the right code and exit status 1, and changes nothing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "bad_input/configuration.rs"]
mod configuration;
#[path = "bad_input/environment.rs"]
mod environment;
#[path = "bad_input/interfaces.rs"]
mod interfaces;
#[path = "bad_input/keys.rs"]
mod keys;
#[path = "bad_input/meta.rs"]
mod meta;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::with;
use weir_tests::{Call, Container, Host, Programs, Snapshot, configs, programs, run, test};

/// Codes of the specification.
mod code {
    pub(crate) const VERSION: &[i64] = &[1];
    pub(crate) const CONTAINER: &[i64] = &[3];
    pub(crate) const ENVIRONMENT: &[i64] = &[4];
    pub(crate) const DECODE: &[i64] = &[6];
    pub(crate) const CONFIG: &[i64] = &[7];
    pub(crate) const SAME_NAMESPACE: &[i64] = &[8];
    /// A text that is no address, say: whether that is found while decoding or later is the plugin's choice.
    pub(crate) const DECODE_OR_CONFIG: &[i64] = &[6, 7];
}

/// One malformed invocation: what is done to a good one.
struct Case {
    name: &'static str,
    plugin: String,
    command: &'static str,
    codes: &'static [i64],
    spoil: Spoil,
}

enum Spoil {
    /// The variables or the raw input.
    Call(fn(Call, &Container) -> Call),
    /// Keys of the configuration, merged into it; null takes one away.
    Keys(Value),
}

/// A case that spoils variables or the raw input of an ADD of the bridge plugin.
fn call(name: &'static str, codes: &'static [i64], spoil: fn(Call, &Container) -> Call) -> Case {
    Case { name, plugin: "bridge".into(), command: "ADD", codes, spoil: Spoil::Call(spoil) }
}

/// A case that spoils keys of an ADD.
fn keys(name: &'static str, plugin: &str, codes: &'static [i64], keys: Value) -> Case {
    Case { name, plugin: plugin.to_owned(), command: "ADD", codes, spoil: Spoil::Keys(keys) }
}

impl Case {
    fn command(mut self, command: &'static str) -> Self {
        self.command = command;
        self
    }

    fn plugin(mut self, plugin: &str) -> Self {
        self.plugin = plugin.to_owned();
        self
    }
}

fn main() -> ExitCode {
    let makefile = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Makefile")).unwrap();
    let bundled = programs::bundled(&makefile);
    let mut cases = environment::cases();
    cases.extend(environment::cases_of_each(&bundled));
    cases.extend([configuration::cases(), keys::cases(), interfaces::cases(), meta::cases()].into_iter().flatten());
    cases.retain(|case| bundled.contains(&case.plugin));
    let mut tests = Vec::new();
    for plugin in bundled {
        assert!(cases.iter().any(|case| case.plugin == plugin), "no malformed invocation of {plugin}");
        // That of dhcp needs a server, which its own tests have.
        if plugin != "dhcp" {
            let name = format!("{plugin}_add_of_what_the_cases_spoil_is_good");
            tests.push(test(name, move |host| good_one(host, &plugin)));
        }
    }
    tests.extend(cases.into_iter().map(|case| {
        let name = format!("{}_{}_{}", case.plugin, case.command, case.name).to_lowercase();
        test(name, move |host| refuse(host, &case))
    }));
    run(tests)
}

/// What a result of a bridge may look like to the next plugin.
fn previous(container: &Container) -> Value {
    json!({
        "cniVersion": "1.0.0",
        "interfaces": [
            {"name": "cni0", "mac": "02:00:00:00:00:01"},
            {"name": format!("v-{}", container.id), "mac": "02:00:00:00:00:03"},
            {"name": "eth0", "mac": "02:00:00:00:00:02", "sandbox": container.path},
        ],
        "ips": [{"address": "10.30.0.2/24", "gateway": "10.30.0.1", "interface": 2}],
    })
}

/// The plugins that work on an earlier result.
fn is_chained(plugin: &str) -> bool {
    matches!(plugin, "bandwidth" | "firewall" | "portmap" | "sbr" | "tuning" | "vrf" | "weir-debug")
}

fn good_config(plugin: &str, container: &Container) -> Value {
    let ipam = configs::host_local(&["10.30.0.0/24"]);
    let own = match plugin {
        "bridge" => configs::bridge(&["10.30.0.0/24"]),
        "host-local" | "ptp" | "dummy" => json!({"type": plugin, "ipam": ipam}),
        "macvlan" | "ipvlan" => json!({"type": plugin, "master": "uplink", "ipam": ipam}),
        "vlan" => json!({"type": plugin, "master": "uplink", "vlanId": 5, "ipam": ipam}),
        "host-device" => json!({"type": plugin, "device": "device0", "ipam": ipam}),
        "static" => json!({"type": "static", "ipam": {"type": "static", "addresses": [{"address": "10.30.0.5/24"}]}}),
        "tuning" => json!({"type": "tuning", "sysctl": {"net.ipv4.conf.lo.arp_filter": "1"}}),
        "portmap" => json!({"type": "portmap", "backend": "nftables",
            "runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}}),
        "bandwidth" => json!({"type": plugin, "ingressRate": 8_000_000, "ingressBurst": 800_000,
            "egressRate": 8_000_000, "egressBurst": 800_000}),
        "vrf" => json!({"type": plugin, "vrfname": "red"}),
        "flannel" => json!({"type": plugin, "subnetFile": "/run/test/subnet.env", "dataDir": "/run/test/flannel"}),
        "dhcp" => json!({"type": plugin, "ipam": {"type": "dhcp"}}),
        _ => json!({"type": plugin}),
    };
    let own = if is_chained(plugin) { with(&own, json!({"prevResult": previous(container)})) } else { own };
    configs::alone("1.0.0", &own)
}

/// What the good configurations need on the host and in the container.
fn prepare(host: &Host, plugin: &str, container: &Container) -> Result<()> {
    match plugin {
        "macvlan" | "ipvlan" | "vlan" => drop(host.outside()?),
        "host-device" => {
            host.run("ip", ["link", "add", "device0", "type", "veth", "peer", "name", "device1"])?;
        }
        "flannel" => {
            let text = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\n\
                        FLANNEL_IPMASQ=true\n";
            std::fs::write(host.directory("")?.join("subnet.env"), text)?;
        }
        chained if is_chained(chained) => {
            let end = format!("v-{}", container.id);
            let inside = ["peer", "name", "eth0", "netns", container.id.as_str()];
            host.run("ip", [&["link", "add", end.as_str(), "type", "veth"], inside.as_slice()].concat())?;
            host.run("ip", ["link", "set", &end, "up"])?;
            container.run("ip", ["address", "add", "10.30.0.2/24", "dev", "eth0"])?;
            container.run("ip", ["link", "set", "eth0", "up"])?;
        }
        _ => {}
    }
    Ok(())
}

/// Skip where the kernel has no links of the plugin's kind.
fn require_kind(host: &Host, plugin: &str) -> Result<()> {
    match plugin {
        "dummy" | "tap" => host.require_link(plugin, &[]),
        "vrf" => host.require_link("vrf", &["table", "10"]),
        "ipvlan" | "vlan" => {
            host.run("ip", ["link", "add", "lower", "type", "veth"])?;
            let id: &[&str] = if plugin == "vlan" { &["id", "5"] } else { &[] };
            host.require_link(plugin, &[&["link", "lower"], id].concat())?;
            host.run("ip", ["link", "delete", "lower"]).map(drop)
        }
        _ => Ok(()),
    }
}

fn good_one(host: &Host, plugin: &str) -> Result<()> {
    require_kind(host, plugin)?;
    let container = host.container("one")?;
    prepare(host, plugin, &container)?;
    let config = good_config(plugin, &container);
    Call::new(&Programs::weir()?, plugin, "ADD")?.container(&container).config(&config).ok().map(drop)
}

fn refuse(host: &Host, case: &Case) -> Result<()> {
    let programs = Programs::weir()?;
    // The IPAM plugin is asked once the link is there.
    if matches!(case.name, "ipam_not_installed" | "ipam_type_climbs" | "ipam_subnet_garbage") {
        require_kind(host, &case.plugin)?;
    }
    let container = host.container("one")?;
    prepare(host, &case.plugin, &container)?;
    let mut config = good_config(&case.plugin, &container);
    let good = Call::new(&programs, &case.plugin, case.command)?.container(&container);
    let spoilt = match &case.spoil {
        Spoil::Call(spoil) => spoil(good.config(&config), &container),
        Spoil::Keys(keys) => {
            merge(&mut config, keys);
            good.config(&config)
        }
    };
    // Empty, once what was saved in it is gone.
    let state =
        || Ok::<_, anyhow::Error>(Snapshot::take(&[&container])?.without(|name| name == "file /run/cni/host-device"));
    let before = state()?;
    let error = spoilt.error()?;
    let after = state()?;
    before.assert_same(&after).with_context(|| spoilt.describe())?;
    ensure!(programs.are_native() || case.codes.contains(&error.code), "wanted {:?}, got {error:?}", case.codes);
    Ok(())
}

/// Set keys, in depth; null takes one away.
fn merge(target: &mut Value, keys: &Value) {
    match (target, keys) {
        (Value::Object(target), Value::Object(keys)) => {
            for (key, value) in keys {
                if value.is_null() {
                    target.remove(key);
                } else {
                    merge(target.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
        }
        (target, keys) => *target = keys.clone(),
    }
}
