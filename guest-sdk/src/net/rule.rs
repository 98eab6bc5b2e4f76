//! Policy routing rules. Needs the interface `rules`.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::bindings::weir::cni::rules as contract;
use crate::convert::family_of;
use crate::failure::Failure;
use crate::imports::rules;
use crate::net::{IpFamily, Netns, PacketMark};

/// A rule that sends packets to a routing table.
#[derive(Debug, Clone, PartialEq)]
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
    /// Only packets with this mark.
    pub mark: Option<PacketMark>,
    /// Routing table to look into.
    pub table: u32,
    /// Place among the rules, smaller first; none: the kernel puts it before all others but the one of the local table,
    /// so of two such rules the older one has the greater number.
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

    /// A rule that sends the packets from one address to a table.
    pub fn from_address(address: IpAddr, table: u32) -> Self {
        Self { source: Some(address.into()), ..Self::to_table(family_of(address), table) }
    }
}

impl Netns {
    /// Add a rule. `AlreadyExists` where the same one is there.
    pub fn add_rule(&self, new: &Rule) -> Result<(), Failure> {
        rules::add(&self.raw, &to_host(new))
    }

    /// Remove a rule that matches in all given fields. One that is not there is no failure.
    pub fn remove_rule(&self, old: &Rule) -> Result<(), Failure> {
        rules::remove(&self.raw, &to_host(old))
    }

    /// Rules that send packets to a table, in the order in which packets meet them; none: of both families.
    pub fn rules(&self, family: Option<IpFamily>) -> Result<Vec<Rule>, Failure> {
        Ok(rules::list(&self.raw, family)?.into_iter().map(Rule::from).collect())
    }
}

pub(crate) fn to_host(rule: &Rule) -> contract::Rule {
    contract::Rule {
        family: rule.family,
        source: rule.source.map(Into::into),
        destination: rule.destination.map(Into::into),
        input_interface: rule.input_interface.clone(),
        output_interface: rule.output_interface.clone(),
        mark: rule.mark,
        table: rule.table,
        priority: rule.priority,
    }
}

impl From<contract::Rule> for Rule {
    fn from(rule: contract::Rule) -> Self {
        Self {
            family: rule.family,
            source: rule.source.map(Into::into),
            destination: rule.destination.map(Into::into),
            input_interface: rule.input_interface,
            output_interface: rule.output_interface,
            mark: rule.mark,
            table: rule.table,
            priority: rule.priority,
        }
    }
}
