//! Rules that send the packets from one address to a table: how they are told from others, and which one is older.

use std::net::IpAddr;

use weir_sdk::net::Rule;

/// First table that is given to an address.
pub(crate) const FIRST_TABLE: u32 = 100;

/// Tables that every namespace has: default, main, local.
const RESERVED: std::ops::RangeInclusive<u32> = 253..=255;

/// Whether a table is one that this plugin gives to addresses.
pub(crate) fn is_assignable(table: u32) -> bool {
    table >= FIRST_TABLE && !RESERVED.contains(&table)
}

/// The address that a rule of this plugin's shape is for: it looks at the source alone, and at a single address.
pub(crate) fn source_of(rule: &Rule) -> Option<IpAddr> {
    let plain = rule.destination.is_none()
        && rule.input_interface.is_none()
        && rule.output_interface.is_none()
        && rule.mark.is_none();
    let source = rule.source.filter(|source| source.prefix_len() == source.max_prefix_len())?;
    plain.then_some(source.addr())
}

/// Whether a rule is one of ours: of the shape, and to the table that the configuration names or else to one that we
/// give to addresses.
pub(crate) fn is_ours(rule: &Rule, configured: Option<u32>) -> bool {
    let table = configured.map_or(is_assignable(rule.table), |table| rule.table == table);
    table && source_of(rule).is_some()
}

/// Whether another address of the family got this table first. The kernel puts a new rule before all others by giving
/// it a smaller number, until there is none left; among rules of one number it puts it last.
pub(crate) fn is_taken_by_elder(rules: &[Rule], own: &Rule) -> bool {
    let same_table = rules.iter().filter(|rule| rule.table == own.table && rule.family == own.family);
    // Of equal ones the last in this direction is taken, which is the first in the list.
    same_table.rev().max_by_key(|rule| rule.priority).is_some_and(|oldest| oldest.source != own.source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(last: u8, priority: u32) -> Rule {
        Rule { priority: Some(priority), ..Rule::from_address([10, 0, 0, last].into(), 100) }
    }

    #[test]
    fn of_two_rules_to_one_table_the_one_with_the_greater_number_is_older() {
        let (older, younger) = (rule(1, 32765), rule(2, 32764));
        let list = [younger.clone(), older.clone()];
        assert!(is_taken_by_elder(&list, &younger) && !is_taken_by_elder(&list, &older));
        assert!(!is_taken_by_elder(&[], &older));
        let (first, second) = (rule(1, 0), rule(2, 0));
        let list_of_equals = [first.clone(), second.clone()];
        assert!(is_taken_by_elder(&list_of_equals, &second) && !is_taken_by_elder(&list_of_equals, &first));
        let elsewhere = Rule { table: 101, ..younger };
        assert!(!is_taken_by_elder(&list, &elsewhere));
    }

    #[test]
    fn rules_of_others_are_left_alone() {
        assert!(is_ours(&rule(1, 5), None) && is_ours(&rule(1, 5), Some(100)) && !is_ours(&rule(1, 5), Some(101)));
        let table = |table| Rule { table, ..rule(1, 5) };
        assert!(!is_ours(&table(99), None) && !is_ours(&table(254), None) && is_ours(&table(7), Some(7)));
        let network = Rule { source: "10.0.0.0/24".parse().ok(), ..rule(1, 5) };
        let marked = Rule { input_interface: Some("eth1".to_owned()), ..rule(1, 5) };
        assert!(!is_ours(&network, None) && !is_ours(&marked, None));
    }
}
