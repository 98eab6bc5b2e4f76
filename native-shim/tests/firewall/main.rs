//! nftables, iptables and conntrack against the real kernel, each test in network namespaces of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod conntrack;
mod iptables;
mod nftables;
mod support;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let arguments = Arguments::from_args();
    // Before any other thread exists: only then can a process enter a user namespace.
    if let Err(reason) = support::become_root() {
        println!("skipped: all tests of the firewall: {reason}");
        return;
    }
    let tests: Vec<Trial> = nftables::tests().into_iter().chain(iptables::tests()).chain(conntrack::tests()).collect();
    libtest_mimic::run(&arguments, tests).exit();
}
