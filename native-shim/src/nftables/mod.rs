//! nftables over netlink: rule sets as structure, changed in one transaction.
//!
//! What a command ensures is looked up first and created only where it is missing, because a transaction that updates
//! or destroys makes the kernel wait for all processors when the socket is closed (see `netfilter::channel`).

mod base_chains;
mod batch;
mod comment;
mod element;
mod expression;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod kind;
mod operand;
mod presence;
mod rule;
mod set;
mod types;
mod verdict;

pub use base_chains::list_base_chains;
pub use types::{
    BaseChain, BaseChainInfo, ChainType, Command, Comparison, DataType, Destination, Element, ElementData,
    EnsuredChain, Family, Field, FieldMatch, Hook, MarkChange, NewRule, Policy, Rule, RuleInfo, Set, SetData, SetMatch,
    Statement, Table, Value, Verdict,
};

use batch::{Message, compile_batch, request};
use presence::Presence;
use set::Shape;

use crate::netfilter::attributes::{Attributes, Reader, long, text};
use crate::netfilter::{BatchFault, Channel, Refusal, with_channel};
use crate::netns::Netns;
use crate::{Error, ErrorKind, Result};

/// How often a transaction is tried that loses to other processes creating or deleting the same objects.
const ATTEMPTS: u32 = 32;

/// Carry out the commands on a table as one transaction: all of them or none.
pub fn apply(namespace: &Netns, table: &Table, commands: &[Command]) -> Result<()> {
    apply_telling(namespace, table, commands).map(drop)
}

/// The same; returns which of the commands that ensure something had to create it, by their places in the list.
pub fn apply_telling(namespace: &Netns, table: &Table, commands: &[Command]) -> Result<Vec<usize>> {
    with_channel(namespace, |channel| {
        let mut presence = Presence::ask(channel, table, commands)?;
        for _ in 0..ATTEMPTS {
            let batch = compile_batch(table, commands, &presence)?;
            let Err(fault) = channel.transact(batch::SUBSYSTEM, &batch.requests)? else { return Ok(batch.created()) };
            let origin = fault.request.and_then(|index| batch.origins.get(index)).copied();
            // Somebody created or deleted what the commands ensure between the question and the transaction.
            let raced = match fault.refusal.errno {
                libc::EEXIST => origin.is_some_and(|(_, creates)| creates),
                libc::ENOENT => {
                    let now = Presence::ask(channel, table, commands)?;
                    now != presence
                }
                errno => matches!(errno, libc::EAGAIN | libc::EINTR | libc::ERESTART),
            };
            if !raced {
                return Err(refused(table, commands, origin.map(|(command, _)| command), &fault));
            }
            presence = Presence::ask(channel, table, commands)?;
        }
        let message = format!(
            "nftables: table {} kept changing through {ATTEMPTS} attempts to change it: try again later",
            table.name
        );
        Err(Error::new(ErrorKind::Busy, message))
    })
}

fn refused(table: &Table, commands: &[Command], command: Option<usize>, fault: &BatchFault) -> Error {
    let doing = match command.and_then(|index| commands.get(index)) {
        Some(command) => describe(table, command),
        None => format!("change table {}", name_of(table)),
    };
    fault.refusal.error(&format!("nftables: {doing}"), hint(fault.refusal.errno))
}

fn hint(errno: i32) -> &'static str {
    match errno {
        libc::ENOENT => "the table, or a chain, set, element or rule that is named, does not exist",
        libc::EEXIST => "it exists already, with other content",
        libc::EBUSY => "a rule, a map or another chain still refers to it",
        libc::EPERM => "CAP_NET_ADMIN is needed in the user namespace of this network namespace",
        libc::EOPNOTSUPP => "the kernel lacks nf_tables or an expression of it, or not in this kind of chain",
        libc::ENOMEM | libc::ENOBUFS | libc::EMSGSIZE => "use fewer commands at once",
        _ => "",
    }
}

fn name_of(table: &Table) -> String {
    let family = match table.family {
        Family::Ip => "ip",
        Family::Ip6 => "ip6",
        Family::Inet => "inet",
        Family::Bridge => "bridge",
    };
    format!("{family} {}", table.name)
}

/// A command in words, for errors.
pub(crate) fn describe(table: &Table, command: &Command) -> String {
    let table = name_of(table);
    match command {
        Command::EnsureTable => format!("create table {table}"),
        Command::EnsureChain(chain) => format!("create chain {:?} with its rules in table {table}", chain.name),
        Command::EnsureSet(set) => format!("create set {:?} in table {table}", set.name),
        Command::AddRule(new) => {
            format!("add rule with comment {:?} to chain {:?} of table {table}", new.rule.comment, new.chain)
        }
        Command::AddElements(set, elements) => {
            format!("add {} elements to set {set:?} of table {table}", elements.len())
        }
        Command::DeleteRules(chain, handles) => {
            format!("delete rules {handles:?} from chain {chain:?} of table {table}")
        }
        Command::DeleteElements(set, elements) => {
            format!("delete {} elements from set {set:?} of table {table}", elements.len())
        }
        Command::FlushChain(chain) => format!("empty chain {chain:?} of table {table}"),
        Command::DeleteChain(chain) => format!("delete chain {chain:?} of table {table}"),
        Command::DeleteSet(set) => format!("delete set {set:?} of table {table}"),
        Command::DeleteTable => format!("delete table {table}"),
    }
}

