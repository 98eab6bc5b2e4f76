//! nftables: words to write rules with, and batches. Needs the interface `nftables`.
//!
//! ```
//! use weir_sdk::net::nftables::{Batch, Chain, Field, Rule, Table};
//! use weir_sdk::testing::World;
//!
//! let world = World::new();
//! let host = weir_sdk::Netns::host()?;
//! Batch::new(Table::inet("example"))
//!     .ensure_table()
//!     .ensure_chain(Chain::regular("blocked").rule(Rule::new().drop()))
//!     .ensure_chain(Chain::regular("checks"))
//!     .add_rule("checks", Rule::new().matches(Field::InputInterface, "eth0").jump("blocked").comment("eth0 is out"))
//!     .apply(&host)?;
//! assert_eq!(world.host().nft_rules("inet", "example", "checks"), ["iifname \"eth0\" jump blocked comment \"eth0 is out\""]);
//! # Ok::<(), weir_sdk::Failure>(())
//! ```

use std::net::IpAddr;

use ipnet::IpNet;

use crate::failure::Failure;
use crate::imports::nftables as host;
use crate::mac::MacAddress;
use crate::net::Netns;

pub use crate::bindings::weir::cni::nftables::{
    BaseChain, BaseChainInfo, ChainType, Command, Comparison, DataType, Destination, Element, ElementData, Family,
    Field, FieldMatch, Hook, MarkChange, Policy, RuleInfo, Set, SetData, SetMatch, Statement, Table, Value, Verdict,
};
use crate::bindings::weir::cni::nftables::{EnsuredChain, NewRule, Rule as RuleRecord};

/// Comments may have this many bytes.
pub const COMMENT_MAX: usize = 127;

impl Table {
    /// A table of the family `ip`.
    pub fn ip(name: &str) -> Self {
        Self { family: Family::Ip, name: name.to_owned() }
    }

    /// A table of the family `ip6`.
    pub fn ip6(name: &str) -> Self {
        Self { family: Family::Ip6, name: name.to_owned() }
    }

    /// A table of the family `inet`.
    pub fn inet(name: &str) -> Self {
        Self { family: Family::Inet, name: name.to_owned() }
    }

    /// A table of the family `bridge`.
    pub fn bridge(name: &str) -> Self {
        Self { family: Family::Bridge, name: name.to_owned() }
    }
}

impl From<IpAddr> for Value {
    fn from(address: IpAddr) -> Self {
        Self::Address(address.into())
    }
}

impl From<IpNet> for Value {
    fn from(network: IpNet) -> Self {
        Self::Network(network.into())
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number)
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<&str> for Value {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<&MacAddress> for Value {
    fn from(mac: &MacAddress) -> Self {
        Self::Mac(mac.as_bytes().to_vec())
    }
}

impl Field {
    /// `ip saddr` or `ip6 saddr`, by the family of an address.
    pub fn source_of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::IpSource } else { Self::Ip6Source }
    }

    /// `ip daddr` or `ip6 daddr`, by the family of an address.
    pub fn destination_of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::IpDestination } else { Self::Ip6Destination }
    }
}

/// A rule, written from left to right.
#[derive(Debug, Clone, PartialEq, Default)]
#[must_use]
pub struct Rule {
    statements: Vec<Statement>,
    comment: String,
}

impl Rule {
    /// A rule without parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Any statement.
    #[inline(never)]
    pub fn statement(mut self, statement: Statement) -> Self {
        self.statements.push(statement);
        self
    }

    /// Go on only where the field has the value.
    pub fn matches(self, field: Field, value: impl Into<Value>) -> Self {
        self.matches_any(field, vec![value.into()])
    }

    /// Go on only where the field has none of the value.
    pub fn matches_not(self, field: Field, value: impl Into<Value>) -> Self {
        let comparison = Comparison::NotEqual;
        self.statement(Statement::MatchField(FieldMatch { field, comparison, values: vec![value.into()] }))
    }

    /// Go on only where the field has one of the values.
    pub fn matches_any(self, field: Field, values: Vec<Value>) -> Self {
        self.statement(Statement::MatchField(FieldMatch { field, comparison: Comparison::Equal, values }))
    }

    /// Count packets and bytes.
    pub fn counter(self) -> Self {
        self.statement(Statement::Counter)
    }

    /// Translate the source to the address of the outgoing interface.
    pub fn masquerade(self) -> Self {
        self.statement(Statement::Masquerade)
    }

    /// Translate the destination.
    pub fn dnat(self, address: IpAddr, port: Option<u16>) -> Self {
        self.statement(Statement::DestinationNat(Destination { address: address.into(), port }))
    }

    /// Set bits of the packet mark: mark = (mark and not mask) or value.
    pub fn set_mark(self, mask: u32, value: u32) -> Self {
        self.statement(Statement::SetMark(MarkChange { mask, value }))
    }

    /// Let pass.
    pub fn accept(self) -> Self {
        self.statement(Statement::Verdict(Verdict::Accept))
    }

    /// Drop.
    pub fn drop(self) -> Self {
        self.statement(Statement::Verdict(Verdict::Drop))
    }

    /// Go on after the rule that jumped here.
    pub fn ret(self) -> Self {
        self.statement(Statement::Verdict(Verdict::Return))
    }

    /// Go to a chain and come back.
    pub fn jump(self, chain: &str) -> Self {
        self.statement(Statement::Verdict(Verdict::Jump(chain.to_owned())))
    }

