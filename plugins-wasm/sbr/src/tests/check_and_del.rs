//! CHECK sees what is missing; DEL removes what is there, whatever else is gone.

use serde_json::json;
use weir_sdk::net::IpFamily;

use super::*;

#[test]
fn check_sees_a_lost_rule_and_lost_routes() {
    let prepared = || {
        let world = world(&DUAL);
        let later = later(&world, &config(&DUAL, json!({})));
        world.check::<Sbr>(&later).unwrap();
        (world, later)
    };
    let lost = |destination: &str, number: u32| {
        let (world, later) = prepared();
        world.container().remove_routes(&Route { table: Some(number), ..Route::to(net(destination)) });
        world.check::<Sbr>(&later).unwrap_err().msg
    };
    assert!(lost("0.0.0.0/0", 100).contains("no default route"));
    assert!(lost("10.1.0.0/24", 100).contains("no route to 10.1.0.0/24"));
    assert!(lost("::/0", 101).contains("no default route"));

    let (world, later) = prepared();
    Netns::container().unwrap().remove_rule(&Rule::from_address(address("fd00:1::5"), 101)).unwrap();
    assert!(world.check::<Sbr>(&later).unwrap_err().msg.contains("fd00:1::5"));

    let (world, later) = prepared();
    world.container().delete_link("net1");
    assert!(world.check::<Sbr>(&later).unwrap_err().msg.contains("no interface net1"));
}

#[test]
fn check_compares_gateway_and_table_of_the_configuration() {
    let world = world(&DUAL);
    let with_gateway = later(&world, &config(&DUAL, json!({"gateways": ["10.1.0.254"]})));
    world.check::<Sbr>(&with_gateway).unwrap();
    let other = with_gateway.replace("10.1.0.254", "10.1.0.253");
    assert!(world.check::<Sbr>(&other).unwrap_err().msg.contains("10.1.0.253"));
    let table = config(&DUAL, json!({"table": 7}));
    assert!(world.check::<Sbr>(&table).unwrap_err().msg.contains("to table 7"));
    world.add::<Sbr>(&table).unwrap();
    world.check::<Sbr>(&table).unwrap();
}

#[test]
fn del_removes_rules_and_tables_and_can_be_repeated() {
    let world = world(&DUAL);
    let foreign = Rule { source: Some(net("10.1.0.0/24")), ..Rule::to_table(IpFamily::Ipv4, 500) };
    world.container().add_rule(&foreign);
    let later = later(&world, &config(&DUAL, json!({})));
    world.del::<Sbr>(&later).unwrap();
    assert_eq!(rules(&world), ["10.1.0.0 500"]);
    assert!(table(&world, 100).is_empty() && table(&world, 101).is_empty());
    world.del::<Sbr>(&later).unwrap();
}

#[test]
fn del_finds_the_addresses_on_the_interface_or_in_the_result_or_nowhere() {
    // No prevResult.
    let other = world(&DUAL);
    let keys = config(&DUAL, json!({}));
    other.add::<Sbr>(&keys).unwrap();
    let without = config(&DUAL, json!({"prevResult": null}));
    other.del::<Sbr>(&without).unwrap();
    assert!(rules(&other).is_empty());

    // No interface.
    let world = world(&DUAL);
    let later = later(&world, &keys);
    world.container().delete_link("net1");
    world.del::<Sbr>(&later).unwrap();
    assert!(rules(&world).is_empty());

    // Neither; the rule of another interface stays.
    interface(&world, "net1", &["10.1.0.5/24"]);
    world.add::<Sbr>(&config(&DUAL[..1], json!({}))).unwrap();
    world.container().delete_link("net1");
    world.container().add_rule(&Rule::from_address(address("10.0.0.5"), 300));
    world.del::<Sbr>(&without).unwrap();
    assert_eq!(rules(&world), ["10.0.0.5 300"]);
}

#[test]
fn del_succeeds_without_namespace_and_with_a_bad_configuration() {
    let world = world(&DUAL);
    world.add::<Sbr>(&config(&DUAL, json!({}))).unwrap();
    world.del::<Sbr>(&config(&DUAL, json!({"table": "x", "gateways": 5}))).unwrap();
    assert!(rules(&world).is_empty());
    world.destroy_container().del::<Sbr>(&config(&DUAL, json!({}))).unwrap();
    assert_eq!(world.calls().last().map(String::as_str), Some("container-namespace.open"));
}

#[test]
fn del_takes_only_rules_of_the_configured_table() {
    let world = world(&DUAL);
    let keys = config(&DUAL, json!({"table": 7}));
    route("net1", "192.0.2.0/24", None);
    world.add::<Sbr>(&keys).unwrap();
    world.container().add_rule(&Rule::from_address(address("10.1.0.5"), 300));
    let before = main_table(&world, "net1");
    world.del::<Sbr>(&keys).unwrap();
    assert_eq!(rules(&world), ["10.1.0.5 300"]);
    assert_eq!(main_table(&world, "net1"), before);
}
