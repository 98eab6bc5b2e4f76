//! What is measured.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::{alone, bridge, host_local, portmap, tuning, with};
use weir_tests::{Answer, Call, Chain, Container, Host, Programs};

use crate::PAUSE;

/// Containers that a crowded bridge has already.
const CONTAINERS: usize = 100;
/// Addresses that a crowded network has given out already.
const ADDRESSES: u32 = 10_000;

/// Runs once and appends the time of each row.
type Bench = Box<dyn FnMut(&mut Vec<Duration>) -> Result<()>>;

/// What is to be said of a side that does not do all that the row's name says.
type Note = fn(&Host) -> Result<Option<String>>;

/// One preparation with what is measured in it.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) rows: &'static [&'static str],
    /// On the host of one side.
    pub(crate) prepare: fn(&Host, Programs) -> Result<Bench>,
    /// What is to be said of the native side at the end.
    pub(crate) note: Option<Note>,
}

/// All cases, in the order of the table.
pub(crate) fn all() -> Vec<Case> {
    fn case(rows: &'static [&'static str], prepare: fn(&Host, Programs) -> Result<Bench>) -> Case {
        Case { rows, prepare, note: None }
    }
    vec![
        case(&["an empty process (true, on both sides)"], |_, _| {
            let anywhere = Programs::of("/usr/bin").then(Programs::of("/bin"));
            Ok(repeated(Call::new(&anywhere, "true", "VERSION")?))
        }),
        case(&["VERSION"], |_, programs| {
            let call = Call::new(&programs, "bridge", "VERSION")?;
            Ok(repeated(call.config(&json!({"cniVersion": "1.0.0"}))))
        }),
        case(&["loopback ADD", "loopback DEL"], |host, programs| {
            add_and_del(host, &programs, "loopback", &json!({"type": "loopback"}), "lo")
        }),
        case(&["host-local ADD", "host-local DEL"], |host, programs| {
            let config = json!({"type": "none", "ipam": host_local(&["10.1.0.0/16"])});
            add_and_del(host, &programs, "host-local", &config, "eth0")
        }),
        case(&["host-local ADD, 10000 given out", "host-local DEL, 10000 given out"], |host, programs| {
            give_out(&host.directory("ipam/net")?)?;
            let config = json!({"type": "none", "ipam": host_local(&["10.1.0.0/16"])});
            add_and_del(host, &programs, "host-local", &config, "eth0")
        }),
        case(&["bridge ADD", "bridge DEL"], |host, programs| {
            add_and_del(host, &programs, "bridge", &bridge(&["10.1.0.0/16"]), "eth0")
        }),
        case(&["bridge ADD, dual stack", "bridge DEL, dual stack"], |host, programs| {
            add_and_del(host, &programs, "bridge", &bridge(&["10.1.0.0/16", "fd00:1::/64"]), "eth0")
        }),
        case(&["bridge ADD, 100 containers", "bridge DEL, 100 containers"], |host, programs| {
            let config = bridge(&["10.1.0.0/16"]);
            populate(host, &programs, &config)?;
            add_and_del(host, &programs, "bridge", &config, "eth0")
        }),
        case(&["bridge ADD, masquerade iptables", "bridge DEL, masquerade iptables"], |host, programs| {
            add_and_del(host, &programs, "bridge", &masquerade("iptables"), "eth0")
        }),
        case(
            &["bridge ADD, masq. iptables, 100 containers", "bridge DEL, masq. iptables, 100 containers"],
            |host, programs| {
                populate(host, &programs, &masquerade("iptables"))?;
                add_and_del(host, &programs, "bridge", &masquerade("iptables"), "eth0")
            },
        ),
        Case {
            rows: &["bridge ADD, masquerade nftables", "bridge DEL, masquerade nftables"],
            prepare: |host, programs| add_and_del(host, &programs, "bridge", &masquerade("nftables"), "eth0"),
            note: Some(nftables_used),
        },
        Case {
            rows: &["bridge ADD, masq. nftables, 100 containers", "bridge DEL, masq. nftables, 100 containers"],
            prepare: |host, programs| {
                populate(host, &programs, &masquerade("nftables"))?;
                add_and_del(host, &programs, "bridge", &masquerade("nftables"), "eth0")
            },
            note: Some(nftables_used),
        },
        case(&["ptp ADD", "ptp DEL"], |host, programs| {
            let config = json!({"type": "ptp", "ipam": host_local(&["10.1.0.0/16"])});
            add_and_del(host, &programs, "ptp", &config, "eth0")
        }),
        case(&["macvlan ADD", "macvlan DEL"], |host, programs| {
            host.run("ip", ["link", "add", "up0", "up", "type", "veth", "peer", "name", "wire"])?;
            let config = json!({"type": "macvlan", "master": "up0", "ipam": host_local(&["10.1.0.0/16"])});
            add_and_del(host, &programs, "macvlan", &config, "eth0")
        }),
        case(&["tuning ADD", "tuning DEL"], |host, programs| last_of_chain(host, &programs, tuning())),
        case(&["portmap ADD, iptables", "portmap DEL, iptables"], |host, programs| {
            last_of_chain(host, &programs, portmap("iptables"))
        }),
        case(&["firewall ADD, iptables", "firewall DEL, iptables"], |host, programs| {
            last_of_chain(host, &programs, json!({"type": "firewall", "backend": "iptables"}))
        }),
        Case {
            rows: &["firewall ADD, as it comes", "firewall DEL, as it comes"],
            prepare: |host, programs| last_of_chain(host, &programs, json!({"type": "firewall"})),
            note: Some(|_| Ok(Some("native: by iptables".to_owned()))),
        },
        case(&["bandwidth ADD", "bandwidth DEL"], |host, programs| last_of_chain(host, &programs, bandwidth())),
        case(&["sbr ADD", "sbr DEL"], |host, programs| last_of_chain(host, &programs, json!({"type": "sbr"}))),
        case(&["chain of five ADD", "chain of five DEL"], chain_of_five),
        case(&["chain of five ADD, weir in process", "chain of five DEL, weir in process"], |host, programs| {
            chain_of_five(host, in_process(host, programs)?)
        }),
    ]
}

