//! The loopback plugin.

use serde_json::json;
use weir_tests::configs::VERSIONS;
use weir_tests::{Chain, Lifecycle, Programs, Test, lifecycle};

pub(crate) fn tests() -> Vec<Test> {
    lifecycle::tests("loopback", &VERSIONS, |_, _| {
        let network = Chain::new(&Programs::weir()?, "lo", &[json!({"type": "loopback"})]);
        // As a runtime hands it over.
        let prepared = Lifecycle::new(network)
            .prepare(|_, container| container.run("ip", ["link", "set", "lo", "down"]).map(drop));
        // What `lo` gets when it comes up does not all go when it goes down.
        Ok(prepared
            .may_change(|name| !name.starts_with("host: ") && name.contains(": address ") && name.contains("\"lo\"")))
    })
}
