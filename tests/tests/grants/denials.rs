//! The way of a plugin that was granted too little: the refused call names the grant that is missing, and with just that the
//! command works.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use weir_tests::{Chain, CniError, Container, Host, Programs, Test, configs, test};

use crate::component::Place;

/// A plugin, what it loses, and a configuration that needs it.
struct Case {
    plugin: &'static str,
    key: &'static str,
    value: &'static str,
    config: fn() -> Vec<Value>,
}

const CASES: &[Case] = &[
    Case { plugin: "bridge", key: "linkKinds", value: "veth", config: bridge },
    Case { plugin: "bridge", key: "linkKinds", value: "bridge", config: bridge },
    // The bridge of the configuration: the advice says it as the manifest does.
    Case { plugin: "bridge", key: "hostLinks", value: "${bridge}", config: bridge },
    Case { plugin: "bridge", key: "hostLinks", value: "cni0", config: default_bridge },
    Case { plugin: "bridge", key: "delegates", value: "${ipam.type}", config: bridge },
    Case { plugin: "bridge", key: "nftables", value: "inet cni_plugins_masquerade", config: masquerading },
    Case { plugin: "bridge", key: "nftables", value: "bridge nat", config: spoof_checking },
    Case { plugin: "host-local", key: "directories", value: "/var/lib/cni/networks", config: bridge },
    Case { plugin: "host-local", key: "directories", value: "${ipam.dataDir}", config: elsewhere },
    Case { plugin: "portmap", key: "nftables", value: "ip cni_hostport", config: mapping },
    Case { plugin: "tuning", key: "containerSysctls", value: "net/*", config: tuning },
    Case { plugin: "tuning", key: "directories", value: "/run/cni/tuning", config: tuning },
];

pub(crate) fn tests() -> Vec<Test> {
    CASES
        .iter()
        .map(|case| {
            let name = format!("{}_without_{}_{}_is_told_what_to_grant", case.plugin, case.key, case.value);
            test(name, |host| granted_after_denial(host, case))
        })
        .collect()
}

fn bridge_with(keys: Value) -> Value {
    let ipam = json!({"type": "host-local", "subnet": "10.99.0.0/24"});
    configs::with(&json!({"type": "bridge", "bridge": "br7", "isGateway": true, "ipam": ipam}), keys)
}

fn bridge() -> Vec<Value> {
    vec![bridge_with(json!({}))]
}

fn default_bridge() -> Vec<Value> {
    let mut bridge = bridge_with(json!({}));
    bridge.as_object_mut().unwrap().remove("bridge");
    vec![bridge]
}

fn masquerading() -> Vec<Value> {
    vec![bridge_with(json!({"ipMasq": true, "ipMasqBackend": "nftables"}))]
}

fn spoof_checking() -> Vec<Value> {
    vec![bridge_with(json!({"macspoofchk": true}))]
}

fn elsewhere() -> Vec<Value> {
    let ipam = json!({"type": "host-local", "subnet": "10.99.0.0/24", "dataDir": "/run/addresses"});
    vec![bridge_with(json!({"ipam": ipam}))]
}

fn mapping() -> Vec<Value> {
    let mappings = json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]);
    let portmap = json!({"type": "portmap", "backend": "nftables", "runtimeConfig": {"portMappings": mappings}});
    vec![bridge_with(json!({})), portmap]
}

fn tuning() -> Vec<Value> {
    vec![bridge_with(json!({})), json!({"type": "tuning", "sysctl": {"net.core.somaxconn": "500"}})]
}

/// A copy of what is installed for all tests: compiling again would take long.
fn place(host: &Host) -> Result<Place> {
    let shared = Programs::weir()?;
    let shared: &PathBuf = shared.directories.first().context("no directory")?;
    let place = Place::new(host)?;
    let copied = Command::new("cp").arg("-a").arg(shared.join(".")).arg(&place.bin).status()?;
    ensure!(copied.success(), "cp: {copied}");
    Ok(place)
}

fn granted_after_denial(host: &Host, case: &Case) -> Result<()> {
    let place = place(host)?;
    place.must(&["revoke", case.plugin, case.key, case.value])?;
    let container = host.container("c1")?;
    let plugins = (case.config)();
    let chain = Chain::new(&Programs::of(place.bin.clone()), "net", &plugins);
    let refused = add(&chain, &plugins, &container)?;
    ensure!(refused.code == 101, "{refused:?}");
    let words = format!("{} {}", refused.msg, refused.details);
    let advice = words.split_once(&format!("weir grant {} --add '", case.plugin)).with_context(|| words.clone())?.1;
    let fragment = advice.split_once('\'').with_context(|| words.clone())?.0;
    let parsed: Value = serde_json::from_str(fragment).with_context(|| fragment.to_owned())?;
    ensure!(parsed[case.key].as_array().is_some_and(|values| values.len() == 1), "{fragment}");
    place.must(&["grant", case.plugin, "--add", fragment])?;
    // The plugins before it in the chain have done their part.
    chain.del(&container, &Value::Null)?;
    let result = chain.add(&container)?;
    chain.check(&container, &result)?;
    chain.del(&container, &result)
}

/// ADD of a chain: the error of the plugin that refuses.
fn add(chain: &Chain, plugins: &[Value], container: &Container) -> Result<CniError> {
    let mut result = Value::Null;
    for plugin in plugins {
        let answer = chain.call("ADD", plugin, &result)?.container(container).run()?;
        if answer.status != Some(0) {
            return answer.error();
        }
        result = answer.ok()?;
    }
    bail!("ADD succeeded without the grant: {result}")
}
