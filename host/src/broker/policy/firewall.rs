//! Tables of nftables, chains of iptables, zones of firewalld.

use ipnet::IpNet;
use weir_native::iptables::{Command as IptablesCommand, Rule as IptablesRule};
use weir_native::nftables::{
    self, Command, Comparison, Field, Rule, Statement, Table, Value, Verdict as PacketVerdict,
};

use super::check::{Check, Verdict};
use super::{Granted, Refused};
use crate::broker::objects::NamespaceHandle;
use crate::registry::grant_values::family_name;

impl Check<'_> {
    /// All commands of a batch work on its table. In tables of others a plugin may, where granted, let the attachment's
    /// own addresses through.
    pub(super) fn nftables(&self, namespace: &NamespaceHandle, table: &Table, commands: &[Command]) -> Verdict {
        if let Some(grant) = self.grants.nftables.iter().find(|grant| grant.matches(table, self.names)) {
            return Ok(Granted::by("nftables", grant));
        }
        let wanted = format!("{} {}", family_name(table.family), table.name);
        let refused = Refused::new(format!("nftables table {wanted}"), "nftables", &wanted);
        let accepting = self.grants.nftables.iter().find(|grant| grant.matches_accept(table, self.names));
        match accepting {
            Some(grant) if commands.iter().all(|command| self.only_lets_through(namespace, table, command)) => {
                Ok(Granted::by("nftables", grant))
            }
            _ => Err(refused),
        }
    }

    /// What rules that only let through are marked with, so that they are known when they go.
    fn mark(&self) -> String {
        format!("{} ", self.names.plugin())
    }

    fn only_lets_through(&self, namespace: &NamespaceHandle, table: &Table, command: &Command) -> bool {
        match command {
            Command::AddRule(new) => self.accepts_own_addresses(&new.rule),
            Command::DeleteRules(chain, handles) => {
                let Ok(there) = nftables::list_rules(&namespace.netns, table, Some(chain)) else { return false };
                let mark = self.mark();
                // A handle that is gone harms nobody.
                there.iter().filter(|rule| handles.contains(&rule.handle)).all(|rule| rule.comment.starts_with(&mark))
            }
            Command::EnsureTable
            | Command::EnsureChain(_)
            | Command::EnsureSet(_)
            | Command::AddElements(..)
            | Command::DeleteElements(..)
            | Command::FlushChain(_)
            | Command::DeleteChain(_)
            | Command::DeleteSet(_)
            | Command::DeleteTable => false,
        }
    }

    fn accepts_own_addresses(&self, rule: &Rule) -> bool {
        let is_harmless = |statement: &Statement| match statement {
            Statement::MatchField(_)
            | Statement::MatchSet(_)
            | Statement::Counter
            | Statement::Verdict(PacketVerdict::Accept) => true,
            Statement::Verdict(_)
            | Statement::SetMark(_)
            | Statement::DestinationNat(_)
            | Statement::DestinationNatByMap(_)
            | Statement::Masquerade
            | Statement::VerdictByMap(_) => false,
        };
        // The condition must stand before the decision.
        let conditions = rule.statements.iter().take_while(|statement| !matches!(statement, Statement::Verdict(_)));
        rule.comment.starts_with(&self.mark())
            && rule.statements.iter().all(is_harmless)
            && conditions.into_iter().any(|statement| self.is_about_own_address(statement))
    }

    fn is_about_own_address(&self, statement: &Statement) -> bool {
        let Statement::MatchField(condition) = statement else { return false };
        let is_address = matches!(
            condition.field,
            Field::IpSource | Field::IpDestination | Field::Ip6Source | Field::Ip6Destination
        );
        let is_own = |value: &Value| match value {
            Value::Address(address) => self.facts.has_address(*address, self.names.plugin()),
            Value::Network(network) => self.facts.is_own_address(*network, self.names.plugin()),
            _ => false,
        };
        is_address
            && condition.comparison == Comparison::Equal
            && condition.values.iter().all(is_own)
            && !condition.values.is_empty()
    }

    /// Chains are its own, or such in which it may have jumps to its own.
    pub(super) fn iptables(&self, table: &str, commands: &[IptablesCommand]) -> Verdict {
        // To do nothing is allowed where something is.
        let mut granted = match self.grants.iptables.iter().find(|grant| grant.is_in(table)) {
            Some(grant) => Granted::by("iptables", grant),
            None if commands.is_empty() => {
                return Err(Refused::new(format!("iptables table {table}"), "iptables", &format!("{table} *")));
            }
            None => Granted::Interface,
        };
        for command in commands {
            granted = match command {
                IptablesCommand::CreateOrFlushChain(chain)
                | IptablesCommand::CreateChain(chain)
                | IptablesCommand::DeleteChain(chain) => self.chain(table, chain)?,
                IptablesCommand::Append(rule) | IptablesCommand::Prepend(rule) | IptablesCommand::Delete(rule) => {
                    self.iptables_rule(table, rule)?
                }
            };
        }
        Ok(granted)
    }

    fn chain(&self, table: &str, chain: &str) -> Verdict {
        match self.grants.iptables.iter().find(|grant| grant.matches(table, chain, self.names)) {
            Some(grant) => Ok(Granted::by("iptables", grant)),
            None => {
                let wanted = format!("{table} {chain}");
                Err(Refused::new(format!("chain {chain} of iptables table {table}"), "iptables", &wanted))
            }
        }
    }

    fn iptables_rule(&self, table: &str, rule: &IptablesRule) -> Verdict {
        if let Some(word) = hidden_command(&rule.words) {
            let object = format!("a rule of iptables table {table} with the word {word:?}, which is a command");
            return Err(Refused::new(object, "iptables", &format!("{table} {}", rule.chain)));
        }
        let refused = match self.chain(table, &rule.chain) {
            Ok(granted) => return Ok(granted),
            Err(refused) => refused,
        };
        let entrance = self.grants.iptables.iter().find(|grant| grant.matches_jump(table, &rule.chain, self.names));
        let Some(target) = jump_target(&rule.words) else { return Err(refused) };
        self.chain(table, target)?;
        match entrance {
            Some(grant) => Ok(Granted::by("iptables", grant)),
            None => {
                let object = format!("a jump from chain {} of iptables table {table}", rule.chain);
                Err(Refused::new(object, "iptables", &format!("{table} {}:jump", rule.chain)))
            }
        }
    }

    pub(super) fn zone(&self, zone: &str) -> Verdict {
        match self.grants.firewalld_zones.iter().find(|pattern| pattern.matches(zone, self.names)) {
            Some(pattern) => Ok(Granted::by("firewalldZones", pattern)),
            None => Err(Refused::new(format!("zone {zone} of firewalld"), "firewalldZones", zone)),
        }
    }

    /// Sources are the attachment's own addresses.
    pub(super) fn add_source(&self, zone: &str, source: IpNet) -> Verdict {
        let granted = self.zone(zone)?;
        if self.facts.is_own_address(source, self.names.plugin()) {
            return Ok(granted);
        }
        match self.grants.host_routes.iter().find(|grant| grant.contains(source, self.names)) {
            Some(grant) => Ok(Granted::by("hostRoutes", grant)),
            None => {
                let wanted = source.trunc().to_string();
                Err(Refused::new(format!("source {source} in zone {zone} of firewalld"), "hostRoutes", &wanted))
            }
        }
    }
}

