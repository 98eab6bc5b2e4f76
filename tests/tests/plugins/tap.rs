//! The tap plugin: its life, its keys, frames to and from a program.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_native::netns::Netns;
use weir_native::virtual_link::open_queue;
use weir_tests::configs::{VERSIONS, host_local, with};
use weir_tests::host::require_tap;
use weir_tests::{Call, Chain, Container, Host, Lifecycle, Programs, Test, configs, lifecycle, skip, test, traffic};

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = lifecycle::tests("tap", &VERSIONS, |_, _| {
        let plugin = with(&plugin(), json!({"bridge": "br0", "multiQueue": true}));
        let life = Lifecycle::new(network(&plugin)?).prepare(|_, container| bridge(container));
        // A bridge has the hardware address and the limits of its ports.
        Ok(life.may_change(|name| name.contains("\"br0\"")))
    });
    tests.push(test("tap_keys_are_those_of_the_link", keys));
    tests.push(test("tap_mac_comes_from_runtime_config_then_cni_args_then_the_key", mac));
    tests.push(test("tap_connects_containers_through_a_program", cable));
    tests.push(test("tap_joins_a_bridge_of_the_container", bridged));
    tests.push(test("tap_with_several_queues_is_opened_several_times", queues));
    tests.push(test("tap_without_ipam_is_up_and_check_passes", layer_two));
    tests.push(test("tap_check_finds_what_was_changed", check));
    tests.push(test("tap_that_fails_leaves_neither_link_nor_address", failed));
    tests.push(test("tap_in_an_selinux_context_needs_selinux", selinux));
    tests
}

fn plugin() -> Value {
    json!({"type": "tap", "ipam": host_local(&["10.47.0.0/24", "fd00:47::/64"])})
}

fn network(plugin: &Value) -> Result<Chain> {
    require_tap()?;
    Ok(Chain::new(&Programs::weir()?, "net", std::slice::from_ref(plugin)))
}

fn bridge(container: &Container) -> Result<()> {
    container.run("ip", ["link", "add", "br0", "type", "bridge"])?;
    container.run("ip", ["link", "set", "br0", "up"]).map(drop)
}

/// Open the interface as a virtual machine does.
fn open(container: &Container, name: &str, multi_queue: bool) -> Result<File> {
    Ok(open_queue(&Netns::open(&container.path)?, name, multi_queue)?)
}

fn keys(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    let keys = json!({"mtu": 1400, "mac": "02:00:00:00:00:05", "owner": 0, "group": 0, "multiQueue": true});
    let network = network(&with(&plugin(), keys))?;
    let result = network.add(&one)?;
    let link = one.link("eth0")?;
    ensure!(link["mtu"] == 1400 && link["address"] == "02:00:00:00:00:05", "{link}");
    ensure!(result["interfaces"][0]["mac"] == link["address"], "{result}");
    let shown = one.run("ip", ["-details", "link", "show", "eth0"])?;
    for word in ["tun type tap", "vnet_hdr on", "persist on", "user", "group", "multi_queue"] {
        ensure!(shown.contains(word), "{word}: {shown}");
    }
    ensure!(one.addresses("eth0")? == ["10.47.0.2/24", "fd00:47::2/64"], "{:?}", one.addresses("eth0")?);
    network.check(&one, &result)?;
    network.del(&one, &result)?;
    ensure!(!one.has_link("eth0"));

    let result = self::network(&plugin())?.add(&one)?;
    let (link, shown) = (one.link("eth0")?, one.run("ip", ["-details", "link", "show", "eth0"])?);
    ensure!(link["mtu"] == 1500 && !shown.contains("multi_queue") && !shown.contains("user"), "{shown}");
    self::network(&plugin())?.check(&one, &result)
}

fn mac(host: &Host) -> Result<()> {
    let (runtime, args, key) = ("02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03");
    require_tap()?;
    let programs = Programs::weir()?;
    for (number, (with_runtime, with_args, expected)) in
        [(true, true, runtime), (false, true, args), (false, false, key)].into_iter().enumerate()
    {
        let one = host.container(&format!("c{number}"))?;
        let mut config = with(&configs::alone("1.0.0", &json!({"type": "tap"})), json!({"mac": key}));
        if with_runtime {
            config["runtimeConfig"] = json!({"mac": runtime});
        }
        let mut call = Call::new(&programs, "tap", "ADD")?.config(&config).container(&one);
        if with_args {
            call = call.env("CNI_ARGS", format!("IgnoreUnknown=1;MAC={args}"));
        }
        call.ok()?;
        ensure!(one.link("eth0")?["address"] == expected, "{}", one.link("eth0")?);
    }
    Ok(())
}

/// A program that carries frames between two interfaces, as long as they are there.
fn connect(left: &File, right: &File) -> Result<()> {
    for (mut from, mut to) in [(left.try_clone()?, right.try_clone()?), (right.try_clone()?, left.try_clone()?)] {
        std::thread::spawn(move || {
            let mut frame = vec![0; 65536];
            while let Ok(length) = from.read(&mut frame) {
                // The other end may be down or gone.
                let _ = to.write(&frame[..length]);
            }
        });
    }
    Ok(())
}

