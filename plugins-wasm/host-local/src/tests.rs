//! The plugin on the in-memory host.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use weir_sdk::resolver::Settings;
use weir_sdk::testing::{World, with_prev_result};
use weir_sdk::{AddResult, Error, FailureKind};

use crate::HostLocal;

fn config(ipam: Value) -> String {
    json!({"cniVersion": "1.1.0", "name": "net", "type": "bridge", "ipam": ipam}).to_string()
}

fn with_keys(ipam: Value, keys: Value) -> String {
    let mut document: Value = serde_json::from_str(&config(ipam)).unwrap();
    document.as_object_mut().unwrap().append(&mut keys.as_object().unwrap().clone());
    document.to_string()
}

fn addresses(result: &AddResult) -> Vec<String> {
    result.ips.iter().map(|ip| ip.address.to_string()).collect()
}

fn add(world: &World, config: &str) -> Vec<String> {
    addresses(&world.add::<HostLocal>(config).unwrap_or_else(|error| panic!("{config}: {error}")))
}

fn refused(world: &World, config: &str) -> Error {
    let error = world.add::<HostLocal>(config).map(|result| addresses(&result)).unwrap_err();
    assert_eq!(world.leases("net"), [], "a refused ADD must keep nothing: {error}");
    error
}

const DUAL: &str = r#"{"ranges": [[{"subnet": "10.1.0.0/29"}], [{"subnet": "2001:db8::/125"}]]}"#;

fn dual() -> String {
    config(serde_json::from_str(DUAL).unwrap())
}

#[test]
fn each_range_set_gives_one_address_with_gateway_and_routes() {
    let world = World::new();
    let ipam = json!({
        "ranges": [[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.20", "gateway": "10.1.0.254"}], [{"subnet": "2001:db8::/64"}]],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.0.0.0/8", "gw": "10.1.0.9", "mtu": 1400}]
    });
    let result = world.add::<HostLocal>(&config(ipam.clone())).unwrap();
    let document = result.to_json(weir_sdk::cni_spec::version::LATEST).unwrap();
    assert_eq!(
        document,
        json!({
            "cniVersion": "1.1.0",
            "ips": [
                {"address": "10.1.0.20/24", "gateway": "10.1.0.254"},
                {"address": "2001:db8::2/64", "gateway": "2001:db8::1"}
            ],
            "routes": ipam.get("routes")
        })
    );
}

#[test]
fn ranges_come_from_the_runtime_then_the_single_range_then_the_list() {
    let ipam = json!({"subnet": "10.2.0.0/24", "rangeStart": "10.2.0.7", "ranges": [[{"subnet": "10.3.0.0/24"}]]});
    let config = with_keys(ipam, json!({"runtimeConfig": {"ipRanges": [[{"subnet": "10.1.0.0/24"}]]}}));
    assert_eq!(add(&World::new(), &config), ["10.1.0.2/24", "10.2.0.7/24", "10.3.0.2/24"]);
}

#[test]
fn addresses_go_round_and_the_gateway_is_never_given() {
    let world = World::new();
    let config = config(json!({"subnet": "10.1.0.0/29", "dataDir": "/data"}));
    for (container, expected) in [("a", 2), ("b", 3), ("c", 4), ("d", 5), ("e", 6)] {
        assert_eq!(add(world.attachment(container, "eth0"), &config), [format!("10.1.0.{expected}/29")]);
    }
    assert_eq!(world.attachment("f", "eth0").add::<HostLocal>(&config).unwrap_err().code, 11);
    world.attachment("b", "eth0").del::<HostLocal>(&config).unwrap();
    assert_eq!(add(world.attachment("g", "eth0"), &config), ["10.1.0.3/29"]);
    assert_eq!((world.leases_in("/data", "net").len(), world.leases("net").len()), (5, 0));
}

#[test]
fn requested_addresses_are_merged_from_all_sources() {
    let ipam = json!({"ranges": [
        [{"subnet": "10.1.0.0/24"}], [{"subnet": "10.2.0.0/24"}], [{"subnet": "10.3.0.0/24"}], [{"subnet": "10.4.0.0/24"}]
    ]});
    let keys = json!({"args": {"cni": {"ips": ["10.2.0.7"]}}, "runtimeConfig": {"ips": ["10.3.0.7/24", "10.2.0.7"]}});
    let result = World::new().add_with_args::<HostLocal>(&with_keys(ipam, keys), "IP=10.1.0.7").unwrap();
    assert_eq!(addresses(&result), ["10.1.0.7/24", "10.2.0.7/24", "10.3.0.7/24", "10.4.0.2/24"]);
}