/// The chain that a rule leads to, where it leads to one and is written plainly.
fn jump_target(words: &[String]) -> Option<&str> {
    let mut targets = words.iter().enumerate().filter(|(at, word)| is_target_option(word) && !is_comment(words, *at));
    let (at, word) = targets.next()?;
    if targets.next().is_some() || !matches!(word.as_str(), "-j" | "-g" | "--jump" | "--goto") {
        return None;
    }
    words.get(at.checked_add(1)?).map(String::as_str)
}

/// `-j`, `-g`, and all ways in which getopt lets them be written, joined to their value or cut short.
fn is_target_option(word: &str) -> bool {
    word.starts_with("-j") || word.starts_with("-g") || word.starts_with("--j") || word.starts_with("--g")
}

fn is_comment(words: &[String], at: usize) -> bool {
    at.checked_sub(1).and_then(|before| words.get(before)).is_some_and(|before| before == "--comment")
}

/// A word that iptables takes for a command or for another table. Options of conditions are small letters.
fn hidden_command(words: &[String]) -> Option<&str> {
    const LONG: [&str; 14] = [
        "--append",
        "--delete",
        "--insert",
        "--replace",
        "--list",
        "--list-rules",
        "--flush",
        "--zero",
        "--new-chain",
        "--delete-chain",
        "--policy",
        "--rename-chain",
        "--check",
        "--table",
    ];
    let is_command = |word: &str| {
        let short = word.strip_prefix('-').and_then(|rest| rest.chars().next());
        short.is_some_and(|letter| letter.is_ascii_uppercase() || letter == 't')
            || LONG
                .iter()
                .any(|long| word == *long || word.strip_prefix(long).is_some_and(|rest| rest.starts_with('=')))
    };
    let mut all = words.iter().enumerate();
    all.find(|(at, word)| is_command(word) && !is_comment(words, *at)).map(|(_, word)| word.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_jump_is_read_only_where_it_is_plain() {
        assert_eq!(jump_target(&words("-p tcp -j CNI-A")), Some("CNI-A"));
        assert_eq!(jump_target(&words("--comment -j -j CNI-A")), Some("CNI-A"));
        for odd in ["-p tcp", "-j", "-j A -j B", "-jA", "--jump=A", "--jum A", "-j A --goto=B", "-gB -j A"] {
            assert_eq!(jump_target(&words(odd)), None, "{odd}");
        }
    }

    #[test]
    fn commands_do_not_hide_among_the_words_of_a_rule() {
        for odd in
            ["-A INPUT", "-p tcp -F", "-FINPUT", "--flush", "--table=filter", "-t filter", "-X", "--policy INPUT"]
        {
            assert!(hidden_command(&words(odd)).is_some(), "{odd}");
        }
        for plain in ["-p tcp -m comment --comment -F -j A", "-s 10.0.0.0/8 -o eth0", "--to-destination 10.0.0.1:80"] {
            assert_eq!(hidden_command(&words(plain)), None, "{plain}");
        }
    }
}