fn cable(host: &Host) -> Result<()> {
    let network = network(&plugin())?;
    let (one, two) = (host.container("one")?, host.container("two")?);
    network.add(&one)?;
    network.add(&two)?;
    traffic::assert_silent(&one, "10.47.0.3")?;
    connect(&open(&one, "eth0", false)?, &open(&two, "eth0", false)?)?;
    traffic::ping(&one, "10.47.0.3")?;
    traffic::ping(&two, "fd00:47::2")?;
    let _server = traffic::Server::start(&two, 80)?;
    ensure!(traffic::tcp(&one, "10.47.0.3", 80)?.to_string() == "10.47.0.2");
    ensure!(traffic::tcp(&one, "fd00:47::3", 80)?.to_string() == "fd00:47::2");
    ensure!(traffic::udp(&one, "10.47.0.3", 80)?.to_string() == "10.47.0.2");
    Ok(())
}

fn bridged(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    let network = network(&json!({"type": "tap", "bridge": "br0"}))?;
    let error = network.add(&one).unwrap_err();
    ensure!(format!("{error:#}").contains("br0") && !one.has_link("eth0"), "{error:#}");
    bridge(&one)?;
    let result = network.add(&one)?;
    network.add_interface(&one, "eth1")?;
    ensure!(one.link("eth0")?["master"] == "br0" && one.link("eth1")?["master"] == "br0");
    network.check(&one, &result)?;
    let (mut near, far) = (open(&one, "eth0", false)?, open(&one, "eth1", false)?);
    let (heard, hearing) = std::sync::mpsc::channel();
    // A header of virtio-net; to all, from 02:00:00:00:00:07, of a type that nobody answers.
    let sent =
        [&[0; 10][..], &[0xff; 6], &[2, 0, 0, 0, 0, 7, 0x88, 0xb5], b"hello over the bridge, and some more"].concat();
    let wanted = sent.clone();
    std::thread::spawn(move || {
        let (mut far, mut frame) = (far, vec![0; 65536]);
        while let Ok(length) = far.read(&mut frame) {
            if frame[10..length] == wanted[10..] {
                let _ = heard.send(());
                return;
            }
        }
    });
    // The ports need a moment until they forward.
    for _ in 0..100 {
        near.write_all(&sent)?;
        if hearing.recv_timeout(Duration::from_millis(100)).is_ok() {
            return Ok(());
        }
    }
    anyhow::bail!("no frame came through the bridge")
}

fn queues(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    network(&with(&plugin(), json!({"multiQueue": true})))?.add(&one)?;
    let first = open(&one, "eth0", true)?;
    let _more = [open(&one, "eth0", true)?, open(&one, "eth0", true)?];
    drop(first);
    let two = host.container("two")?;
    network(&plugin())?.add(&two)?;
    let _only = open(&two, "eth0", false)?;
    ensure!(open(&two, "eth0", false).is_err(), "one queue is opened twice");
    Ok(())
}

fn layer_two(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    let network = network(&json!({"type": "tap"}))?;
    let result = network.add(&one)?;
    ensure!(one.link("eth0")?["flags"].to_string().contains("\"UP\"") && one.addresses("eth0")?.is_empty());
    network.check(&one, &result)?;
    network.del(&one, &result)?;
    ensure!(!one.has_link("eth0"));
    Ok(())
}

fn check(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    bridge(&one)?;
    let made = network(&with(&plugin(), json!({"mtu": 1400, "owner": 0, "bridge": "br0"})))?;
    let result = made.add(&one)?;
    made.check(&one, &result)?;
    for (keys, told) in [
        (json!({"mtu": 1300}), "MTU of eth0 is 1400"),
        (json!({"owner": 7}), "owner of eth0 is 0"),
        (json!({"group": 7}), "group of eth0 is none"),
        (json!({"multiQueue": true}), "one queue"),
    ] {
        let error = network(&with(&made.plugins[0], keys))?.check(&one, &result).unwrap_err();
        ensure!(format!("{error:#}").contains(told), "{told}: {error:#}");
    }
    one.run("ip", ["link", "set", "eth0", "nomaster"])?;
    let error = made.check(&one, &result).unwrap_err();
    ensure!(format!("{error:#}").contains("no port of the bridge br0"), "{error:#}");
    Ok(())
}

fn failed(host: &Host) -> Result<()> {
    let one = host.container("one")?;
    for keys in [json!({"bridge": "br7"}), json!({"mtu": 70_000}), json!({"mac": "ff:ff:ff:ff:ff:ff"})] {
        let failed = network(&with(&plugin(), keys.clone()))?.add(&one);
        ensure!(failed.is_err() && !one.has_link("eth0"), "{keys}");
        ensure!(host.leases(Path::new("/run/test/ipam"), "net")?.is_empty(), "{keys}");
    }
    one.run("ip", ["link", "add", "eth0", "type", "veth", "peer", "name", "other"])?;
    let error = network(&plugin())?.add(&one).unwrap_err();
    ensure!(format!("{error:#}").contains("taken"), "{error:#}");
    ensure!(one.has_link("eth0") && host.leases(Path::new("/run/test/ipam"), "net")?.is_empty());
    Ok(())
}

fn selinux(host: &Host) -> Result<()> {
    if Path::new("/sys/fs/selinux/enforce").exists() {
        return Err(skip("SELinux is on here"));
    }
    let one = host.container("one")?;
    let keys = json!({"selinuxContext": "system_u:system_r:container_t:s0"});
    let error = network(&with(&plugin(), keys))?.add(&one).err().context("it must be refused")?;
    ensure!(format!("{error:#}").contains("SELinux is off"), "{error:#}");
    ensure!(!one.has_link("eth0") && host.leases(Path::new("/run/test/ipam"), "net")?.is_empty());
    Ok(())
}
