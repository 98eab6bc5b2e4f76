//! The rules, in the order of words in which iptables-save prints them.

use weir_sdk::convert::family_of;
use weir_sdk::net::IpFamily;
use weir_sdk::net::iptables::{Chain, Command, Rule};
use weir_sdk::{IpNet, Request};

use super::{MASQUERADE, SET_MARK, TOP};
use crate::config::{Config, Mapping, Protocol};

/// Ports in one rule of the match `multiport`.
const PORTS_AT_ONCE: usize = 15;
/// Longest comment of iptables.
const COMMENT_MAX: usize = 255;

/// What the comments of all attachments of a network begin with.
pub(super) fn comment_start(network: &str) -> String {
    format!("dnat {}", weir_sdk::naming::comment_start(network))
}

/// One address of an attachment.
pub(super) struct Attachment<'a> {
    pub(super) request: &'a Request,
    pub(super) config: &'a Config,
    pub(super) container: IpNet,
    pub(super) chain: &'a str,
}

impl Attachment<'_> {
    fn family(&self) -> IpFamily {
        family_of(self.container.addr())
    }

    fn comment(&self) -> String {
        let Request { network, container_id, interface_name, .. } = self.request;
        let mut comment = format!("dnat {} if: \"{interface_name}\"", weir_sdk::naming::comment(network, container_id));
        comment.truncate(comment.floor_char_boundary(COMMENT_MAX));
        comment
    }

    /// The jumps to the attachment's chain, by protocol and port.
    pub(super) fn entries(&self) -> Vec<Rule> {
        let mut entries = Vec::new();
        for protocol in Protocol::ALL {
            let mut ports: Vec<u16> = Vec::new();
            for mapping in self.config.mappings_of(self.family()).filter(|mapping| mapping.protocol == protocol) {
                if !ports.contains(&mapping.host_port) {
                    ports.push(mapping.host_port);
                }
            }
            for some in ports.chunks(PORTS_AT_ONCE) {
                let list = some.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
                let mut rule = Rule::new(TOP, &format!("-p {}", protocol.name())).comment(&self.comment());
                rule.words.extend(["-m", "multiport", "--dports", &list].map(str::to_owned));
                rule.words.extend(self.config.conditions(self.family()).iter().cloned());
                rule.words.extend(["-j", self.chain].map(str::to_owned));
                entries.push(rule);
            }
        }
        entries
    }

    /// The rules in the attachment's chain.
    pub(super) fn rules(&self) -> Vec<Rule> {
        self.config.mappings_of(self.family()).flat_map(|mapping| self.rules_of(mapping)).collect()
    }

    /// Marks for what must be masqueraded, because its answers would go past the host otherwise; then the translation.
    fn rules_of(&self, mapping: &Mapping) -> Vec<Rule> {
        let Mapping { host_port, container_port, .. } = mapping;
        let protocol = mapping.protocol.name();
        let to = match mapping.host_address() {
            Some(address) => format!("-d {} ", IpNet::from(address)),
            None => String::new(),
        };
        let packets = format!("{to}-p {protocol} -m {protocol} --dport {host_port}");
        let mut rules = Vec::new();
        if self.config.snat {
            let mark = self.config.external_set_mark_chain.as_deref().unwrap_or(SET_MARK);
            let mut add = |from: &str| rules.push(Rule::new(self.chain, &format!("{from}{packets} -j {mark}")));
            if self.config.masq_all {
                add("");
            } else {
                add(&format!("-s {} ", self.container.trunc()));
                if self.family() == IpFamily::Ipv4 {
                    add("-s 127.0.0.1/32 ");
                }
            }
        }
        let destination = std::net::SocketAddr::new(self.container.addr(), *container_port);
        rules.push(Rule::new(self.chain, &format!("{packets} -j DNAT --to-destination {destination}")));
        rules
    }
}

/// What is missing of the chains and rules that all attachments share.
pub(super) fn shared(chains: &[Chain], config: &Config) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut chain = |name: &str| {
        if !chains.iter().any(|chain| chain.name == name) {
            commands.push(Command::CreateChain(name.to_owned()));
        }
    };
    let marks = config.snat && config.external_set_mark_chain.is_none();
    if marks {
        chain(SET_MARK);
        chain(MASQUERADE);
    }
    chain(TOP);
    let has = |wanted: &Rule| {
        let rules = chains.iter().filter(|chain| chain.name == wanted.chain).flat_map(|chain| &chain.rules);
        rules.into_iter().any(|rule| same(rule, wanted))
    };
    let mut rule = |rule: Rule, command: fn(Rule) -> Command| {
        if !has(&rule) {
            commands.push(command(rule));
        }
    };
    if marks {
        let bit = format!("{:#x}/{:#x}", config.mark, config.mark);
        let mut set = Rule::new(SET_MARK, "").comment("CNI portfwd masquerade mark");
        set.words.extend(["-j", "MARK", "--set-xmark", &bit].map(str::to_owned));
        rule(set, Command::Append);
        rule(Rule::new(MASQUERADE, &format!("-m mark --mark {bit} -j MASQUERADE")), Command::Append);
        // Before the masquerade rules of other plugins, which know nothing of the mark.
        let mut enter = Rule::new("POSTROUTING", "").comment("CNI portfwd requiring masquerade");
        enter.words.extend(["-j", MASQUERADE].map(str::to_owned));
        rule(enter, Command::Prepend);
    }
    for hook in ["PREROUTING", "OUTPUT"] {
        rule(Rule::new(hook, &format!("-m addrtype --dst-type LOCAL -j {TOP}")), Command::Append);
    }
    commands
}

/// Whether two rules say the same. Versions of iptables-save differ in whether they name the matches that `-p` implies.
pub(super) fn same(one: &Rule, other: &Rule) -> bool {
    fn words(rule: &Rule) -> Vec<&str> {
        let mut words: Vec<&str> = Vec::with_capacity(rule.words.len());
        let mut rest = rule.words.as_slice();
        while let Some((first, tail)) = rest.split_first() {
            rest = match (first.as_str(), tail) {
                ("-m", [name, tail @ ..]) if Protocol::ALL.iter().any(|protocol| protocol.name() == name) => tail,
                (word, tail) => {
                    words.push(word);
                    tail
                }
            };
        }
        words
    }
    one.chain == other.chain && words(one) == words(other)
}
