//! Policy routing rules: which packets look into which table. See ip-rule(8).

use ipnet::IpNet;

use crate::family::IpFamily;
use crate::netns::Netns;
use crate::{Error, ErrorKind, Result};

/// A rule that sends packets to a routing table.
#[derive(Debug, Clone, PartialEq, Eq)]
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

fn unbuilt<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, "rules are not built yet"))
}

/// Add a rule. `AlreadyExists` where the same rule exists.
pub fn add(_namespace: &Netns, _rule: &Rule) -> Result<()> {
    unbuilt()
}

/// Remove a rule that matches in all given fields. One that is not there is no failure.
pub fn remove(_namespace: &Netns, _rule: &Rule) -> Result<()> {
    unbuilt()
}

/// List the rules of a family; none: of both.
pub fn list(_namespace: &Netns, _family: Option<IpFamily>) -> Result<Vec<Rule>> {
    unbuilt()
}
