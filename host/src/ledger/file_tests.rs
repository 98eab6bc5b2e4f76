#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::ledger::record::{Begin, VERSION};

fn line(run: &str) -> Line {
    let text = |text: &str| text.to_owned();
    Line::Begin(Begin {
        version: VERSION,
        run: text(run),
        plugin: text("p"),
        network: text("net"),
        container_id: text("c1"),
        interface_name: text("eth0"),
    })
}

fn owner(container: &str) -> Attachment {
    Attachment::new(container, "eth0")
}

#[test]
fn what_is_written_is_read_and_nobody_else_may_read_it() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::new(root.path().join("weir/ledger"));
    assert!(directory.open("net", &owner("c1")).unwrap().is_none());
    let (mut file, book) = directory.create("net", &owner("c1")).unwrap();
    assert_eq!(book, Book::default());
    file.write(&[line("a")]).unwrap();
    let (_, book) = directory.open("net", &owner("c1")).unwrap().unwrap();
    assert_eq!(book.runs.len(), 1);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let path = root.path().join("weir/ledger/net/c1:eth0");
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    file.remove().unwrap();
    assert!(!root.path().join("weir").exists());
}

#[test]
fn after_a_torn_line_the_next_one_is_whole() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::new(root.path().join("ledger"));
    directory.create("net", &owner("c1")).unwrap().0.write(&[line("a")]).unwrap();
    let path = root.path().join("ledger/net/c1:eth0");
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"end\":").unwrap();
    let (mut file, _) = directory.open("net", &owner("c1")).unwrap().unwrap();
    file.write(&[line("b")]).unwrap();
    let (_, book) = directory.open("net", &owner("c1")).unwrap().unwrap();
    assert_eq!((book.runs.len(), book.damaged), (2, 1));
}

#[test]
fn files_of_others_are_found_but_not_those_in_use() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::new(root.path().join("ledger"));
    assert!(directory.others("net", &[]).unwrap().is_empty());
    for container in ["c1", "c2", "c3"] {
        directory.create("net", &owner(container)).unwrap().0.write(&[line(container)]).unwrap();
    }
    let in_use = directory.open("net", &owner("c3")).unwrap().unwrap();
    let found = directory.others("net", &[owner("c1")]).unwrap();
    assert_eq!(found.iter().map(|(_, book)| book.runs[0].begin.run.clone()).collect::<Vec<_>>(), ["c2"]);
    drop((found, in_use));
    assert_eq!(directory.others("net", &[owner("c1")]).unwrap().len(), 2);
    assert!(directory.has_others("net", &owner("c1")) && directory.has_others("other", &owner("c1")));
    for container in ["c2", "c3"] {
        directory.open("net", &owner(container)).unwrap().unwrap().0.remove().unwrap();
    }
    assert!(!directory.has_others("net", &owner("c1")));
}

#[test]
fn names_that_are_no_names_are_refused_and_long_ones_shortened() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::new(root.path());
    for (network, container) in [("../net", "c1"), ("", "c1"), ("net", "../c1"), ("net", ""), ("a/b", "c1")] {
        assert!(directory.create(network, &owner(container)).is_err(), "{network} {container}");
    }
    let (one, other) = (owner(&"x".repeat(300)), owner(&format!("{}y", "x".repeat(299))));
    let (_file, _) = directory.create("net", &one).unwrap();
    assert!(directory.open("net", &one).unwrap().is_some());
    assert!(directory.open("net", &other).unwrap().is_none());
}

#[test]
fn a_link_in_the_place_of_the_file_is_not_followed() {
    let root = tempfile::tempdir().unwrap();
    let directory = Directory::new(root.path());
    std::fs::create_dir(root.path().join("net")).unwrap();
    std::fs::write(root.path().join("target"), b"").unwrap();
    std::os::unix::fs::symlink(root.path().join("target"), root.path().join("net/c1:eth0")).unwrap();
    assert!(directory.open("net", &owner("c1")).is_err());
    assert!(directory.create("net", &owner("c1")).is_err());
}
