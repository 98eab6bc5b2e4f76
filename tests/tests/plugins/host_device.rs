//! The host-device plugin. A veth stands for the device; the places of devices in the machine are told by a tree that the
//! test mounts on /sys.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns};
use serde_json::{Value, json};
use weir_tests::configs::{VERSIONS, host_local, with};
use weir_tests::{Chain, Container, Host, Lifecycle, Programs, Test, lifecycle, skip, test, traffic};

const MAC: &str = "02:00:00:00:77:01";
const DEVICES: &str = "/sys/devices/pci0000:00";

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = lifecycle::tests("host-device", &VERSIONS, |_, _| {
        let network = network(json!({"device": "dev0", "ipam": host_local(&["10.60.0.0/24", "fd00:60::/64"])}))?;
        // A veth ends with the namespace that it is in; the next container needs a new one.
        let prepare = |host: &Host, _: &Container| if host.has_link("dev0") { Ok(()) } else { device(host) };
        let of_device = |name: &str| name.contains("dev0") || name.contains("peer0") || name.contains("10.60.0");
        Ok(Lifecycle::new(network).prepare(prepare).may_change(of_device))
    });
    tests.extend([
        test("host-device_moves_the_device_with_packets_and_back", moves),
        test("host-device_finds_the_device_by_every_key", keys),
        test("host-device_leaves_devices_with_drivers_for_userspace", userspace),
        test("host-device_gives_the_address_back_without_namespace_or_link", addresses),
        test("host-device_leaves_the_host_as_it_was_after_a_failed_add", failures),
        test("host-device_takes_over_from_the_native_plugin_and_gives_back", native),
        test("host-device_returns_under_a_free_name_where_its_own_is_taken", taken),
        test("host-device_renames_what_the_kernel_brought_back", returned),
        test("host-device_moves_a_real_pci_device_and_finds_it_after_its_namespace_ended", real),
    ]);
    tests
}

fn network(keys: Value) -> Result<Chain> {
    Ok(Chain::new(&Programs::weir()?, "net", &[with(&json!({"type": "host-device"}), keys)]))
}

/// `dev0`, with an alias of the administrator's, and its other end `peer0`.
fn device(host: &Host) -> Result<()> {
    // It ends in the background with the namespace that the other end was in.
    let _ = host.run("ip", ["link", "delete", "peer0"]);
    host.run("ip", ["link", "add", "dev0", "address", MAC, "type", "veth", "peer", "name", "peer0"])?;
    host.run("ip", ["link", "set", "dev0", "alias", "rack 7"])?;
    host.run("ip", ["link", "set", "dev0", "up"])?;
    host.run("ip", ["link", "set", "peer0", "up"])?;
    Ok(())
}

fn link(host: &Host, name: &str) -> Result<Value> {
    Ok(host.json("ip", ["-json", "-details", "address", "show", "dev", name])?[0].clone())
}

fn is_up(link: &Value) -> bool {
    link["flags"].as_array().is_some_and(|flags| flags.iter().any(|flag| flag == "UP"))
}

fn moves(host: &Host) -> Result<()> {
    device(host)?;
    host.run("ip", ["address", "add", "10.60.0.1/24", "dev", "peer0"])?;
    host.run("ip", ["address", "add", "fd00:60::1/64", "dev", "peer0", "nodad"])?;
    let one = host.container("one")?;
    let chain = network(json!({
        "device": "dev0", "ipam": host_local(&["10.60.0.0/24", "fd00:60::/64"]), "dns": {"nameservers": ["9.9.9.9"]},
    }))?;
    let result = chain.add(&one)?;
    ensure!(!host.has_link("dev0"));
    let inside = one.link("eth0")?;
    ensure!(inside["address"] == MAC && inside["ifalias"] == "dev0", "{inside}");
    ensure!(result["interfaces"] == json!([{"name": "eth0", "mac": MAC, "sandbox": "/run/netns/one"}]), "{result}");
    ensure!(result["dns"]["nameservers"] == json!(["9.9.9.9"]), "{result}");
    ensure!(one.addresses("eth0")? == ["10.60.0.2/24", "fd00:60::2/64"]);
    let _server = traffic::Server::start_on_host(8080)?;
    for (gateway, own) in [("10.60.0.1", "10.60.0.2"), ("fd00:60::1", "fd00:60::2")] {
        traffic::ping(&one, gateway)?;
        ensure!(traffic::tcp(&one, gateway, 8080)?.to_string() == own);
    }
    chain.check(&one, &result)?;
    one.run("ip", ["address", "del", "10.60.0.2/24", "dev", "eth0"])?;
    ensure!(chain.check(&one, &result).is_err(), "CHECK does not see that an address is gone");
    chain.del(&one, &result)?;
    let back = link(host, "dev0")?;
    ensure!(back["ifalias"] == "rack 7" && back["address"] == MAC && !is_up(&back), "{back}");
    ensure!(back["addr_info"] == json!([]), "addresses stay: {back}");
    chain.del(&one, &result).context("again")
}

