//! The plugin on the in-memory host.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use weir_sdk::net::{LinkKind, LinkOptions, TokenBucket, VethEnd};
use weir_sdk::testing::{World, with_prev_result};
use weir_sdk::{AddResult, FailureKind, Netns, Result};

use crate::Bandwidth;

const MEGABIT: u64 = 1_000_000;

/// A container whose eth0 is a veth with its peer on the host, as bridge leaves it.
fn world() -> World {
    let world = World::new();
    pair("eth0", "veth0");
    world
}

fn pair(inside: &str, outside: &str) {
    let end = |name: &str| VethEnd { name: Some(name.to_owned()), mac: None, mtu: Some(1400) };
    let (host, container) = (Netns::host().unwrap(), Netns::container().unwrap());
    let (inner, outer) = container.create_veth(&end(inside), &host, &end(outside)).unwrap();
    inner.set_up().unwrap();
    outer.set_up().unwrap();
}

fn config(keys: Value) -> String {
    let mut document = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "bandwidth",
        "prevResult": {"cniVersion": "1.1.0", "interfaces": [
            {"name": "cni0"}, {"name": "veth0"}, {"name": "eth0", "sandbox": "/run/netns/c1"}
        ]}
    });
    document.as_object_mut().unwrap().append(&mut keys.as_object().unwrap().clone());
    document.to_string()
}

fn limits() -> Value {
    json!({"ingressRate": 8 * MEGABIT, "ingressBurst": 800_000, "egressRate": 16 * MEGABIT, "egressBurst": 400_000})
}

fn both() -> String {
    config(limits())
}

fn add(world: &World, config: &str) -> AddResult {
    world.add::<Bandwidth>(config).unwrap_or_else(|error| panic!("{config}: {error}"))
}

fn code(outcome: Result<AddResult>) -> u32 {
    outcome.unwrap_err().code
}

/// The ifb device that a result names last.
fn device(result: &AddResult) -> String {
    result.interfaces.last().unwrap().name.clone()
}

fn assert_nothing_left(world: &World, what: &str) {
    let host = world.host();
    assert_eq!(host.shaper("veth0"), None, "{what}");
    assert_eq!(host.redirects("veth0"), Vec::<String>::new(), "{what}");
    assert!(!host.links().iter().any(|link| link.is("ifb")), "{what}: {:?}", host.link_names());
}

#[test]
fn both_directions_are_limited_and_the_result_names_the_device() {
    let world = world();
    let result = add(&world, &both());
    assert_eq!(result.interfaces.len(), 4);
    let name = device(&result);
    assert!(name.starts_with("bwp") && name.len() == 15, "{name}");
    let info = world.host().link(&name).unwrap();
    assert_eq!(result.interfaces[3].mac, info.mac.to_string());
    assert_eq!((info.kind.as_deref(), info.mtu, info.up), (Some("ifb"), 1400, true));
    assert_eq!(info.alias.as_deref(), Some("cni bandwidth net c1 eth0"));

    let received = TokenBucket { rate: 1_000_000, burst: 100_000, limit: 25_000 + 65_554 };
    let sent = TokenBucket { rate: 2_000_000, burst: 50_000, limit: 50_000 + 50_000 };
    assert_eq!(world.host().shaper("veth0"), Some(received));
    assert_eq!(world.host().shaper(&name), Some(sent));
    assert_eq!(world.host().redirects("veth0"), [name]);
}

#[test]
fn one_direction_alone_leaves_the_other_as_it_is() {
    let world = world();
    let result = add(&world, &config(json!({"ingressRate": 8000, "ingressBurst": 80_000})));
    assert_eq!(result.interfaces.len(), 3);
    assert!(world.host().shaper("veth0").is_some() && world.host().redirects("veth0").is_empty());

    let world = self::world();
    let result = add(&world, &config(json!({"egressRate": 8000, "egressBurst": 80_000})));
    assert_eq!(world.host().shaper("veth0"), None);
    assert_eq!(world.host().redirects("veth0"), [device(&result)]);
}

