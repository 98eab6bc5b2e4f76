//! Keys of the plugins that make or move an interface.

use serde_json::{Value, json};

use crate::code::{CONFIG, DECODE, DECODE_OR_CONFIG};
use crate::{Case, keys};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for plugin in ["ptp", "macvlan", "ipvlan", "vlan", "host-device", "tap", "dummy"] {
        cases.extend(of_every(plugin));
    }
    cases.extend(lower_link("macvlan"));
    cases.extend(lower_link("ipvlan"));
    cases.extend(lower_link("vlan"));
    cases.extend(own());
    cases
}

/// What all of them have in common.
fn of_every(plugin: &'static str) -> Vec<Case> {
    vec![
        keys("ipam_a_string", plugin, DECODE, json!({"ipam": "host-local"})),
        keys("ipam_not_installed", plugin, &[101], json!({"ipam": {"type": "no-such-plugin"}})),
        keys("ipam_type_climbs", plugin, CONFIG, json!({"ipam": {"type": "../host-local"}})),
        keys(
            "ipam_subnet_garbage",
            plugin,
            DECODE_OR_CONFIG,
            json!({"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.0"}]]}}),
        ),
    ]
}

/// Keys of those that stand on a link of the host.
fn lower_link(plugin: &'static str) -> Vec<Case> {
    let missing: Value = json!({"master": "nonexistent"});
    vec![
        keys("master_missing", plugin, &[7, 999], missing),
        keys("master_a_number", plugin, DECODE, json!({"master": 5})),
        keys("master_name_climbs", plugin, &[7, 999], json!({"master": "../eth0"})),
        keys("mtu_a_word", plugin, DECODE, json!({"mtu": "large"})),
        keys("mtu_negative", plugin, DECODE_OR_CONFIG, json!({"mtu": -5})),
        keys("mtu_larger_than_the_masters", plugin, CONFIG, json!({"mtu": 60000})),
        keys("link_in_container_a_word", plugin, DECODE, json!({"linkInContainer": "maybe"})),
    ]
}

fn own() -> Vec<Case> {
    vec![
        keys("mtu_a_word", "ptp", DECODE, json!({"mtu": "large"})),
        keys("mtu_negative", "ptp", DECODE_OR_CONFIG, json!({"mtu": -5})),
        keys("masquerade_flag_a_number", "ptp", DECODE, json!({"ipMasq": 1})),
        keys("masquerade_backend_unknown", "ptp", CONFIG, json!({"ipMasq": true, "ipMasqBackend": "ebtables"})),
        keys("no_ipam", "ptp", CONFIG, json!({"ipam": null})),
        keys("mode_unknown", "macvlan", CONFIG, json!({"mode": "bridged"})),
        keys("mode_a_number", "macvlan", DECODE, json!({"mode": 3})),
        keys("queue_length_negative", "macvlan", DECODE_OR_CONFIG, json!({"bcqueuelen": -1})),
        keys("mac_garbage", "macvlan", DECODE_OR_CONFIG, json!({"runtimeConfig": {"mac": "zz:zz"}})),
        keys("mac_of_a_group", "macvlan", DECODE_OR_CONFIG, json!({"runtimeConfig": {"mac": "01:00:5e:00:00:01"}})),
        keys("mode_unknown", "ipvlan", CONFIG, json!({"mode": "l4"})),
        keys("id_too_large", "vlan", DECODE_OR_CONFIG, json!({"vlanId": 4095})),
        keys("id_negative", "vlan", DECODE_OR_CONFIG, json!({"vlanId": -1})),
        keys("id_a_word", "vlan", DECODE, json!({"vlanId": "five"})),
        keys("no_device", "host-device", CONFIG, json!({"device": null})),
        keys("device_missing", "host-device", &[7, 999], json!({"device": "nonexistent"})),
        keys("hardware_address_garbage", "host-device", DECODE_OR_CONFIG, json!({"device": null, "hwaddr": "zz"})),
        keys("path_outside_of_devices", "host-device", CONFIG, json!({"device": null, "kernelpath": "/etc/passwd"})),
        keys("path_climbs", "host-device", CONFIG, json!({"device": null, "kernelpath": "/sys/devices/../../etc"})),
        keys("pci_address_climbs", "host-device", CONFIG, json!({"device": null, "pciBusID": "../../0000:00:01.0"})),
        keys("device_id_climbs", "host-device", CONFIG, json!({"device": null, "runtimeConfig": {"deviceID": "../x"}})),
        keys("mac_garbage", "tap", DECODE_OR_CONFIG, json!({"runtimeConfig": {"mac": "zz:zz"}})),
        keys("owner_negative", "tap", DECODE_OR_CONFIG, json!({"owner": -2})),
        keys("queues_a_word", "tap", DECODE, json!({"multiQueue": "maybe"})),
        keys("mtu_negative", "tap", DECODE_OR_CONFIG, json!({"mtu": -5})),
        keys("bridge_missing", "tap", &[7, 999], json!({"bridge": "nonexistent"})),
        keys("no_ipam", "dummy", CONFIG, json!({"ipam": null})),
    ]
}