/// Whether a table exists. `Unsupported` where the kernel has no nf_tables.
pub(crate) fn has_table(namespace: &Netns, table: &Table) -> Result<bool> {
    let mut attributes = Attributes::new();
    attributes.text(1, &table.name);
    is_there(namespace, table, Message::GetTable, attributes)
}

/// Whether a chain exists. `Unsupported` where the kernel has no nf_tables.
pub(crate) fn has_chain(namespace: &Netns, table: &Table, chain: &str) -> Result<bool> {
    let mut attributes = Attributes::new();
    attributes.text(1, &table.name).text(3, chain);
    is_there(namespace, table, Message::GetChain, attributes)
}

fn is_there(namespace: &Netns, table: &Table, message: Message, attributes: Attributes) -> Result<bool> {
    let answer = with_channel(namespace, |channel| channel.ask(&[request(table, message, 0, attributes)]))?;
    match answer.into_iter().next() {
        Some(Ok(_)) => Ok(true),
        None | Some(Err(Refusal { errno: libc::ENOENT, .. })) => Ok(false),
        Some(Err(Refusal { errno: libc::EINVAL | libc::EOPNOTSUPP, .. })) => {
            Err(Error::new(ErrorKind::Unsupported, "nftables: the kernel has no nf_tables"))
        }
        Some(Err(refusal)) => {
            Err(refusal.error(&format!("nftables: look up table {}", name_of(table)), hint(refusal.errno)))
        }
    }
}

/// A list of the kernel; empty where the table or what was asked about does not exist.
fn list(
    channel: &mut Channel,
    table: &Table,
    what: &str,
    message: Message,
    attributes: Attributes,
) -> Result<Vec<Vec<u8>>> {
    match channel.list(&request(table, message, 0, attributes))? {
        Ok(answers) => Ok(answers),
        Err(Refusal { errno: libc::ENOENT, .. }) => Ok(Vec::new()),
        // A kernel without nf_tables says so to every question, and has no tables.
        Err(Refusal { errno: libc::EINVAL | libc::EOPNOTSUPP, .. }) => Ok(Vec::new()),
        Err(refusal) => {
            let doing = format!("nftables: list {what} of table {}", name_of(table));
            Err(refusal.error(&doing, hint(refusal.errno)))
        }
    }
}

/// Rules of one chain, or of all chains of a table, in order. Empty where there is no such table or chain.
pub fn list_rules(namespace: &Netns, table: &Table, chain: Option<&str>) -> Result<Vec<RuleInfo>> {
    let mut attributes = Attributes::new();
    attributes.text(1, &table.name);
    if let Some(chain) = chain {
        attributes.text(2, chain);
    }
    let answers = with_channel(namespace, |channel| list(channel, table, "rules", Message::GetRule, attributes))?;
    let rules = answers.iter().filter_map(|answer| rule_info(table, answer));
    // Kernels that do not know the filter by chain send all rules of the table.
    Ok(rules.filter(|rule| chain.is_none_or(|chain| rule.chain == chain)).collect())
}

/// A rule of an answer; none where it is of another table.
fn rule_info(table: &Table, answer: &[u8]) -> Option<RuleInfo> {
    let chain = Reader::find(answer, 2).map(text)?;
    let handle = Reader::find(answer, 3).and_then(long)?;
    let comment = Reader::find(answer, 7).map(comment::decode).unwrap_or_default();
    let ours = Reader::find(answer, 1).map(text)? == table.name;
    ours.then_some(RuleInfo { chain, handle, comment })
}

/// Names of the chains of a table. Empty where there is no such table.
pub fn list_chains(namespace: &Netns, table: &Table) -> Result<Vec<String>> {
    let mut attributes = Attributes::new();
    attributes.text(1, &table.name);
    let answers = with_channel(namespace, |channel| list(channel, table, "chains", Message::GetChain, attributes))?;
    let ours = answers.iter().filter(|answer| Reader::find(answer, 1).map(text).as_ref() == Some(&table.name));
    Ok(ours.filter_map(|answer| Reader::find(answer, 3).map(text)).collect())
}

/// Elements of a set or map. Empty where there is no such table or set.
pub fn list_elements(namespace: &Netns, table: &Table, set: &str) -> Result<Vec<Element>> {
    with_channel(namespace, |channel| {
        let question = request(table, Message::GetSet, 0, set::named(&table.name, set));
        let answer = channel.ask(&[question])?.into_iter().next();
        let definition = match answer {
            Some(Ok(definition)) => definition,
            None | Some(Err(Refusal { errno: libc::ENOENT | libc::EINVAL | libc::EOPNOTSUPP, .. })) => {
                return Ok(Vec::new());
            }
            Some(Err(refusal)) => {
                let doing = format!("nftables: look up set {set:?} of table {}", name_of(table));
                return Err(refusal.error(&doing, hint(refusal.errno)));
            }
        };
        let Some(shape) = Shape::decode(&definition) else {
            let message =
                format!("nftables: set {set:?} of table {} holds types that Weir does not know", name_of(table));
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        let mut attributes = Attributes::new();
        attributes.text(1, &table.name).text(2, set);
        let answers = list(channel, table, &format!("elements of set {set:?}"), Message::GetElement, attributes)?;
        Ok(element::decode(&shape, &answers))
    })
}