#[test]
fn without_limits_the_result_passes_through_and_nothing_is_asked_of_the_host() {
    let zeros = json!({"ingressRate": 0, "ingressBurst": 0, "egressRate": 0, "egressBurst": 0});
    let of_runtime = json!({"runtimeConfig": {"bandwidth": {}}});
    for keys in [json!({}), zeros, of_runtime, json!({"runtimeConfig": {"bandwidth": null}})] {
        let world = world();
        world.clear_calls();
        let config = config(keys);
        let result = add(&world, &config);
        assert_eq!(result.interfaces.len(), 3);
        assert_eq!(world.check::<Bandwidth>(&config), Ok(()));
        assert_eq!(world.calls(), Vec::<String>::new());
    }
}

#[test]
fn limits_of_the_runtime_count_unless_the_network_names_some() {
    let of_runtime = json!({"runtimeConfig": {"bandwidth": {"ingressRate": 80_000, "ingressBurst": 80_000}}});
    let world = world();
    add(&world, &config(of_runtime.clone()));
    assert_eq!(world.host().shaper("veth0").unwrap().rate, 10_000);

    for own in [json!({"egressRate": 8000, "egressBurst": 80_000}), json!({"ingressRate": 0})] {
        let world = self::world();
        let mut keys = of_runtime.clone();
        keys.as_object_mut().unwrap().append(&mut own.as_object().unwrap().clone());
        add(&world, &config(keys));
        assert_eq!(world.host().shaper("veth0"), None, "the network's limits count as a whole: {own}");
    }
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    for keys in [
        json!({"ingressRate": 8000}),
        json!({"ingressBurst": 8000}),
        json!({"egressRate": 8000}),
        json!({"egressBurst": 8000}),
        json!({"egressRate": 8000, "ingressBurst": 8000}),
        json!({"ingressRate": 7, "ingressBurst": 8000}),
        json!({"runtimeConfig": {"bandwidth": {"egressRate": 1}}}),
    ] {
        let world = world();
        let config = config(keys);
        assert_eq!(code(world.add::<Bandwidth>(&config)), 7, "{config}");
        assert_eq!(world.status::<Bandwidth>(&config).unwrap_err().code, 7, "{config}");
        assert_nothing_left(&world, &config);
    }
    for keys in [json!({"ingressRate": -1}), json!({"ingressRate": "8M"}), json!({"egressBurst": 1.5})] {
        assert_eq!(code(world().add::<Bandwidth>(&config(keys))), 6);
    }
    assert_eq!(world().status::<Bandwidth>(&both()), Ok(()));
}

#[test]
fn a_missing_result_or_interface_is_an_error() {
    for keys in [json!({"prevResult": null}), json!({"prevResult": null, "ingressRate": 8000, "ingressBurst": 8000})] {
        assert_eq!(code(world().add::<Bandwidth>(&config(keys))), 7);
    }
    let world = world();
    world.container().delete_link("eth0");
    assert!(world.add::<Bandwidth>(&both()).unwrap_err().msg.contains("no interface eth0"));
    world.container().add_link("eth0", "macvlan");
    assert!(world.add::<Bandwidth>(&both()).unwrap_err().msg.contains("no peer on the host"));

    let world = self::world();
    let mut keys = limits();
    keys["prevResult"] = json!({"cniVersion": "1.1.0", "interfaces": [
        {"name": "other0"}, {"name": "veth0", "sandbox": "/run/netns/c1"}
    ]});
    assert!(world.add::<Bandwidth>(&config(keys)).unwrap_err().msg.contains("does not name veth0"));
    assert_nothing_left(&world, "not named");
    world.without_netns();
    assert_eq!(code(world.add::<Bandwidth>(&both())), 3);
}

#[test]
fn a_failed_add_leaves_nothing_whatever_call_fails() {
    let mut calls = 0;
    for nth in 1.. {
        let world = world();
        world.clear_calls().fail_nth(nth, FailureKind::Io);
        match world.add::<Bandwidth>(&both()) {
            Ok(_) => break,
            Err(error) => assert!(error.msg.contains("asked for by the test"), "call {nth}: {error}"),
        }
        assert_nothing_left(&world, &format!("call {nth}: {:?}", world.calls()));
        calls = nth;
    }
    assert!(calls >= 9, "{calls}");
}

