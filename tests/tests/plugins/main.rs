//! Each plugin alone, on the real kernel: its whole life in every version, its keys, its packets. One module for each,
//! whose tests have the plugin's name in front.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod bandwidth;
mod bridge;
mod firewall;
mod host_local;
mod loopback;
mod portmap;
mod sbr;
mod r#static;
mod tuning;
mod vrf;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut tests = Vec::new();
    tests.extend(bandwidth::tests());
    tests.extend(bridge::tests());
    tests.extend(firewall::tests());
    tests.extend(host_local::tests());
    tests.extend(loopback::tests());
    tests.extend(portmap::tests());
    tests.extend(sbr::tests());
    tests.extend(r#static::tests());
    tests.extend(tuning::tests());
    tests.extend(vrf::tests());
    weir_tests::run(tests)
}
