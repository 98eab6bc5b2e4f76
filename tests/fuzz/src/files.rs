//! What lies on disk: components with their manifests, entries of the registry, stores of addresses.
#![allow(clippy::panic, clippy::expect_used, reason = "a target reports what is wrong by panicking")]

use std::net::IpAddr;
use std::os::unix::fs::FileExt;
use std::path::Path;

use weir::ledger::record::{Book, Line};
use weir::registry::{Entry, Grants, Manifest, PolicyFile};
use weir_native::attachment::Attachment;
use weir_native::ipam_store::{AddressRange, Store};

/// The text of a manifest.
pub(crate) fn manifest(bytes: &[u8]) {
    let Ok(manifest) = Manifest::parse(bytes) else { return };
    assert!(!manifest.name.contains('/') && !manifest.name.starts_with('.'), "{:?} becomes a file", manifest.name);
    let text = serde_json::to_vec(&manifest).expect("a manifest can be written");
    assert_eq!(Manifest::parse(&text).as_ref(), Ok(&manifest));
}

/// A whole component.
pub(crate) fn component(bytes: &[u8]) {
    let Ok(facts) = weir::fuzzing::read_component(bytes) else { return };
    assert!(facts.imports.iter().all(|import| facts.manifest.asks_for(import)));
}

/// A grant file; or two, one after the other with a zero byte between them: the first is what was asked for.
pub(crate) fn grant(bytes: &[u8]) {
    let mut parts = bytes.split(|byte| *byte == 0);
    let Some(Ok(asked)) = parts.next().map(Grants::parse) else { return };
    let text = serde_json::to_vec(&asked).expect("a grant can be written");
    assert_eq!(Grants::parse(&text).as_ref(), Ok(&asked), "read again, it says something else");
    assert!(asked.surplus_over(&asked).is_empty(), "more than itself");
    for line in asked.lines() {
        let fragment = Grants::parse(line.fragment().as_bytes()).unwrap_or_else(|e| panic!("{line:?}: {e}"));
        assert!(fragment.surplus_over(&asked).is_empty(), "{line:?} is not covered by what it was taken from");
    }
    let Some(Ok(granted)) = parts.next().map(Grants::parse) else { return };
    let surplus = granted.surplus_over(&asked);
    let mut sum = asked.clone();
    sum.merge(granted.clone());
    assert!(granted.surplus_over(&sum).is_empty(), "what was merged is not covered");
    if surplus.is_empty() {
        assert!(sum.surplus_over(&asked).is_empty(), "nothing was added, and yet it is more");
    }
}

/// An entry of the registry, with its grants.
pub(crate) fn entry(bytes: &[u8]) {
    let Ok(entry) = weir::fuzzing::parse_entry(bytes) else { return };
    let text = serde_json::to_vec(&entry).expect("an entry can be written");
    let again: Entry = weir::fuzzing::parse_entry(&text).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(serde_json::to_vec(&again).expect("as before"), text);
}

/// The policy of a directory.
pub(crate) fn policy(bytes: &[u8]) {
    let Ok(policy) = PolicyFile::parse(bytes) else { return };
    for plugin in policy.allowed_signers.keys() {
        assert!(policy.admits_signer(plugin, None).is_err(), "{plugin} is admitted without a signature");
    }
    assert_eq!(policy.require_signatures, policy.admits_signer("/", None).is_err());
}

/// A file of the ledger, which a killed process may have left in any state.
pub(crate) fn ledger(bytes: &[u8]) {
    let book = Book::parse(bytes);
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    assert!(book.runs.len() + book.records.len() + book.damaged <= lines, "more than was written");
    for run in &book.runs {
        let all = book.runs_of(&run.begin.plugin, false);
        assert!(all.contains(&run.begin.run));
        assert!(book.runs_of(&run.begin.plugin, true).iter().all(|name| all.contains(name)));
    }
    // What was cut off in the middle of a line had not happened, and takes nothing before it away.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    assert_eq!(Book::parse(bytes.get(..whole).unwrap_or_default()), book);
    for record in &book.records {
        let line = Line::Intent { run: record.run.clone(), n: record.n, deed: record.deed.clone() };
        let mut text = serde_json::to_vec(&line).expect("a line can be written");
        text.push(b'\n');
        let again = Book::parse(&text);
        assert_eq!(again.records.first().map(|again| &again.deed), Some(&record.deed), "{line:?}");
    }
}