#[test]
fn what_somebody_else_shapes_is_refused_and_left_alone() {
    let world = world();
    let other = TokenBucket { rate: 5, burst: 5, limit: 5 };
    world.host().shape("veth0", other);
    assert!(world.add::<Bandwidth>(&both()).is_err());
    assert_eq!(world.host().shaper("veth0"), Some(other));
    assert!(!world.host().links().iter().any(|link| link.is("ifb")));
}

#[test]
fn each_interface_of_a_container_has_a_device_of_its_own() {
    let world = world();
    pair("eth1", "veth1");
    let first = add(&world, &both());
    world.attachment("c1", "eth1");
    let mut keys = limits();
    keys["prevResult"] = json!({"cniVersion": "1.1.0", "interfaces": [{"name": "veth1"}]});
    let second = add(&world, &config(keys.clone()));
    assert_ne!(device(&first), device(&second));

    world.del::<Bandwidth>(&with_prev_result(&config(keys), &second).unwrap()).unwrap();
    assert_eq!(world.host().link(&device(&second)), None);
    assert_eq!(world.host().redirects("veth1"), Vec::<String>::new());
    world.attachment("c1", "eth0");
    assert_eq!(world.check::<Bandwidth>(&with_prev_result(&both(), &first).unwrap()), Ok(()));
}

#[test]
fn del_takes_everything_away_and_may_come_again() {
    let world = world();
    let config = with_prev_result(&both(), &add(&world, &both())).unwrap();
    for _ in 0..2 {
        assert_eq!(world.del::<Bandwidth>(&config), Ok(()));
        assert_nothing_left(&world, "DEL");
    }
}

#[test]
fn del_takes_the_device_away_without_namespace_result_or_valid_limits() {
    let without_result = config(json!({"prevResult": null}));
    let invalid = config(json!({"prevResult": null, "ingressRate": 1, "egressRate": "?"}));
    for config in [without_result, invalid, both()] {
        for prepare in [
            |_: &World| {},
            |world: &World| {
                world.without_netns();
            },
            |world: &World| {
                world.destroy_container();
            },
        ] {
            let world = world();
            let name = device(&add(&world, &both()));
            prepare(&world);
            assert_eq!(world.del::<Bandwidth>(&config), Ok(()), "{config}");
            assert_eq!(world.host().link(&name), None, "{config}");
        }
    }
}

#[test]
fn del_leaves_what_is_somebody_elses() {
    let name = device(&add(&world(), &both()));
    // No ADD was here, but a link of another kind has the name, and somebody redirects.
    let world = world();
    world.host().add_link(&name, "dummy").add_link("mirror0", "ifb");
    let host = Netns::host().unwrap();
    host.link("veth0").unwrap().unwrap().redirect(&host.link("mirror0").unwrap().unwrap()).unwrap();
    assert_eq!(world.del::<Bandwidth>(&config(json!({}))), Ok(()));
    assert!(world.host().link(&name).is_some());
    assert_eq!(world.host().redirects("veth0"), ["mirror0"]);
}

/// A device as the native plugin leaves it: `printf netc1 | sha512sum`.
const NATIVE: &str = "bwp623e1c388032";

fn native_device() {
    let host = Netns::host().unwrap();
    let options = LinkOptions { up: true, ..LinkOptions::default() };
    host.create_virtual_link(NATIVE, &LinkKind::Ifb, &options, None).unwrap();
}

#[test]
fn del_takes_away_what_the_native_plugin_left_unless_the_result_tells_of_another_interface() {
    for (keys, goes) in [
        (json!({"prevResult": null}), true),
        (json!({"prevResult": {"cniVersion": "1.1.0", "interfaces": [{"name": NATIVE}]}}), true),
        (limits(), false),
    ] {
        let world = world();
        native_device();
        assert_eq!(world.del::<Bandwidth>(&config(keys.clone())), Ok(()));
        assert_eq!(world.host().link(NATIVE).is_none(), goes, "{keys}");
    }
}

