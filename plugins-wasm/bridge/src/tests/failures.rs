//! Whatever host call fails, nothing stays behind.

use weir_sdk::FailureKind;

use super::*;

/// Run ADD with each host call failing in turn. Returns how many there are.
fn fail_each(keys: &str, result: &str) -> usize {
    for nth in 1.. {
        let (world, ipam) = world_with_ipam(result);
        world.fail_nth(nth, FailureKind::Io);
        let outcome = world.add::<Bridge>(&with_ipam(keys));
        let failed = world.calls().get(nth - 1).cloned();
        let Err(error) = outcome else {
            if failed.is_none() {
                return nth - 1;
            }
            continue;
        };
        let what = format!("call {nth} ({}): {}", failed.unwrap_or_default(), error.msg);
        assert!(ipam.is_balanced(), "{what}");
        assert!(error.msg.contains("asked for by the test"), "{what}");
        assert_nothing_left(&world, &what);
    }
    0
}

#[test]
fn a_failed_add_leaves_nothing_with_nftables() {
    let keys = r#""isDefaultGateway": true, "ipMasq": true, "ipMasqBackend": "nftables", "macspoofchk": true,
        "enabledad": true"#;
    assert!(fail_each(keys, DUAL) > 30);
}

#[test]
fn a_failed_add_leaves_nothing_with_iptables() {
    let keys = r#""isGateway": true, "forceAddress": true, "ipMasq": true, "ipMasqBackend": "iptables""#;
    assert!(fail_each(keys, DUAL) > 20);
}

#[test]
fn a_failed_add_leaves_nothing_with_vlans() {
    assert!(fail_each(r#""vlanTrunk": [{"id": 5}], "preserveDefaultVlan": false"#, IPV4) > 15);
}

#[test]
fn a_result_of_ipam_without_addresses_leaves_nothing() {
    let (world, ipam) = world_with_ipam(r#"{"ips": []}"#);
    assert!(world.add::<Bridge>(&with_ipam("")).unwrap_err().msg.contains("no address"));
    assert_nothing_left(&world, "no address");
    assert!(ipam.is_balanced());
}

#[test]
fn an_ipam_plugin_that_fails_is_told_to_clean_up_and_its_error_is_passed_on() {
    let (world, _) = world_with_ipam(IPV4);
    let calls = Ipam::default();
    let log = calls.clone();
    world.delegate("test-ipam", move |call| {
        log.0.borrow_mut().push(call.command);
        Err(weir_sdk::Error::new(123, "no").with_details("really"))
    });
    let error = world.add::<Bridge>(&with_ipam("")).unwrap_err();
    assert_eq!(error, weir_sdk::Error::new(123, "no").with_details("really"));
    assert_eq!(calls.calls(), [Command::Add, Command::Del]);
    assert_nothing_left(&world, "IPAM failed");
}

#[test]
fn an_address_that_somebody_owns_already_leaves_nothing() {
    let (world, ipam) = world_with_ipam(DUAL);
    world.duplicate_address("fd00:1::3".parse().unwrap());
    let keys = r#""enabledad": true, "ipMasq": true, "ipMasqBackend": "nftables""#;
    assert!(world.add::<Bridge>(&with_ipam(keys)).unwrap_err().msg.contains("another owner"));
    assert_nothing_left(&world, "duplicate");
    assert!(ipam.is_balanced());
}
