//! All or nothing; what is there stays; what is lost to another process is tried again.

use libtest_mimic::Trial;
use weir_native::ErrorKind;
use weir_native::netns::Netns;
use weir_native::nftables::*;

use super::{accept, chain, ip, is, port_map, rule, table};
use crate::support::{ruleset, run, test};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("what_is_there_is_neither_created_again_nor_changed", ensure_twice),
        test("a_failed_step_leaves_nothing_and_is_named", failed_step),
        test("rules_are_listed_by_chain_with_comment_and_deleted_by_handle", list_and_delete),
        test("deleting_and_making_again_works_in_one_batch", rebuild),
        test("chains_that_are_jumped_to_are_busy", busy_chain),
        test("lists_of_what_is_missing_are_empty", missing_lists),
        test("racing_writers_all_succeed", racing_writers),
        test("names_and_comments_that_the_kernel_cannot_hold_are_refused", bad_names),
    ]
}

fn ensure_twice(namespace: &Netns) {
    let base = Some((ChainType::Filter, Hook::Input, 0));
    let commands = |comment: &str| {
        let mut first = rule(vec![accept()]);
        first.comment = comment.into();
        [
            Command::EnsureTable,
            Command::EnsureSet(port_map()),
            chain("in", base, vec![first.clone()]),
            chain("in", base, vec![first]),
        ]
    };
    let table = table(Family::Inet);
    apply(namespace, &table, &commands("one")).unwrap();
    let before = run(namespace, &["nft", "-a", "list", "ruleset"]);
    apply(namespace, &table, &commands("two")).unwrap();
    assert_eq!(run(namespace, &["nft", "-a", "list", "ruleset"]), before);
    assert_eq!(list_rules(namespace, &table, None).unwrap().len(), 1);
}

fn failed_step(namespace: &Netns) {
    let jump = rule(vec![Statement::Verdict(Verdict::Jump("nowhere".into()))]);
    let commands = [
        Command::EnsureTable,
        chain("c", None, vec![]),
        Command::AddRule(NewRule { chain: "c".into(), first: false, rule: jump }),
        Command::AddRule(NewRule { chain: "c".into(), first: false, rule: rule(vec![accept()]) }),
    ];
    let error = apply(namespace, &table(Family::Ip), &commands).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.message.contains("add rule") && error.message.contains("\"c\""), "{error}");
    assert_eq!(ruleset(namespace), "");

    let wrong = [Command::EnsureTable, chain("c", None, vec![rule(vec![is(Field::Ip6Source, vec![ip("fd00::1")])])])];
    let error = apply(namespace, &table(Family::Ip), &wrong).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    assert_eq!(ruleset(namespace), "");
}

fn list_and_delete(namespace: &Netns) {
    let table = table(Family::Inet);
    let commented = |comment: String| Rule { statements: vec![accept()], comment };
    let many = (0..300).map(|number| commented(format!("rule {number}"))).collect();
    let commands = [
        Command::EnsureTable,
        chain("a", None, many),
        chain("b", None, vec![commented("x".repeat(127))]),
        Command::AddRule(NewRule { chain: "a".into(), first: true, rule: commented("first".into()) }),
    ];
    apply(namespace, &table, &commands).unwrap();
    assert_eq!(list_chains(namespace, &table).unwrap(), ["a", "b"]);
    let listed = list_rules(namespace, &table, Some("a")).unwrap();
    assert_eq!(listed.len(), 301);
    assert_eq!(listed[0].comment, "first");
    assert_eq!(listed[300].comment, "rule 299");
    assert!(listed.iter().all(|rule| rule.chain == "a"));
    assert_eq!(list_rules(namespace, &table, None).unwrap().len(), 302);
    assert_eq!(list_rules(namespace, &table, Some("b")).unwrap()[0].comment, "x".repeat(127));
    let handles = listed[1..].iter().map(|rule| rule.handle).collect();
    apply(namespace, &table, &[Command::DeleteRules("a".into(), handles)]).unwrap();
    assert_eq!(list_rules(namespace, &table, Some("a")).unwrap(), listed[..1]);
    let again = apply(namespace, &table, &[Command::DeleteRules("a".into(), vec![listed[5].handle])]).unwrap_err();
    assert_eq!(again.kind, ErrorKind::NotFound);
    apply(namespace, &table, &[Command::FlushChain("a".into()), Command::DeleteChain("b".into())]).unwrap();
    assert_eq!(ruleset(namespace), "table inet weir_test {\nchain a {\n}\n}");
}

