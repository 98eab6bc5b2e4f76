//! The static plugin, alone. Its keys are tested in `plugin_keys`.

use serde_json::json;
use weir_tests::configs::VERSIONS;
use weir_tests::{Chain, Lifecycle, Programs, Test, lifecycle};

pub(crate) fn tests() -> Vec<Test> {
    lifecycle::tests("static", &VERSIONS, |_, _| {
        let ipam = json!({"type": "static", "addresses": [
            {"address": "10.43.0.2/24", "gateway": "10.43.0.1"}, {"address": "fd00:43::2/64"},
        ]});
        let plugin = json!({"type": "static", "ipam": ipam});
        Ok(Lifecycle::new(Chain::new(&Programs::weir()?, "net", &[plugin])))
    })
}
