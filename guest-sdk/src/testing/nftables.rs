//! The model's nftables: tables, chains with rules, sets with elements. A batch happens as a whole or not at all.

use crate::bindings::weir::cni::nftables::{
    BaseChain, BaseChainInfo, Command, Element, ElementData, EnsuredChain, Family, Hook, Rule, RuleInfo, Set,
    Statement, Table, Verdict,
};
use crate::failure::{Failure, FailureKind};

/// All tables of a namespace.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nftables {
    tables: Vec<TableState>,
}

#[derive(Debug, Clone)]
struct TableState {
    family: Family,
    name: String,
    chains: Vec<ChainState>,
    sets: Vec<(Set, Vec<Element>)>,
    next_handle: u64,
}

#[derive(Debug, Clone)]
struct ChainState {
    name: String,
    base: Option<BaseChain>,
    rules: Vec<(u64, Rule)>,
}

fn missing(what: &str, name: &str) -> Failure {
    Failure::new(FailureKind::NotFound, format!("nftables: there is no {what} {name:?}"))
}

impl Nftables {
    fn table(&self, wanted: &Table) -> Option<&TableState> {
        self.tables.iter().find(|table| table.family == wanted.family && table.name == wanted.name)
    }

    /// One transaction.
    pub(crate) fn apply(&mut self, table: &Table, commands: &[Command]) -> Result<(), Failure> {
        let mut after = self.clone();
        for command in commands {
            after.step(table, command)?;
        }
        *self = after;
        Ok(())
    }

    fn step(&mut self, wanted: &Table, command: &Command) -> Result<(), Failure> {
        let is_it = |table: &TableState| table.family == wanted.family && table.name == wanted.name;
        match command {
            Command::EnsureTable => {
                if self.table(wanted).is_none() {
                    let Table { family, name } = wanted.clone();
                    self.tables.push(TableState { family, name, chains: Vec::new(), sets: Vec::new(), next_handle: 1 });
                }
                return Ok(());
            }
            Command::DeleteTable => {
                let before = self.tables.len();
                self.tables.retain(|table| !is_it(table));
                return if self.tables.len() < before { Ok(()) } else { Err(missing("table", &wanted.name)) };
            }
            _ => {}
        }
        self.tables.iter_mut().find(|table| is_it(table)).ok_or_else(|| missing("table", &wanted.name))?.step(command)
    }

    /// Rules of a chain or of all chains.
    pub(crate) fn list_rules(&self, table: &Table, chain: Option<&str>) -> Vec<RuleInfo> {
        let chains = self.table(table).map(|table| table.chains.as_slice()).unwrap_or_default();
        let wanted = chains.iter().filter(|state| chain.is_none_or(|name| state.name == name));
        wanted
            .flat_map(|state| {
                state.rules.iter().map(|(handle, rule)| RuleInfo {
                    chain: state.name.clone(),
                    handle: *handle,
                    comment: rule.comment.clone(),
                })
            })
            .collect()
    }

    /// Rules of a chain in full.
    pub(crate) fn rules(&self, table: &Table, chain: &str) -> Vec<Rule> {
        let chains = self.table(table).map(|table| table.chains.as_slice()).unwrap_or_default();
        let wanted = chains.iter().filter(|state| state.name == chain);
        wanted.flat_map(|state| state.rules.iter().map(|(_, rule)| rule.clone())).collect()
    }

    /// Names of the chains.
    pub(crate) fn list_chains(&self, table: &Table) -> Vec<String> {
        let chains = self.table(table).map(|table| table.chains.as_slice()).unwrap_or_default();
        chains.iter().map(|chain| chain.name.clone()).collect()
    }

    /// Hook of a base chain.
    pub(crate) fn base_chain(&self, table: &Table, chain: &str) -> Option<BaseChain> {
        self.table(table)?.chains.iter().find(|state| state.name == chain)?.base
    }

    /// Base chains at a hook, of all tables.
    pub(crate) fn list_base_chains(&self, hook: Hook) -> Vec<BaseChainInfo> {
        let in_table = |table: &TableState| {
            let there = table.chains.iter().filter_map(|chain| {
                let base = chain.base.filter(|base| base.hook == hook)?;
                let table = Table { family: table.family, name: table.name.clone() };
                Some(BaseChainInfo { table, name: chain.name.clone(), base })
            });
            there.collect::<Vec<_>>()
        };
        self.tables.iter().flat_map(in_table).collect()
    }

    /// Elements of a set.
    pub(crate) fn list_elements(&self, table: &Table, set: &str) -> Vec<Element> {
        let sets = self.table(table).map(|table| table.sets.as_slice()).unwrap_or_default();
        sets.iter().filter(|(state, _)| state.name == set).flat_map(|(_, elements)| elements.clone()).collect()
    }
}

impl TableState {
    fn chain(&mut self, name: &str) -> Result<&mut ChainState, Failure> {
        self.chains.iter_mut().find(|chain| chain.name == name).ok_or_else(|| missing("chain", name))
    }

