//! The base chains at a hook, of all tables.

use libtest_mimic::Trial;
use weir_native::netns::Netns;
use weir_native::nftables::*;

use super::chain;
use crate::support::{run, test};

pub(crate) fn tests() -> Vec<Trial> {
    vec![test("base_chains_of_all_tables_are_listed_by_their_hook", listed)]
}

fn listed(namespace: &Netns) {
    assert_eq!(list_base_chains(namespace, Hook::Forward), Ok(Vec::new()));
    for words in [
        "add table inet office",
        "add chain inet office in { type filter hook forward priority -7; policy drop; }",
        "add chain inet office out { type nat hook postrouting priority 100; }",
        "add chain inet office other",
    ] {
        run(namespace, &["nft", words]);
    }
    for family in [Family::Ip, Family::Bridge] {
        let own = chain("mine", Some((ChainType::Filter, Hook::Forward, 5)), Vec::new());
        apply(namespace, &Table { family, name: "weir".into() }, &[Command::EnsureTable, own]).unwrap();
    }
    let mut found = list_base_chains(namespace, Hook::Forward).unwrap();
    found.sort_by_key(|chain| chain.base.priority);
    let told: Vec<_> = found.iter().map(|chain| (chain.table.family, chain.name.as_str(), &chain.base)).collect();
    let base = |priority, policy| BaseChain { chain_type: ChainType::Filter, hook: Hook::Forward, priority, policy };
    let (drops, accepts) = (base(-7, Policy::Drop), base(5, Policy::Accept));
    assert_eq!(
        told,
        [(Family::Inet, "in", &drops), (Family::Ip, "mine", &accepts), (Family::Bridge, "mine", &accepts)]
    );
    let after: Vec<_> = list_base_chains(namespace, Hook::Postrouting).unwrap();
    assert!(matches!(after.as_slice(), [chain] if chain.name == "out" && chain.base.chain_type == ChainType::Nat));
}
