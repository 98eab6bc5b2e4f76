//! What waits for the kernel in a child process: it takes effect before the call returns, and holds on to nothing.

use std::fs::File;
use std::io::Read;

use libtest_mimic::Trial;
use weir_native::background::close_netfilter;
use weir_native::link::{self, VethEnd};
use weir_native::netns::Netns;
use weir_native::nftables::{Command, EnsuredChain, Family, Table, apply, list_chains};

use super::named;
use super::support::test;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("netfilter_sockets_are_closed_by_a_child_and_opened_again", netfilter),
        test("a_child_that_waits_keeps_neither_locks_nor_pipes_open", nothing_kept),
        test("a_hosted_thread_leaves_no_child_to_its_process", hosted_thread),
    ]
}

fn netfilter(namespace: &Netns) {
    let table = Table { family: Family::Inet, name: "weir_test".into() };
    let chain = |name: &str| Command::EnsureChain(EnsuredChain { name: name.into(), base: None, rules: Vec::new() });
    apply(namespace, &table, &[Command::EnsureTable, chain("one"), chain("two")]).unwrap();
    apply(namespace, &table, &[Command::DeleteChain("one".into())]).unwrap();
    let background = close_netfilter(&[namespace]).unwrap();
    assert_eq!(list_chains(namespace, &table).unwrap(), ["two"]);
    if let Some(background) = background {
        background.wait();
    }
    apply(namespace, &table, &[chain("one")]).unwrap();
    assert_eq!(list_chains(namespace, &table).unwrap().len(), 2);
    if let Some(background) = close_netfilter(&[namespace]).unwrap() {
        background.wait();
    }
    assert!(close_netfilter(&[namespace]).unwrap().is_none(), "there was nothing to close");
}

fn hosted_thread(namespace: &Netns) {
    std::thread::scope(|scope| scope.spawn(|| on_hosted_thread(namespace)).join().unwrap());
}

fn on_hosted_thread(namespace: &Netns) {
    weir_native::hosted::begin().unwrap();
    let index = link::create_veth(namespace, &named("eth0"), namespace, &VethEnd::default()).unwrap().0.index;
    let children = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    let background = link::delete_at_once(namespace, index).unwrap();
    assert!(link::find(namespace, "eth0").unwrap().is_none(), "it is gone when the call returns");
    assert_eq!(std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default(), children);
    if let Some(background) = background {
        background.wait();
    }
    netfilter(namespace);
    assert_eq!(std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default(), children);
}

fn nothing_kept(namespace: &Netns) {
    // Children of tests that run beside this one may hold what we have for a moment, until they have closed it.
    assert!((0..5).any(|_| held_nothing(namespace)), "the child still holds the lock");
}

fn held_nothing(namespace: &Netns) -> bool {
    let index = link::create_veth(namespace, &named("eth0"), namespace, &VethEnd::default()).unwrap().0.index;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lock");
    let lock = File::create(&path).unwrap();
    lock.lock().unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();

    let background = link::delete_at_once(namespace, index).unwrap();
    drop(lock);
    drop(writer);
    let free = File::open(&path).unwrap().try_lock().is_ok();
    assert_eq!(reader.read(&mut [0]).unwrap(), 0, "the pipe is at its end");
    if let Some(background) = background {
        background.wait();
    }
    free
}