    fn elements(&mut self, set: &str) -> Result<&mut Vec<Element>, Failure> {
        let found = self.sets.iter_mut().find(|(state, _)| state.name == set);
        found.map(|(_, elements)| elements).ok_or_else(|| missing("set", set))
    }

    fn step(&mut self, command: &Command) -> Result<(), Failure> {
        match command {
            Command::EnsureTable | Command::DeleteTable => {}
            Command::EnsureChain(EnsuredChain { name, base, rules }) => {
                if self.chain(name).is_err() {
                    self.chains.push(ChainState { name: name.clone(), base: *base, rules: Vec::new() });
                    rules.iter().try_for_each(|rule| self.add_rule(name, false, rule))?;
                }
            }
            Command::EnsureSet(set) => {
                if self.elements(&set.name).is_err() {
                    self.sets.push((set.clone(), Vec::new()));
                }
            }
            Command::AddRule(new) => self.add_rule(&new.chain, new.first, &new.rule)?,
            Command::AddElements((set, new)) => {
                new.iter().try_for_each(|element| self.check_target(&element.data))?;
                let elements = self.elements(set)?;
                for element in new {
                    match elements.iter().find(|have| have.key == element.key) {
                        Some(have) if have.data == element.data => {}
                        Some(_) => {
                            let message = format!("nftables: an element of {set:?} exists with other data");
                            return Err(Failure::new(FailureKind::AlreadyExists, message));
                        }
                        None => elements.push(element.clone()),
                    }
                }
            }
            Command::DeleteRules((chain, handles)) => {
                let rules = &mut self.chain(chain)?.rules;
                for wanted in handles {
                    let position = rules.iter().position(|(handle, _)| handle == wanted);
                    let position = position.ok_or_else(|| missing("rule with the handle", &wanted.to_string()))?;
                    rules.remove(position);
                }
            }
            Command::DeleteElements((set, old)) => {
                let elements = self.elements(set)?;
                for element in old {
                    let position = elements.iter().position(|have| have.key == element.key);
                    elements.remove(position.ok_or_else(|| missing("such element in", set))?);
                }
            }
            Command::FlushChain(chain) => self.chain(chain)?.rules.clear(),
            Command::DeleteChain(chain) => {
                self.chain(chain)?;
                if self.is_target(chain) {
                    let message = format!("nftables: another chain jumps to {chain:?}");
                    return Err(Failure::new(FailureKind::Busy, message));
                }
                self.chains.retain(|state| state.name != *chain);
            }
            Command::DeleteSet(set) => {
                self.elements(set)?;
                self.sets.retain(|(state, _)| state.name != *set);
            }
        }
        Ok(())
    }

    fn add_rule(&mut self, chain: &str, first: bool, rule: &Rule) -> Result<(), Failure> {
        for statement in &rule.statements {
            match statement {
                Statement::Verdict(verdict) => self.check_verdict(verdict)?,
                Statement::MatchSet(lookup)
                | Statement::VerdictByMap(lookup)
                | Statement::DestinationNatByMap(lookup) => {
                    self.elements(&lookup.set)?;
                }
                _ => {}
            }
        }
        if rule.comment.len() > crate::net::nftables::COMMENT_MAX {
            return Err(Failure::new(FailureKind::Invalid, "nftables: a comment is too long"));
        }
        let handle = self.next_handle;
        self.next_handle += 1;
        let rules = &mut self.chain(chain)?.rules;
        let position = if first { 0 } else { rules.len() };
        rules.insert(position, (handle, rule.clone()));
        Ok(())
    }

    fn check_verdict(&mut self, verdict: &Verdict) -> Result<(), Failure> {
        match verdict {
            Verdict::Jump(chain) | Verdict::Goto(chain) => self.chain(chain).map(drop),
            Verdict::Accept | Verdict::Drop | Verdict::Return => Ok(()),
        }
    }

    fn check_target(&mut self, data: &ElementData) -> Result<(), Failure> {
        match data {
            ElementData::Verdict(verdict) => self.check_verdict(verdict),
            ElementData::None | ElementData::Values(_) => Ok(()),
        }
    }

    fn is_target(&self, chain: &str) -> bool {
        let hits = |verdict: &Verdict| matches!(verdict, Verdict::Jump(to) | Verdict::Goto(to) if to == chain);
        let in_rules = self.chains.iter().filter(|state| state.name != chain).any(|state| {
            state.rules.iter().any(|(_, rule)| {
                rule.statements.iter().any(|part| matches!(part, Statement::Verdict(verdict) if hits(verdict)))
            })
        });
        let in_elements = self.sets.iter().any(|(_, elements)| {
            elements.iter().any(|element| matches!(&element.data, ElementData::Verdict(verdict) if hits(verdict)))
        });
        in_rules || in_elements
    }
}