#[test]
fn requested_addresses_that_cannot_be_given_are_refused_and_nothing_is_kept() {
    let world = World::new();
    let request = |ips: Value| with_keys(serde_json::from_str(DUAL).unwrap(), json!({"runtimeConfig": {"ips": ips}}));
    assert_eq!(refused(&world, &request(json!(["10.9.0.1"]))).code, 7);
    assert_eq!(refused(&world, &request(json!(["10.1.0.2", "10.1.0.3"]))).code, 7);
    assert_eq!(refused(&world, &request(json!(["10.1.0.1"]))).code, 7);
    assert_eq!(refused(&world, &request(json!(["x"]))).code, 6);
    world.lease("net", "2001:db8::3".parse().unwrap(), "other", "eth0");
    let error = world.add::<HostLocal>(&request(json!(["2001:db8::3"]))).unwrap_err();
    assert!(error.code == 11 && error.msg.contains("range set 1"), "{error}");
    assert_eq!(world.leases("net").len(), 1, "the IPv4 address is given back");
}

#[test]
fn conventional_arguments_are_accepted_and_unknown_ones_are_not() {
    let world = World::new();
    let args = "MAC=0a:00:00:00:00:01;GATEWAY=10.1.0.1;K8S_POD_NAME=x";
    assert!(world.add_with_args::<HostLocal>(&dual(), args).is_ok());
    for args in ["FOO=1", "IP=10.1.0", "IP=10.1.0.2,10.1.0.3"] {
        assert_eq!(World::new().add_with_args::<HostLocal>(&dual(), args).unwrap_err().code, 4, "{args}");
    }
    assert!(World::new().add_with_args::<HostLocal>(&dual(), "FOO=1;IgnoreUnknown=1").is_ok());
}

#[test]
fn a_second_add_of_an_attachment_fails_and_keeps_what_the_first_got() {
    let world = World::new();
    add(&world, &dual());
    assert!(world.add::<HostLocal>(&dual()).unwrap_err().msg.contains("range set 0"));
    assert_eq!(world.leases("net").len(), 2);
    assert_eq!(add(world.attachment("c1", "eth1"), &dual()), ["10.1.0.3/29", "2001:db8::3/125"]);
}

#[test]
fn bad_configurations_are_refused_with_their_codes() {
    let world = World::new();
    for ipam in [
        json!(null),
        json!({}),
        json!({"ranges": []}),
        json!({"ranges": [[]]}),
        json!({"subnet": "10.1.0.1/24"}),
        json!({"subnet": "10.1.0.0/24", "rangeStart": "10.2.0.1"}),
        json!({"ranges": [[{"rangeStart": "10.2.0.1"}]]}),
        json!({"subnet": "10.1.0.0/24", "ranges": [[{"subnet": "10.1.0.128/25"}]]}),
    ] {
        assert_eq!(refused(&world, &config(ipam.clone())).code, 7, "{ipam}");
    }
    for ipam in [
        json!("host-local"),
        json!({"subnet": "10.1.0.0"}),
        json!({"subnet": 10}),
        json!({"ranges": {}}),
        json!({"ranges": [{"subnet": "10.1.0.0/24"}]}),
        json!({"subnet": "10.1.0.0/24", "gateway": "10.1.0"}),
        json!({"subnet": "10.1.0.0/24", "routes": [{"dst": "default"}]}),
        json!({"subnet": "10.1.0.0/24", "dataDir": 1}),
    ] {
        assert_eq!(refused(&world, &config(ipam.clone())).code, 6, "{ipam}");
    }
}

#[test]
fn versions_before_0_3_have_one_range_set_of_each_family() {
    let with_version =
        |ranges: Value| json!({"cniVersion": "0.2.0", "name": "net", "ipam": {"ranges": ranges}}).to_string();
    let two = with_version(json!([[{"subnet": "10.1.0.0/24"}], [{"subnet": "10.2.0.0/24"}]]));
    assert_eq!(refused(&World::new(), &two).code, 7);
    let one_each = with_version(json!([[{"subnet": "10.1.0.0/24"}], [{"subnet": "2001:db8::/64"}]]));
    assert_eq!(add(&World::new(), &one_each).len(), 2);
}

