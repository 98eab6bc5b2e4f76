//! iptables, for configurations that ask for it. Needs the interface `iptables`.

use crate::failure::{Failure, FailureKind};
use crate::imports::iptables as host;
use crate::net::{IpFamily, Netns};

pub use crate::bindings::weir::cni::iptables::{Chain, Command, Rule};

/// How often a transaction is tried that loses to other commands.
const ATTEMPTS: usize = 8;
/// How often the same plan is tried.
const SAME_PLAN_ATTEMPTS: usize = 2;

impl Rule {
    /// A rule from words that hold no spaces themselves, parted by spaces: `Rule::new("POSTROUTING", "-j ACCEPT")`.
    pub fn new(chain: &str, words: &str) -> Self {
        Self { chain: chain.to_owned(), words: words.split_ascii_whitespace().map(str::to_owned).collect() }
    }

    /// The rule with a comment added.
    pub fn comment(mut self, text: &str) -> Self {
        self.words.extend(["-m", "comment", "--comment", text].map(str::to_owned));
        self
    }

    /// The word after an option: `rule.value_of("-j")`.
    pub fn value_of(&self, option: &str) -> Option<&str> {
        let position = self.words.iter().position(|word| word == option)?;
        self.words.get(position + 1).map(String::as_str)
    }

    /// Whether the rule jumps or goes to a chain or target.
    pub fn jumps_to(&self, target: &str) -> bool {
        self.value_of("-j") == Some(target) || self.value_of("-g") == Some(target)
    }
}

impl Netns {
    /// All chains and rules of a table (`nat`, `filter`, `mangle`, `raw`).
    pub fn iptables_save(&self, family: IpFamily, table: &str) -> Result<Vec<Chain>, Failure> {
        host::save(&self.raw, family, table)
    }

    /// Carry out commands on a table as one transaction.
    pub fn iptables_restore(&self, family: IpFamily, table: &str, commands: &[Command]) -> Result<(), Failure> {
        host::restore(&self.raw, family, table, commands)
    }

    /// List a table, let `plan` work out what to do, and do it; again where another command came between. Chains that
    /// attachments share are to be created with [`Command::CreateChain`], so that nobody empties them for others.
    pub fn iptables_change(
        &self,
        family: IpFamily,
        table: &str,
        plan: impl Fn(&[Chain]) -> Vec<Command>,
    ) -> Result<(), Failure> {
        // The last plan, how often it failed, and why.
        let mut refused: Option<(Vec<Command>, usize, Failure)> = None;
        for _ in 0..ATTEMPTS {
            let commands = plan(&self.iptables_save(family, table)?);
            if commands.is_empty() {
                return Ok(());
            }
            let times = match refused {
                // Nothing has changed meanwhile, so it is not for somebody who came between.
                Some((before, times, failure)) if before == commands => match times {
                    SAME_PLAN_ATTEMPTS.. => return Err(failure),
                    _ => times,
                },
                _ => 0,
            };
            match self.iptables_restore(family, table, &commands) {
                Err(failure)
                    if matches!(
                        failure.kind,
                        FailureKind::AlreadyExists | FailureKind::NotFound | FailureKind::Busy
                    ) =>
                {
                    refused = Some((commands, times + 1, failure));
                }
                other => return other,
            }
        }
        Err(refused.map_or_else(
            || Failure::new(FailureKind::Busy, format!("the table {table} kept changing: try again")),
            |(_, _, failure)| failure,
        ))
    }

    /// Whether the kernel may hold a chain of iptables: false where it certainly does not. Starts no program.
    pub fn iptables_may_hold(&self, family: IpFamily, table: &str, chain: &str) -> Result<bool, Failure> {
        host::may_hold(&self.raw, family, table, chain)
    }

    /// Whether the iptables programs of a family are there and work.
    pub fn iptables_available(&self, family: IpFamily) -> bool {
        host::available(&self.raw, family)
    }
}
