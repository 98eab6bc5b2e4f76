//! iptables, for configurations that ask for it. Needs the interface `iptables`.

use crate::failure::Failure;
use crate::imports::iptables as host;
use crate::net::{IpFamily, Netns};

pub use crate::bindings::weir::cni::iptables::{Chain, Command, Rule};

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

    /// Whether the iptables programs of a family are there and work.
    pub fn iptables_available(&self, family: IpFamily) -> bool {
        host::available(&self.raw, family)
    }
}