/// Our plugins in a process that lives on and keeps their code. Nobody runs native ones so: they are executed.
fn in_process(host: &Host, programs: Programs) -> Result<Programs> {
    let is_ours = programs.directories == Programs::weir()?.directories;
    if is_ours { programs.in_process(host) } else { Ok(programs) }
}

/// What is measured against the same plugins compiled natively: see `same_logic`.
pub(crate) fn same_logic() -> Vec<Case> {
    fn case(rows: &'static [&'static str], prepare: fn(&Host, Programs) -> Result<Bench>) -> Case {
        Case { rows, prepare, note: None }
    }
    vec![
        case(&["sandbox, loopback ADD", "sandbox, loopback DEL"], |host, programs| {
            add_and_del(host, &programs, "loopback", &json!({"type": "loopback"}), "lo")
        }),
        case(&["sandbox, bridge ADD", "sandbox, bridge DEL"], |host, programs| {
            add_and_del(host, &programs, "bridge", &bridge(&["10.1.0.0/16"]), "eth0")
        }),
        case(&["sandbox, bridge ADD, weir in process", "sandbox, bridge DEL, weir in process"], |host, programs| {
            let programs = in_process(host, programs)?;
            add_and_del(host, &programs, "bridge", &bridge(&["10.1.0.0/16"]), "eth0")
        }),
    ]
}

fn bandwidth() -> Value {
    json!({"type": "bandwidth", "ingressRate": 8_000_000, "ingressBurst": 800_000,
        "egressRate": 8_000_000, "egressBurst": 800_000})
}

/// What many nodes have: bridge with masquerade, portmap, tuning, firewall, bandwidth, all by iptables.
fn chain_of_five(host: &Host, programs: Programs) -> Result<Bench> {
    let firewall = json!({"type": "firewall", "backend": "iptables"});
    let plugins = [masquerade("iptables"), portmap("iptables"), tuning(), firewall, bandwidth()];
    let (container, chain) = (host.container("measured")?, chain(&programs, &plugins));
    Ok(Box::new(move |times| {
        let (adds, result) = up(&chain, &container)?;
        std::thread::sleep(PAUSE);
        let dels = down(&chain, &container, &result)?;
        times.extend([adds.iter().sum::<Duration>(), dels.iter().sum()]);
        Ok(())
    }))
}

