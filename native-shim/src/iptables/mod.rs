//! iptables, for configurations that ask for it: through iptables-save and iptables-restore.

use crate::family::IpFamily;
use crate::netns::Netns;
use crate::{Error, ErrorKind, Result};

/// A rule: a chain and the words after it, as `iptables -S` prints them, without quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Chain.
    pub chain: String,
    /// Words of the rule: `-p`, `tcp`, `-m`, `comment`, `--comment`, `any text`, `-j`, `ACCEPT`.
    pub words: Vec<String>,
}

/// A chain with its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Name.
    pub name: String,
    /// Rules in order.
    pub rules: Vec<Rule>,
}

/// A step of a transaction on one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Create a chain, or empty it where it exists.
    CreateOrFlushChain(String),
    /// Add a rule at the end of its chain.
    Append(Rule),
    /// Add a rule at the beginning of its chain.
    Prepend(Rule),
    /// Delete a rule that is there.
    Delete(Rule),
    /// Delete an empty chain that nothing jumps to.
    DeleteChain(String),
}

fn missing<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, "iptables is not built yet"))
}

/// All chains and rules of a table (`nat`, `filter`, `mangle`, `raw`).
pub fn save(_namespace: &Netns, _family: IpFamily, _table: &str) -> Result<Vec<Chain>> {
    missing()
}

/// Carry out the commands as one transaction.
pub fn restore(_namespace: &Netns, _family: IpFamily, _table: &str, _commands: &[Command]) -> Result<()> {
    missing()
}

/// Whether the iptables programs of a family are there and work.
pub fn available(_namespace: &Netns, _family: IpFamily) -> bool {
    false
}
