//! The plugin on the in-memory host, with a scripted plugin behind it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::{Value, json};
use weir_sdk::cni_spec::error::TRY_AGAIN_LATER;
use weir_sdk::testing::{Command, World, fail_each};
use weir_sdk::{Error, FailureKind};

use crate::Flannel;

const FILE: &str = "/run/flannel/subnet.env";
const SAVED: &str = "/var/lib/cni/flannel/c1";
const ENVIRONMENT: [(&str, &str); 6] = [
    ("FLANNEL_NETWORK", "10.244.0.0/16,10.245.0.0/16"),
    ("FLANNEL_SUBNET", "10.244.3.1/24"),
    ("FLANNEL_IPV6_NETWORK", "fd00:10::/48"),
    ("FLANNEL_IPV6_SUBNET", "fd00:10:0:3::1/64"),
    ("FLANNEL_MTU", "1450"),
    ("FLANNEL_IPMASQ", "true"),
];
const RESULT: &str = r#"{"cniVersion": "1.1.0", "ips": [{"address": "10.244.3.2/24"}]}"#;

type Calls = Rc<RefCell<Vec<(Command, Value)>>>;

/// A host with flanneld's file, and plugins `bridge` and `macvlan` that remember how they were called.
fn world() -> (World, Calls) {
    let world = World::new();
    world.environment_file(FILE, &ENVIRONMENT);
    let calls = Calls::default();
    for kind in ["bridge", "macvlan"] {
        let calls = calls.clone();
        world.delegate(kind, move |call| {
            calls.borrow_mut().push((call.command, serde_json::from_str(&call.config).unwrap()));
            Ok(if call.command == Command::Add { RESULT.to_owned() } else { String::new() })
        });
    }
    (world, calls)
}

fn config(keys: Value) -> String {
    let mut document = json!({"cniVersion": "1.1.0", "name": "cbr0", "type": "flannel"});
    document.as_object_mut().unwrap().append(&mut keys.as_object().unwrap().clone());
    document.to_string()
}

fn plain() -> String {
    config(json!({}))
}

/// What the other plugin gets.
fn delegated(keys: Value) -> Value {
    let (world, calls) = world();
    world.add::<Flannel>(&config(keys)).unwrap();
    let (command, config) = calls.borrow()[0].clone();
    assert_eq!(command, Command::Add);
    config
}

fn paths(world: &World) -> Vec<String> {
    world.documents().into_iter().map(|(path, _)| path).collect()
}

#[test]
fn the_other_plugin_gets_the_reference_plugins_configuration() {
    assert_eq!(
        delegated(json!({})),
        json!({
            "cniVersion": "1.1.0", "name": "cbr0", "type": "bridge", "ipMasq": false, "mtu": 1450, "isGateway": true,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": "10.244.3.0/24"}], [{"subnet": "fd00:10:0:3::/64"}]],
                "routes": [{"dst": "10.244.0.0/16"}, {"dst": "10.245.0.0/16"}, {"dst": "fd00:10::/48"}],
            },
        })
    );
}

#[test]
fn keys_of_the_configuration_win_or_are_added_to() {
    let made = delegated(json!({
        "delegate": {"type": "macvlan", "ipMasq": true, "mtu": 1400, "master": "eth1"},
        "ipam": {"type": "other", "dataDir": "/d", "routes": [{"dst": "0.0.0.0/0", "gw": "10.244.3.1"}]},
        "runtimeConfig": {"portMappings": []}, "unknown": 1,
    }));
    assert_eq!(
        made,
        json!({
            "cniVersion": "1.1.0", "name": "cbr0", "type": "macvlan", "ipMasq": true, "mtu": 1400, "master": "eth1",
            "runtimeConfig": {"portMappings": []},
            "ipam": {
                "type": "other", "dataDir": "/d",
                "ranges": [[{"subnet": "10.244.3.0/24"}], [{"subnet": "fd00:10:0:3::/64"}]],
                "routes": [{"dst": "0.0.0.0/0", "gw": "10.244.3.1"}, {"dst": "10.244.0.0/16"}, {"dst": "10.245.0.0/16"},
                    {"dst": "fd00:10::/48"}],
            },
        })
    );
}

