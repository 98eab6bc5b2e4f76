//! iptables in transactions: what iptables-save reads back, and what is refused.

use libtest_mimic::Trial;
use weir_native::ErrorKind;
use weir_native::family::IpFamily;
use weir_native::iptables::*;
use weir_native::netns::Netns;

use super::support::test;

const BOTH: [IpFamily; 2] = [IpFamily::Ipv4, IpFamily::Ipv6];

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("iptables_rules_read_back_as_the_words_that_were_written", with_iptables(words_survive)),
        test("iptables_chains_are_created_emptied_and_deleted", with_iptables(chains)),
        test("iptables_transactions_leave_nothing_when_a_step_fails", with_iptables(failed_step)),
        test("iptables_is_known_to_hold_chains_without_its_programs", with_iptables(held)),
        test("iptables_leaves_the_rules_of_others_alone", with_iptables(others)),
    ]
}

/// Tests of iptables need its programs, which weir-native only calls.
fn with_iptables(body: fn(&Netns)) -> impl Fn(&Netns) + Send + 'static {
    move |namespace| {
        if BOTH.iter().all(|family| available(namespace, *family)) {
            body(namespace);
        } else {
            println!("skipped: the iptables programs are not installed or do not work here");
        }
    }
}

fn rule(chain: &str, words: &[&str]) -> Rule {
    Rule { chain: chain.into(), words: words.iter().map(|word| (*word).to_owned()).collect() }
}

fn rules_of(namespace: &Netns, family: IpFamily, chain: &str) -> Option<Vec<Rule>> {
    let chains = save(namespace, family, "nat").unwrap();
    chains.into_iter().find(|one| one.name == chain).map(|chain| chain.rules)
}

fn words_survive(namespace: &Netns) {
    for family in BOTH {
        let comments = ["plain", "two words", "dnat name: \"a\" id: \"b\"", "back\\slash", "it's", "$x `y`", "é"];
        let rules: Vec<_> = comments
            .iter()
            .map(|comment| rule("WEIR", &["-p", "tcp", "-m", "comment", "--comment", comment, "-j", "RETURN"]))
            .collect();
        let mut commands = vec![Command::CreateOrFlushChain("WEIR".into())];
        commands.extend(rules.iter().cloned().map(Command::Append));
        restore(namespace, family, "nat", &commands).unwrap();
        assert_eq!(rules_of(namespace, family, "WEIR").unwrap(), rules);
        // What was read deletes what was written.
        let mut commands: Vec<_> = rules.into_iter().map(Command::Delete).collect();
        commands.push(Command::DeleteChain("WEIR".into()));
        restore(namespace, family, "nat", &commands).unwrap();
        assert_eq!(rules_of(namespace, family, "WEIR"), None);
    }
}

fn held(namespace: &Netns) {
    for family in BOTH {
        // A table of somebody else with the same name is none of iptables.
        let word = if family == IpFamily::Ipv4 { "ip" } else { "ip6" };
        super::support::run(namespace, &["nft", "add", "table", word, "mangle"]);
        assert_eq!(may_hold(namespace, family, "mangle", "FORWARD"), Ok(false));
        assert_eq!(may_hold(namespace, family, "filter", "FORWARD"), Ok(false));
        assert!(save(namespace, family, "filter").unwrap().is_empty());
        restore(namespace, family, "filter", &[Command::Append(rule("FORWARD", &["-j", "ACCEPT"]))]).unwrap();
        assert_eq!(may_hold(namespace, family, "filter", "FORWARD"), Ok(true));
        restore(namespace, family, "filter", &[Command::CreateChain("WEIR".into())]).unwrap();
        assert_eq!(may_hold(namespace, family, "filter", "WEIR"), Ok(true));
        assert_eq!(may_hold(namespace, family, "disks", "WEIR").unwrap_err().kind, ErrorKind::Invalid);
    }
}

fn chains(namespace: &Netns) {
    let one = rule("WEIR", &["-j", "RETURN"]);
    let two = rule("WEIR", &["-p", "udp", "-j", "ACCEPT"]);
    let create = || Command::CreateOrFlushChain("WEIR".into());
    let ipv4 = IpFamily::Ipv4;
    restore(namespace, ipv4, "nat", &[create(), Command::Append(one.clone()), Command::Prepend(two.clone())]).unwrap();
    assert_eq!(rules_of(namespace, ipv4, "WEIR").unwrap(), [two, one]);
    restore(namespace, ipv4, "nat", &[create()]).unwrap();
    assert_eq!(rules_of(namespace, ipv4, "WEIR").unwrap(), []);
    let again = restore(namespace, ipv4, "nat", &[Command::CreateChain("WEIR".into())]).unwrap_err();
    assert_eq!(again.kind, ErrorKind::AlreadyExists, "{again}");
    restore(namespace, ipv4, "nat", &[Command::DeleteChain("WEIR".into())]).unwrap();
    restore(namespace, ipv4, "nat", &[Command::CreateChain("WEIR".into())]).unwrap();
    let jump = rule("POSTROUTING", &["-j", "WEIR"]);
    restore(namespace, ipv4, "nat", &[Command::Append(jump.clone())]).unwrap();
    let busy = restore(namespace, ipv4, "nat", &[Command::DeleteChain("WEIR".into())]).unwrap_err();
    assert_eq!(busy.kind, ErrorKind::Busy, "{busy}");
    restore(namespace, ipv4, "nat", &[Command::Delete(jump), Command::DeleteChain("WEIR".into())]).unwrap();
    assert_eq!(rules_of(namespace, ipv4, "WEIR"), None);
}

fn failed_step(namespace: &Netns) {
    let commands = [
        Command::CreateOrFlushChain("WEIR".into()),
        Command::Delete(rule("POSTROUTING", &["-p", "udp", "-j", "ACCEPT"])),
        Command::Append(rule("WEIR", &["-j", "RETURN"])),
    ];
    let error = restore(namespace, IpFamily::Ipv4, "nat", &commands).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
    assert!(error.message.contains("POSTROUTING"), "{error}");
    assert_eq!(rules_of(namespace, IpFamily::Ipv4, "WEIR"), None);
    let error = restore(namespace, IpFamily::Ipv4, "no", &commands).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
}

fn others(namespace: &Netns) {
    let other = rule("OTHER", &["-m", "comment", "--comment", "not ours", "-j", "RETURN"]);
    let ipv6 = IpFamily::Ipv6;
    restore(namespace, ipv6, "nat", &[Command::CreateOrFlushChain("OTHER".into()), Command::Append(other.clone())])
        .unwrap();
    restore(namespace, ipv6, "nat", &[Command::CreateOrFlushChain("WEIR".into())]).unwrap();
    assert_eq!(rules_of(namespace, ipv6, "OTHER").unwrap(), [other]);
}
