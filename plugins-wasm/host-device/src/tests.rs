//! The plugin on the in-memory host.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use weir_sdk::cni_spec::version;
use weir_sdk::net::LinkChanges;
use weir_sdk::testing::{Command, World, fail_each, with_prev_result};
use weir_sdk::{AddResult, Error, IpNet};

use crate::HostDevice;

const LEASED: &str = r#"{"ips": [{"address": "10.1.2.3/24", "gateway": "10.1.2.1"}, {"address": "fd00:1::3/64"}],
    "routes": [{"dst": "0.0.0.0/0"}]}"#;
const SAVED: &str = "/run/cni/c1_eth0.json";

/// A host with a device `ens5`: up, with an alias and an address; and IPAM.
fn prepare(world: &World) {
    world.host().add_link("ens5", "").add_link("ens6", "");
    let changes = LinkChanges {
        up: Some(true),
        mac: Some(vec![2, 0, 0, 0, 0, 5]),
        alias: Some("uplink".to_owned()),
        ..LinkChanges::default()
    };
    world.host().update_link("ens5", &changes).add_address("ens5", network("192.0.2.9/24"));
    world.ipam("pool", AddResult::from_slice(LEASED.as_bytes(), version::LATEST).unwrap());
}

fn network(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn world() -> World {
    let world = World::new();
    prepare(&world);
    world
}

fn config(keys: Value) -> String {
    let mut document = json!({"cniVersion": "1.1.0", "name": "net", "type": "host-device"});
    document.as_object_mut().unwrap().append(&mut keys.as_object().unwrap().clone());
    document.to_string()
}

fn by_name() -> String {
    config(json!({"device": "ens5", "ipam": {"type": "pool"}}))
}

/// As it was, but down.
fn assert_home(world: &World, up: bool, what: &str) {
    let info = world.host().link("ens5").unwrap_or_else(|| panic!("{what}: the device is not on the host"));
    assert_eq!((info.up, info.alias.as_deref()), (up, Some("uplink")), "{what}");
    assert_eq!(world.container().link_names(), Vec::<String>::new(), "{what}");
    assert_eq!(world.documents(), [], "{what}");
}

#[test]
fn the_device_gets_name_addresses_and_routes_in_the_container() {
    let world = world();
    let result = world.add::<HostDevice>(&by_name()).unwrap();
    assert_eq!(world.host().link("ens5"), None);
    let info = world.container().link("eth0").unwrap();
    assert_eq!(
        (info.alias.as_deref(), info.up, info.mac.to_string().as_str()),
        (Some("ens5"), true, "02:00:00:00:00:05")
    );
    assert_eq!(world.container().addresses("eth0").len(), 2);
    assert!(world.container().routes().iter().any(|route| route.destination.prefix_len() == 0));
    let interface = &result.interfaces[0];
    assert_eq!((interface.name.as_str(), interface.mac.as_str()), ("eth0", "02:00:00:00:00:05"));
    assert_eq!((interface.sandbox.as_str(), result.interfaces.len()), ("/run/netns/c1", 1));
    let checked = with_prev_result(&by_name(), &result).unwrap();
    assert_eq!(world.check::<HostDevice>(&checked), Ok(()));
    world.container().update_link("eth0", &LinkChanges { mac: Some(vec![2, 0, 0, 0, 0, 6]), ..LinkChanges::default() });
    assert!(world.check::<HostDevice>(&checked).is_err());
}

#[test]
fn del_brings_the_device_home_and_can_be_repeated() {
    let world = world();
    world.add::<HostDevice>(&by_name()).unwrap();
    for _ in 0..2 {
        world.del::<HostDevice>(&by_name()).unwrap();
        assert_home(&world, false, "DEL");
        assert_eq!(world.host().addresses("ens5"), []);
    }
}

#[test]
fn every_way_to_name_the_device_finds_it() {
    for keys in [
        json!({"device": "ens5", "hwaddr": "02:00:00:00:00:99", "pciBusID": "0000:03:00.0"}),
        json!({"hwaddr": "02:00:00:00:00:05", "kernelpath": "/sys/devices/none"}),
        json!({"kernelpath": "/sys/devices/pci0000:00/0000:03:00.0", "pciBusID": "0000:04:00.0"}),
        json!({"pciBusID": "0000:03:00.0"}),
        json!({"pciBusID": "0000:04:00.0", "runtimeConfig": {"deviceID": "0000:03:00.0"}}),
        json!({"runtimeConfig": {"deviceID": "mlx5_core.sf.2"}}),
    ] {
        let world = world();
        for place in ["pci/0000:03:00.0", "/sys/devices/pci0000:00/0000:03:00.0", "auxiliary/mlx5_core.sf.2"] {
            world.host_device(place, Some("ixgbe"), &["away", "ens5"]);
        }
        world.host_device("pci/0000:04:00.0", None, &["ens6"]);
        world.add::<HostDevice>(&config(keys.clone())).unwrap_or_else(|error| panic!("{keys}: {error}"));
        assert!(world.container().link("eth0").unwrap().alias.as_deref() == Some("ens5"), "{keys}");
        world.del::<HostDevice>(&config(keys.clone())).unwrap();
        assert_home(&world, false, &keys.to_string());
    }
}

#[test]
fn devices_that_are_not_there_and_bad_names_are_refused() {
    for keys in [
        json!({}),
        json!({"device": "ens7"}),
        json!({"device": "a/b"}),
        json!({"device": "lo"}),
        json!({"hwaddr": "02:00:00:00:00:99"}),
        json!({"hwaddr": "nonsense"}),
        json!({"kernelpath": "/etc"}),
        json!({"kernelpath": "/sys/devices/none"}),
        json!({"pciBusID": "0000:09:00.0"}),
        json!({"pciBusID": "nonsense"}),
        json!({"pciBusID": "0000:04:00.0"}),
        json!({"runtimeConfig": {"deviceID": "0000:09:00.0"}}),
        json!({"runtimeConfig": {"deviceID": "nonsense"}}),
    ] {
        let world = world();
        world.host_device("pci/0000:04:00.0", Some("ixgbe"), &[]);
        let error = world.add::<HostDevice>(&config(keys.clone())).unwrap_err();
        assert_eq!(error.code, 7, "{keys}: {error}");
        assert_home(&world, true, &keys.to_string());
    }
}

#[test]
fn a_device_with_a_driver_for_userspace_stays() {
    for driver in ["vfio-pci", "uio_pci_generic", "igb_uio"] {
        let world = world();
        world.host_device("pci/0000:03:00.0", Some(driver), &[]);
        let keys = config(json!({"pciBusID": "0000:03:00.0", "ipam": {"type": "pool"}}));
        let result = world.add::<HostDevice>(&keys).unwrap();
        assert!(result.interfaces.is_empty() && result.ips.len() == 2 && result.ips[0].interface.is_none());
        world.check::<HostDevice>(&with_prev_result(&keys, &result).unwrap()).unwrap();
        world.container().add_link("eth0", "veth");
        world.container().update_link("eth0", &LinkChanges { alias: Some("x".to_owned()), ..LinkChanges::default() });
        world.del::<HostDevice>(&keys).unwrap();
        assert!(world.container().link("eth0").is_some(), "it is somebody else's");
        assert_eq!(world.documents(), []);
        let bare = config(json!({"pciBusID": "0000:03:00.0"}));
        assert_eq!(world.add::<HostDevice>(&bare).unwrap(), AddResult::default());
    }
}

#[test]
fn a_taken_name_moves_nothing() {
    let world = world();
    world.container().add_link("eth0", "veth");
    assert!(world.add::<HostDevice>(&by_name()).is_err());
    assert!(world.host().link("ens5").unwrap().up);
    assert_eq!(world.container().link("eth0").unwrap().alias, None);
    // On the way back another name does.
    let world = self::world();
    world.add::<HostDevice>(&by_name()).unwrap();
    world.host().add_link("ens5", "veth").add_link("ens5_1", "veth");
    world.del::<HostDevice>(&by_name()).unwrap();
    assert_eq!(world.host().link("ens5_2").unwrap().alias.as_deref(), Some("uplink"));
    assert!(world.log().iter().any(|(_, line)| line.contains("ens5_2")));
}

#[test]
fn what_the_native_plugin_moved_comes_home() {
    let world = world();
    world.container().add_link("eth0", "");
    world.container().update_link("eth0", &LinkChanges { alias: Some("ens9".to_owned()), ..LinkChanges::default() });
    world.del::<HostDevice>(&config(json!({"device": "ens9"}))).unwrap();
    assert_eq!(world.host().link("ens9").unwrap().alias, None);
    // A link without an alias is none that was moved.
    world.container().add_link("eth0", "veth");
    world.del::<HostDevice>(&config(json!({"device": "ens9"}))).unwrap();
    assert!(world.container().link("eth0").is_some());
}

/// What kernels do with a device when the namespace that has it ends.
fn end_container(world: &World, name: &str) {
    world.destroy_container();
    world.host().add_link(name, "");
    world.host().update_link(name, &LinkChanges { alias: Some("ens5".to_owned()), ..LinkChanges::default() });
}

#[test]
fn a_device_that_the_kernel_brought_back_gets_its_name_and_alias() {
    for (name, collect) in [("eth0", false), ("dev5", true), ("ens5", false), ("ens5", true)] {
        let world = world();
        world.add::<HostDevice>(&by_name()).unwrap();
        end_container(&world, name);
        if collect {
            world.delegate("pool", |_| Ok(String::new()));
            world.gc::<HostDevice>(&by_name(), &[("c2", "eth0")]).unwrap();
        } else {
            world.del::<HostDevice>(&by_name()).unwrap();
        }
        assert_home(&world, false, name);
        assert_eq!(world.host().link_names().len(), 2, "and no other name: {name}");
    }
}

#[test]
fn nothing_else_is_taken_for_a_device_that_came_back() {
    let world = world();
    world.add::<HostDevice>(&by_name()).unwrap();
    world.gc::<HostDevice>(&by_name(), &[("c1", "eth0")]).unwrap();
    assert!(world.container().link("eth0").is_some() && world.documents().len() == 1, "it is in use");
    let alias = |alias: &str, up| LinkChanges { alias: Some(alias.to_owned()), up: Some(up), ..LinkChanges::default() };
    world.host().add_link("eth0", "veth").update_link("eth0", &alias("ens5", true));
    world.host().update_link("ens6", &alias("ens4", false));
    world.destroy_container();
    world.del::<HostDevice>(&by_name()).unwrap();
    assert_eq!(world.host().link_names(), ["ens6", "eth0"], "up, or of another device");
}

#[test]
fn addresses_are_given_back_whatever_is_missing() {
    for way in ["netns", "container", "link", "configuration", "file"] {
        let world = world();
        let released = std::rc::Rc::new(std::cell::Cell::new(0));
        let count = released.clone();
        world.add::<HostDevice>(&by_name()).unwrap();
        world.delegate("pool", move |call| {
            count.set(count.get() + usize::from(call.command == Command::Del));
            Ok(String::new())
        });
        let mut keys = by_name();
        match way {
            "netns" => drop(world.without_netns()),
            "container" => drop(world.destroy_container()),
            "configuration" => keys = config(json!({"hwaddr": "x", "pciBusID": 0, "ipam": {"type": "pool"}})),
            "file" => drop(world.document(SAVED, b"{broken")),
            _ => {
                let link = weir_sdk::Netns::container().unwrap().link("eth0").unwrap().unwrap();
                link.delete().unwrap();
            }
        }
        world.del::<HostDevice>(&keys).unwrap();
        assert_eq!(released.get(), 1, "{way}");
        assert_eq!(world.documents(), [], "{way}");
        if way == "file" {
            assert_eq!(world.host().link("ens5").unwrap().alias, None, "the alias was in the file");
        }
    }
}

#[test]
fn a_device_that_cannot_be_moved_back_is_an_error_and_addresses_are_given_back() {
    let world = world();
    world.add::<HostDevice>(&by_name()).unwrap();
    world.fail_call("link.move-to", 1, weir_sdk::FailureKind::Io);
    assert_eq!(world.del::<HostDevice>(&by_name()).unwrap_err().code, 5);
    assert_eq!(world.documents().len(), 1, "for the next DEL");
    world.del::<HostDevice>(&by_name()).unwrap();
    assert_home(&world, false, "DEL again");
}

#[test]
fn a_device_whose_names_cannot_be_read_goes_back_and_gets_its_alias_with_the_next_del() {
    let world = world();
    world.add::<HostDevice>(&by_name()).unwrap();
    world.fail_call("attachment-state.load", 1, weir_sdk::FailureKind::Io);
    assert!(world.del::<HostDevice>(&by_name()).is_err());
    assert!(world.host().link("ens5").is_some());
    world.heal();
    world.del::<HostDevice>(&by_name()).unwrap();
    assert_home(&world, false, "DEL again");
}

#[test]
fn status_is_that_of_ipam() {
    let world = world();
    let keys = config(json!({"ipam": {"type": "pool"}, "capabilities": {"deviceID": true}}));
    assert_eq!(world.status::<HostDevice>(&keys), Ok(()));
    world.delegate("pool", |_| Err(Error::not_available("the pool is empty")));
    assert_eq!(world.status::<HostDevice>(&keys).unwrap_err().code, 50);
    assert_eq!(world.status::<HostDevice>(&config(json!({"device": 1}))).unwrap_err().code, 6);
}

#[test]
fn a_failed_add_leaves_the_host_as_it_was() {
    let calls = fail_each::<HostDevice>(&by_name(), prepare, |world, call| {
        assert_home(world, true, call);
        assert_eq!(world.host().addresses("ens5").len(), 1, "{call}");
    });
    assert!(calls > 15, "{calls}");
    fail_each::<HostDevice>(&config(json!({"device": "ens5"})), prepare, |world, call| assert_home(world, true, call));
}
