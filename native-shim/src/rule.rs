//! Policy routing rules: which packets look into which table. See ip-rule(8).

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::family::IpFamily;
use crate::link::check_name;
use crate::netns::Netns;
use crate::{Error, ErrorKind, Result};

/// A rule that sends packets to a routing table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Address family.
    pub family: IpFamily,
    /// Only packets from these addresses.
    pub source: Option<IpNet>,
    /// Only packets to these addresses.
    pub destination: Option<IpNet>,
    /// Only packets that came in by the interface of this name.
    pub input_interface: Option<String>,
    /// Only packets of sockets bound to the interface of this name.
    pub output_interface: Option<String>,
    /// Only packets with this mark under this mask: value, mask.
    pub mark: Option<(u32, u32)>,
    /// Routing table to look into.
    pub table: u32,
    /// Place among the rules, smaller first; none: the kernel chooses one before the main table.
    pub priority: Option<u32>,
}

impl Rule {
    /// A rule that sends all packets of a family to a table.
    pub fn to_table(family: IpFamily, table: u32) -> Self {
        Self {
            family,
            source: None,
            destination: None,
            input_interface: None,
            output_interface: None,
            mark: None,
            table,
            priority: None,
        }
    }
}

/// Add a rule. `AlreadyExists` where the same rule exists.
pub fn add(namespace: &Netns, rule: &Rule) -> Result<()> {
    let message = message_for(rule)?;
    namespace
        .rtnetlink(|connection| connection.act(RouteNetlinkMessage::NewRule(message), NLM_F_CREATE | NLM_F_EXCL))?
        .map_err(|fault| fault.during(format_args!("add rule {}", Written(rule))))
}

/// Remove a rule that matches in all given fields. One that is not there is no failure.
pub fn remove(namespace: &Netns, rule: &Rule) -> Result<()> {
    let message = message_for(rule)?;
    match namespace.rtnetlink(|connection| connection.act(RouteNetlinkMessage::DelRule(message), 0))? {
        Err(fault) if fault.errno != libc::ENOENT => Err(fault.during(format_args!("remove rule {}", Written(rule)))),
        _ => Ok(()),
    }
}

/// List the rules of a family that send packets to a table, in the order in which packets meet them; none: of both
/// families. The one that sends packets to the table of their VRF names none, and is left out.
pub fn list(namespace: &Netns, family: Option<IpFamily>) -> Result<Vec<Rule>> {
    let families = match family {
        Some(family) => vec![family],
        None => vec![IpFamily::Ipv4, IpFamily::Ipv6],
    };
    let mut rules = Vec::new();
    for family in families {
        let mut message = RuleMessage::default();
        message.header.family = number(family);
        match namespace.rtnetlink(|connection| connection.dump(&RouteNetlinkMessage::GetRule(message)))? {
            Ok(answers) => rules.extend(answers.iter().filter_map(|answer| match answer {
                RouteNetlinkMessage::NewRule(message) => describe(family, message),
                _ => None,
            })),
            // A kernel without IPv6 has no rules for it.
            Err(fault) if fault.errno == libc::EAFNOSUPPORT => {}
            Err(fault) => return Err(fault.during("list rules")),
        }
    }
    Ok(rules)
}

fn number(family: IpFamily) -> AddressFamily {
    match family {
        IpFamily::Ipv4 => AddressFamily::Inet,
        IpFamily::Ipv6 => AddressFamily::Inet6,
    }
}

fn message_for(rule: &Rule) -> Result<RuleMessage> {
    let mut message = RuleMessage::default();
    message.header.family = number(rule.family);
    message.header.action = RuleAction::ToTable;
    match u8::try_from(rule.table) {
        Ok(table) => message.header.table = table,
        Err(_) => message.attributes.push(RuleAttribute::Table(rule.table)),
    }
    for network in [rule.source, rule.destination].into_iter().flatten() {
        if network.addr().is_ipv4() != (rule.family == IpFamily::Ipv4) {
            let message = format!("rule {}: the addresses are not of the rule's family", Written(rule));
            return Err(Error::new(ErrorKind::Invalid, message));
        }
    }
    let attributes = &mut message.attributes;
    if let Some(source) = rule.source {
        message.header.src_len = source.prefix_len();
        attributes.push(RuleAttribute::Source(source.trunc().addr()));
    }
    if let Some(destination) = rule.destination {
        message.header.dst_len = destination.prefix_len();
        attributes.push(RuleAttribute::Destination(destination.trunc().addr()));
    }
    for name in [&rule.input_interface, &rule.output_interface].into_iter().flatten() {
        check_name(name)?;
    }
    attributes.extend(rule.input_interface.clone().map(RuleAttribute::Iifname));
    attributes.extend(rule.output_interface.clone().map(RuleAttribute::Oifname));
    if let Some((value, mask)) = rule.mark {
        attributes.push(RuleAttribute::FwMark(value));
        attributes.push(RuleAttribute::FwMask(mask));
    }
    attributes.extend(rule.priority.map(RuleAttribute::Priority));
    Ok(message)
}

pub(crate) fn describe(family: IpFamily, message: &RuleMessage) -> Option<Rule> {
    if message.header.action != RuleAction::ToTable {
        return None;
    }
    let mut rule = Rule::to_table(family, message.header.table.into());
    // The kernel leaves out a priority of 0.
    rule.priority = Some(0);
    let (mut mark, mut mask) = (None, None);
    let within = |address: &IpAddr, length| IpNet::new(*address, length).ok();
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Source(address) => rule.source = within(address, message.header.src_len),
            RuleAttribute::Destination(address) => rule.destination = within(address, message.header.dst_len),
            RuleAttribute::Iifname(name) => rule.input_interface = Some(name.clone()),
            RuleAttribute::Oifname(name) => rule.output_interface = Some(name.clone()),
            RuleAttribute::FwMark(value) => mark = Some(*value),
            RuleAttribute::FwMask(value) => mask = Some(*value),
            RuleAttribute::Table(table) => rule.table = *table,
            RuleAttribute::Priority(priority) => rule.priority = Some(*priority),
            RuleAttribute::L3MDev(true) => return None,
            _ => {}
        }
    }
    if mark.is_some() || mask.is_some() {
        rule.mark = Some((mark.unwrap_or(0), mask.unwrap_or(u32::MAX)));
    }
    Some(rule)
}

/// A rule as people write it.
struct Written<'a>(&'a Rule);

impl std::fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Rule { source, destination, input_interface, output_interface, mark, table, priority, .. } = self.0;
        if let Some(priority) = priority {
            write!(f, "{priority}: ")?;
        }
        match source {
            Some(source) => write!(f, "from {source}")?,
            None => f.write_str("from all")?,
        }
        if let Some(destination) = destination {
            write!(f, " to {destination}")?;
        }
        if let Some(name) = input_interface {
            write!(f, " iif {name}")?;
        }
        if let Some(name) = output_interface {
            write!(f, " oif {name}")?;
        }
        if let Some((value, mask)) = mark {
            write!(f, " fwmark {value:#x}/{mask:#x}")?;
        }
        write!(f, " lookup {table}")
    }
}
