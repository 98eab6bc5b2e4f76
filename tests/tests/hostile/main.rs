//! Hostile guests: every payload is refused or contained, in time, and changes nothing.
//!
//! The payloads are in `tests/guests/hostile` (one component, the payload is a key of its configuration) and in
//! `tests/wat` (components that no compiler would make). Each has a test here, of the same name in a file of the same
//! name, or this does not compile.
#![allow(unreachable_pub, reason = "the modules belong to this one program")]

#[macro_use]
#[path = "../../guests/hostile/src/payloads.rs"]
mod payloads;

mod component;
mod expect;
mod lab;
mod scene;

mod abi;
mod delegates;
mod exhaustion;
mod files;
mod handles;
mod host_links;
mod host_routing;
mod names;
mod others;
mod reentrancy;
mod results;
mod runtime;
mod wasi;
mod wat;

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use weir_tests::{Test, run, test};

use crate::lab::Lab;

macro_rules! tests {
    ($($family:ident { $($payload:ident),* $(,)? })*) => {
        /// A test for each payload.
        fn of_the_guest() -> Vec<(&'static str, &'static str, fn(&Lab<'_>) -> Result<()>)> {
            vec![$($((
                stringify!($family),
                concat!(stringify!($family), "/", stringify!($payload)),
                $family::$payload as fn(&Lab<'_>) -> Result<()>,
            ),)*)*]
        }
    };
}

for_each_payload!(tests);

fn main() -> ExitCode {
    let mut families: BTreeMap<&str, usize> = BTreeMap::new();
    let mut tests: Vec<Test> = Vec::new();
    for (family, payload, check) in of_the_guest().into_iter().chain(abi::all()) {
        *families.entry(family).or_default() += 1;
        tests.push(test(payload, move |host| check(&Lab::new(host, payload)?)));
        if is_tried_isolated(family, *families.get(family).unwrap_or(&0)) {
            let name = format!("in_a_process/{payload}");
            tests.push(test(name, move |host| check(&Lab::isolated(host, payload)?)));
        }
    }
    let counted = families.clone();
    tests.push(test("there_are_at_least_eighty_payloads", move |_| numbers(&counted)));
    tests.push(test("without_a_payload_the_same_guest_succeeds", |host| harmless(&Lab::new(host, "")?)));
    tests.push(test("in_a_process/without_a_payload_the_same_guest_succeeds", |host| {
        harmless(&Lab::isolated(host, "")?)
    }));
    run(tests)
}

/// Whether a payload is also tried with its code in a process of its own: those that are about the engine and the boundary,
/// and one of five of the others. `WEIR_TESTS_ISOLATION=process` tries all.
fn is_tried_isolated(family: &str, number: usize) -> bool {
    let all = std::env::var_os("WEIR_TESTS_ISOLATION").is_some_and(|mode| mode == "process");
    all || matches!(family, "abi" | "exhaustion" | "handles" | "wasi") || number.is_multiple_of(5)
}

/// Tells how many payloads there are.
fn numbers(families: &BTreeMap<&str, usize>) -> Result<()> {
    let total: usize = families.values().sum();
    let list: Vec<_> = families.iter().map(|(family, count)| format!("{family} {count}")).collect();
    println!("hostile guests: {total} payloads: {}", list.join(", "));
    ensure!(total >= 80, "only {total} payloads");
    Ok(())
}

/// The guest itself runs under this grant: what is refused is refused for what it does.
fn harmless(lab: &Lab<'_>) -> Result<()> {
    lab.call("ADD")?.ok()?;
    lab.unchanged()
}
