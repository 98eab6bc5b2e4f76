#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn space(place: Place) -> Space {
    Space { place, device: 4, inode: 4_026_531_840 }
}

fn begin(run: &str, plugin: &str) -> Line {
    let text = |text: &str| text.to_owned();
    Line::Begin(Begin {
        version: VERSION,
        run: text(run),
        plugin: text(plugin),
        network: text("net"),
        container_id: text("c1"),
        interface_name: text("eth0"),
    })
}

fn link(run: &str, n: u32) -> Line {
    let deed = Deed::Link { space: space(Place::Host), name: format!("l{n}"), kind: "dummy".into(), mac: None };
    Line::Intent { run: run.into(), n, deed }
}

fn text(lines: &[Line]) -> Vec<u8> {
    lines.iter().flat_map(|line| [serde_json::to_vec(line).unwrap(), b"\n".to_vec()].concat()).collect()
}

#[test]
fn what_is_void_is_off_the_record_and_what_is_done_is_completed() {
    let done = Line::Done { run: "a".into(), n: 1, made: Made::Link(7) };
    let void = Line::Void { run: "a".into(), n: 2 };
    let lines = [begin("a", "p"), link("a", 1), link("a", 2), done, void, begin("b", "q"), link("b", 1)];
    let book = Book::parse(&text(&lines));
    let left: Vec<_> = book.records.iter().map(|record| (record.run.as_str(), record.n, record.made.clone())).collect();
    assert_eq!(left, [("a", 1, Some(Made::Link(7))), ("b", 1, None)]);
    assert!(book.has_link(&space(Place::Host), 7));
    assert!(!book.has_link(&space(Place::Container), 7) && !book.has_link(&space(Place::Host), 8));
    assert_eq!(book.damaged, 0);
}

#[test]
fn only_runs_without_end_are_unfinished() {
    let lines = [begin("a", "p"), begin("b", "p"), begin("c", "q"), Line::End { run: "a".into() }];
    let book = Book::parse(&text(&lines));
    assert_eq!(book.runs_of("p", true), ["b"]);
    assert_eq!(book.runs_of("p", false), ["a", "b"]);
}

#[test]
fn a_torn_line_is_passed_over_and_a_damaged_one_counted() {
    let mut written = text(&[begin("a", "p"), link("a", 1)]);
    written.extend(b"{\"intent\":{\"run\":\"a\",\"n\":2");
    assert_eq!((Book::parse(&written).records.len(), Book::parse(&written).damaged), (1, 0));
    let strange = b"\xff\xfe\n{}\n{\"begin\":{}}\n[]\nnull\n";
    assert_eq!(Book::parse(&[&strange[..], &written].concat()).records.len(), 1);
    assert_eq!(Book::parse(strange).damaged, 5);
    assert_eq!(Book::parse(b""), Book::default());
}

#[test]
fn a_later_form_of_lines_is_not_understood() {
    let Line::Begin(known) = begin("a", "p") else { unreachable!() };
    let book = Book::parse(&text(&[Line::Begin(Begin { version: VERSION + 1, ..known })]));
    assert_eq!((book.runs.len(), book.damaged), (0, 1));
}

#[test]
fn only_what_is_set_otherwise_differs() {
    let is = LinkChanges { up: Some(true), mtu: Some(1500), ..LinkChanges::default() };
    let to = LinkChanges { up: Some(true), mtu: Some(1400), alias: Some("x".into()), ..LinkChanges::default() };
    assert_eq!(differing(&is, &to), LinkChanges { mtu: Some(1500), ..LinkChanges::default() });
}
