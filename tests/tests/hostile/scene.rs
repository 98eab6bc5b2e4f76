//! What is on the host besides the attacker: a way out, another network with a container, rules and files of the
//! administrator, an attachment of the attacker's own network that is not its own.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use nix::sys::stat::Mode;
use serde_json::{Value, json};
use weir_tests::host::Outside;
use weir_tests::{Chain, Container, Host, Programs, configs};

/// The bystanders.
pub struct Scene {
    /// The network beyond the host.
    pub outside: Outside,
    /// A container of another network.
    pub victim: Container,
    /// The host's end of its link.
    pub victims_link: String,
}

const RULES: &str = "
table inet admin {
    set trusted { type ipv4_addr; elements = { 192.0.2.2 }; }
    chain guard { type filter hook input priority 0; policy accept; ip saddr @trusted accept; tcp dport 22 accept; }
}
table ip filter {
    chain INPUT { type filter hook input priority 0; policy accept; }
    chain FORWARD { type filter hook forward priority 0; policy accept; }
}
";

impl Scene {
    /// Set it up.
    pub fn new(host: &Host, programs: &Programs) -> Result<Self> {
        let outside = host.outside()?;
        let victim = host.container("victim")?;
        let chain = Chain::new(
            programs,
            "victims",
            &[
                json!({
                    "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false,
                    "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/16"}]]},
                }),
                configs::portmap("nftables"),
            ],
        );
        let ports = json!({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]});
        let result = chain.capabilities(ports).add(&victim)?;
        let interfaces = result.get("interfaces").and_then(Value::as_array).cloned().unwrap_or_default();
        let on_the_host = |interface: &&Value| interface.get("sandbox").is_none() && interface["name"] != "cni0";
        let found = interfaces.iter().find(on_the_host).and_then(|interface| interface["name"].as_str());
        let victims_link = found.ok_or_else(|| anyhow!("no link on the host in {result}"))?.to_owned();
        routing(host)?;
        rules(host)?;
        files()?;
        Ok(Self { outside, victim, victims_link })
    }
}

fn routing(host: &Host) -> Result<()> {
    let batch = "route add default via 192.0.2.2\nroute add 198.51.100.0/24 via 192.0.2.2 table 100\n\
        rule add from 192.0.2.1 table 100 priority 1000\nneighbour add 192.0.2.9 lladdr 02:00:00:00:00:99 dev uplink\n";
    std::fs::create_dir_all("/run/scene")?;
    std::fs::write("/run/scene/ip", batch)?;
    host.run("ip", ["-batch", "/run/scene/ip"])?;
    host.run("ip", ["-6", "route", "add", "default", "via", "2001:db8:ff::2"])?;
    host.run("tc", ["qdisc", "add", "dev", "uplink", "root", "tbf", "rate", "1gbit", "burst", "1mb", "limit", "1mb"])?;
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
    Ok(())
}

fn rules(host: &Host) -> Result<()> {
    std::fs::write("/run/scene/nft", RULES)?;
    host.run("nft", ["-f", "/run/scene/nft"])?;
    let admin = "*filter\n:ADMIN - [0:0]\n-A INPUT -j ADMIN\n-A ADMIN -s 198.51.100.0/24 -j DROP\nCOMMIT\n";
    std::fs::write("/run/scene/iptables", admin)?;
    host.run("iptables-restore", ["--noflush", "/run/scene/iptables"])?;
    Ok(())
}

/// Files of others, and traps on the way to them.
fn files() -> Result<()> {
    for directory in [
        "/run/secrets",
        "/run/hostile",
        "/run/cni/hostile",
        "/run/cni/tuning",
        "/run/native",
        "/var/lib/cni/flannel",
        "/var/lib/cni/networks/strangers",
        "/etc/hostile",
    ] {
        std::fs::create_dir_all(directory)?;
    }
    let lease = "bystander\r\neth0";
    let documents = [
        ("/run/secrets/key", "nameserver 203.0.113.1\nSECRET=1\n"),
        ("/run/hostile/resolv.conf", "nameserver 203.0.113.2\n"),
        ("/run/cni/tuning/victim_eth0.json", "{\"name\": \"victims\"}"),
        // Documents and leases of another attachment of the attacker's own network.
        ("/run/cni/hostile/bystander_eth0.json", "{\"name\": \"strangers\"}"),
        ("/run/cni/hostile/bystander", "{\"name\": \"strangers\"}"),
        ("/var/lib/cni/flannel/victim", "{\"name\": \"victims\"}"),
        ("/var/lib/cni/networks/strangers/10.99.0.2", lease),
        ("/var/lib/cni/networks/strangers/last_reserved_ip.0", "10.99.0.2"),
        ("/var/lib/cni/networks/strangers/lock", ""),
        ("/run/native/native", "#!/bin/sh\ntouch /run/secrets/native-ran\necho '{\"cniVersion\": \"1.1.0\"}'\n"),
    ];
    for (path, text) in documents {
        std::fs::write(path, text).with_context(|| format!("write {path}"))?;
    }
    std::fs::set_permissions("/run/native/native", PermissionsExt::from_mode(0o755))?;
    symlink("/dev/zero", "/run/hostile/zero")?;
    nix::unistd::mkfifo(Path::new("/run/hostile/pipe"), Mode::from_bits_truncate(0o600))?;
    Ok(())
}

/// The attacker's container: with a link that another attachment made.
pub fn attackers_container(host: &Host) -> Result<Container> {
    let container = host.container("attacker")?;
    host.run("ip", ["link", "add", "outer0", "type", "veth", "peer", "name", "side0", "netns", "attacker"])?;
    host.run("ip", ["link", "set", "outer0", "up"])?;
    container.run("ip", ["address", "add", "10.77.0.2/24", "dev", "side0"])?;
    container.run("ip", ["link", "set", "side0", "up"])?;
    Ok(container)
}
