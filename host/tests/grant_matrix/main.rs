//! The grant matrix: every function of the contract, in the host's and in the container's namespace, granted, not granted,
//! granted for another object, and on what is the attachment's own. A function without a scenario does not compile, and
//! one of the WIT that is none of ours fails.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test may panic")]

mod fixture;
mod scenarios;

use std::path::Path;
use std::sync::Arc;

use fixture::Fixture;
use scenarios::{Need, Scenario, scenario};
use weir::broker::objects::Place;
use weir::broker::policy::{Granted, Policy};
use weir::broker::{Call, Function};
use weir::registry::{GrantLine, Grants};

const PLUGIN: &str = "p";

fn decide(fixture: &Fixture, grants: &Grants, call: &Call<'_>) -> Result<Granted, Option<GrantLine>> {
    let policy = Policy::new(PLUGIN, grants.clone(), fixture::CONFIG, Arc::clone(&fixture.facts));
    policy.decide(call).map_err(|denial| {
        assert_eq!((denial.plugin.as_str(), denial.function), (PLUGIN, call.function()));
        assert!(!denial.object.is_empty());
        denial.grant
    })
}

fn grants(lines: &[(&str, &str)]) -> Grants {
    let mut all = Grants::default();
    for (key, value) in lines {
        all.merge(Grants::parse(serde_json::json!({ *key: [value] }).to_string().as_bytes()).unwrap());
    }
    all
}

/// All lines that a scenario needs, with one of them left out or replaced.
fn lines<'a>(function: Function, needs: &'a [Need], except: Option<(usize, Option<&'a str>)>) -> Grants {
    let mut all = vec![("interfaces", function.interface())];
    for (index, need) in needs.iter().enumerate() {
        match except {
            Some((left_out, None)) if left_out == index => {}
            Some((replaced, Some(other))) if replaced == index => all.push((need.key, other)),
            _ => all.push((need.key, need.value)),
        }
    }
    grants(&all)
}

fn cells(fixture: &Fixture, function: Function) -> usize {
    let Scenario { call, needs, own } = scenario(function, fixture);
    assert_eq!(call.function(), function, "the scenario is of another function");
    let name = format!("{}.{} ({:?})", function.interface(), function.name(), fixture.place);
    let mut count = 0;
    // Not granted: everything else does not help.
    let mut others = lines(function, &needs, None);
    others.interfaces = weir::broker::function::INTERFACES.iter().map(|&i| i.to_owned()).collect();
    others.interfaces.retain(|interface| interface != function.interface());
    let line = GrantLine { key: "interfaces", value: function.interface().to_owned() };
    assert_eq!(decide(fixture, &others, &call), Err(Some(line.clone())), "{name}");
    assert_eq!(decide(fixture, &Grants::default(), &call), Err(Some(line)), "{name}");
    count += 2;
    // Granted.
    let granted = decide(fixture, &lines(function, &needs, None), &call);
    assert!(granted.is_ok(), "{name}: {granted:?}");
    count += 1;
    for (index, need) in needs.iter().enumerate() {
        // The object is not granted: the denial names exactly the line that was left out.
        let line = GrantLine { key: need.key, value: need.value.to_owned() };
        let without = lines(function, &needs, Some((index, None)));
        assert_eq!(decide(fixture, &without, &call), Err(Some(line.clone())), "{name}");
        // Another object is.
        let other = lines(function, &needs, Some((index, Some(need.other))));
        assert_eq!(decide(fixture, &other, &call), Err(Some(line)), "{name} with {}", need.other);
        count += 2;
    }
    // What is the attachment's own needs no line.
    if let Some((own, needs)) = own {
        assert_eq!(own.function(), function);
        let granted = decide(fixture, &lines(function, &needs, None), &own);
        assert!(granted.is_ok(), "{name} on what is its own: {granted:?}");
        count += 1;
    }
    // What denials advise, one after the other, is enough in the end.
    let mut advised = Grants::default();
    for _ in 0..=needs.len() {
        if let Err(line) = decide(fixture, &advised, &call) {
            advised.merge(Grants::parse(line.unwrap().fragment().as_bytes()).unwrap());
        }
    }
    assert!(decide(fixture, &advised, &call).is_ok(), "{name}: {advised:?}");
    count + 1
}

#[test]
fn every_function_is_decided_on_by_interface_and_object() {
    let mut count = 0;
    for place in [Place::Host, Place::Container] {
        let fixture = Fixture::new(place);
        count += Function::ALL.iter().map(|function| cells(&fixture, *function)).sum::<usize>();
    }
    println!("grant matrix: {count} cells for {} functions", Function::ALL.len());
    assert!(count > 5 * Function::ALL.len());
}

/// Functions of the WIT, by interface and name, as `Function` writes them.
fn functions_of_the_contract() -> Vec<(String, String)> {
    let mut resolve = wit_parser::Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-sdk/wit");
    resolve.push_dir(wit).unwrap();
    let imported = resolve.worlds.iter().flat_map(|(_, world)| world.imports.values());
    let mut all = Vec::new();
    for item in imported {
        let wit_parser::WorldItem::Interface { id, .. } = item else { panic!("the world imports {item:?}") };
        let interface = resolve.interfaces.get(*id).unwrap();
        for function in interface.functions.values() {
            let name = function.name.rsplit(']').next().unwrap();
            all.push((interface.name.clone().unwrap(), name.to_owned()));
        }
    }
    all.sort();
    all.dedup();
    all
}

#[test]
fn the_functions_are_those_of_the_contract() {
    let mut ours: Vec<_> =
        Function::ALL.iter().map(|function| (function.interface().to_owned(), function.name().to_owned())).collect();
    ours.sort();
    assert_eq!(ours, functions_of_the_contract());
}
