//! Ingress policies in nftables. A dropped packet is dropped, whatever other chains say of it.
//!
//! Between bridges: the table `inet cni_firewall`, with a map from a bridge to what happens to packets that come from it.
//! Within a bridge: the table `bridge cni_firewall`, with the ports of isolated containers, because packets from port to
//! port do not pass the host's IP layer. ADD creates elements; the rules are there since the first one.

use weir_sdk::net::nftables::{
    Batch, Chain, ChainType, Comparison, DataType, Element, ElementData, Field, Hook, Rule, Set, SetData, SetMatch,
    Statement, Table, Value, Verdict,
};
use weir_sdk::{AddResult, Context, Error, Failure, FailureKind, Netns, Request, Result, warn};

use crate::config::{Config, Policy};
use crate::owner;

/// Bridges that have a policy.
const BRIDGES: &str = "bridges";
/// What happens to packets from them.
const POLICIES: &str = "policies";
/// For packets from bridges with the policy `isolated`.
const ISOLATED: &str = "isolated";
/// Ports of isolated containers.
const PORTS: &str = "ports";
const FORWARD: &str = "forward";
/// Priority `filter` of nft(8), which is another one for bridges.
const FILTER: i32 = 0;
const BRIDGE_FILTER: i32 = -200;

/// Where a container with a policy is.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub(crate) bridge: &'a str,
    pub(crate) policy: Policy,
    /// The host's ends of the container's links.
    ports: Vec<&'a str>,
}

/// The bridge of a result: its first interface, on the host.
pub(crate) fn bridge_of(result: &AddResult) -> Option<&str> {
    let first = result.interfaces.first()?;
    (first.sandbox.is_empty() && !first.name.is_empty()).then_some(first.name.as_str())
}

impl<'a> Place<'a> {
    /// The place of a container; none where its policy is `open`.
    pub(crate) fn of(config: &Config, result: &'a AddResult) -> Result<Option<Self>> {
        if config.policy == Policy::Open {
            return Ok(None);
        }
        let Some(bridge) = bridge_of(result) else {
            return Err(Error::invalid_config(
                "an ingressPolicy other than open needs a bridge, and prevResult does not begin with one: put firewall \
                 after bridge in the list of plugins",
            ));
        };
        let ports = result.interfaces.iter().skip(1).filter(|interface| interface.sandbox.is_empty());
        Ok(Some(Self { bridge, policy: config.policy, ports: ports.map(|port| port.name.as_str()).collect() }))
    }
}

/// Comment of what all containers of a bridge rely on, so that it is nobody's own.
const OF_ALL: &str = "all of this bridge";

fn bridge_table() -> Table {
    Table::bridge("cni_firewall")
}

fn of_names(name: &str, data: SetData) -> Set {
    Set { name: name.to_owned(), key: vec![DataType::InterfaceName], data, interval: false }
}

fn in_set(field: Field, set: &str) -> SetMatch {
    SetMatch { fields: vec![field], comparison: Comparison::Equal, set: set.to_owned() }
}

fn drop_if(field: Field, set: &str) -> Rule {
    Rule::new().statement(Statement::MatchSet(in_set(field, set))).drop()
}

fn element(name: &str, data: ElementData, comment: &str) -> Element {
    let comment = weir_sdk::net::nftables::cut_comment(comment).to_owned();
    Element { key: vec![Value::Name(name.to_owned())], data, comment }
}

/// The chain for packets from a bridge with the policy `same-bridge`: they may go back to it.
fn own_chain(bridge: &str) -> String {
    // A name of a link may hold what nft(8) does not read in a name of a chain.
    format!("from-{}", weir_sdk::naming::hash(bridge, 8))
}

fn verdict(place: &Place<'_>) -> Verdict {
    match place.policy {
        Policy::Isolated => Verdict::Goto(ISOLATED.to_owned()),
        Policy::Open | Policy::SameBridge => Verdict::Goto(own_chain(place.bridge)),
    }
}

/// Give the bridge its policy.
pub(crate) fn add(host: &Netns, request: &Request, place: &Place<'_>) -> Result<()> {
    let doing = || format!("set the ingress policy of bridge {}", place.bridge);
    let mut batch = Batch::new(owner::table())
        .ensure_table()
        .ensure_set(of_names(BRIDGES, SetData::None))
        .ensure_set(of_names(POLICIES, SetData::Verdict))
        .ensure_chain(Chain::regular(ISOLATED).rule(drop_if(Field::OutputInterface, BRIDGES)));
    if place.policy == Policy::SameBridge {
        let back = Rule::new().matches(Field::OutputInterface, place.bridge).ret();
        let chain = Chain::regular(&own_chain(place.bridge)).rule(back);
        batch = batch.ensure_chain(chain.rule(drop_if(Field::OutputInterface, BRIDGES)));
    }
    let by_bridge = Statement::VerdictByMap(in_set(Field::InputInterface, POLICIES));
    let base = Chain::base(FORWARD, ChainType::Filter, Hook::Forward, FILTER);
    let batch = batch
        .ensure_chain(base.rule(Rule::new().statement(by_bridge)))
        .add_elements(BRIDGES, vec![element(place.bridge, ElementData::None, OF_ALL)]);
    let policy = element(place.bridge, ElementData::Verdict(verdict(place)), OF_ALL);
    match batch.clone().add_elements(POLICIES, vec![policy.clone()]).apply(host) {
        // It has another policy: the last one counts.
        Err(failure) if failure.is_already_exists() => {
            let changed = batch.delete_elements(POLICIES, vec![policy.clone()]).add_elements(POLICIES, vec![policy]);
            changed.apply(host).with_context(doing)?;
        }
        other => other.with_context(doing)?,
    }
    close_ports(host, request, place, false)
}