/// A device tree with `interfaces` where PCI, virtio, auxiliary bus and paths show them.
fn tree(pci: &[(&str, &str, Option<&str>)]) -> Result<()> {
    mount(Some("tmpfs"), "/sys", Some("tmpfs"), MsFlags::empty(), Some("mode=755"))?;
    for bus in ["pci", "auxiliary"] {
        std::fs::create_dir_all(format!("/sys/bus/{bus}/devices"))?;
    }
    for (address, below, driver) in pci {
        let directory = format!("{DEVICES}/{address}");
        std::fs::create_dir_all(format!("{directory}/{below}"))?;
        symlink(&directory, format!("/sys/bus/pci/devices/{address}"))?;
        if let Some(driver) = driver {
            std::fs::create_dir_all(format!("/sys/bus/pci/drivers/{driver}"))?;
            symlink(format!("/sys/bus/pci/drivers/{driver}"), format!("{directory}/driver"))?;
        }
    }
    let auxiliary = format!("{DEVICES}/0000:03:00.0/mlx5_core.sf.2");
    std::fs::create_dir_all(format!("{auxiliary}/net/dev0"))?;
    Ok(symlink(&auxiliary, "/sys/bus/auxiliary/devices/mlx5_core.sf.2")?)
}

fn keys(host: &Host) -> Result<()> {
    device(host)?;
    tree(&[
        ("0000:03:00.0", "net/dev0", Some("ixgbe")),
        ("0000:04:00.0", "virtio3/net/dev0", Some("virtio-pci")),
        ("0000:05:00.0", "net/other0", None),
    ])?;
    let one = host.container("one")?;
    let id =
        |id: &str| (json!({"pciBusID": "0000:05:00.0", "capabilities": {"deviceID": true}}), json!({"deviceID": id}));
    for (keys, capabilities) in [
        (json!({"device": "dev0", "hwaddr": "02:00:00:00:00:09", "pciBusID": "0000:05:00.0"}), json!({})),
        (json!({"hwaddr": MAC, "kernelpath": "/sys/devices/none"}), json!({})),
        (json!({"hwaddr": MAC.to_uppercase()}), json!({})),
        (json!({"kernelpath": format!("{DEVICES}/0000:03:00.0")}), json!({})),
        (json!({"pciBusID": "0000:03:00.0"}), json!({})),
        (json!({"pciBusID": "0000:04:00.0"}), json!({})),
        id("0000:03:00.0"),
        id("mlx5_core.sf.2"),
    ] {
        let chain = network(keys.clone())?.capabilities(capabilities);
        let result = chain.add(&one).with_context(|| keys.to_string())?;
        ensure!(one.link("eth0")?["address"] == MAC, "{keys}");
        chain.check(&one, &result)?;
        chain.del(&one, &result)?;
        ensure!(link(host, "dev0")?["ifalias"] == "rack 7", "{keys}");
    }
    for keys in [
        json!({}),
        json!({"device": "dev1"}),
        json!({"hwaddr": "02:00:00:00:00:09"}),
        json!({"kernelpath": "/etc"}),
        json!({"kernelpath": format!("{DEVICES}/../../../etc")}),
        json!({"pciBusID": "0000:05:00.0"}),
        json!({"pciBusID": "../../../etc"}),
        json!({"pciBusID": "0000:06:00.0"}),
    ] {
        let chain = network(keys.clone())?;
        let error = chain.call("ADD", &chain.plugins[0], &Value::Null)?.container(&one).error()?;
        ensure!(error.code == 7, "{keys}: {error:?}");
    }
    Ok(())
}

fn userspace(host: &Host) -> Result<()> {
    device(host)?;
    let drivers = ["vfio-pci", "uio_pci_generic", "igb_uio"];
    tree(&[
        ("0000:03:00.0", "net/dev0", Some(drivers[0])),
        ("0000:04:00.0", "none", Some(drivers[1])),
        ("0000:05:00.0", "none", Some(drivers[2])),
    ])?;
    let one = host.container("one")?;
    for address in ["0000:03:00.0", "0000:04:00.0", "0000:05:00.0"] {
        let chain = network(json!({"pciBusID": address, "ipam": host_local(&["10.60.0.0/24"])}))?;
        let result = chain.add(&one)?;
        ensure!(
            result["ips"].as_array().is_some_and(|ips| ips.len() == 1) && result["interfaces"].is_null(),
            "{result}"
        );
        ensure!(!one.has_link("eth0") && host.has_link("dev0"));
        chain.check(&one, &result)?;
        chain.del_without_namespace(&one, &result)?;
        ensure!(host.leases(Path::new("/run/test/ipam"), "net")?.is_empty());
        ensure!(
            chain.call("CHECK", &chain.plugins[0], &result)?.container(&one).error().is_ok(),
            "the address is gone"
        );
    }
    Ok(())
}

