//! The portmap plugin, behind a bridge. Its keys are tested in `plugin_keys`.

mod traffic;

use serde_json::json;
use weir_tests::configs::{VERSIONS, bridge, portmap};
use weir_tests::{Chain, Lifecycle, Programs, Test, lifecycle};

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for backend in ["nftables", "iptables"] {
        let with_backend = lifecycle::tests(&format!("portmap_{backend}"), &VERSIONS, move |_, _| {
            let plugins = [bridge(&["10.42.0.0/24", "fd00:42::/64"]), portmap(backend)];
            let ports = json!({"portMappings": [
                {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
                {"hostPort": 8053, "containerPort": 53, "protocol": "udp"},
            ]});
            Ok(Lifecycle::new(Chain::new(&Programs::weir()?, "net", &plugins).capabilities(ports)))
        });
        tests.extend(with_backend);
    }
    tests.extend(traffic::tests());
    tests
}
