//! What nft(8) prints of rule sets that were made here, and what the kernel does with them.

mod base_chains;
mod rules;
mod sets;
mod transactions;

use libtest_mimic::Trial;
use weir_native::nftables::*;

pub(crate) fn tests() -> Vec<Trial> {
    base_chains::tests().into_iter().chain(rules::tests()).chain(sets::tests()).chain(transactions::tests()).collect()
}

fn table(family: Family) -> Table {
    Table { family, name: "weir_test".into() }
}

fn chain(name: &str, base: Option<(ChainType, Hook, i32)>, rules: Vec<Rule>) -> Command {
    let base =
        base.map(|(chain_type, hook, priority)| BaseChain { chain_type, hook, priority, policy: Policy::Accept });
    Command::EnsureChain(EnsuredChain { name: name.into(), base, rules })
}

fn rule(statements: Vec<Statement>) -> Rule {
    Rule { statements, comment: String::new() }
}

fn is(field: Field, values: Vec<Value>) -> Statement {
    Statement::MatchField(FieldMatch { field, comparison: Comparison::Equal, values })
}

fn is_not(field: Field, values: Vec<Value>) -> Statement {
    Statement::MatchField(FieldMatch { field, comparison: Comparison::NotEqual, values })
}

fn accept() -> Statement {
    Statement::Verdict(Verdict::Accept)
}

fn ip(text: &str) -> Value {
    Value::Address(text.parse().unwrap())
}

fn net(text: &str) -> Value {
    Value::Network(text.parse().unwrap())
}

fn name(text: &str) -> Value {
    Value::Name(text.into())
}

fn lookup(fields: Vec<Field>, set: &str) -> SetMatch {
    SetMatch { fields, comparison: Comparison::Equal, set: set.into() }
}

fn port_map() -> Set {
    Set {
        name: "m".into(),
        key: vec![DataType::Ipv4Address, DataType::TransportProtocol, DataType::Port],
        data: SetData::Values(vec![DataType::Ipv4Address, DataType::Port]),
        interval: false,
    }
}

fn port_element(port: u32, to: &str) -> Element {
    Element {
        key: vec![ip("192.0.2.1"), Value::Number(6), Value::Number(port)],
        data: ElementData::Values(vec![ip(to), Value::Number(8080)]),
        comment: format!("to {to}"),
    }
}
