//! The host-local plugin, alone. Its keys are tested in `plugin_keys`.

use serde_json::json;
use weir_tests::configs::{VERSIONS, host_local};
use weir_tests::{Chain, Lifecycle, Programs, Test, lifecycle};

pub(crate) fn tests() -> Vec<Test> {
    lifecycle::tests("host-local", &VERSIONS, |_, _| {
        let plugin = json!({"type": "host-local", "ipam": host_local(&["10.41.0.0/24", "fd00:41::/64"])});
        Ok(Lifecycle::new(Chain::new(&Programs::weir()?, "net", &[plugin])))
    })
}