    /// Go to a chain for good.
    pub fn goto(self, chain: &str) -> Self {
        self.statement(Statement::Verdict(Verdict::Goto(chain.to_owned())))
    }

    /// Comment; cut at [`COMMENT_MAX`] bytes.
    pub fn comment(mut self, text: &str) -> Self {
        self.comment = cut_comment(text).to_owned();
        self
    }

    fn into_record(self) -> RuleRecord {
        RuleRecord { statements: self.statements, comment: self.comment }
    }
}

/// A text as it fits into a comment: cut at [`COMMENT_MAX`] bytes, never within a character.
pub fn cut_comment(text: &str) -> &str {
    text.get(..text.floor_char_boundary(COMMENT_MAX)).unwrap_or(text)
}

/// A chain that should exist.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Chain {
    name: String,
    base: Option<BaseChain>,
    rules: Vec<RuleRecord>,
}

impl Chain {
    /// A chain that others jump to.
    pub fn regular(name: &str) -> Self {
        Self { name: name.to_owned(), base: None, rules: Vec::new() }
    }

    /// A base chain with the policy accept.
    pub fn base(name: &str, chain_type: ChainType, hook: Hook, priority: i32) -> Self {
        let base = BaseChain { type_: chain_type, hook, priority, policy: Policy::Accept };
        Self { base: Some(base), ..Self::regular(name) }
    }

    /// A rule that the chain is created with. Not looked at where the chain exists.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule.into_record());
        self
    }
}

/// Steps on one table that happen together or not at all.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Batch {
    table: Table,
    commands: Vec<Command>,
}

impl Batch {
    /// No steps yet.
    pub fn new(table: Table) -> Self {
        Self { table, commands: Vec::new() }
    }

    /// Whether there are no steps.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Any step.
    #[inline(never)]
    pub fn command(mut self, command: Command) -> Self {
        self.commands.push(command);
        self
    }

    /// Create the table where it is missing.
    pub fn ensure_table(self) -> Self {
        self.command(Command::EnsureTable)
    }

    /// Create a chain with its rules where it is missing.
    pub fn ensure_chain(self, chain: Chain) -> Self {
        self.command(Command::EnsureChain(EnsuredChain { name: chain.name, base: chain.base, rules: chain.rules }))
    }

    /// Create a set or map where it is missing.
    pub fn ensure_set(self, set: Set) -> Self {
        self.command(Command::EnsureSet(set))
    }

    /// Add a rule at the end of a chain.
    pub fn add_rule(self, chain: &str, rule: Rule) -> Self {
        self.command(Command::AddRule(NewRule { chain: chain.to_owned(), first: false, rule: rule.into_record() }))
    }

    /// Add a rule at the beginning of a chain.
    pub fn insert_rule(self, chain: &str, rule: Rule) -> Self {
        self.command(Command::AddRule(NewRule { chain: chain.to_owned(), first: true, rule: rule.into_record() }))
    }

    /// Add elements to a set or map.
    pub fn add_elements(self, set: &str, elements: Vec<Element>) -> Self {
        self.command(Command::AddElements((set.to_owned(), elements)))
    }

    /// Delete elements of a set or map by their keys.
    pub fn delete_elements(self, set: &str, elements: Vec<Element>) -> Self {
        self.command(Command::DeleteElements((set.to_owned(), elements)))
    }

    /// Delete rules of a chain by their handles.
    pub fn delete_rules(self, chain: &str, handles: Vec<u64>) -> Self {
        self.command(Command::DeleteRules((chain.to_owned(), handles)))
    }

    /// Delete all rules of a chain.
    pub fn flush_chain(self, chain: &str) -> Self {
        self.command(Command::FlushChain(chain.to_owned()))
    }

    /// Delete a chain with its rules.
    pub fn delete_chain(self, chain: &str) -> Self {
        self.command(Command::DeleteChain(chain.to_owned()))
    }

    /// Delete a set or map.
    pub fn delete_set(self, set: &str) -> Self {
        self.command(Command::DeleteSet(set.to_owned()))
    }

    /// Delete the table and all in it.
    pub fn delete_table(self) -> Self {
        self.command(Command::DeleteTable)
    }

    /// Carry out the steps as one transaction. Without steps nothing is asked of the host.
    pub fn apply(&self, namespace: &Netns) -> Result<(), Failure> {
        if self.commands.is_empty() {
            return Ok(());
        }
        host::apply(&namespace.raw, &self.table, &self.commands)
    }
}

impl Netns {
    /// Rules of one chain, or of all chains of a table, in order. Empty where there is no such table or chain.
    pub fn nft_rules(&self, table: &Table, chain: Option<&str>) -> Result<Vec<RuleInfo>, Failure> {
        host::list_rules(&self.raw, table, chain)
    }

    /// Names of the chains of a table. Empty where there is no such table.
    pub fn nft_chains(&self, table: &Table) -> Result<Vec<String>, Failure> {
        host::list_chains(&self.raw, table)
    }

    /// The base chains at a hook, of all tables. `Unsupported` where the kernel has no nftables.
    pub fn nft_base_chains(&self, hook: Hook) -> Result<Vec<BaseChainInfo>, Failure> {
        host::list_base_chains(&self.raw, hook)
    }

    /// Elements of a set or map. Empty where there is no such table or set.
    pub fn nft_elements(&self, table: &Table, set: &str) -> Result<Vec<Element>, Failure> {
        host::list_elements(&self.raw, table, set)
    }
}
