//! The vlan plugin: its life, its keys, tags on the wire.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::{VERSIONS, host_local, with};
use weir_tests::{Chain, Container, Host, Lifecycle, Programs, Test, lifecycle, test, traffic};

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = lifecycle::tests("vlan", &VERSIONS, |host, _| {
        let switch = Switch::new(host)?;
        let life = Lifecycle::new(network(&plugin(5))?).prepare(|host, _| await_free(host, "5"));
        Ok(life.keep(switch))
    });
    tests.extend(lifecycle::tests("vlan_in_container", &VERSIONS, |host, _| {
        require_vlan(host)?;
        let plugin = with(&plugin(5), json!({"linkInContainer": true}));
        Ok(Lifecycle::new(network(&plugin)?).prepare(|_, container| master_inside(container)))
    }));
    tests.push(test("vlan_frames_carry_their_id_on_the_wire", tags));
    tests.push(test("vlan_ids_keep_containers_apart", apart));
    tests.push(test("vlan_master_may_be_in_the_container", in_container));
    tests.push(test("vlan_mtu_is_as_asked_for_and_at_most_the_masters", mtu));
    tests.push(test("vlan_id_that_is_taken_fails_and_leaves_nothing", taken));
    tests.push(test("vlan_is_deleted_without_its_master", without_master));
    tests.push(test("vlan_check_finds_another_id_and_mtu", check));
    tests.push(test("vlan_status_needs_the_master", status));
    tests
}

/// The host's master `eth1`, and what is at the other end of its cable: `trunk`.
struct Switch {
    container: Container,
}

impl Switch {
    fn new(host: &Host) -> Result<Self> {
        require_vlan(host)?;
        let container = host.container("switch")?;
        host.run("ip", ["link", "add", "eth1", "type", "veth", "peer", "name", "trunk", "netns", "switch"])?;
        host.run("ip", ["link", "set", "eth1", "up"])?;
        container.run("ip", ["link", "set", "trunk", "up"])?;
        Ok(Self { container })
    }

    /// Somebody else in a VLAN, under this address. In a namespace of its own, as one with several VLANs answers in each of
    /// them for all its addresses.
    fn neighbour(&self, host: &Host, id: &str, address: &str) -> Result<Container> {
        let name = format!("v{id}");
        let neighbour = host.container(&name)?;
        self.container.run("ip", ["link", "add", "link", "trunk", "name", &name, "type", "vlan", "id", id])?;
        self.container.run("ip", ["link", "set", &name, "netns", &name])?;
        neighbour.run("ip", ["address", "add", address, "dev", &name])?;
        neighbour.run("ip", ["link", "set", &name, "up"])?;
        Ok(neighbour)
    }
}

fn add_probe(host: &Host, master: &str, id: &str) -> Result<()> {
    host.run("ip", ["link", "add", "link", master, "name", "probe", "type", "vlan", "id", id]).map(drop)
}

/// Skip where the kernel has no VLANs.
fn require_vlan(host: &Host) -> Result<()> {
    host.run("ip", ["link", "add", "low0", "type", "veth", "peer", "name", "low1"])?;
    let outcome = host.require_link("vlan", &["link", "low0", "id", "5"]);
    host.run("ip", ["link", "delete", "low0"])?;
    outcome
}

