//! iptables, for configurations that ask for it: through iptables-save and iptables-restore.
//!
//! The programs are used and not the kernel, because only they know whether the rules of this machine are kept by
//! ip_tables or by nf_tables.

mod kernel;
mod program;
mod text;

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing {
    //! What iptables-save prints is read, and printed again for iptables-restore.

    /// Read a text as that of iptables-save.
    pub(crate) fn saved(printed: &str) {
        drop(super::text::parse_save(printed));
    }
}

use crate::family::IpFamily;
use crate::netns::{Access, Lock, Netns};
use crate::{Error, ErrorKind, Result};

use program::{Tool, run};

/// A rule: a chain and the words after it, as `iptables -S` prints them, without quotes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Chain.
    pub chain: String,
    /// Words of the rule: `-p`, `tcp`, `-m`, `comment`, `--comment`, `any text`, `-j`, `ACCEPT`.
    pub words: Vec<String>,
}

/// A chain with its rules.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Chain {
    /// Name.
    pub name: String,
    /// Rules in order.
    pub rules: Vec<Rule>,
}

/// A step of a transaction on one table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Command {
    /// Create a chain, or empty it where it exists.
    CreateOrFlushChain(String),
    /// Create a chain that is not there; `AlreadyExists` where it is.
    CreateChain(String),
    /// Add a rule at the end of its chain.
    Append(Rule),
    /// Add a rule at the beginning of its chain.
    Prepend(Rule),
    /// Delete a rule that is there.
    Delete(Rule),
    /// Delete an empty chain that nothing jumps to.
    DeleteChain(String),
}

/// All chains and rules of a table (`nat`, `filter`, `mangle`, `raw`).
pub fn save(namespace: &Netns, family: IpFamily, table: &str) -> Result<Vec<Chain>> {
    text::check_table(table)?;
    // Starting the program takes longer than everything else of a command.
    if kernel::over_nf_tables(&program::find(Tool::Save, family)?) && !kernel::has_table(namespace, family, table)? {
        return Ok(Vec::new());
    }
    let printed = run(namespace, Tool::Save, family, &["-t", table], b"")
        .map_err(|failed| failed.error(&format!("list table {table}")))?;
    if printed.lines().any(|line| line.starts_with('#') && line.contains("is incompatible")) {
        let message = format!(
            "iptables: table {table} holds rules that only nft can read: change them with nft, or use the backend nftables"
        );
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    Ok(text::parse_save(&printed))
}

/// Carry out the commands as one transaction: all of them or none.
pub fn restore(namespace: &Netns, family: IpFamily, table: &str, commands: &[Command]) -> Result<()> {
    if commands.is_empty() {
        return Ok(());
    }
    let input = text::restore_input(table, commands)?;
    let _lock = forestall(namespace, family, table, commands)?;
    // Others may hold the lock of ip_tables for a while; nf_tables has none and ignores the option.
    let arguments = ["--noflush", "-w", "10"];
    run(namespace, Tool::Restore, family, &arguments, input.as_bytes()).map(drop).map_err(|failed| {
        let command = failed.line().and_then(|line| line.checked_sub(text::FIRST_COMMAND_LINE));
        let Some(command) = command.and_then(|index| commands.get(index)) else {
            return failed.error(&format!("change table {table}"));
        };
        let mut error = failed.error(&format!("{} in table {table}", text::describe(command)));
        if error.kind == ErrorKind::Io {
            error.kind = probable_kind(namespace, family, table, command);
        }
        error
    })
}

/// Make sure that chains which must be new are new, and stay so until the lock is dropped. iptables-restore itself passes
/// over a chain that appeared in nf_tables after it had looked, and adds the rules of the transaction once more.
fn forestall(namespace: &Netns, family: IpFamily, table: &str, commands: &[Command]) -> Result<Option<Lock>> {
    let new = |command: &&Command| matches!(command, Command::CreateChain(_));
    if !commands.iter().any(|command| new(&command)) || !kernel::over_nf_tables(&program::find(Tool::Restore, family)?)
    {
        return Ok(None);
    }
    let lock = namespace.lock(Access::Exclusive)?;
    for command in commands.iter().filter(new) {
        let Command::CreateChain(chain) = command else { continue };
        if kernel::has_chain(namespace, family, table, chain)? {
            let message = format!("iptables: {} in table {table}: it exists", text::describe(command));
            return Err(Error::new(ErrorKind::AlreadyExists, message));
        }
    }
    Ok(Some(lock))
}

/// The kind of a failure of which iptables-restore tells only the line, as it does over ip_tables.
fn probable_kind(namespace: &Netns, family: IpFamily, table: &str, command: &Command) -> ErrorKind {
    let exists = |name: &str| {
        let chains = save(namespace, family, table).unwrap_or_default();
        chains.iter().any(|chain| chain.name == name)
    };
    match command {
        Command::Delete(_) => ErrorKind::NotFound,
        Command::DeleteChain(chain) if exists(chain) => ErrorKind::Busy,
        Command::DeleteChain(_) => ErrorKind::NotFound,
        Command::Append(rule) | Command::Prepend(rule) if !exists(&rule.chain) => ErrorKind::NotFound,
        Command::Append(_) | Command::Prepend(_) => ErrorKind::Invalid,
        Command::CreateChain(_) => ErrorKind::AlreadyExists,
        Command::CreateOrFlushChain(_) => ErrorKind::Io,
    }
}

/// Whether the kernel may hold a chain: false where it certainly does not. Starts no program.
pub fn may_hold(namespace: &Netns, family: IpFamily, table: &str, chain: &str) -> Result<bool> {
    text::check_table(table)?;
    kernel::may_hold(namespace, family, table, chain)
}

/// Whether the iptables programs of a family are there and work.
pub fn available(namespace: &Netns, family: IpFamily) -> bool {
    let (Ok(_), Ok(restore)) = (program::find(Tool::Save, family), program::find(Tool::Restore, family)) else {
        return false;
    };
    if kernel::over_nf_tables(&restore) {
        return kernel::has_table(namespace, family, "filter").is_ok();
    }
    // A transaction without commands changes nothing.
    run(namespace, Tool::Restore, family, &["--noflush", "-w", "10"], b"*filter\nCOMMIT\n").is_ok()
}