#[test]
fn each_subnet_gives_an_address() {
    let (world, calls) = world();
    let file = "/etc/subnet.env";
    world.environment_file(
        file,
        &[
            ("FLANNEL_NETWORK", "10.244.0.0/16"),
            ("FLANNEL_SUBNET", "10.244.3.1/24, 10.244.4.1/24"),
            ("FLANNEL_MTU", "1"),
            ("FLANNEL_MTU", "1450"),
            ("FLANNEL_IPMASQ", "false"),
        ],
    );
    world.add::<Flannel>(&config(json!({"subnetFile": file}))).unwrap();
    let made = calls.borrow()[0].1.clone();
    assert_eq!(made["ipam"]["ranges"], json!([[{"subnet": "10.244.3.0/24"}], [{"subnet": "10.244.4.0/24"}]]));
    assert_eq!((&made["ipMasq"], &made["mtu"]), (&json!(true), &json!(1450)), "the last assignment counts");
}

#[test]
fn bad_configurations_and_files_are_refused_before_anything_is_done() {
    let subnet = |pairs: &[(&str, &str)]| {
        let (world, calls) = world();
        world.environment_file(FILE, pairs);
        let error = world.add::<Flannel>(&plain()).unwrap_err();
        assert!(calls.borrow().is_empty() && world.documents().is_empty());
        error
    };
    for position in [4, 5] {
        let mut pairs = ENVIRONMENT.to_vec();
        let (key, _) = pairs.remove(position);
        let error = subnet(&pairs);
        assert!(error.code == 7 && error.msg.contains(key), "{error:?}");
    }
    assert!(subnet(&ENVIRONMENT[1..2]).msg.contains("FLANNEL_NETWORK"));
    assert!(subnet(&ENVIRONMENT[..1]).msg.contains("FLANNEL_SUBNET"));
    for (key, value) in [("FLANNEL_SUBNET", "10.0.0.0"), ("FLANNEL_MTU", "-1"), ("FLANNEL_NETWORK", "10.0.0.0/8,x")] {
        let mut pairs = ENVIRONMENT.to_vec();
        pairs.push((key, value));
        assert_eq!(subnet(&pairs).code, 7, "{key}");
    }
    for keys in [
        json!({"delegate": {"name": "x"}}),
        json!({"delegate": {"ipam": {}}}),
        json!({"delegate": {"type": 1}}),
        json!({"delegate": "bridge"}),
        json!({"ipam": []}),
        json!({"ipam": {"routes": {}}}),
        json!({"subnetFile": 1}),
    ] {
        let (world, calls) = world();
        assert_eq!(world.add::<Flannel>(&config(keys.clone())).unwrap_err().code, 7, "{keys}");
        assert!(calls.borrow().is_empty() && world.documents().is_empty());
    }
}

#[test]
fn without_flanneld_add_says_try_again_and_status_says_not_available() {
    let (world, _) = world();
    assert_eq!(world.status::<Flannel>(&plain()), Ok(()));
    let absent = config(json!({"subnetFile": "/run/none"}));
    assert_eq!(world.add::<Flannel>(&absent).unwrap_err().code, TRY_AGAIN_LATER);
    assert_eq!(world.status::<Flannel>(&absent).unwrap_err().code, 50);
    world.delegate("bridge", |_| Err(Error::not_available("the pool is empty")));
    assert_eq!(world.status::<Flannel>(&plain()).unwrap_err().msg, "the pool is empty");
}

#[test]
fn del_undoes_what_add_did_although_the_subnet_has_changed() {
    let (world, calls) = world();
    world.add::<Flannel>(&plain()).unwrap();
    let added = calls.borrow()[0].1.clone();
    assert_eq!(paths(&world), [SAVED]);
    world.environment_file(FILE, &[]);
    let previous = json!({"cniVersion": "1.1.0", "ips": []});
    world.del::<Flannel>(&config(json!({"prevResult": previous}))).unwrap();
    let (command, mut deleted) = calls.borrow()[1].clone();
    assert_eq!(command, Command::Del);
    assert_eq!(deleted.as_object_mut().unwrap().remove("prevResult"), Some(previous));
    assert_eq!(deleted, added);
    assert_eq!(world.documents(), []);
}

#[test]
fn del_works_without_file_namespace_or_valid_configuration() {
    let (world, calls) = world();
    world.without_netns();
    world.environment_file(FILE, &[]);
    world.del::<Flannel>(&config(json!({"delegate": {"ipam": {}}, "ipam": {"dataDir": "/d"}, "dataDir": 1}))).unwrap();
    let (command, deleted) = calls.borrow()[0].clone();
    assert_eq!(command, Command::Del);
    assert_eq!(deleted["ipam"], json!({"type": "host-local", "dataDir": "/d"}), "enough to give addresses back");
    world.delegate("bridge", |_| Err(Error::internal("broken")));
    world.del::<Flannel>(&plain()).unwrap();
    world.document(SAVED, b"{half");
    world.del::<Flannel>(&plain()).unwrap();
}

