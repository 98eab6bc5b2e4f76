//! The model's policy routing rules and neighbours.

use ipnet::IpNet;

use crate::bindings::weir::cni::neighbors::Neighbor;
use crate::bindings::weir::cni::rules::Rule;
use crate::bindings::weir::cni::types::{IpFamily, IpNetwork};
use crate::convert::family_of;
use crate::failure::{Failure, FailureKind};
use crate::testing::state::State;

/// The rules of a new namespace: tables local, main and, for IPv4, default.
pub(crate) fn first_rules() -> Vec<Rule> {
    let rule = |family, table, priority| Rule {
        family,
        source: None,
        destination: None,
        input_interface: None,
        output_interface: None,
        mark: None,
        table,
        priority: Some(priority),
    };
    vec![
        rule(IpFamily::Ipv4, 255, 0),
        rule(IpFamily::Ipv6, 255, 0),
        rule(IpFamily::Ipv4, 254, 32766),
        rule(IpFamily::Ipv6, 254, 32766),
        rule(IpFamily::Ipv4, 253, 32767),
    ]
}

impl State {
    pub(crate) fn add_rule(&mut self, namespace: usize, wanted: &Rule) -> Result<(), Failure> {
        let mut rule = wanted.clone();
        for network in [&mut rule.source, &mut rule.destination].into_iter().flatten() {
            let plain = IpNet::from(*network).trunc();
            if family_of(plain.addr()) != rule.family {
                let message = format!("add rule with {plain}: it is not of the rule's family");
                return Err(Failure::new(FailureKind::Invalid, message));
            }
            *network = plain.into();
        }
        let rules = &mut self.namespace(namespace).rules;
        if rules.iter().any(|have| matches(have, &rule)) {
            let message = format!("add rule to table {}: the same exists", rule.table);
            return Err(Failure::new(FailureKind::AlreadyExists, message));
        }
        // As the kernel: one before the second rule, which is the first that is not of the local table.
        let of_family = rules.iter().filter(|have| have.family == rule.family);
        let second = of_family.clone().nth(1).and_then(|second| second.priority).unwrap_or(0);
        let priority = rule.priority.unwrap_or_else(|| second.saturating_sub(1));
        rule.priority = Some(priority);
        let place = rules.iter().position(|have| have.priority > Some(priority)).unwrap_or(rules.len());
        rules.insert(place, rule);
        Ok(())
    }

    pub(crate) fn remove_rule(&mut self, namespace: usize, wanted: &Rule) {
        let rules = &mut self.namespace(namespace).rules;
        if let Some(place) = rules.iter().position(|have| matches(have, wanted)) {
            rules.remove(place);
        }
    }

    pub(crate) fn list_rules(&mut self, namespace: usize, family: Option<IpFamily>) -> Vec<Rule> {
        let mut rules = self.namespace(namespace).rules.clone();
        rules.retain(|rule| family.is_none_or(|family| rule.family == family));
        rules.sort_by_key(|rule| rule.family == IpFamily::Ipv6);
        rules
    }

    pub(crate) fn list_neighbors(&mut self, namespace: usize, link: Option<u32>) -> Vec<Neighbor> {
        let mut entries = self.namespace(namespace).neighbors.clone();
        entries.retain(|entry| link.is_none_or(|link| entry.link == link));
        entries.sort_by_key(|entry| entry.proxy);
        entries
    }
}

/// Whether a rule fits in all fields that are given.
fn matches(have: &Rule, wanted: &Rule) -> bool {
    let network = |have: Option<IpNetwork>, wanted: Option<IpNetwork>| {
        wanted.is_none_or(|wanted| have.is_some_and(|have| IpNet::from(have).trunc() == IpNet::from(wanted).trunc()))
    };
    have.family == wanted.family
        && have.table == wanted.table
        && network(have.source, wanted.source)
        && network(have.destination, wanted.destination)
        && (wanted.input_interface.is_none() || have.input_interface == wanted.input_interface)
        && (wanted.output_interface.is_none() || have.output_interface == wanted.output_interface)
        && (wanted.mark.is_none() || have.mark == wanted.mark)
        && (wanted.priority.is_none() || have.priority == wanted.priority)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use crate::failure::FailureKind;
    use crate::net::{IpFamily, Neighbor, Netns, Rule};
    use crate::testing::World;

    #[test]
    fn a_new_rule_stands_before_older_ones_and_the_same_one_is_refused() {
        let world = World::new();
        let container = Netns::container().unwrap();
        let (first, second) =
            (Rule::from_address([10, 0, 0, 1].into(), 100), Rule::from_address([10, 0, 0, 2].into(), 101));
        container.add_rule(&first).unwrap();
        container.add_rule(&second).unwrap();
        let places =
            || -> Vec<_> { world.container().rules().iter().map(|rule| (rule.table, rule.priority)).collect() };
        assert_eq!(places(), [(101, Some(32764)), (100, Some(32765))]);
        assert_eq!(container.add_rule(&first).unwrap_err().kind, FailureKind::AlreadyExists);
        let mixed = Rule { family: IpFamily::Ipv6, ..first.clone() };
        assert_eq!(container.add_rule(&mixed).unwrap_err().kind, FailureKind::Invalid);
        container.remove_rule(&first).unwrap();
        container.remove_rule(&first).unwrap();
        assert_eq!(places(), [(101, Some(32764))]);
        assert_eq!(container.rules(Some(IpFamily::Ipv6)).unwrap().len(), 2);
    }

    #[test]
    fn neighbours_are_listed_by_link_with_proxy_entries_last() {
        let world = World::new();
        let entry = |link, last: u8, proxy| Neighbor {
            link,
            address: [10, 0, 0, last].into(),
            mac: vec![2, 0, 0, 0, 0, last].into(),
            permanent: false,
            proxy,
        };
        world.container().add_neighbor(&entry(1, 1, true)).add_neighbor(&entry(1, 2, false));
        world.container().add_neighbor(&entry(2, 3, false));
        let container = Netns::container().unwrap();
        assert_eq!(container.neighbors(Some(1)).unwrap(), [entry(1, 2, false), entry(1, 1, true)]);
        assert_eq!(container.neighbors(None).unwrap().len(), 3);
    }
}
