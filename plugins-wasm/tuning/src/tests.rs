//! The plugin on the in-memory host.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use weir_sdk::net::{LinkChanges, LinkInfo};
use weir_sdk::testing::{World, with_prev_result};
use weir_sdk::{AddResult, FailureKind, Result};

use crate::Tuning;

const ARP: &str = "net/ipv4/conf/eth0/arp_notify";
const PORTS: &str = "net/ipv4/ip_local_port_range";

/// A container with an interface as other plugins leave it.
fn world() -> World {
    let world = World::new();
    world.container().add_link("eth0", "veth").set_sysctl(PORTS, "32768\t60999");
    let changes = LinkChanges {
        mac: Some(vec![2, 0, 0, 0, 0, 1]),
        mtu: Some(1500),
        tx_queue_length: Some(1000),
        ..LinkChanges::default()
    };
    world.container().update_link("eth0", &changes);
    world
}

fn config(keys: Value) -> String {
    let mut document = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "tuning",
        "prevResult": {"cniVersion": "1.1.0", "interfaces": [
            {"name": "eth0", "mac": "0a:00:00:00:00:09"},
            {"name": "eth0", "mac": "02:00:00:00:00:01", "mtu": 1500, "sandbox": "/run/netns/c1"}
        ]}
    });
    document.as_object_mut().unwrap().append(&mut keys.as_object().unwrap().clone());
    document.to_string()
}

fn everything() -> String {
    config(json!({
        "mac": "C2:B0:57:49:47:F1", "mtu": 1454, "promisc": true, "allmulti": true, "txQLen": 500,
        "sysctl": {"net.ipv4.conf.IFNAME.arp_notify": "1", "net.ipv4.ip_local_port_range": "2000 3000"}
    }))
}

fn eth0(world: &World) -> LinkInfo {
    world.container().link("eth0").unwrap()
}

fn add(world: &World, config: &str) -> AddResult {
    world.add::<Tuning>(config).unwrap_or_else(|error| panic!("{config}: {error}"))
}

fn code(outcome: Result<AddResult>) -> u32 {
    outcome.unwrap_err().code
}

/// What is on the interface and in the parameters.
fn snapshot(world: &World) -> (LinkInfo, Option<String>, Option<String>) {
    let container = world.container();
    (eth0(world), container.sysctl(ARP), container.sysctl(PORTS))
}

#[test]
fn add_applies_everything_and_the_result_tells() {
    let world = world();
    let result = add(&world, &everything());
    let info = eth0(&world);
    assert_eq!((info.mac.to_string().as_str(), info.mtu, info.tx_queue_length), ("c2:b0:57:49:47:f1", 1454, 500));
    assert!(info.promiscuous && info.all_multicast);
    assert_eq!(world.container().sysctl(ARP).as_deref(), Some("1"));
    assert_eq!(world.container().sysctl(PORTS).as_deref(), Some("2000 3000"));
    let told: Vec<_> = result.interfaces.iter().map(|interface| (interface.mac.as_str(), interface.mtu)).collect();
    assert_eq!(told, [("0a:00:00:00:00:09", 0), ("c2:b0:57:49:47:f1", 1454)], "the host's eth0 is another one");
}

#[test]
fn the_saved_values_are_those_of_the_native_plugin() {
    let world = world();
    add(
        &world,
        &config(json!({"mac": "c2:b0:57:49:47:f1", "mtu": 1454, "promisc": true, "allmulti": true, "txQLen": 5})),
    );
    let documents = world.documents();
    let (path, content) = documents.first().unwrap();
    assert!(path.ends_with("/c1_eth0.json"), "{path}");
    assert_eq!(
        String::from_utf8_lossy(content),
        "{\n \"mac\": \"02:00:00:00:00:01\",\n \"promisc\": false,\n \"mtu\": 1500,\n \"allmulti\": false,\n \"txQLen\": 1000,\n \"name\": \"net\"\n}"
    );
}

#[test]
fn values_saved_by_the_native_plugin_are_restored() {
    let world = world();
    weir_sdk::state::save(None, b"{\n \"mac\": \"02:00:00:00:00:07\",\n \"promisc\": true,\n \"mtu\": 1300\n}")
        .unwrap();
    world.del::<Tuning>(&config(json!({}))).unwrap();
    let info = eth0(&world);
    assert_eq!((info.mac.to_string().as_str(), info.mtu, info.promiscuous), ("02:00:00:00:00:07", 1300, true));
    assert_eq!(world.documents(), []);
}