/// ADD and DEL of a plugin that comes after a bridge.
fn last_of_chain(host: &Host, programs: &Programs, plugin: Value) -> Result<Bench> {
    let (container, chain) = (host.container("measured")?, chain(programs, &[bridge(&["10.1.0.0/16"]), plugin]));
    Ok(Box::new(move |times| {
        let (adds, result) = up(&chain, &container)?;
        std::thread::sleep(PAUSE);
        let dels = down(&chain, &container, &result)?;
        // DEL goes backwards.
        times.extend(adds.last().into_iter().chain(dels.first()));
        Ok(())
    }))
}

fn chain(programs: &Programs, plugins: &[Value]) -> Chain {
    let port = json!({"hostPort": 8080, "containerPort": 80, "protocol": "tcp"});
    Chain::new(programs, "net", plugins).version("1.0.0").capabilities(json!({"portMappings": [port]}))
}

/// ADD of each plugin: how long it took, and the last result.
fn up(chain: &Chain, container: &Container) -> Result<(Vec<Duration>, Value)> {
    let (mut times, mut result) = (Vec::new(), Value::Null);
    for plugin in &chain.plugins {
        result = time(&chain.call("ADD", plugin, &result)?.container(container), &mut times)?.ok()?;
    }
    Ok((times, result))
}

/// DEL of each plugin, last first: how long it took.
fn down(chain: &Chain, container: &Container, result: &Value) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for plugin in chain.plugins.iter().rev() {
        time(&chain.call("DEL", plugin, result)?.container(container), &mut times)?;
    }
    Ok(times)
}

fn masquerade(backend: &str) -> Value {
    with(&bridge(&["10.1.0.0/16"]), json!({"ipMasq": true, "ipMasqBackend": backend}))
}

/// Old native plugins do not know the key that chooses nftables, and use iptables.
fn nftables_used(host: &Host) -> Result<Option<String>> {
    let table = host.run("nft", ["list", "table", "inet", "cni_plugins_masquerade"]);
    Ok(table.is_err().then(|| "native: by iptables".to_owned()))
}

/// ADD and DEL of one attachment.
fn add_and_del(host: &Host, programs: &Programs, plugin: &str, config: &Value, interface: &str) -> Result<Bench> {
    let container = host.container("measured")?;
    let config = alone("1.0.0", config);
    let native = programs.directories != Programs::weir()?.directories;
    let call = |command| -> Result<Call> {
        Ok(Call::new(programs, plugin, command)?.container(&container).interface(interface))
    };
    let (add, del) = (call("ADD")?.config(&config), call("DEL")?);
    Ok(Box::new(move |times| {
        // The namespace lives as long as this.
        let _ = &container;
        let result = time(&add, times)?.ok()?;
        std::thread::sleep(PAUSE);
        // As runtimes do.
        let del = del.clone().config(&with(&config, json!({"prevResult": result})));
        match time(&del, times) {
            // With nftables they look for rules of iptables too, and do not understand what iptables of Debian 12 says.
            Err(_) if native && config.get("ipMasqBackend").is_some_and(|backend| backend == "nftables") => Ok(()),
            other => other.map(drop),
        }
    }))
}

/// One call, over and over.
fn repeated(call: Call) -> Bench {
    Box::new(move |times| time(&call, times).map(drop))
}

/// Run a plugin, which must succeed, and append how long it took.
fn time(call: &Call, times: &mut Vec<Duration>) -> Result<Answer> {
    let answer = call.run()?;
    times.push(answer.took);
    ensure!(answer.status == Some(0), "it failed: {answer:?}");
    Ok(answer)
}

/// Attach containers that stay.
fn populate(host: &Host, programs: &Programs, config: &Value) -> Result<()> {
    for index in 0..CONTAINERS {
        let container: Container = host.container(&format!("c{index}"))?;
        let call = Call::new(programs, "bridge", "ADD")?.container(&container).config(&alone("1.0.0", config));
        call.ok().with_context(|| format!("attach container {index}"))?;
    }
    Ok(())
}

/// Write what host-local writes when it gives out the first addresses of 10.1.0.0/16.
fn give_out(store: &Path) -> Result<()> {
    let address = |number: u32| std::net::Ipv4Addr::from(u32::from_be_bytes([10, 1, 0, 0]) + number);
    for number in 2..2 + ADDRESSES {
        std::fs::write(store.join(address(number).to_string()), format!("container{number}\r\neth0"))?;
    }
    Ok(std::fs::write(store.join("last_reserved_ip.0"), address(1 + ADDRESSES).to_string())?)
}
