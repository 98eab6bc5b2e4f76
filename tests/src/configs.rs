//! Configurations that several tests use.

use serde_json::{Value, json};

/// All versions of the specification.
pub const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/// A bridge with gateway and addresses of host-local, from these subnets.
pub fn bridge(subnets: &[&str]) -> Value {
    json!({
        "type": "bridge", "bridge": "cni0", "isDefaultGateway": true,
        "ipam": host_local(subnets),
    })
}

/// The `ipam` part for host-local, one range set for each subnet.
pub fn host_local(subnets: &[&str]) -> Value {
    let ranges: Vec<_> = subnets.iter().map(|subnet| json!([{"subnet": subnet}])).collect();
    json!({"type": "host-local", "dataDir": "/run/test/ipam", "ranges": ranges})
}

/// The tuning plugin with one setting.
pub fn tuning() -> Value {
    json!({"type": "tuning", "sysctl": {"net.ipv4.conf.eth0.arp_filter": "1"}, "capabilities": {"mac": true}})
}

/// The portmap plugin with a backend.
pub fn portmap(backend: &str) -> Value {
    json!({"type": "portmap", "backend": backend, "capabilities": {"portMappings": true}})
}

/// `config`, with these keys set or replaced.
pub fn with(config: &Value, keys: Value) -> Value {
    let mut config = config.clone();
    if let (Value::Object(config), Value::Object(keys)) = (&mut config, keys) {
        config.extend(keys);
    }
    config
}

/// A whole configuration for one plugin alone.
pub fn alone(version: &str, plugin: &Value) -> Value {
    with(plugin, json!({"cniVersion": version, "name": "net"}))
}