fn rebuild(namespace: &Netns) {
    let table = table(Family::Ip);
    let create = [Command::EnsureTable, chain("c", None, vec![rule(vec![accept()])])];
    apply(namespace, &table, &create).unwrap();
    let again = [
        Command::DeleteTable,
        Command::EnsureTable,
        chain("c", None, vec![rule(vec![Statement::Verdict(Verdict::Drop)])]),
    ];
    apply(namespace, &table, &again).unwrap();
    assert_eq!(ruleset(namespace), "table ip weir_test {\nchain c {\ndrop\n}\n}");
    apply(namespace, &table, &[Command::DeleteTable]).unwrap();
    assert_eq!(ruleset(namespace), "");
    assert_eq!(apply(namespace, &table, &[Command::DeleteTable]).unwrap_err().kind, ErrorKind::NotFound);
}

fn busy_chain(namespace: &Netns) {
    let table = table(Family::Ip);
    let jump = rule(vec![Statement::Verdict(Verdict::Jump("a".into()))]);
    apply(namespace, &table, &[Command::EnsureTable, chain("a", None, vec![]), chain("b", None, vec![jump])]).unwrap();
    let error = apply(namespace, &table, &[Command::DeleteChain("a".into())]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Busy);
    assert!(error.message.contains("delete chain \"a\""), "{error}");
    apply(namespace, &table, &[Command::DeleteChain("b".into()), Command::DeleteChain("a".into())]).unwrap();
}

fn missing_lists(namespace: &Netns) {
    let table = table(Family::Inet);
    assert_eq!(list_rules(namespace, &table, None).unwrap(), []);
    assert_eq!(list_rules(namespace, &table, Some("c")).unwrap(), []);
    assert_eq!(list_chains(namespace, &table).unwrap(), Vec::<String>::new());
    assert_eq!(list_elements(namespace, &table, "s").unwrap(), []);
    apply(namespace, &table, &[Command::EnsureTable]).unwrap();
    assert_eq!(list_rules(namespace, &table, Some("c")).unwrap(), []);
    assert_eq!(list_elements(namespace, &table, "s").unwrap(), []);
}

fn racing_writers(namespace: &Netns) {
    let table = table(Family::Inet);
    std::thread::scope(|scope| {
        for writer in 0..6 {
            let table = &table;
            scope.spawn(move || {
                for round in 0..20 {
                    let added = Rule { statements: vec![accept()], comment: format!("{writer}/{round}") };
                    let commands = [
                        Command::EnsureTable,
                        Command::EnsureSet(port_map()),
                        chain("c", Some((ChainType::Filter, Hook::Input, 0)), vec![]),
                        Command::AddRule(NewRule { chain: "c".into(), first: false, rule: added }),
                    ];
                    // A handle of its own for each transaction, as another process would have.
                    let own = namespace.enter(|| Netns::current().unwrap()).unwrap();
                    apply(&own, table, &commands).unwrap();
                }
            });
        }
    });
    assert_eq!(list_rules(namespace, &table, Some("c")).unwrap().len(), 120);
}

fn bad_names(namespace: &Netns) {
    let table = table(Family::Ip);
    let kind = |commands: &[Command]| apply(namespace, &table, commands).unwrap_err().kind;
    assert_eq!(kind(&[Command::EnsureTable, chain("", None, vec![])]), ErrorKind::Invalid);
    assert_eq!(kind(&[Command::EnsureTable, chain(&"x".repeat(256), None, vec![])]), ErrorKind::Invalid);
    let long = Rule { statements: vec![accept()], comment: "x".repeat(128) };
    assert_eq!(kind(&[Command::EnsureTable, chain("c", None, vec![long])]), ErrorKind::Invalid);
    assert_eq!(
        kind(&[Command::EnsureTable, chain("c", None, vec![rule(vec![is(Field::Mark, vec![])])])]),
        ErrorKind::Invalid
    );
    assert_eq!(ruleset(namespace), "");
}
