//! The published shape of the contract: all of `weir:cni` as it was published, without comments, is in
//! `tests/contract/weir-cni-0.1.0.wit`. A component that was built against it must keep working, so that a change is
//! never made by accident.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::path::{Path, PathBuf};

use wit_component::WitPrinter;
use wit_parser::Resolve;

/// Set to write the shape anew.
const ACCEPT: &str = "WEIR_ACCEPT_CONTRACT";

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The contract as guests and host see it, resolved and printed in one form.
fn current() -> String {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(file("../guest-sdk/wit")).unwrap();
    let mut printer = WitPrinter::default();
    printer.emit_docs(false);
    printer.print(&resolve, package, &[]).unwrap();
    printer.output.to_string()
}

/// Lines of one text that the other has not, each within the interface and record that it stands in.
fn missing(text: &str, other: &str) -> Vec<String> {
    let other = in_context(other);
    in_context(text).into_iter().filter(|line| !other.contains(line)).collect()
}

/// Whether a new line stands in a type that was published: a component takes records and variants only as they were.
fn alters(line: &str, known: &[String]) -> bool {
    let Some((block, _)) = line.rsplit_once("{ ") else { return false };
    let is_type = ["record", "variant", "enum", "flags"].iter().any(|kind| block.contains(&format!(" {kind} ")));
    is_type && known.iter().any(|known| *known == format!("{block}{{"))
}

fn in_context(text: &str) -> Vec<String> {
    let mut blocks: Vec<&str> = Vec::new();
    let mut lines = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line == "}" {
            blocks.pop();
            continue;
        }
        lines.push([blocks.as_slice(), &[line]].concat().join(" "));
        if line.ends_with('{') {
            blocks.push(line);
        }
    }
    lines
}

#[test]
fn the_contract_is_as_it_was_published() {
    let path = file("contract/weir-cni-0.1.0.wit");
    let current = current();
    if std::env::var_os(ACCEPT).is_some() {
        std::fs::write(&path, &current).unwrap();
        return;
    }
    let published = std::fs::read_to_string(&path).unwrap();
    if published == current {
        return;
    }
    let (gone, new) = (missing(&published, &current), missing(&current, &published));
    let known = in_context(&published);
    let altered: Vec<_> = new.iter().filter(|line| alters(line, &known)).collect();
    assert!(
        gone.is_empty() && altered.is_empty(),
        "what components were built against has changed. Before a release that is a decision; after it, such a change \
         begins the line 0.2. Gone:\n  {}\nin types that are published:\n  {altered:#?}\nAccept it with\n  \
         {ACCEPT}=1 cargo test -p weir-tests --test contract",
        gone.join("\n  "),
    );
    panic!(
        "the contract has grown, or its order has changed. Where that is meant, write its shape anew:\n  \
         {ACCEPT}=1 cargo test -p weir-tests --test contract\nnew is:\n  {}",
        new.join("\n  ")
    );
}

#[test]
fn the_package_is_of_the_line_that_the_host_accepts() {
    assert!(current().starts_with("package weir:cni@0.1."), "a new line of the contract needs a new published shape");
}
