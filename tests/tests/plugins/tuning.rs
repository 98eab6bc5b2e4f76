//! The tuning plugin, behind a bridge. Its keys are tested in `plugin_keys`.

use serde_json::json;
use weir_tests::configs::{VERSIONS, bridge, tuning, with};
use weir_tests::{Chain, Lifecycle, Programs, Test, lifecycle};

pub(crate) fn tests() -> Vec<Test> {
    lifecycle::tests("tuning", &VERSIONS, |_, _| {
        let tuning = with(&tuning(), json!({"mtu": 1400, "promisc": true}));
        let plugins = [bridge(&["10.44.0.0/24"]), tuning];
        let network = Chain::new(&Programs::weir()?, "net", &plugins);
        Ok(Lifecycle::new(network))
    })
}
