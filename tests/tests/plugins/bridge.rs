//! The bridge plugin. Its keys are tested in `plugin_keys`, its VLANs in `bridge_vlan`.

use serde_json::json;
use weir_tests::configs::{VERSIONS, bridge, with};
use weir_tests::{Chain, Lifecycle, Programs, Test, lifecycle};

pub(crate) fn tests() -> Vec<Test> {
    lifecycle::tests("bridge", &VERSIONS, |_, _| {
        let keys = json!({"ipMasq": true, "ipMasqBackend": "nftables", "macspoofchk": true, "hairpinMode": true});
        let bridge = with(&bridge(&["10.40.0.0/24", "fd00:40::/64"]), keys);
        Ok(Lifecycle::new(Chain::new(&Programs::weir()?, "net", &[bridge])))
    })
}
