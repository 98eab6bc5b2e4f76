//! The chains of the reference plugin, in the table filter of iptables: `CNI-FORWARD` with accept rules for each address, the
//! operator's chain before them, and the isolation chains. Words and comments are the same, so that either plugin can go on
//! where the other left off.

use std::net::IpAddr;

use weir_sdk::convert::family_of;
use weir_sdk::net::IpFamily;
use weir_sdk::net::iptables::{Chain, Command, Rule};
use weir_sdk::{Context, Error, Failure, FailureKind, IpNet, Netns, Result};

use crate::FAMILIES;
use crate::config::{Config, Policy};
use crate::isolation::Place;

const FILTER: &str = "filter";
const FORWARD: &str = "FORWARD";
/// Accept rules.
const OWN: &str = "CNI-FORWARD";
/// Packets from bridges that have a policy, and those of them that go to another one.
const STAGE_1: &str = "CNI-ISOLATION-STAGE-1";
const STAGE_2: &str = "CNI-ISOLATION-STAGE-2";
const OWN_COMMENT: &str = "CNI firewall plugin rules";
const ADMIN_COMMENT: &str = "CNI firewall plugin admin overrides";
const SAME_BRIDGE_COMMENT: &str = "CNI firewall plugin rules (ingressPolicy: same-bridge)";
const ISOLATED_COMMENT: &str = "CNI firewall plugin rules (ingressPolicy: isolated)";

fn of_family(addresses: &[IpAddr], family: IpFamily) -> Vec<IpAddr> {
    addresses.iter().copied().filter(|address| family_of(*address) == family).collect()
}

/// Those of the addresses whose forwarded packets iptables looks at on this host.
pub(crate) fn seen(host: &Netns, addresses: &[IpAddr]) -> Result<Vec<IpAddr>> {
    let mut seen = Vec::new();
    for family in FAMILIES {
        let own = of_family(addresses, family);
        if !own.is_empty() && may_hold(host, family, FORWARD)? {
            seen.extend(own);
        }
    }
    Ok(seen)
}

/// Whether the programs of iptables are there and can read its table. Without addresses nothing needs to be read.
pub(crate) fn is_readable(host: &Netns, addresses: &[IpAddr]) -> bool {
    let unreadable = |family: &IpFamily| {
        let table = host.iptables_save(*family, FILTER);
        table.is_err_and(|failure| failure.kind == FailureKind::Unsupported)
    };
    let used = FAMILIES.iter().filter(|family| !of_family(addresses, **family).is_empty());
    !used.into_iter().any(unreadable)
}

fn may_hold(host: &Netns, family: IpFamily, chain: &str) -> Result<bool> {
    Ok(host.iptables_may_hold(family, FILTER, chain).context("look for chains of iptables")?)
}

/// From the address: everything. To it: answers. In the words of iptables-save.
fn accept_rules(address: IpAddr) -> [Rule; 2] {
    let host = IpNet::from(address);
    [
        Rule::new(OWN, &format!("-d {host} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")),
        Rule::new(OWN, &format!("-s {host} -j ACCEPT")),
    ]
}

/// What port mappings send to the address, which the reference plugin leaves to the policy of FORWARD.
fn mapped_ports_rule(address: IpAddr) -> Rule {
    Rule::new(OWN, &format!("-d {} -m conntrack --ctstate DNAT -j ACCEPT", IpNet::from(address)))
}

fn jump(from: &str, comment: &str, to: &str) -> Rule {
    let mut rule = Rule::new(from, "").comment(comment);
    rule.words.extend(["-j", to].map(str::to_owned));
    rule
}

fn rules<'a>(chains: &'a [Chain], name: &'a str) -> impl Iterator<Item = &'a Rule> {
    chains.iter().filter(move |chain| chain.name == name).flat_map(|chain| &chain.rules)
}

fn has(chains: &[Chain], wanted: &Rule) -> bool {
    rules(chains, &wanted.chain).any(|rule| rule == wanted)
}

/// Commands that are still needed to get from what there is to what there should be.
struct Plan<'a> {
    chains: &'a [Chain],
    commands: Vec<Command>,
}

