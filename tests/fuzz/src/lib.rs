//! Fuzz targets: everything that reads bytes from a stranger, and the calls of a guest. Each takes any bytes, and must neither panic nor hang;
//! many check besides that what was accepted means the same when it is written and read again.
//!
//! `make fuzz` runs them under libFuzzer (`libfuzzer/`, a workspace of its own). The corpus in `corpus/<target>` is
//! replayed by an ordinary test, so that every input that once found a fault is tried in each run of the tests.

mod calls;
mod files;
mod kernel;
mod requests;

/// One target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: that of its directory in the corpus.
    pub name: &'static str,
    /// Reads the bytes.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "config", run: requests::config },
    Target { name: "prev-result", run: requests::prev_result },
    Target { name: "cni-args", run: requests::cni_args },
    Target { name: "manifest", run: files::manifest },
    Target { name: "component", run: files::component },
    Target { name: "grant", run: files::grant },
    Target { name: "entry", run: files::entry },
    Target { name: "policy", run: files::policy },
    Target { name: "ledger", run: files::ledger },
    Target { name: "ipam-store", run: files::ipam_store },
    Target { name: "boundary", run: calls::boundary },
    Target { name: "netlink", run: kernel::netlink },
    Target { name: "netfilter", run: kernel::netfilter },
    Target { name: "texts", run: kernel::texts },
    Target { name: "dbus", run: kernel::dbus },
    Target { name: "dhcp", run: kernel::dhcp },
];

/// The target of a name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().copied().find(|target| target.name == name)
}
