//! What is left behind.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use weir_sdk::ipam_store::{AddressRange, Store};
use weir_sdk::net::nftables::{Batch, Chain, ChainType, Element, ElementData, Field, Hook, Rule, Set, SetData, Table};
use weir_sdk::net::nftables::{DataType, Value};
use weir_sdk::net::{BridgeOptions, Conflict, IpFamily, LinkChanges, Route, Rule as RoutingRule, TokenBucket, VethEnd};
use weir_sdk::{Context, Error, Link, Netns, Request, Result, state};

/// A link of the host's that is not this plugin's.
const FOREIGN: &str = "uplink0";
/// A link of the host's that the container gets.
const SPARE: &str = "spare0";

fn foreign(host: &Netns) -> Result<Link> {
    let found = host.link(FOREIGN).context("find a link")?;
    found.ok_or_else(|| Error::internal("the test has not made its link"))
}

fn network(a: u8, b: u8, c: u8, d: u8, length: u8) -> IpNet {
    Ipv4Net::new(Ipv4Addr::new(a, b, c, d), length).map_or(Ipv4Net::default().into(), Into::into)
}

fn changes() -> LinkChanges {
    LinkChanges {
        up: None,
        name: None,
        mtu: None,
        mac: None,
        promiscuous: None,
        all_multicast: None,
        tx_queue_length: None,
        alias: None,
    }
}

/// Everything that goes with one attachment.
pub(crate) fn all(request: &Request) -> Result<()> {
    let (host, container) = (Netns::host().context("open the host")?, request.netns()?);
    let store = Store::open(Some("/run/test/careless")).context("open the store")?;
    let range = AddressRange {
        first: Ipv4Addr::new(10, 77, 0, 2).into(),
        last: Ipv4Addr::new(10, 77, 0, 9).into(),
        except: None,
    };
    let address = store.allocate(0, &[range]).context("take an address")?;
    links(request, &host, &container)?;
    routing(&host, address)?;
    firewall(request, &host)?;
    state::save(None, br#"{"name": "net"}"#).context("save a document")?;
    container.set_sysctl("net/ipv4/ip_forward", "1").context("set a parameter")?;
    let lo = container.link("lo").context("find lo")?.ok_or_else(|| Error::internal("no lo"))?;
    lo.add_addresses(&[network(10, 77, 9, 1, 32).into()]).context("add an address to lo")?;
    Ok(())
}

fn links(request: &Request, host: &Netns, container: &Netns) -> Result<()> {
    let end = |name: Option<String>| VethEnd { name, mac: None, mtu: None };
    let (_, port) = container
        .create_veth(&end(Some(request.interface_name.clone())), host, &end(None))
        .context("make a veth pair")?;
    // By another name than the ledger knows it.
    let renamed = LinkChanges { name: Some("careless9".into()), up: Some(true), ..changes() };
    port.update(&renamed).context("rename a link")?;
    let spare = host.link(SPARE).context("find a link")?.ok_or_else(|| Error::internal("no spare link"))?;
    let taken = LinkChanges { name: Some("taken0".into()), mtu: Some(1300), ..changes() };
    let spare = spare.move_to(container, &taken).context("take a link")?;
    spare.update(&LinkChanges { alias: Some("taken".into()), ..changes() }).context("change a taken link")?;
    Ok(())
}

fn routing(host: &Netns, address: IpAddr) -> Result<()> {
    let foreign = foreign(host)?;
    foreign.add_addresses(&[network(10, 78, 0, 1, 24).into()]).context("add an address")?;
    let index = foreign.info().context("look at a link")?.index;
    let route = Route { link: Some(index), ..Route::to(network(10, 79, 0, 0, 24)) };
    host.add_routes(&[route], Conflict::Refuse).context("add a route")?;
    host.add_rule(&RoutingRule::from_address(address, 100)).context("add a rule")?;
    let same = RoutingRule::to_table(IpFamily::Ipv4, 101);
    host.add_rule(&same).context("add a rule without a priority")?;
    foreign.shape(TokenBucket { rate: 1 << 20, burst: 1 << 16, limit: 1 << 16 }).context("shape a link")?;
    Ok(())
}

fn firewall(request: &Request, host: &Netns) -> Result<()> {
    let own = format!("of-{}", request.container_id);
    let ports = Set { name: "ports".into(), key: vec![DataType::Port], data: SetData::None, interval: false };
    let element = |comment: String| Element { key: vec![Value::Number(8080)], data: ElementData::None, comment };
    Batch::new(Table::inet("careless"))
        .ensure_table()
        .ensure_set(ports)
        .ensure_chain(Chain::base("forward", ChainType::Filter, Hook::Forward, 0))
        .ensure_chain(Chain::regular(&own).rule(Rule::new().counter()))
        .add_rule(&own, Rule::new().accept().comment("no name in it"))
        .add_rule("forward", Rule::new().matches(Field::OutputInterface, "none0").jump(&own))
        .add_elements("ports", vec![element(String::new())])
        .apply(host)
        .context("add rules")?;
    Ok(())
}

/// What is for all attachments.
pub(crate) fn shared(bridge: &str) -> Result<()> {
    let host = Netns::host().context("open the host")?;
    let options = BridgeOptions { mtu: None, vlan_filtering: false, keep_mac: false };
    let made = host.create_bridge(bridge, options).context("make a bridge")?;
    made.set_up().context("set the bridge up")?;
    made.add_addresses(&[network(10, 80, 0, 1, 24).into()]).context("add an address to the bridge")?;
    host.set_sysctl("net/ipv4/ip_forward", "1").context("enable forwarding")?;
    foreign(&host)?.update(&LinkChanges { mtu: Some(1400), ..changes() }).context("change a link")?;
    Ok(())
}