impl Plan<'_> {
    fn chain(&mut self, name: &str) {
        if !self.chains.iter().any(|chain| chain.name == name) {
            self.commands.push(Command::CreateChain(name.to_owned()));
        }
    }

    fn rule(&mut self, rule: Rule, command: fn(Rule) -> Command) {
        if !has(self.chains, &rule) {
            self.commands.push(command(rule));
        }
    }

    /// The isolation chains, and the bridge in them.
    fn policy(&mut self, place: &Place<'_>) {
        self.chain(STAGE_1);
        self.chain(STAGE_2);
        self.rule(jump(STAGE_1, SAME_BRIDGE_COMMENT, "RETURN"), Command::Append);
        self.rule(jump(STAGE_2, SAME_BRIDGE_COMMENT, "RETURN"), Command::Append);
        for rule in policy_rules(place) {
            self.rule(rule, Command::Prepend);
        }
    }

    /// Jumps from FORWARD: isolation first, because accept rules would let packets past it.
    fn entrances(&mut self, with_policy: bool) {
        let position = |to: &str| rules(self.chains, FORWARD).position(|rule| rule.jumps_to(to));
        let (isolation, own) = (position(STAGE_1), position(OWN));
        if own.is_none() {
            self.commands.push(Command::Prepend(jump(FORWARD, OWN_COMMENT, OWN)));
        }
        match (isolation, own) {
            (Some(isolation), Some(own)) if isolation < own => return,
            (None, _) if !with_policy => return,
            _ => {}
        }
        let misplaced = rules(self.chains, FORWARD).filter(|rule| rule.jumps_to(STAGE_1)).cloned();
        self.commands.extend(misplaced.map(Command::Delete));
        self.commands.push(Command::Prepend(jump(FORWARD, SAME_BRIDGE_COMMENT, STAGE_1)));
    }
}

/// What a bridge has in the isolation chains.
fn policy_rules(place: &Place<'_>) -> Vec<Rule> {
    let bridge = place.bridge;
    let rule = |chain, words: &str, comment, target: &str| {
        let mut rule = Rule::new(chain, words).comment(comment);
        rule.words.extend(["-j", target].map(str::to_owned));
        rule
    };
    let mut wanted = vec![
        rule(STAGE_1, &format!("-i {bridge} ! -o {bridge}"), SAME_BRIDGE_COMMENT, STAGE_2),
        rule(STAGE_2, &format!("-o {bridge}"), SAME_BRIDGE_COMMENT, "DROP"),
    ];
    if place.policy == Policy::Isolated {
        wanted.push(rule(STAGE_1, &format!("-i {bridge} -o {bridge}"), ISOLATED_COMMENT, "DROP"));
    }
    wanted
}

/// Make the rules of an attachment: one listing and one transaction for each family.
pub(crate) fn add(
    host: &Netns,
    config: &Config,
    addresses: &[IpAddr],
    place: Option<&Place<'_>>,
) -> std::result::Result<(), Failure> {
    for family in FAMILIES {
        let own = of_family(addresses, family);
        if own.is_empty() {
            continue;
        }
        host.iptables_change(family, FILTER, |chains| {
            let mut plan = Plan { chains, commands: Vec::new() };
            plan.chain(OWN);
            plan.chain(&config.admin_chain);
            if let Some(place) = place {
                plan.policy(place);
            }
            plan.entrances(place.is_some());
            if !rules(chains, OWN).any(|rule| rule.jumps_to(&config.admin_chain)) {
                plan.commands.push(Command::Prepend(jump(OWN, ADMIN_COMMENT, &config.admin_chain)));
            }
            for address in &own {
                for rule in accept_rules(*address).into_iter().chain([mapped_ports_rule(*address)]) {
                    plan.rule(rule, Command::Append);
                }
            }
            plan.commands
        })
        .context("let the container through iptables")?;
    }
    Ok(())
}

/// Take the rules of addresses away. Nothing is started where there are none.
pub(crate) fn remove(host: &Netns, addresses: &[IpAddr]) -> Result<()> {
    let mut outcome = Ok(());
    for family in FAMILIES {
        let own = of_family(addresses, family);
        if own.is_empty() || !may_hold(host, family, OWN)? {
            continue;
        }
        let texts: Vec<String> = own.iter().map(|address| IpNet::from(*address).to_string()).collect();
        let is_own = |rule: &&Rule| {
            let ends = [rule.value_of("-s"), rule.value_of("-d")];
            rule.jumps_to("ACCEPT") && ends.iter().flatten().any(|end| texts.iter().any(|text| text == end))
        };
        let removed = host.iptables_change(family, FILTER, |chains| {
            rules(chains, OWN).filter(is_own).cloned().map(Command::Delete).collect()
        });
        outcome = outcome.and(without_chains(removed));
    }
    Ok(outcome.context("take accept rules out of iptables")?)
}