#[test]
fn gc_removes_the_files_of_this_network_that_belong_to_no_attachment() {
    let world = world();
    add(&world, &everything());
    world.document("/run/cni/c2_eth0.json", br#"{"mtu": 1300, "name": "net"}"#);
    world.document("/run/cni/c3_eth0.json", br#"{"mtu": 1300, "name": "other"}"#);
    world.document("/run/cni/c4_eth0.json", br#"{"mtu": 1300}"#);
    world.gc::<Tuning>(&config(json!({})), &[("c1", "eth0")]).unwrap();
    let left: Vec<_> = world.documents().into_iter().map(|(path, _)| path).collect();
    assert_eq!(left, ["/run/cni/c1_eth0.json", "/run/cni/c3_eth0.json", "/run/cni/c4_eth0.json"]);
    world.gc::<Tuning>(&config(json!({})), &[]).unwrap();
    assert_eq!(world.documents().len(), 2);
    world.fail_call("attachment-state.retain", 1, FailureKind::Io);
    assert_eq!(world.gc::<Tuning>(&config(json!({})), &[]).unwrap_err().code, 5);
}

#[test]
fn del_restores_everything_and_can_be_repeated() {
    let world = world();
    let before = snapshot(&world);
    add(&world, &everything());
    assert_ne!(snapshot(&world), before);
    for _ in 0..2 {
        world.del::<Tuning>(&everything()).unwrap();
        assert_eq!(snapshot(&world), before);
        assert_eq!(world.documents(), []);
    }
}

#[test]
fn del_succeeds_without_namespace_interface_or_valid_configuration() {
    for (name, gone) in [
        (
            "no namespace",
            (|world| {
                world.without_netns();
            }) as fn(&World),
        ),
        ("container gone", |world| {
            world.destroy_container();
        }),
        ("interface gone", |world| {
            world.container().delete_link("eth0");
        }),
        ("nothing works", |world| {
            for call in ["links.find", "link.update", "sysctls.set"] {
                world.fail_always(call, FailureKind::Io);
            }
        }),
    ] {
        let world = world();
        add(&world, &everything());
        gone(&world);
        world.del::<Tuning>(&config(json!({"mac": "x", "mtu": "y", "sysctl": 5}))).unwrap();
        assert_eq!(world.documents(), [], "{name}");
    }
    let world = world();
    weir_sdk::state::save(None, b"{broken").unwrap();
    world.del::<Tuning>(&config(json!({}))).unwrap();
    assert_eq!(world.documents(), []);
}

#[test]
fn two_of_this_plugin_in_one_chain_restore_the_original() {
    let world = world();
    let before = snapshot(&world);
    let second = config(json!({"mtu": 1200, "sysctl": {"net.ipv4.conf.IFNAME.arp_notify": "2"}}));
    add(&world, &everything());
    add(&world, &second);
    assert_eq!(eth0(&world).mtu, 1200);
    for config in [second, everything()] {
        world.del::<Tuning>(&config).unwrap();
    }
    assert_eq!(snapshot(&world), before);
}

#[test]
fn a_failed_add_leaves_nothing_changed() {
    let clean = snapshot(&world());
    for nth in 1.. {
        let world = world();
        world.fail_nth(nth, FailureKind::Io);
        let outcome = world.add::<Tuning>(&everything());
        if world.heal().calls().len() < nth {
            assert!(nth > 8 && outcome.is_ok(), "{:?}", world.calls());
            return;
        }
        // Some calls ADD can do without: a value that cannot be read is not restored.
        if outcome.is_err() {
            assert_eq!(snapshot(&world), clean, "after a failure of call {nth}: {:?}", world.calls());
            assert_eq!(world.documents(), [], "after a failure of call {nth}: {:?}", world.calls());
        }
    }
}

#[test]
fn later_sources_of_the_mac_win() {
    let mac = |last: u8| format!("02:00:00:00:00:1{last}");
    for sources in 1..=4_u8 {
        let mut keys = json!({"mac": mac(1)});
        let object = keys.as_object_mut().unwrap();
        let args = if sources >= 2 { format!("MAC={}", mac(2)) } else { String::new() };
        if sources >= 3 {
            object.insert("runtimeConfig".to_owned(), json!({"mac": mac(3)}));
        }
        if sources >= 4 {
            object.insert("args".to_owned(), json!({"cni": {"mac": mac(4)}}));
        }
        let world = world();
        world.add_with_args::<Tuning>(&config(keys), &args).unwrap();
        assert_eq!(eth0(&world).mac.to_string(), mac(sources));
    }
}

#[test]
fn args_set_everything_even_without_keys_of_the_configuration() {
    let world = world();
    let args =
        json!({"mtu": 1400, "promisc": "true", "allmulti": true, "txQLen": 7, "sysctl": {"net/core/somaxconn": "5"}});
    add(&world, &config(json!({"args": {"cni": args}, "sysctl": {"net.core.somaxconn": "4"}})));
    let info = eth0(&world);
    assert_eq!((info.mtu, info.promiscuous, info.all_multicast, info.tx_queue_length), (1400, true, true, 7));
    assert_eq!(world.container().sysctl("net/core/somaxconn").as_deref(), Some("5"));
    let only_args = config(json!({"args": {"cni": {"sysctl": {"net.core.somaxconn": "6"}}}}));
    add(&world, &only_args);
    assert_eq!(world.container().sysctl("net/core/somaxconn").as_deref(), Some("6"));
}

#[test]
fn bad_input_is_refused_with_its_code_before_anything_is_touched() {
    for (keys, expected) in [
        (json!({"mac": "x"}), 7),
        (json!({"mac": 5}), 6),
        (json!({"mtu": -1}), 7),
        (json!({"mtu": "1400"}), 6),
        (json!({"mtu": 1_u64 << 32}), 7),
        (json!({"txQLen": -1}), 7),
        (json!({"promisc": "yes"}), 6),
        (json!({"sysctl": {"kernel.hostname": "x"}}), 7),
        (json!({"sysctl": {"net.core.somaxconn": "5", "kernel.hostname": "x"}}), 7),
        (json!({"sysctl": {"net.core.nothing": "x"}}), 7),
        (json!({"sysctl": {"net.core.somaxconn": 5}}), 6),
        (json!({"sysctl": ["net.core.somaxconn"]}), 6),
        (json!({"sysctl": {"net.core.somaxconn": "5", "net/core/somaxconn": "6"}}), 7),
        (json!({"prevResult": null}), 7),
    ] {
        let world = world();
        let before = snapshot(&world);
        assert_eq!(code(world.add::<Tuning>(&config(keys.clone()))), expected, "{keys}");
        let unchanged = snapshot(&world) == before && world.documents().is_empty();
        assert!(unchanged && world.container().sysctl("net/core/somaxconn").as_deref() == Some("4096"), "{keys}");
    }
    let twice =
        config(json!({})).replacen('{', r#"{"sysctl": {"net.core.somaxconn": "1", "net.core.somaxconn": "2"},"#, 1);
    assert_eq!(code(world().add::<Tuning>(&twice)), 7);
    assert_eq!(code(world().add_with_args::<Tuning>(&everything(), "FOO=1")), 4);
    assert_eq!(code(world().without_netns().add::<Tuning>(&everything())), 3);
}

#[test]
fn conventional_arguments_are_accepted() {
    let args = "IP=10.0.0.2;GATEWAY=10.0.0.1;K8S_POD_NAME=x";
    assert!(world().add_with_args::<Tuning>(&everything(), args).is_ok());
}

#[test]
fn without_the_interface_only_parameters_can_be_set() {
    let world = World::new();
    assert!(world.add::<Tuning>(&config(json!({"mtu": 1400}))).unwrap_err().msg.contains("no interface eth0"));
    add(&world, &config(json!({"sysctl": {"net.core.somaxconn": "5"}})));
    world.del::<Tuning>(&config(json!({}))).unwrap();
    assert_eq!(world.container().sysctl("net/core/somaxconn").as_deref(), Some("4096"));
}

#[test]
fn the_list_of_the_operator_binds_add_and_status() {
    let world = world();
    world.sysctl_allow_list(&["^net.core", r"\.IFNAME\.arp"]);
    let allowed = config(json!({"sysctl": {"net.core.somaxconn": "5", "net.ipv4.conf.IFNAME.arp_notify": "1"}}));
    world.status::<Tuning>(&allowed).unwrap();
    add(&world, &allowed);
    assert_eq!(world.status::<Tuning>(&everything()).unwrap_err().code, 7);
    let error = world.add::<Tuning>(&everything()).unwrap_err();
    assert!(error.code == 7 && error.msg.contains("net.ipv4.ip_local_port_range"), "{error}");
    add(&world, &config(json!({"mtu": 1400})));
}

#[test]
fn check_compares_what_was_configured_and_nothing_else() {
    let world = world();
    let result = add(&world, &everything());
    let later = with_prev_result(&everything(), &result).unwrap();
    world.container().set_sysctl(PORTS, "2000\t3000");
    world.check::<Tuning>(&later).unwrap();

    let changes = |changes: LinkChanges| {
        world.container().update_link("eth0", &changes);
    };
    for (told, drift) in [
        ("MAC", LinkChanges { mac: Some(vec![2, 0, 0, 0, 0, 9]), ..LinkChanges::default() }),
        ("MTU", LinkChanges { mtu: Some(1300), ..LinkChanges::default() }),
        ("promiscuous", LinkChanges { promiscuous: Some(false), ..LinkChanges::default() }),
        ("all-multicast", LinkChanges { all_multicast: Some(false), ..LinkChanges::default() }),
        ("queue", LinkChanges { tx_queue_length: Some(9), ..LinkChanges::default() }),
    ] {
        let was = eth0(&world);
        changes(drift);
        let error = world.check::<Tuning>(&later).unwrap_err();
        assert!(error.msg.contains(told), "{error}");
        world.check::<Tuning>(&config(json!({}))).unwrap();
        changes(LinkChanges {
            mac: Some(was.mac.into()),
            mtu: Some(was.mtu),
            promiscuous: Some(was.promiscuous),
            all_multicast: Some(was.all_multicast),
            tx_queue_length: Some(was.tx_queue_length),
            ..LinkChanges::default()
        });
    }
    world.container().set_sysctl(ARP, "0");
    assert!(world.check::<Tuning>(&later).unwrap_err().msg.contains(ARP));
    assert!(world.check::<Tuning>(&config(json!({"prevResult": null}))).is_err());
}