#[test]
fn check_agrees_until_something_changes() {
    let world = world();
    let result = add(&world, &both());
    let (config, name) = (with_prev_result(&both(), &result).unwrap(), device(&result));
    assert_eq!(world.check::<Bandwidth>(&config), Ok(()));
    type Change = fn(&World, &str);
    let changes: [(&str, Change); 7] = [
        ("is not shaped as configured", |world, _| {
            world.host().shape("veth0", TokenBucket { rate: 1_000_000, burst: 100_000, limit: 9000 });
        }),
        ("is not shaped, but", |world, _| {
            world.host().remove_shaper("veth0");
        }),
        ("is not shaped as configured", |world, name| {
            world.host().shape(name, TokenBucket { rate: 3_000_000, burst: 50_000, limit: 100_000 });
        }),
        ("is not shaped, but", |world, name| {
            world.host().remove_shaper(name);
        }),
        ("is not redirected", |world, _| {
            world.host().remove_redirect("veth0");
        }),
        ("is down", |world, name| {
            let down = weir_sdk::net::LinkChanges { up: Some(false), ..Default::default() };
            world.host().update_link(name, &down);
        }),
        ("is gone", |world, name| {
            world.host().delete_link(name);
        }),
    ];
    for (text, change) in changes {
        let world = self::world();
        add(&world, &both());
        change(&world, &name);
        let error = world.check::<Bandwidth>(&config).unwrap_err();
        assert!(error.msg.contains(text), "{error} instead of {text}");
    }
}

#[test]
fn gc_takes_the_devices_of_attachments_that_are_no_more_and_no_others() {
    let world = world();
    let name = device(&add(&world, &both()));
    native_device();
    let other = config(json!({"name": "net2"}));
    world.gc::<Bandwidth>(&both(), &[("c1", "eth0"), ("c2", "eth0")]).unwrap();
    world.gc::<Bandwidth>(&other, &[]).unwrap();
    assert!(world.host().link(&name).is_some());
    for valid in [("c1", "eth1"), ("c2", "eth0")] {
        let world = self::world();
        add(&world, &both());
        world.gc::<Bandwidth>(&both(), &[valid]).unwrap();
        assert_eq!(world.host().link(&name), None);
    }
    world.gc::<Bandwidth>(&both(), &[]).unwrap();
    assert!(!world.host().links().iter().any(|link| link.name == name));
}

#[test]
fn names_of_any_length_have_devices_that_gc_finds() {
    let long = "n".repeat(300);
    for (network, container) in [(long.as_str(), "c1"), ("net", long.as_str()), (long.as_str(), long.as_str())] {
        let world = world();
        world.attachment(container, "eth0");
        let mut keys = limits();
        keys["name"] = json!(network);
        let config = config(keys);
        let name = device(&add(&world, &config));
        assert!(world.host().link(&name).unwrap().alias.unwrap().len() <= 255);
        world.gc::<Bandwidth>(&config, &[(container, "eth0")]).unwrap();
        assert!(world.host().link(&name).is_some());
        world.gc::<Bandwidth>(&config, &[]).unwrap();
        assert_eq!(world.host().link(&name), None);
    }
}

#[test]
fn faults_of_del_and_gc_are_told_and_do_not_stop_them() {
    let world = world();
    let config = with_prev_result(&both(), &add(&world, &both())).unwrap();
    world.fail_call("traffic-control.remove-redirect", 1, FailureKind::Io);
    assert!(world.del::<Bandwidth>(&config).is_err());
    assert!(!world.host().links().iter().any(|link| link.is("ifb")), "the rest is done");
    world.heal();
    assert_eq!(world.del::<Bandwidth>(&config), Ok(()));
    assert_nothing_left(&world, "DEL again");

    let world = self::world();
    add(&world, &both());
    world.fail_call("link.delete", 1, FailureKind::Busy);
    assert_eq!(world.gc::<Bandwidth>(&both(), &[]).unwrap_err().code, 11);
}