/// Where iptables is not installed, or has no such table, it holds no rules that could be taken away.
fn without_chains(outcome: std::result::Result<(), Failure>) -> std::result::Result<(), Failure> {
    match outcome {
        Err(failure) if matches!(failure.kind, FailureKind::Unsupported | FailureKind::NotFound) => Ok(()),
        other => other,
    }
}

/// See whether the rules are there. Nothing is made. `ours`: the reference plugin did not make them.
pub(crate) fn check(host: &Netns, config: &Config, addresses: &[IpAddr], ours: bool) -> Result<()> {
    for family in FAMILIES {
        let own = of_family(addresses, family);
        if own.is_empty() {
            continue;
        }
        let chains = host.iptables_save(family, FILTER).context("list the rules of the firewall")?;
        for (from, to) in [(FORWARD, OWN), (OWN, config.admin_chain.as_str())] {
            if !rules(&chains, from).any(|rule| rule.jumps_to(to)) {
                return lost(&format!("the jump to {to}"), from);
            }
        }
        for address in own {
            let mapped = ours.then(|| mapped_ports_rule(address));
            let missing = accept_rules(address).into_iter().chain(mapped).find(|rule| !has(&chains, rule));
            if let Some(missing) = missing {
                return lost(&format!("the rule {:?}", missing.words.join(" ")), OWN);
            }
        }
    }
    Ok(())
}

fn lost(what: &str, chain: &str) -> Result<()> {
    Err(Error::internal(format!(
        "{what} is missing in iptables chain {chain}: the firewall was changed by somebody else"
    )))
}

/// See whether the bridge has its policy.
pub(crate) fn check_policy(host: &Netns, place: &Place<'_>, addresses: &[IpAddr]) -> Result<()> {
    for family in FAMILIES {
        if of_family(addresses, family).is_empty() {
            continue;
        }
        let chains = host.iptables_save(family, FILTER).context("list the ingress policies")?;
        if !rules(&chains, FORWARD).any(|rule| rule.jumps_to(STAGE_1)) {
            return lost(&format!("the jump to {STAGE_1}"), FORWARD);
        }
        if let Some(missing) = policy_rules(place).into_iter().find(|rule| !has(&chains, rule)) {
            return lost(&format!("the rule {:?}", missing.words.join(" ")), &missing.chain);
        }
    }
    Ok(())
}

/// The interface of a rule in the isolation chains.
fn bridge_of(rule: &Rule) -> Option<&str> {
    rule.value_of("-i").or_else(|| rule.value_of("-o"))
}

/// The bridges that have a policy.
pub(crate) fn bridges(host: &Netns) -> Result<Vec<String>> {
    let mut bridges: Vec<String> = Vec::new();
    for family in FAMILIES {
        if !may_hold(host, family, STAGE_1)? {
            continue;
        }
        let chains = match host.iptables_save(family, FILTER) {
            Ok(chains) => chains,
            Err(failure) if failure.kind == FailureKind::Unsupported => continue,
            Err(failure) => return Err(failure).context("list the ingress policies").map_err(Error::from),
        };
        for bridge in rules(&chains, STAGE_1).chain(rules(&chains, STAGE_2)).filter_map(bridge_of) {
            if !bridges.iter().any(|known| known == bridge) {
                bridges.push(bridge.to_owned());
            }
        }
    }
    Ok(bridges)
}

/// Take the policies of bridges away.
pub(crate) fn forget(host: &Netns, lost: &[String]) -> Result<()> {
    let mut outcome = Ok(());
    for family in FAMILIES {
        if !may_hold(host, family, STAGE_1)? {
            continue;
        }
        let removed = host.iptables_change(family, FILTER, |chains| {
            let of_bridge = |rule: &&Rule| bridge_of(rule).is_some_and(|name| lost.iter().any(|bridge| bridge == name));
            let all = rules(chains, STAGE_1).chain(rules(chains, STAGE_2));
            all.filter(of_bridge).cloned().map(Command::Delete).collect()
        });
        outcome = outcome.and(without_chains(removed));
    }
    Ok(outcome.context("take ingress policies out of iptables")?)
}