/// The kernel takes the links of an ended container away in the background; until then nobody else gets the ID.
fn await_free(host: &Host, id: &str) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match add_probe(host, "eth1", id) {
            Ok(()) => return host.run("ip", ["link", "delete", "probe"]).map(drop),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn master_inside(container: &Container) -> Result<()> {
    container.run("ip", ["link", "add", "eth1", "type", "veth", "peer", "name", "far1"])?;
    container.run("ip", ["link", "set", "far1", "up"])?;
    container.run("ip", ["link", "set", "eth1", "up"]).map(drop)
}

fn plugin(id: u16) -> Value {
    json!({"type": "vlan", "master": "eth1", "vlanId": id, "ipam": host_local(&["10.46.0.0/24", "fd00:46::/64"])})
}

fn network(plugin: &Value) -> Result<Chain> {
    Ok(Chain::new(&Programs::weir()?, "net", std::slice::from_ref(plugin)))
}

fn tags(host: &Host) -> Result<()> {
    let switch = Switch::new(host)?;
    let five = switch.neighbour(host, "5", "10.46.0.200/24")?;
    let _six = switch.neighbour(host, "6", "10.46.0.201/24")?;
    switch.container.run("ip", ["address", "add", "10.46.0.202/24", "dev", "trunk"])?;
    // Counts at the wire, before any VLAN link has a say.
    let count = "add table netdev wire; \
        add chain netdev wire in { type filter hook ingress device trunk priority 0; }; \
        add rule netdev wire in vlan id 5 counter";
    switch.container.run("nft", [count])?;
    let one = host.container("one")?;
    let result = network(&plugin(5))?.add(&one)?;
    let link = one.link("eth0")?;
    ensure!(
        link["linkinfo"]["info_data"]["id"] == 5 && link["linkinfo"]["info_data"]["protocol"] == "802.1Q",
        "{link}"
    );
    ensure!(result["interfaces"][0]["mac"] == link["address"] && result["interfaces"].as_array().unwrap().len() == 1);
    traffic::ping(&one, "10.46.0.200")?;
    let server = traffic::Server::start(&five, 80)?;
    ensure!(traffic::tcp(&one, "10.46.0.200", 80)?.to_string() == "10.46.0.2");
    ensure!(traffic::udp(&one, "10.46.0.200", 80)?.to_string() == "10.46.0.2");
    drop(server);
    let rules = switch.container.run("nft", ["list", "table", "netdev", "wire"])?;
    let packets = rules.split("packets ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u32>().ok());
    ensure!(packets.is_some_and(|packets| packets > 8), "{rules}");
    // Nobody hears it in another VLAN, nor without a tag.
    traffic::assert_silent(&one, "10.46.0.201")?;
    traffic::assert_silent(&one, "10.46.0.202")
}

fn apart(host: &Host) -> Result<()> {
    let switch = Switch::new(host)?;
    let _five = switch.neighbour(host, "5", "10.46.0.200/24")?;
    let _six = switch.neighbour(host, "6", "10.46.0.201/24")?;
    let (one, two) = (host.container("one")?, host.container("two")?);
    network(&plugin(5))?.add(&one)?;
    network(&plugin(6))?.add(&two)?;
    traffic::ping(&one, "10.46.0.200")?;
    traffic::ping(&two, "10.46.0.201")?;
    traffic::assert_silent(&one, "10.46.0.3")?;
    traffic::assert_silent(&two, "10.46.0.200")
}

fn in_container(host: &Host) -> Result<()> {
    require_vlan(host)?;
    let one = host.container("one")?;
    // A link of the host with the name of the master is not meant.
    host.run("ip", ["link", "add", "eth1", "type", "veth", "peer", "name", "other"])?;
    let network = network(&with(&plugin(5), json!({"linkInContainer": true})))?;
    let error = network.add(&one).unwrap_err();
    ensure!(format!("{error:#}").contains("eth1"), "{error:#}");
    ensure!(host.leases(Path::new("/run/test/ipam"), "net")?.is_empty());
    master_inside(&one)?;
    one.run("ip", ["link", "add", "link", "far1", "name", "v5", "type", "vlan", "id", "5"])?;
    one.run("ip", ["link", "set", "v5", "up"])?;
    let result = network.add(&one)?;
    ensure!(one.link("eth0")?["link"] == "eth1", "{}", one.link("eth0")?);
    network.check(&one, &result)?;
    network.del(&one, &result)?;
    ensure!(!one.has_link("eth0") && one.has_link("eth1"));
    Ok(())
}

fn mtu(host: &Host) -> Result<()> {
    let _switch = Switch::new(host)?;
    host.run("ip", ["link", "set", "eth1", "mtu", "1450"])?;
    for (wanted, found) in [(0, 1450), (1400, 1400), (1450, 1450)] {
        let one = host.container("one")?;
        let network = network(&with(&plugin(5), json!({"mtu": wanted})))?;
        let result = network.add(&one)?;
        ensure!(one.link("eth0")?["mtu"] == found, "{wanted}: {}", one.link("eth0")?);
        network.check(&one, &result)?;
        network.del(&one, &result)?;
        one.unmount()?;
    }
    let one = host.container("one")?;
    let error = network(&with(&plugin(5), json!({"mtu": 1451})))?.add(&one).unwrap_err();
    ensure!(format!("{error:#}").contains("1450"), "{error:#}");
    ensure!(!one.has_link("eth0"));
    Ok(())
}

fn taken(host: &Host) -> Result<()> {
    let _switch = Switch::new(host)?;
    let (one, two) = (host.container("one")?, host.container("two")?);
    let network = network(&plugin(5))?;
    network.add(&one)?;
    let before = host.leases(Path::new("/run/test/ipam"), "net")?;
    let error = network.add(&two).unwrap_err();
    ensure!(format!("{error:#}").contains("VLAN 5 of eth1"), "{error:#}");
    ensure!(!two.has_link("eth0") && host.leases(Path::new("/run/test/ipam"), "net")? == before);
    Ok(())
}

fn without_master(host: &Host) -> Result<()> {
    let _switch = Switch::new(host)?;
    let network = network(&plugin(5))?;
    let (one, two) = (host.container("one")?, host.container("two")?);
    let result = network.add(&one)?;
    // Its VLANs go with it.
    host.run("ip", ["link", "delete", "eth1"])?;
    network.del(&one, &result)?;
    network.del_without_namespace(&two, &result)?;
    ensure!(host.leases(Path::new("/run/test/ipam"), "net")?.is_empty());
    Ok(())
}

fn check(host: &Host) -> Result<()> {
    let _switch = Switch::new(host)?;
    let one = host.container("one")?;
    let made = network(&plugin(5))?;
    let result = made.add(&one)?;
    made.check(&one, &result)?;
    let error = network(&plugin(6))?.check(&one, &result).unwrap_err();
    ensure!(format!("{error:#}").contains("VLAN ID 5"), "{error:#}");
    let error = network(&with(&plugin(5), json!({"mtu": 1400})))?.check(&one, &result).unwrap_err();
    ensure!(format!("{error:#}").contains("MTU 1500"), "{error:#}");
    one.run("ip", ["link", "set", "eth0", "address", "02:00:00:00:00:09"])?;
    let error = made.check(&one, &result).unwrap_err();
    ensure!(format!("{error:#}").contains("02:00:00:00:00:09"), "{error:#}");
    Ok(())
}

fn status(host: &Host) -> Result<()> {
    let network = network(&plugin(5))?;
    let error = network.status().unwrap_err();
    ensure!(format!("{error:#}").contains("eth1"), "{error:#}");
    host.run("ip", ["link", "add", "eth1", "type", "veth", "peer", "name", "other"])?;
    network.status()
}
