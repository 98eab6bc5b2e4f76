//! The plugin on the in-memory host.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::net::IpAddr;

use serde_json::{Value, json};
use weir_sdk::log::Level;
use weir_sdk::net::{Neighbor, Rule};
use weir_sdk::testing::World;
use weir_sdk::{FailureKind, IpNet};

use crate::WeirDebug;

const FILE: &str = "/run/debug/c1_eth0.json";

fn world() -> World {
    let world = World::new();
    let container = world.container();
    container.add_link("eth0", "veth");
    container.update_link("eth0", &weir_sdk::net::LinkChanges { up: Some(true), ..Default::default() });
    let network: IpNet = "10.1.2.3/24".parse().unwrap();
    let address: IpAddr = "10.1.2.3".parse().unwrap();
    container.add_address("eth0", network).add_rule(&Rule::from_address(address, 100));
    container.add_neighbor(&Neighbor {
        link: container.link("eth0").unwrap().index,
        address: "10.1.2.1".parse().unwrap(),
        mac: "02:00:00:00:00:01".parse().unwrap(),
        permanent: true,
        proxy: false,
    });
    container.set_sysctl("net/ipv4/ip_forward", "1").set_sysctl("net/ipv4/conf/eth0/rp_filter", "2");
    world
}

fn config(keys: Value) -> String {
    let mut document = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "weir-debug",
        "prevResult": {"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": "/run/netns/c1"}]},
    });
    document.as_object_mut().unwrap().append(&mut keys.as_object().unwrap().clone());
    document.to_string()
}

fn lines(world: &World) -> Vec<String> {
    world.log().into_iter().map(|(_, line)| line).collect()
}

fn assert_told(world: &World, words: &[&str]) {
    let lines = lines(world);
    for word in words {
        assert!(lines.iter().any(|line| line.contains(word)), "{word} is not told: {lines:#?}");
    }
}

#[test]
fn everything_is_told_and_the_result_passes_through() {
    let world = world();
    let result = world.add_with_args::<WeirDebug>(&config(json!({"custom": "key"})), "IgnoreUnknown=1;X=y").unwrap();
    assert_eq!(result.interfaces[0].name, "eth0");
    assert_told(
        &world,
        &[
            "ADD of container c1, interface eth0, network net, namespace /run/netns/c1",
            "CNI_ARGS IgnoreUnknown=1;X=y",
            r#"configuration {"cniVersion":"1.1.0","custom":"key","name":"net","type":"weir-debug"}"#,
            r#"prevResult {"cniVersion":"1.1.0","interfaces""#,
            "lo: loopback",
            "eth0: veth mac",
            "mtu 1500",
            "address 10.1.2.3/24 dev eth0 scope global",
            "route 10.1.2.0/24 dev eth0 table 254",
            "IPv4 from 10.1.2.3/32 lookup 100",
            "neighbour 10.1.2.1 dev eth0 lladdr 02:00:00:00:00:01 permanent",
            "sysctl net/ipv4/ip_forward = 1",
            "sysctl net/ipv4/conf/eth0/rp_filter = 2",
        ],
    );
    assert!(world.log().iter().all(|(level, _)| *level == Level::Warn), "seen without further settings");
    assert_eq!(world.documents(), []);
}

#[test]
fn alone_it_returns_an_empty_result() {
    let world = world();
    let result = world.add::<WeirDebug>(r#"{"cniVersion": "1.1.0", "name": "net", "type": "weir-debug"}"#).unwrap();
    assert!(result.interfaces.is_empty() && result.ips.is_empty());
    assert_told(&world, &["no prevResult"]);
}

#[test]
fn level_and_sysctls_are_those_of_the_configuration() {
    for (word, level) in
        [("error", Level::Error), ("warn", Level::Warn), ("info", Level::Info), ("debug", Level::Debug)]
    {
        let world = world();
        world.check::<WeirDebug>(&config(json!({"level": word, "sysctls": ["net.ipv4.ip_forward", "net/x"]}))).unwrap();
        assert!(world.log().iter().all(|(found, _)| *found == level), "{word}");
        assert_told(&world, &["sysctl net/ipv4/ip_forward = 1", "sysctl net/x: "]);
        assert!(!lines(&world).iter().any(|line| line.contains("rp_filter")));
    }
    assert_eq!(world().add::<WeirDebug>(&config(json!({"level": "loud"}))).unwrap_err().code, 7);
    assert_eq!(world().add::<WeirDebug>(&config(json!({"sysctls": 1}))).unwrap_err().code, 6);
}

#[test]
fn what_runs_commands_or_writes_files_is_refused_but_not_by_del() {
    for key in ["cniOutput", "addHooks", "delHooks", "CHECKHOOKS"] {
        let world = world();
        let config = config(json!({key: [["ip", "a"]]}));
        let error = world.add::<WeirDebug>(&config).unwrap_err();
        assert!(error.code == 2 && error.msg.to_lowercase().contains(&key.to_lowercase()), "{error}");
        assert_eq!(world.check::<WeirDebug>(&config).unwrap_err().code, 2);
        assert_eq!(world.status::<WeirDebug>(&config).unwrap_err().code, 2);
        world.del::<WeirDebug>(&config).unwrap();
        world.gc::<WeirDebug>(&config, &[]).unwrap();
    }
}

#[test]
fn reports_are_kept_until_del() {
    let world = world();
    let config = config(json!({"dataDir": "/run/debug"}));
    world.add::<WeirDebug>(&config).unwrap();
    let documents = world.documents();
    world.check::<WeirDebug>(&config).unwrap();
    assert_eq!(world.documents(), documents, "CHECK changes nothing");
    assert_eq!(documents[0].0, FILE);
    let document: Value = serde_json::from_slice(&documents[0].1).unwrap();
    assert_eq!(document["name"], "net");
    assert!(document["report"].as_array().unwrap().len() > 10);
    world.without_netns();
    for _ in 0..2 {
        world.del::<WeirDebug>(&config).unwrap();
        assert_eq!(world.documents(), []);
    }
    assert_told(&world, &["DEL of container c1", "no namespace"]);
}

#[test]
fn gc_removes_reports_and_tells_what_is_in_use() {
    let world = world();
    let config = config(json!({"dataDir": "/run/debug"}));
    world.add::<WeirDebug>(&config).unwrap();
    world.gc::<WeirDebug>(&config, &[("c1", "eth0")]).unwrap();
    assert_eq!(world.documents().len(), 1);
    assert_told(&world, &["GC of network net; in use: c1 eth0"]);
    world.gc::<WeirDebug>(&config, &[]).unwrap();
    assert_eq!(world.documents(), []);
    world.status::<WeirDebug>(&config).unwrap();
    assert_told(&world, &["STATUS of network net"]);
}

#[test]
fn whatever_cannot_be_looked_at_the_chain_goes_on() {
    let mut told = 0;
    for nth in 1..60 {
        let world = world();
        world.fail_nth(nth, FailureKind::Io);
        world.add::<WeirDebug>(&config(json!({"dataDir": "/run/debug"}))).unwrap();
        told += usize::from(lines(&world).iter().any(|line| line.contains("asked for by the test")));
    }
    assert!(told > 12, "{told}");
}