/// Keep an isolated container from its neighbours on the bridge. `optional`: a kernel without nftables is no failure.
pub(crate) fn close_ports(host: &Netns, request: &Request, place: &Place<'_>, optional: bool) -> Result<()> {
    if place.policy != Policy::Isolated || place.ports.is_empty() {
        return Ok(());
    }
    let comment = owner::comment(request);
    let ports = place.ports.iter().map(|port| element(port, ElementData::None, &comment)).collect();
    let base = Chain::base(FORWARD, ChainType::Filter, Hook::Forward, BRIDGE_FILTER);
    let base = base.rule(drop_if(Field::InputInterface, PORTS)).rule(drop_if(Field::OutputInterface, PORTS));
    let batch = Batch::new(bridge_table())
        .ensure_table()
        .ensure_set(of_names(PORTS, SetData::None))
        .ensure_chain(base)
        .add_elements(PORTS, ports);
    match batch.apply(host) {
        Err(failure) if optional && failure.kind == FailureKind::Unsupported => {
            warn!(
                "firewall: without nftables, neighbours on a bridge are kept apart only where br_netfilter is loaded"
            );
            Ok(())
        }
        other => Ok(other.with_context(|| format!("isolate the ports {:?}", place.ports))?),
    }
}

fn names(host: &Netns, table: &Table, set: &str) -> Result<Vec<Element>> {
    Ok(host.nft_elements(table, set).context("list ingress policies")?)
}

fn name_of(element: &Element) -> Option<&str> {
    match element.key.first() {
        Some(Value::Name(name)) => Some(name),
        _ => None,
    }
}

/// See whether the policy is there.
pub(crate) fn check(host: &Netns, request: &Request, place: &Place<'_>) -> Result<()> {
    let lost = |what: &str| {
        Err(Error::internal(format!("{what} in table cni_firewall of nftables: somebody else changed the policy")))
    };
    let wanted = ElementData::Verdict(verdict(place));
    let policies = names(host, &owner::table(), POLICIES)?;
    if !policies.iter().any(|policy| name_of(policy) == Some(place.bridge) && policy.data == wanted) {
        return lost(&format!("bridge {} does not have its ingress policy", place.bridge));
    }
    let there = host.nft_rules(&owner::table(), Some(FORWARD)).context("list ingress policies")?;
    if there.is_empty() {
        return lost("no rule looks at ingress policies");
    }
    if place.policy != Policy::Isolated {
        return Ok(());
    }
    let mark = owner::mark(request);
    let ports = names(host, &bridge_table(), PORTS)?;
    let is_closed =
        |port: &str| ports.iter().any(|closed| name_of(closed) == Some(port) && closed.comment.starts_with(&mark));
    match place.ports.iter().find(|port| !is_closed(port)) {
        Some(port) => lost(&format!("port {port} is not isolated")),
        None => Ok(()),
    }
}

/// Delete elements; those that are gone already do not matter.
fn delete(host: &Netns, table: &Table, set: &str, elements: Vec<Element>) -> Result<(), Failure> {
    let mut outcome = Ok(());
    // One by one: another command may be deleting some of them.
    for element in elements {
        let removed = Batch::new(table.clone()).delete_elements(set, vec![element]).apply(host);
        outcome = outcome.and(match removed {
            Err(failure) if failure.is_not_found() => Ok(()),
            other => other,
        });
    }
    outcome
}

/// Forget isolated ports with such comments.
pub(crate) fn remove_ports(host: &Netns, goes: impl Fn(&str) -> bool) -> Result<()> {
    let mut ports = names(host, &bridge_table(), PORTS)?;
    ports.retain(|port| goes(&port.comment));
    Ok(delete(host, &bridge_table(), PORTS, ports).context("forget isolated ports")?)
}

/// The bridges that have a policy.
pub(crate) fn bridges(host: &Netns) -> Result<Vec<String>> {
    let elements = names(host, &owner::table(), BRIDGES)?;
    Ok(elements.iter().filter_map(name_of).map(str::to_owned).collect())
}

/// Take the policies of bridges away.
pub(crate) fn forget(host: &Netns, bridges: &[String]) -> Result<()> {
    let doing = "take ingress policies away";
    let mut outcome = Ok(());
    for set in [POLICIES, BRIDGES] {
        let mut elements = names(host, &owner::table(), set)?;
        elements.retain(|element| name_of(element).is_some_and(|name| bridges.iter().any(|bridge| bridge == name)));
        outcome = outcome.and(delete(host, &owner::table(), set, elements));
    }
    outcome.context(doing)?;
    let chains = host.nft_chains(&owner::table()).context(doing)?;
    let mut outcome = Ok(());
    for chain in bridges.iter().map(|bridge| own_chain(bridge)).filter(|chain| chains.contains(chain)) {
        let removed = Batch::new(owner::table()).delete_chain(&chain).apply(host);
        outcome = outcome.and(match removed {
            Err(failure) if matches!(failure.kind, FailureKind::NotFound | FailureKind::Busy) => Ok(()),
            other => other,
        });
    }
    Ok(outcome.context(doing)?)
}