#[test]
fn dns_comes_from_the_named_file() {
    let world = World::new();
    let config = config(json!({"subnet": "10.1.0.0/24", "resolvConf": "/etc/resolv.conf"}));
    refused(&world, &config);
    assert_eq!(world.status::<HostLocal>(&config).unwrap_err().code, 50);
    let text = |text: &str| vec![text.to_owned()];
    world.resolv_conf(
        "/etc/resolv.conf",
        Settings {
            nameservers: text("10.1.0.1"),
            domain: "local".to_owned(),
            search: text("a"),
            options: text("ndots:2"),
        },
    );
    let dns = world.add::<HostLocal>(&config).unwrap().dns;
    assert_eq!(
        (dns.nameservers, dns.domain, dns.search, dns.options),
        (text("10.1.0.1"), "local".to_owned(), text("a"), text("ndots:2"))
    );
}

#[test]
fn del_releases_repeatedly_and_without_a_valid_configuration() {
    let world = World::new();
    for broken in [json!({}), json!({"subnet": "x", "ranges": 5}), json!({"ranges": [[]], "dataDir": null})] {
        add(&world, &dual());
        world.without_netns().del::<HostLocal>(&config(broken.clone())).unwrap();
        assert_eq!(world.leases("net"), [], "{broken}");
        world.del::<HostLocal>(&config(broken)).unwrap();
    }
}

#[test]
fn check_finds_lost_addresses() {
    let world = World::new();
    assert!(world.check::<HostLocal>(&dual()).unwrap_err().msg.contains("holds no address"));
    let result = world.add::<HostLocal>(&dual()).unwrap();
    let later = with_prev_result(&dual(), &result).unwrap();
    world.check::<HostLocal>(&later).unwrap();
    world.check::<HostLocal>(&dual()).unwrap();

    let mut chained = result.clone();
    chained.ips.push(weir_sdk::cni_spec::IpConfig::new("10.1.0.6/29".parse().unwrap()));
    world.check::<HostLocal>(&with_prev_result(&dual(), &chained).unwrap()).unwrap();

    world.del::<HostLocal>(&dual()).unwrap();
    world.lease("net", "10.1.0.2".parse().unwrap(), "c1", "eth0");
    let error = world.check::<HostLocal>(&later).unwrap_err();
    assert!(error.msg.contains("range set 1"), "{error}");
}

#[test]
fn gc_keeps_valid_attachments_alone() {
    let world = World::new();
    for (container, interface) in [("a", "eth0"), ("a", "eth1"), ("b", "eth0"), ("c", "eth0")] {
        add(world.attachment(container, interface), &dual());
    }
    let broken = config(json!({"ranges": [[]]}));
    world.gc::<HostLocal>(&broken, &[("a", "eth1"), ("c", "eth0"), ("d", "eth0")]).unwrap();
    let mut left: Vec<_> = world.leases("net").into_iter().map(|lease| lease.owner.container_id).collect();
    left.sort();
    assert_eq!(left, ["a", "a", "c", "c"]);
    world.gc::<HostLocal>(&broken, &[]).unwrap();
    assert_eq!(world.leases("net"), []);
}

#[test]
fn status_tells_which_range_set_is_exhausted() {
    let world = World::new();
    let config = config(json!({"ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "10.2.0.0/30"}]]}));
    world.status::<HostLocal>(&config).unwrap();
    add(&world, &config);
    let error = world.status::<HostLocal>(&config).unwrap_err();
    assert!(error.code == 50 && error.msg.contains("range set 1 (10.2.0.1-10.2.0.2)"), "{error}");
    world.del::<HostLocal>(&config).unwrap();
    world.status::<HostLocal>(&config).unwrap();
    assert_eq!(world.status::<HostLocal>(&config.replace("10.2.0.0/30", "10.2.0.0/31")).unwrap_err().code, 7);
}

#[test]
fn an_add_that_fails_anywhere_keeps_no_address() {
    for nth in 1.. {
        let world = World::new();
        world.fail_nth(nth, FailureKind::Io);
        if world.add::<HostLocal>(&dual()).is_ok() {
            assert!(nth > 3, "open and two allocations can fail");
            return;
        }
        assert_eq!(world.leases("net"), [], "after a failure of call {nth}: {:?}", world.calls());
    }
}
