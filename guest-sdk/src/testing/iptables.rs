//! The model's iptables: per family and table, chains with rules as words.

use std::collections::BTreeMap;

use crate::bindings::weir::cni::iptables::{Chain, Command, Rule};
use crate::bindings::weir::cni::types::IpFamily;
use crate::failure::{Failure, FailureKind};

/// All tables of a namespace.
#[derive(Debug, Clone, Default)]
pub(crate) struct Iptables {
    tables: BTreeMap<(bool, String), Vec<Chain>>,
}

fn built_in(table: &str) -> Option<&'static [&'static str]> {
    Some(match table {
        "nat" => &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
        "filter" => &["INPUT", "FORWARD", "OUTPUT"],
        "mangle" => &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
        "raw" => &["PREROUTING", "OUTPUT"],
        _ => return None,
    })
}

fn fail(kind: FailureKind, message: String) -> Failure {
    Failure::new(kind, format!("iptables-restore: {message}"))
}

impl Iptables {
    fn table(&mut self, family: IpFamily, table: &str) -> Result<&mut Vec<Chain>, Failure> {
        let built_in = built_in(table).ok_or_else(|| fail(FailureKind::Invalid, format!("no table {table:?}")))?;
        let new = || built_in.iter().map(|name| Chain { name: (*name).to_owned(), rules: Vec::new() }).collect();
        Ok(self.tables.entry((family == IpFamily::Ipv6, table.to_owned())).or_insert_with(new))
    }

    /// Listing makes nothing: a table that nobody used stays one that is not held.
    pub(crate) fn save(&self, family: IpFamily, table: &str) -> Result<Vec<Chain>, Failure> {
        self.clone().table(family, table).cloned()
    }

    /// Whether a chain is there, in a table that was used before.
    pub(crate) fn holds(&self, family: IpFamily, table: &str, chain: &str) -> bool {
        let chains = self.tables.get(&(family == IpFamily::Ipv6, table.to_owned()));
        chains.is_some_and(|chains| chains.iter().any(|state| state.name == chain))
    }

    pub(crate) fn restore(&mut self, family: IpFamily, table: &str, commands: &[Command]) -> Result<(), Failure> {
        let built_in = built_in(table).unwrap_or_default();
        let mut chains = self.table(family, table)?.clone();
        for command in commands {
            step(&mut chains, built_in, command)?;
        }
        *self.table(family, table)? = chains;
        Ok(())
    }
}

fn find<'a>(chains: &'a mut [Chain], name: &str) -> Result<&'a mut Chain, Failure> {
    let chain = chains.iter_mut().find(|chain| chain.name == name);
    chain.ok_or_else(|| fail(FailureKind::NotFound, format!("no chain {name:?}")))
}

fn check_target(chains: &[Chain], rule: &Rule) -> Result<(), Failure> {
    // Extension targets are upper case words without a dash; everything else must be a chain of the table.
    let Some(target) = rule.value_of("-j").or_else(|| rule.value_of("-g")) else { return Ok(()) };
    let is_extension = target.bytes().all(|byte| byte.is_ascii_uppercase());
    if is_extension || chains.iter().any(|chain| chain.name == target) {
        return Ok(());
    }
    Err(fail(FailureKind::NotFound, format!("no chain or target {target:?}")))
}

fn step(chains: &mut Vec<Chain>, built_in: &[&str], command: &Command) -> Result<(), Failure> {
    match command {
        Command::CreateOrFlushChain(name) => match chains.iter_mut().find(|chain| chain.name == *name) {
            Some(chain) => chain.rules.clear(),
            None => chains.push(Chain { name: name.clone(), rules: Vec::new() }),
        },
        Command::CreateChain(name) => {
            if chains.iter().any(|chain| chain.name == *name) {
                return Err(fail(FailureKind::AlreadyExists, format!("chain {name:?} exists already")));
            }
            chains.push(Chain { name: name.clone(), rules: Vec::new() });
        }
        Command::Append(rule) => {
            check_target(chains, rule)?;
            find(chains, &rule.chain)?.rules.push(rule.clone());
        }
        Command::Prepend(rule) => {
            check_target(chains, rule)?;
            find(chains, &rule.chain)?.rules.insert(0, rule.clone());
        }
        Command::Delete(rule) => {
            let rules = &mut find(chains, &rule.chain)?.rules;
            let position = rules.iter().position(|have| have.words == rule.words);
            let position = position.ok_or_else(|| fail(FailureKind::NotFound, format!("no rule {:?}", rule.words)))?;
            rules.remove(position);
        }
        Command::DeleteChain(name) => {
            let empty = find(chains, name)?.rules.is_empty();
            let jumped_to = chains.iter().flat_map(|chain| &chain.rules).any(|rule| rule.jumps_to(name));
            if !empty || jumped_to || built_in.contains(&name.as_str()) {
                return Err(fail(FailureKind::Busy, format!("chain {name:?} is in use")));
            }
            chains.retain(|chain| chain.name != *name);
        }
    }
    Ok(())
}
