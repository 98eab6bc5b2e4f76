//! Malformed invocations: each gives one error object with the right code and exit status 1, and changes nothing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "bad_input/configuration.rs"]
mod configuration;
#[path = "bad_input/environment.rs"]
mod environment;
#[path = "bad_input/keys.rs"]
mod keys;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_tests::{Call, Container, Host, Programs, Snapshot, configs, run, test};

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
    plugin: &'static str,
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
    Case { name, plugin: "bridge", command: "ADD", codes, spoil: Spoil::Call(spoil) }
}

/// A case that spoils keys of an ADD.
fn keys(name: &'static str, plugin: &'static str, codes: &'static [i64], keys: Value) -> Case {
    Case { name, plugin, command: "ADD", codes, spoil: Spoil::Keys(keys) }
}

impl Case {
    fn command(mut self, command: &'static str) -> Self {
        self.command = command;
        self
    }

    fn plugin(mut self, plugin: &'static str) -> Self {
        self.plugin = plugin;
        self
    }
}

fn main() -> ExitCode {
    let cases: Vec<_> = environment::cases().into_iter().chain(configuration::cases()).chain(keys::cases()).collect();
    assert!(cases.len() >= 60, "only {} cases", cases.len());
    let mut tests = vec![test("the_good_ones_that_the_cases_spoil_are_good", good_ones)];
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
            {"name": "eth0", "mac": "02:00:00:00:00:02", "sandbox": container.path},
        ],
        "ips": [{"address": "10.30.0.2/24", "gateway": "10.30.0.1", "interface": 1}],
    })
}

fn good_config(plugin: &str, container: &Container) -> Value {
    let own = match plugin {
        "bridge" => configs::bridge(&["10.30.0.0/24"]),
        "host-local" => json!({"type": "host-local", "ipam": configs::host_local(&["10.30.0.0/24"])}),
        "static" => json!({"type": "static", "ipam": {"type": "static", "addresses": [{"address": "10.30.0.5/24"}]}}),
        "tuning" => json!({"type": "tuning", "sysctl": {"net.ipv4.conf.lo.arp_filter": "1"},
            "prevResult": previous(container)}),
        "portmap" => json!({"type": "portmap", "backend": "nftables", "prevResult": previous(container),
            "runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}}),
        _ => json!({"type": plugin}),
    };
    configs::alone("1.0.0", &own)
}

fn good_ones(host: &Host) -> Result<()> {
    let programs = Programs::weir()?;
    for plugin in ["bridge", "host-local", "static", "tuning", "portmap", "loopback"] {
        let container = host.container(plugin)?;
        let config = good_config(plugin, &container);
        Call::new(&programs, plugin, "ADD")?.container(&container).config(&config).ok()?;
    }
    Ok(())
}

fn refuse(host: &Host, case: &Case) -> Result<()> {
    let programs = Programs::weir()?;
    let container = host.container("one")?;
    let mut config = good_config(case.plugin, &container);
    let good = Call::new(&programs, case.plugin, case.command)?.container(&container);
    let spoilt = match &case.spoil {
        Spoil::Call(spoil) => spoil(good.config(&config), &container),
        Spoil::Keys(keys) => {
            merge(&mut config, keys);
            good.config(&config)
        }
    };
    let before = Snapshot::take(&[&container])?;
    let error = spoilt.error()?;
    let after = Snapshot::take(&[&container])?;
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