/// Names of files that may lie in the directory of a network.
const NAMES: [&str; 8] =
    ["10.0.0.2", "10.0.0.3", "fd00::1", "last_reserved_ip.0", "lock", "010.0.0.2", "::ffff:10.0.0.4", "not-an-address"];
/// And in the directory of its index.
const INDEX_NAMES: [&str; 3] = ["attachments", "taken-0", "taken-2560"];

/// Each piece: a number, a length, a content. Small numbers are files that are there from the start; large ones are
/// written over the middle of an index that the store holds for current. Whatever is done with the store then must
/// neither panic nor give an address that a file says is taken.
pub(crate) fn ipam_store(bytes: &[u8]) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (network, index) = (directory.path().join("net"), directory.path().join(".weir-index/net"));
    if fill(&network, &index, bytes).is_none() {
        return;
    }
    let Ok(store) = Store::open(directory.path(), "net") else { return };
    let address = |last: u8| IpAddr::from([10, 0, 0, last]);
    let ranges = [AddressRange { first: address(2), last: address(9), except: Some(address(5)) }];
    let [zero, one, two] = ["zero", "one", "two"].map(|container| Attachment::new(container, "eth0"));
    let _ = store.allocate(&zero, 0, &ranges);
    patch(&index, bytes);
    let taken: Vec<bool> = (0..=255).map(|last| network.join(address(last).to_string()).exists()).collect();
    for owner in [&one, &two] {
        let Ok(given) = store.allocate(owner, 0, &ranges) else { continue };
        assert!((address(2)..=address(9)).contains(&given) && given != address(5), "{given} is in no range");
        let IpAddr::V4(four) = given else { continue };
        let [.., last] = four.octets();
        assert_ne!(taken.get(usize::from(last)), Some(&true), "{given} was given to somebody before");
        assert!(network.join(given.to_string()).exists(), "{given} has no file");
    }
    let _ = store.list();
    let _ = store.find(&one);
    let _ = store.reserve(&two, 0, address(7));
    let _ = store.release_address(&zero, address(2));
    let _ = store.count_free(&ranges);
    let _ = store.retain(std::slice::from_ref(&two));
    let _ = store.release(&one);
    let _ = store.release(&two);
}

/// The pieces of an input.
fn pieces(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (&[number, low, high], after) = rest.split_first_chunk::<3>()?;
        let length = usize::from(u16::from_le_bytes([low, high])).min(after.len());
        let (content, next) = after.split_at_checked(length)?;
        rest = next;
        Some((number, content))
    })
}

fn fill(network: &Path, index: &Path, bytes: &[u8]) -> Option<()> {
    std::fs::create_dir(network).ok()?;
    std::fs::create_dir_all(index).ok()?;
    for (number, content) in pieces(bytes).filter(|(number, _)| *number < 128) {
        let number = usize::from(number) % (NAMES.len() + INDEX_NAMES.len());
        let path = match NAMES.get(number) {
            Some(name) => network.join(name),
            None => index.join(INDEX_NAMES.get(number - NAMES.len())?),
        };
        std::fs::write(path, content).ok()?;
    }
    Some(())
}

fn patch(index: &Path, bytes: &[u8]) {
    for (number, piece) in pieces(bytes).filter(|(number, _)| *number >= 128) {
        let Some(name) = INDEX_NAMES.get(usize::from(number) % INDEX_NAMES.len()) else { continue };
        let Some((&[low, high], content)) = piece.split_first_chunk::<2>() else { continue };
        let Ok(file) = std::fs::OpenOptions::new().write(true).open(index.join(name)) else { continue };
        let _ = file.write_at(content, u64::from(u16::from_le_bytes([low, high])));
    }
}
