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
use weir_tests::{Host, Test, run, test};

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
    }
    let counted = families.clone();
    tests.push(test("there_are_at_least_eighty_payloads", move |_| numbers(&counted)));
    tests.push(test("without_a_payload_the_same_guest_succeeds", harmless));
    run(tests)
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
fn harmless(host: &Host) -> Result<()> {
    let lab = Lab::new(host, "")?;
    lab.call("ADD")?.ok()?;
    lab.unchanged()
}
