//! Each plugin alone, on the real kernel: its whole life in every version, its keys, its packets. One module for each,
//! whose tests have the plugin's name in front.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod bandwidth;
mod bridge;
mod dhcp;
mod dummy;
mod firewall;
mod flannel;
mod host_device;
mod host_local;
mod ipvlan;
mod lan;
mod loopback;
mod macvlan;
mod portmap;
mod ptp;
mod route_attributes;
mod sbr;
mod r#static;
mod tap;
mod tuning;
mod vlan;
mod vrf;
mod weir_debug;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut tests = Vec::new();
    tests.extend(bandwidth::tests());
    tests.extend(bridge::tests());
    tests.extend(dhcp::tests());
    tests.extend(dummy::tests());
    tests.extend(firewall::tests());
    tests.extend(flannel::tests());
    tests.extend(host_device::tests());
    tests.extend(host_local::tests());
    tests.extend(ipvlan::tests());
    tests.extend(loopback::tests());
    tests.extend(macvlan::tests());
    tests.extend(portmap::tests());
    tests.extend(ptp::tests());
    tests.extend(route_attributes::tests());
    tests.extend(sbr::tests());
    tests.extend(r#static::tests());
    tests.extend(tap::tests());
    tests.extend(tuning::tests());
    tests.extend(vlan::tests());
    tests.extend(vrf::tests());
    tests.extend(weir_debug::tests());
    weir_tests::run(tests)
}
