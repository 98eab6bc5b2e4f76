//! A node is moved over while containers run: what the native plugins made is checked and deleted by ours, with the
//! configurations that people have; and where the layout is shared, the way back works too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use weir_tests::configs::{self, with};
use weir_tests::{Chain, Container, Host, Programs, Snapshot, run, test};

/// A network as the native plugins of Debian (1.1.1) know it.
struct Network {
    plugins: Vec<Value>,
    capabilities: Value,
    /// What the host must have first.
    prepare: fn(&Host) -> Result<()>,
    /// Whether the native plugins delete all that ours make. Where it is false, docs/differences.md says why.
    and_back: bool,
    /// Whether all that the native plugins make is as their result says.
    true_to_result: bool,
    /// Name of the interface.
    interface: &'static str,
}

impl Network {
    fn new(plugins: impl IntoIterator<Item = Value>) -> Self {
        let plugins = plugins.into_iter().collect();
        Self {
            plugins,
            capabilities: json!({}),
            prepare: |_| Ok(()),
            and_back: true,
            true_to_result: true,
            interface: "eth0",
        }
    }

    fn prepare(self, prepare: fn(&Host) -> Result<()>) -> Self {
        Self { prepare, ..self }
    }

    fn capabilities(self, capabilities: Value) -> Self {
        Self { capabilities, ..self }
    }

    fn one_way(self) -> Self {
        Self { and_back: false, ..self }
    }

    fn chain(&self, programs: &Programs) -> Chain {
        Chain::new(programs, "net", &self.plugins).version("1.0.0").capabilities(self.capabilities.clone())
    }
}

/// A link `up0` with a peer, to stand for the network card of a node.
fn card(host: &Host) -> Result<()> {
    host.run("ip", ["link", "add", "up0", "type", "veth", "peer", "name", "wire"])?;
    host.run("ip", ["link", "set", "up0", "up"])?;
    host.run("ip", ["link", "set", "wire", "up"])?;
    Ok(())
}

fn ipam() -> Value {
    configs::host_local(&["10.60.0.0/24", "fd00:60::/64"])
}

fn bridge() -> Value {
    configs::bridge(&["10.60.0.0/24", "fd00:60::/64"])
}

