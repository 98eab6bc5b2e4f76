//! nftables over netlink: rule sets as structure, changed in one transaction.

mod types;

pub use types::{
    BaseChain, ChainType, Command, Comparison, DataType, Destination, Element, ElementData, EnsuredChain, Family,
    Field, FieldMatch, Hook, MarkChange, NewRule, Policy, Rule, RuleInfo, Set, SetData, SetMatch, Statement, Table,
    Value, Verdict,
};

use crate::netns::Netns;
use crate::{Error, ErrorKind, Result};

fn missing<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, "nftables is not built yet"))
}

/// Carry out the commands on a table as one transaction: all of them or none.
pub fn apply(_namespace: &Netns, _table: &Table, _commands: &[Command]) -> Result<()> {
    missing()
}

/// Rules of one chain, or of all chains of a table, in order. Empty where there is no such table or chain.
pub fn list_rules(_namespace: &Netns, _table: &Table, _chain: Option<&str>) -> Result<Vec<RuleInfo>> {
    missing()
}

/// Names of the chains of a table. Empty where there is no such table.
pub fn list_chains(_namespace: &Netns, _table: &Table) -> Result<Vec<String>> {
    missing()
}

/// Elements of a set or map. Empty where there is no such table or set.
pub fn list_elements(_namespace: &Netns, _table: &Table, _set: &str) -> Result<Vec<Element>> {
    missing()
}