fn addresses(host: &Host) -> Result<()> {
    for way in ["no namespace", "vanished", "no link"] {
        if !host.has_link("dev0") {
            device(host)?;
        }
        let chain = network(json!({"device": "dev0", "ipam": host_local(&["10.60.0.0/24"])}))?;
        let one = host.container("one")?;
        let result = chain.add(&one)?;
        ensure!(host.leases(Path::new("/run/test/ipam"), "net")?.len() == 1);
        match way {
            "no namespace" => chain.del_without_namespace(&one, &Value::Null)?,
            "vanished" => {}
            _ => drop(one.run("ip", ["link", "delete", "eth0"])?),
        }
        if way != "no link" {
            one.unmount()?;
        }
        chain.del(&one, &result).context(way)?;
        ensure!(host.leases(Path::new("/run/test/ipam"), "net")?.is_empty(), "{way}");
        ensure!(!Path::new("/run/cni/host-device/one_eth0.json").exists(), "{way}");
        if way == "no link" {
            one.unmount()?;
        }
    }
    Ok(())
}

fn failures(host: &Host) -> Result<()> {
    device(host)?;
    host.run("ip", ["address", "add", "192.0.2.9/24", "dev", "dev0"])?;
    let one = host.container("one")?;
    let unusable = json!({"type": "host-local", "dataDir": "/run/test/ipam", "ranges": [[{"subnet": "10.60.0.0/24"}]],
        "routes": [{"dst": "198.51.100.0/24", "gw": "203.0.113.1"}]});
    for (what, keys) in [
        ("an IPAM plugin that is not there", json!({"device": "dev0", "ipam": {"type": "nonexistent"}})),
        ("a route that cannot be installed", json!({"device": "dev0", "ipam": unusable})),
        ("a name that is taken", json!({"device": "dev0", "ipam": host_local(&["10.60.0.0/24"])})),
    ] {
        if what.starts_with("a name") {
            one.run("ip", ["link", "add", "eth0", "type", "veth", "peer", "name", "eth9"])?;
        }
        let chain = network(keys)?;
        let error = chain.call("ADD", &chain.plugins[0], &Value::Null)?.container(&one).error()?;
        let now = link(host, "dev0").with_context(|| format!("{what}: {error:?}"))?;
        ensure!(now["ifalias"] == "rack 7" && is_up(&now), "{what}: {now}");
        let v4: Vec<_> = now["addr_info"].as_array().unwrap().iter().filter(|a| a["family"] == "inet").collect();
        ensure!(v4.len() == 1 && v4[0]["local"] == "192.0.2.9", "{what}: {now}");
        ensure!(host.leases(Path::new("/run/test/ipam"), "net")?.is_empty(), "{what}");
        ensure!(!Path::new("/run/cni/host-device/one_eth0.json").exists(), "{what}");
    }
    Ok(())
}

/// Debian's plugins, where they are installed, know the device by its alias, as ours do.
fn native(host: &Host) -> Result<()> {
    let native = Programs::native()?;
    device(host)?;
    let one = host.container("one")?;
    let ours = network(json!({"device": "dev0"}))?.version("1.0.0");
    let theirs = Chain { programs: native, ..ours.clone() };
    let result = theirs.add(&one)?;
    ours.check(&one, &result)?;
    ours.del(&one, &result)?;
    ensure!(host.has_link("dev0") && !one.has_link("eth0"), "ours does not bring back what the native one moved");
    let result = ours.add(&one)?;
    theirs.check(&one, &result)?;
    theirs.del(&one, &result)?;
    ensure!(host.has_link("dev0") && !one.has_link("eth0"), "the native one does not bring back what ours moved");
    Ok(())
}

fn taken(host: &Host) -> Result<()> {
    device(host)?;
    let one = host.container("one")?;
    let chain = network(json!({"device": "dev0"}))?;
    let result = chain.add(&one)?;
    host.run("ip", ["link", "add", "dev0", "type", "bridge"])?;
    let answer = chain.call("DEL", &chain.plugins[0], &result)?.container(&one).run()?;
    answer.ok()?;
    ensure!(answer.stderr.contains("dev0_1"), "the log does not tell: {answer:?}");
    ensure!(link(host, "dev0_1")?["address"] == MAC && !one.has_link("eth0"));
    Ok(())
}