/// A network by its name.
type Named = (&'static str, fn() -> Network);

fn networks() -> Vec<Named> {
    vec![
        ("loopback", || Network { interface: "lo", ..Network::new([json!({"type": "loopback"})]) }),
        ("bridge", || Network::new([with(&bridge(), json!({"ipMasq": true, "hairpinMode": true}))])),
        ("bridge_with_static", || {
            let addresses = json!([{"address": "10.60.0.9/24", "gateway": "10.60.0.1"}]);
            let ipam = json!({"type": "static", "addresses": addresses});
            Network::new([with(&bridge(), json!({"ipam": ipam}))])
        }),
        ("ptp", || Network::new([json!({"type": "ptp", "ipMasq": true, "mtu": 1400, "ipam": ipam()})])),
        ("macvlan", || {
            Network::new([json!({"type": "macvlan", "master": "up0", "mode": "bridge", "ipam": ipam()})]).prepare(card)
        }),
        ("ipvlan", || {
            Network::new([json!({"type": "ipvlan", "master": "up0", "mode": "l2", "ipam": ipam()})]).prepare(|host| {
                card(host)?;
                host.require_link("ipvlan", &["link", "up0"])
            })
        }),
        ("vlan", || {
            Network::new([json!({"type": "vlan", "master": "up0", "vlanId": 7, "ipam": ipam()})]).prepare(|host| {
                card(host)?;
                host.require_link("vlan", &["link", "up0", "id", "9"])
            })
        }),
        // Ours keeps a note of what the device was, which GC takes away where the native plugin did not.
        ("host_device", || {
            Network::new([json!({"type": "host-device", "device": "up0", "ipam": ipam()})]).prepare(card).one_way()
        }),
        ("tuning", || {
            let tuning = json!({"type": "tuning", "mtu": 1400, "promisc": true, "mac": "02:00:00:00:00:07"});
            Network::new([bridge(), tuning])
        }),
        // Ours names the chain of an attachment, and the IFB, by the interface too; the native plugins look for the names
        // without.
        ("portmap", || {
            Network::new([bridge(), configs::portmap("iptables")])
                .capabilities(json!({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}))
                .one_way()
        }),
        ("bandwidth", || {
            let rates = json!({"ingressRate": 1_000_000, "ingressBurst": 800_000, "egressRate": 1_000_000, "egressBurst": 800_000});
            Network::new([bridge(), with(&json!({"type": "bandwidth"}), rates)]).one_way()
        }),
        // Ours notes in nftables whose the rules are, and lets mapped ports in; the native plugin leaves both, for GC.
        ("firewall", || Network::new([bridge(), json!({"type": "firewall", "backend": "iptables"})]).one_way()),
        ("firewall_same_bridge", || {
            let firewall = json!({"type": "firewall", "backend": "iptables", "ingressPolicy": "same-bridge"});
            Network::new([bridge(), firewall]).one_way()
        }),
        // Ours uses nftables where nothing is said, and the native plugin iptables.
        ("firewall_by_default", || Network::new([bridge(), json!({"type": "firewall"})]).one_way()),
        ("sbr", || Network::new([bridge(), json!({"type": "sbr"})])),
        ("vrf", || {
            // The native vrf loses the default route of IPv4, and CHECK of bridge says so.
            Network {
                true_to_result: false,
                ..Network::new([bridge(), json!({"type": "vrf", "vrfname": "blue"})])
                    .prepare(|host| host.require_link("vrf", &["table", "77"]))
            }
        }),
    ]
}

fn main() -> ExitCode {
    let mut tests = Vec::new();
    for (name, network) in networks() {
        tests.push(test(format!("{name}_of_the_native_plugins_is_checked_and_deleted_by_ours"), move |host| {
            move_over(host, &network(), &Programs::native()?, &Programs::weir()?)
        }));
        if network().and_back {
            tests.push(test(format!("{name}_of_ours_is_deleted_by_the_native_plugins"), move |host| {
                move_over(host, &network(), &Programs::weir()?, &Programs::native()?)
            }));
        }
    }
    run(tests)
}

/// What the first ones made, the others check and delete; then nothing is left but what both leave on purpose.
fn move_over(host: &Host, network: &Network, first: &Programs, then: &Programs) -> Result<()> {
    (network.prepare)(host)?;
    // What stays after any attachment: the bridge, shared chains, forwarding.
    let zero = host.container("zero")?;
    for programs in [first, then] {
        add_and_delete(network, programs, &zero)?;
    }
    if host.has_link("up0") {
        // The native host-device leaves its note there.
        host.run("ip", ["link", "set", "up0", "alias", ""])?;
    }
    let container = host.container("one")?;
    if network.interface == "lo" {
        // DEL sets it down, as it is in a container that was never attached.
        container.run("ip", ["link", "set", "lo", "down"])?;
    }
    let before = snapshot(&container)?;
    let chain = network.chain(first);
    let result = chain.add_interface(&container, network.interface).context("ADD by the first")?;
    let taking_over = network.chain(then);
    if !then.are_native() && network.true_to_result {
        check(&taking_over, network, &container, &result)?;
    }
    delete(&taking_over, network, &container, &result)?;
    // The native plugins know nothing of our ledger; GC of ours, or the next boot, takes it away.
    let ledger = |part: &str| then.are_native() && part.contains("/run/weir");
    before.without(ledger).assert_same(&snapshot(&container)?.without(ledger))
}

fn add_and_delete(network: &Network, programs: &Programs, container: &Container) -> Result<()> {
    let chain = network.chain(programs);
    let result = chain.add_interface(container, network.interface)?;
    delete(&chain, network, container, &result)
}

fn check(chain: &Chain, network: &Network, container: &Container, result: &Value) -> Result<()> {
    for plugin in &chain.plugins {
        let call = chain.call("CHECK", plugin, result)?.container(container).interface(network.interface);
        call.ok().context("CHECK of what the native plugins made")?;
    }
    Ok(())
}

fn delete(chain: &Chain, network: &Network, container: &Container, result: &Value) -> Result<()> {
    for plugin in chain.plugins.iter().rev() {
        chain.call("DEL", plugin, result)?.container(container).interface(network.interface).ok()?;
    }
    Ok(())
}

/// Round robin goes on, lock files stay, and so does the kernel's rule for routing domains (1000).
fn snapshot(container: &Container) -> Result<Snapshot> {
    let volatile = |part: &str| {
        part.contains("last_reserved_ip")
            || part.contains("/lock")
            || part.contains(".weir-index")
            || (part.contains(": rule ") && part.contains(" 1000 "))
    };
    Ok(Snapshot::take(&[container])?.without(volatile))
}
