//! Routes of IPAM with all that they say, on the way through every plugin that makes an interface: gateway, metric, MTU,
//! maximum segment size, table and scope.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::{host_local, with};
use weir_tests::{Chain, Container, Host, Programs, Test, test};

/// Plugin, its keys, and the type of link that the kernel must have for it.
type Case = (&'static str, Value, Option<(&'static str, &'static [&'static str])>);

pub(crate) fn tests() -> Vec<Test> {
    let cases: [Case; 7] = [
        ("bridge", json!({"bridge": "cni0", "isGateway": true}), None),
        ("ptp", json!({}), None),
        ("macvlan", json!({"master": "eth1"}), None),
        ("ipvlan", json!({"master": "eth1"}), Some(("ipvlan", &["link", "eth1"]))),
        ("vlan", json!({"master": "eth1", "vlanId": 5}), Some(("vlan", &["link", "eth1", "id", "5"]))),
        ("dummy", json!({}), Some(("dummy", &[]))),
        ("tap", json!({}), Some(("tap", &[]))),
    ];
    let mut tests = Vec::new();
    for (plugin, keys, kind) in cases {
        for ipam in ["host-local", "static"] {
            let keys = keys.clone();
            tests.push(test(format!("routes_of_{ipam}_are_installed_whole_by_{plugin}"), move |host| {
                host.run("ip", ["link", "add", "eth1", "type", "veth", "peer", "name", "eth1-peer"])?;
                for end in ["eth1", "eth1-peer"] {
                    host.run("ip", ["link", "set", end, "up"])?;
                }
                if let Some((kind, arguments)) = kind {
                    host.require_link(kind, arguments)?;
                }
                let config = with(&json!({"type": plugin, "ipam": self::ipam(ipam)}), keys.clone());
                installed(host, &config, plugin == "ptp")
            }));
        }
    }
    tests
}

/// The same addresses and routes by either IPAM plugin.
fn ipam(plugin: &str) -> Value {
    let routes = json!([
        {"dst": "0.0.0.0/0", "mtu": 1350, "advmss": 1310},
        {"dst": "203.0.113.0/24", "gw": "10.51.0.7", "mtu": 1300, "advmss": 1200, "priority": 50},
        {"dst": "198.51.100.0/24", "gw": "10.51.0.8", "table": 77, "mtu": 1320},
        {"dst": "192.0.2.128/25", "scope": 253, "priority": 7},
        {"dst": "::/0", "mtu": 1340, "advmss": 1280},
        {"dst": "2001:db8:1::/48", "gw": "fd00:51::7", "mtu": 1330, "advmss": 1210, "priority": 60},
        {"dst": "2001:db8:2::/48", "gw": "fd00:51::8", "table": 78, "advmss": 1220},
    ]);
    let base = match plugin {
        "static" => json!({"type": "static", "addresses": [
            {"address": "10.51.0.2/24", "gateway": "10.51.0.1"}, {"address": "fd00:51::2/64", "gateway": "fd00:51::1"},
        ]}),
        _ => host_local(&["10.51.0.0/24", "fd00:51::/64"]),
    };
    with(&base, json!({"routes": routes}))
}

/// Family and arguments of `ip route show`, and what it must say.
const EXPECTED: [(&str, &[&str], &[&str]); 7] = [
    ("-4", &["default"], &["via 10.51.0.1", "mtu 1350", "advmss 1310"]),
    ("-4", &["203.0.113.0/24"], &["via 10.51.0.7", "metric 50", "mtu 1300", "advmss 1200"]),
    ("-4", &["198.51.100.0/24", "table", "77"], &["via 10.51.0.8", "mtu 1320"]),
    ("-4", &["192.0.2.128/25"], &["scope link", "metric 7"]),
    ("-6", &["default"], &["via fd00:51::1", "mtu 1340", "advmss 1280"]),
    ("-6", &["2001:db8:1::/48"], &["via fd00:51::7", "metric 60", "mtu 1330", "advmss 1210"]),
    ("-6", &["2001:db8:2::/48", "table", "78"], &["via fd00:51::8", "advmss 1220"]),
];

/// A text with the gateway of the subnet in the place of others, for links that lead to no other neighbour.
fn by_the_gateway(text: &str, alone: bool) -> String {
    match alone {
        true => ["7", "8"].iter().fold(text.to_owned(), |text, last| {
            text.replace(&format!("10.51.0.{last}"), "10.51.0.1").replace(&format!("fd00:51::{last}"), "fd00:51::1")
        }),
        false => text.to_owned(),
    }
}

fn installed(host: &Host, plugin: &Value, gateway_alone: bool) -> Result<()> {
    let plugin: Value = serde_json::from_str(&by_the_gateway(&plugin.to_string(), gateway_alone))?;
    // Before 1.1.0 the specification has destination and gateway only, but the configuration is the same.
    for version in ["1.1.0", "1.0.0", "0.4.0"] {
        let one = host.container(&format!("c{version}"))?;
        let chain = Chain::new(&Programs::weir()?, "net", std::slice::from_ref(&plugin)).version(version);
        let result = chain.add(&one)?;
        compare(&one, gateway_alone).with_context(|| format!("version {version}"))?;
        chain.check(&one, &result)?;
        if version == "1.1.0" {
            let routes = result["routes"].to_string();
            for part in ["\"mtu\":1300", "\"advmss\":1200", "\"priority\":50", "\"table\":77", "\"scope\":253"] {
                ensure!(routes.contains(part), "{part} is missing in {routes}");
            }
        }
        chain.del(&one, &result)?;
    }
    Ok(())
}

fn compare(container: &Container, gateway_alone: bool) -> Result<()> {
    for (family, what, parts) in EXPECTED {
        let shown = container.run("ip", [&[family, "route", "show"], what].concat())?;
        ensure!(shown.lines().count() == 1, "{what:?}: not one route, but: {shown}");
        for part in parts {
            let part = by_the_gateway(part, gateway_alone);
            ensure!(shown.contains(&part), "{what:?}: {part} is missing in {shown}");
        }
        // Not scope link, and no gateway, where the configuration says the one.
        ensure!(parts.iter().any(|part| part.starts_with("via")) == shown.contains("via "), "{what:?}: {shown}");
    }
    Ok(())
}