/// Only devices of hardware come back from a namespace that ends, so the test does what the kernel would: the device is on the
/// host, down, under the name that it had in the container.
fn returned(host: &Host) -> Result<()> {
    for collect in [false, true] {
        if !host.has_link("dev0") {
            device(host)?;
        }
        let one = host.container("one")?;
        let chain = network(json!({"device": "dev0"}))?;
        let result = chain.add(&one)?;
        one.run("ip", ["link", "set", "eth0", "down"])?;
        bring_back(host, &one)?;
        one.unmount()?;
        ensure!(host.has_link("eth0"));
        if collect {
            chain.gc(&[])?
        } else {
            chain.del(&one, &result)?
        }
        let back = link(host, "dev0")?;
        ensure!(back["ifalias"] == "rack 7" && back["address"] == MAC && !host.has_link("eth0"), "{back}");
        ensure!(!Path::new("/run/cni/host-device/one_eth0.json").exists());
    }
    Ok(())
}

/// Only in the virtual machine, which has a PCI device for this and whose own network nobody needs.
fn real(host: &Host) -> Result<()> {
    if std::env::var_os("WEIR_TESTS_VM").is_none() {
        return Err(skip("takes a PCI device away from the machine"));
    }
    // Devices belong to the first namespace, and come back to it.
    setns(File::open("/proc/1/ns/net")?, CloneFlags::CLONE_NEWNET)?;
    let (address, found) = pci_interface()?;
    // Not the name that it gets in the container.
    let name = "ens77".to_owned();
    host.run("ip", ["link", "set", &found, "down"])?;
    host.run("ip", ["link", "set", &found, "name", &name])?;
    let mac = link(host, &name)?["address"].clone();
    host.run("ip", ["link", "set", &name, "alias", "rack 7"])?;
    for way in ["DEL", "DEL without namespace", "GC"] {
        let chain = network(json!({"pciBusID": address, "ipam": host_local(&["10.60.0.0/24", "fd00:60::/64"])}))?;
        let one = host.container("one")?;
        let result = chain.add(&one)?;
        let inside = one.link("eth0")?;
        ensure!(inside["address"] == mac && inside["ifalias"] == name.as_str() && !host.has_link(&name), "{inside}");
        chain.check(&one, &result)?;
        if way != "DEL" {
            one.unmount()?;
            drop(one);
            await_link(host, &mac)?;
            ensure!(!host.has_link(&name), "the kernel has renamed it");
            if way == "GC" {
                chain.gc(&[])?;
            } else {
                let gone = host.container("one")?;
                gone.unmount()?;
                chain.del(&gone, &result)?;
            }
        } else {
            chain.del(&one, &result)?;
            one.unmount()?;
        }
        let back = link(host, &name).context(way)?;
        ensure!(back["address"] == mac && back["ifalias"] == "rack 7", "{way}: {back}");
        ensure!(host.leases(Path::new("/run/test/ipam"), "net")?.is_empty(), "{way}");
        ensure!(!Path::new("/run/cni/host-device/one_eth0.json").exists(), "{way}");
    }
    Ok(())
}

/// Address and interface of a PCI device with a network interface.
fn pci_interface() -> Result<(String, String)> {
    for device in std::fs::read_dir("/sys/bus/pci/devices")? {
        let device = device?;
        for below in std::fs::read_dir(device.path())? {
            let Ok(mut interfaces) = std::fs::read_dir(below?.path().join("net")) else { continue };
            if let Some(interface) = interfaces.next() {
                let text = |name: std::ffi::OsString| name.to_string_lossy().into_owned();
                return Ok((text(device.file_name()), text(interface?.file_name())));
            }
        }
    }
    bail!("the machine has no PCI device with an interface")
}

/// Namespaces end in the background.
fn await_link(host: &Host, mac: &Value) -> Result<()> {
    for _ in 0..500 {
        let links = host.json("ip", ["-json", "link"])?;
        if links.as_array().is_some_and(|links| links.iter().any(|link| link["address"] == *mac)) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("the device did not come back")
}

/// Move `eth0` to the host's namespace, which has no name: by a process that is in it.
fn bring_back(host: &Host, one: &Container) -> Result<()> {
    let path = one.path.display().to_string();
    let script = format!("nsenter --net={path} ip link set eth0 netns $$");
    host.run("sh", ["-c", &script]).map(drop)
}