#[test]
fn a_del_that_fails_can_be_repeated() {
    let (world, calls) = world();
    world.add::<Flannel>(&plain()).unwrap();
    world.fail_call("delegate.call", 1, FailureKind::Busy);
    assert_eq!(world.del::<Flannel>(&plain()).unwrap_err().code, 11);
    assert_eq!(paths(&world), [SAVED]);
    world.del::<Flannel>(&plain()).unwrap();
    assert_eq!(calls.borrow().len(), 2);
    assert_eq!(world.documents(), []);
}

#[test]
fn what_the_native_plugin_kept_is_used() {
    let (world, calls) = world();
    world.document(SAVED, br#"{"name": "cbr0", "type": "macvlan", "mtu": 1234}"#);
    world.del::<Flannel>(&plain()).unwrap();
    assert_eq!(calls.borrow()[0].1, json!({"name": "cbr0", "type": "macvlan", "mtu": 1234}));
    assert_eq!(world.documents(), []);
}

#[test]
fn interfaces_of_a_container_keep_their_own() {
    let (world, calls) = world();
    world.add::<Flannel>(&plain()).unwrap();
    world.attachment("c1", "eth1").add::<Flannel>(&config(json!({"delegate": {"mtu": 1400}}))).unwrap();
    assert_eq!(paths(&world), [SAVED.to_owned(), format!("{SAVED}:eth1")]);
    world.attachment("c1", "eth0").del::<Flannel>(&plain()).unwrap();
    world.attachment("c1", "eth1").del::<Flannel>(&plain()).unwrap();
    let sizes: Vec<_> = calls.borrow().iter().map(|(_, config)| config["mtu"].clone()).collect();
    assert_eq!(sizes, [1450, 1400, 1450, 1400]);
    assert_eq!(world.documents(), []);
    // The other way round, and with a file of another network in the way.
    world.document(SAVED, br#"{"name": "other", "type": "macvlan"}"#);
    world.add::<Flannel>(&plain()).unwrap();
    world.del::<Flannel>(&plain()).unwrap();
    assert_eq!(paths(&world), [SAVED]);
}

#[test]
fn check_asks_the_other_plugin() {
    let (world, calls) = world();
    let result = world.add::<Flannel>(&plain()).unwrap();
    let previous = weir_sdk::testing::with_prev_result(&plain(), &result).unwrap();
    world.check::<Flannel>(&previous).unwrap();
    let (command, checked) = calls.borrow()[1].clone();
    assert_eq!(command, Command::Check);
    assert_eq!(checked["prevResult"]["ips"][0]["address"], "10.244.3.2/24");
    assert_eq!(world.check::<Flannel>(&plain()).unwrap_err().code, 7, "without prevResult");
    world.delegate("bridge", |_| Err(Error::internal("the link is gone")));
    assert_eq!(world.check::<Flannel>(&previous).unwrap_err().msg, "the link is gone");
}

#[test]
fn gc_is_passed_on_and_removes_stale_files() {
    let (world, calls) = world();
    world.add::<Flannel>(&plain()).unwrap();
    for (name, network) in [("c2", "cbr0"), ("c2:eth1", "cbr0"), ("c3", "other")] {
        world.document(&format!("/var/lib/cni/flannel/{name}"), json!({"name": network}).to_string().as_bytes());
    }
    let valid = json!([{"containerID": "c1", "ifname": "eth0"}]);
    world.gc::<Flannel>(&config(json!({"cni.dev/valid-attachments": valid})), &[("c1", "eth0")]).unwrap();
    assert_eq!(paths(&world), [SAVED, "/var/lib/cni/flannel/c3"]);
    let (command, collected) = calls.borrow()[1].clone();
    assert_eq!((command, &collected["cni.dev/valid-attachments"]), (Command::Gc, &valid));
    world.delegate("bridge", |_| Err(Error::internal("broken")));
    assert_eq!(world.gc::<Flannel>(&plain(), &[]).unwrap_err().msg, "broken");
    assert_eq!(paths(&world), ["/var/lib/cni/flannel/c3"], "files go whatever the other plugin says");
}

#[test]
fn a_failed_add_leaves_nothing() {
    let prepare = |world: &World| {
        world.environment_file(FILE, &ENVIRONMENT).delegate("bridge", |_| Ok(RESULT.to_owned()));
    };
    let calls = fail_each::<Flannel>(&plain(), prepare, |world, call| assert_eq!(world.documents(), [], "{call}"));
    assert_eq!(calls, 4);
}
