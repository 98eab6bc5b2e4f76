//! Tests on the in-memory host, whose daemon gives what the test says.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use weir_sdk::dhcp::{ClientOptions, Lease, LeaseRoute};
use weir_sdk::testing::{World, with_prev_result};
use weir_sdk::{AddResult, FailureKind};

use super::Dhcp;

const CONFIG: &str = r#"{"cniVersion": "1.1.0", "name": "net", "type": "bridge", "ipam": {"type": "dhcp"}}"#;
const SOCKET: &str = "/run/cni/dhcp.sock";

fn with_ipam(keys: &str) -> String {
    CONFIG.replace(r#""type": "dhcp""#, &format!(r#""type": "dhcp", {keys}"#))
}

fn lease(address: &str) -> Lease {
    let route = |destination: &str, gateway: Option<&str>| LeaseRoute {
        destination: destination.parse().unwrap(),
        gateway: gateway.map(|gateway| gateway.parse().unwrap()),
    };
    Lease {
        address: address.parse().unwrap(),
        routers: vec!["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()],
        routes: vec![route("0.0.0.0/0", Some("10.0.0.1")), route("10.9.0.0/16", None)],
        name_servers: vec!["9.9.9.9".parse().unwrap()],
        domain: "a.example".to_owned(),
        search: vec!["b.example".to_owned()],
        seconds_left: Some(60),
    }
}

fn world() -> World {
    let world = World::new();
    world.dhcp_daemon(SOCKET).dhcp_offer(&lease("10.0.0.7/24"));
    world
}

fn options(config: &str, args: &str) -> ClientOptions {
    let world = world();
    world.add_with_args::<Dhcp>(config, args).unwrap();
    world.dhcp_asked().remove(0)
}

fn refused(keys: &str) -> u32 {
    let world = world();
    let error = world.add::<Dhcp>(&with_ipam(keys)).unwrap_err();
    assert!(world.calls().is_empty(), "{keys}");
    error.code
}

#[test]
fn the_lease_becomes_the_result() {
    let world = world();
    let result = world.add::<Dhcp>(&with_ipam(r#""priority": 77"#)).unwrap();
    assert_eq!(result.ips.len(), 1);
    assert_eq!(result.ips[0].address.to_string(), "10.0.0.7/24");
    assert_eq!(result.ips[0].gateway, Some([10, 0, 0, 1].into()));
    let routes: Vec<_> = result.routes.iter().map(|route| (route.dst.to_string(), route.gw, route.scope)).collect();
    let expected =
        [("0.0.0.0/0".to_owned(), Some([10, 0, 0, 1].into()), None), ("10.9.0.0/16".to_owned(), None, Some(253))];
    assert_eq!(routes, expected);
    assert!(result.routes.iter().all(|route| route.priority == 77));
    assert_eq!(world.dhcp_asked()[0].priority, 77);
    assert!(result.interfaces.is_empty());
    assert_eq!(result.dns, weir_sdk::cni_spec::Dns::default(), "nobody asked for it");
    assert_eq!(world.dhcp_leases("net").len(), 1);
    assert_eq!(world.calls(), ["dhcp.acquire /run/cni/dhcp.sock"]);
}

#[test]
fn dns_settings_come_where_they_were_asked_for() {
    let world = world();
    let dns = |request: &str| world.add::<Dhcp>(&with_ipam(&format!(r#""request": {request}"#))).unwrap().dns;
    let all = dns(r#"[{"option": 6}, {"option": "15"}, {"option": "119"}]"#);
    assert_eq!(
        (all.nameservers, all.domain.as_str(), all.search),
        (vec!["9.9.9.9".to_owned()], "a.example", vec!["b.example".to_owned()])
    );
    assert!(all.options.is_empty());
    let one = dns(r#"[{"option": 15}]"#);
    assert_eq!((one.nameservers.len(), one.domain.as_str(), one.search.len()), (0, "a.example", 0));
}

#[test]
fn router_and_mask_are_asked_for_unless_told_otherwise() {
    assert_eq!(options(CONFIG, "").request, [1, 3]);
    let asked = |request: &str| options(&with_ipam(&format!(r#""request": {request}"#)), "").request;
    assert_eq!(asked(r#"[{"option": "routers"}, {"option": 121}, {"option": 121}]"#), [3, 121, 1]);
    assert_eq!(asked(r#"[{"option": "subnet-mask", "skipDefault": true}, {"option": "255"}]"#), [1, 255]);
    assert_eq!(asked(r#"[{"skipDefault": true}]"#), [] as [u8; 0]);
    assert_eq!(asked("null"), [1, 3]);
}

#[test]
fn options_are_provided_from_values_and_arguments() {
    let keys = r#""provide": [{"option": "host-name", "fromArg": "K8S_POD_NAME"},
        {"option": "vendor-class-identifier", "value": "v"}, {"option": 77, "value": "u", "fromArg": "USER"},
        {"option": "61", "value": "me"}, {"option": 200, "value": "first"}, {"option": "200", "value": "last"},
        {"option": "1", "fromArg": "MISSING"}, {"option": 2}]"#;
    let provided = |args: &str| {
        let text = |(code, value): (u8, Vec<u8>)| (code, String::from_utf8(value).unwrap());
        options(&with_ipam(keys), args).provide.into_iter().map(text).collect::<Vec<_>>()
    };
    let of = |pairs: &[(u8, &str)]| pairs.iter().map(|(code, value)| (*code, (*value).to_owned())).collect::<Vec<_>>();
    assert_eq!(provided(""), of(&[(60, "v"), (77, "u"), (61, "me"), (200, "last")]));
    let args = "IgnoreUnknown=1;K8S_POD_NAME=pod;USER=x;OTHER=y";
    assert_eq!(provided(args), of(&[(12, "pod"), (60, "v"), (77, "x"), (61, "me"), (200, "last")]));
    assert_eq!(provided("USER="), of(&[(60, "v"), (77, ""), (61, "me"), (200, "last")]), "given, and empty");
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_asked() {
    for option in ["256", "-1", "true", r#""nothing""#, r#""256""#, "1.5", "{}"] {
        assert_eq!(refused(&format!(r#""request": [{{"option": {option}}}]"#)), 6, "{option}");
        assert_eq!(refused(&format!(r#""provide": [{{"option": {option}, "value": "x"}}]"#)), 6, "{option}");
    }
    for code in [0, 53, 54, 255] {
        assert_eq!(refused(&format!(r#""provide": [{{"option": {code}, "value": "x"}}]"#)), 7, "{code}");
    }
    assert_eq!(refused(r#""provide": [{"value": "x"}]"#), 7);
    assert_eq!(refused(r#""request": [{}]"#), 7);
    assert_eq!(refused(&format!(r#""provide": [{{"option": 12, "value": "{}"}}]"#, "x".repeat(256))), 7);
    assert_eq!(refused(r#""provide": 5"#), 6);
    assert_eq!(refused(r#""priority": -1"#), 6);
    let long = format!("NAME={}", "x".repeat(256));
    let keys = with_ipam(r#""provide": [{"option": 12, "fromArg": "NAME"}]"#);
    assert_eq!(world().add_with_args::<Dhcp>(&keys, &long).unwrap_err().code, 4);
    let none = r#"{"cniVersion": "1.1.0", "name": "net", "type": "dhcp"}"#;
    assert_eq!(world().add::<Dhcp>(none).unwrap_err().code, 7);
}

#[test]
fn another_socket_can_be_named() {
    let world = World::new();
    world.dhcp_daemon("/run/other.sock").dhcp_offer(&lease("10.0.0.7/24"));
    let config = with_ipam(r#""daemonSocketPath": "/run/other.sock""#);
    let result = world.add::<Dhcp>(&config).unwrap();
    assert_eq!(world.check::<Dhcp>(&with_prev_result(&config, &result).unwrap()), Ok(()));
    assert_eq!(world.status::<Dhcp>(&config), Ok(()));
    assert_eq!(world.gc::<Dhcp>(&config, &[("c1", "eth0")]), Ok(()));
    assert_eq!(world.dhcp_leases("net").len(), 1);
    assert_eq!(world.del::<Dhcp>(&config), Ok(()));
    assert!(world.dhcp_leases("net").is_empty());
}

#[test]
fn check_looks_and_does_not_ask_for_a_lease() {
    let world = world();
    let result = world.add::<Dhcp>(CONFIG).unwrap();
    let config = with_prev_result(CONFIG, &result).unwrap();
    world.clear_calls();
    assert_eq!(world.check::<Dhcp>(&config), Ok(()));
    assert_eq!(world.calls(), ["dhcp.confirm /run/cni/dhcp.sock"]);
    world.dhcp_offer(&lease("10.0.0.8/24"));
    assert!(world.check::<Dhcp>(&config).unwrap_err().msg.contains("10.0.0.8/24"));
    assert_eq!(world.check::<Dhcp>(CONFIG), Ok(()), "without a result the lease is enough");
    world.del::<Dhcp>(&config).unwrap();
    assert!(world.check::<Dhcp>(&config).is_err());
    world.without_dhcp_daemon();
    assert!(world.check::<Dhcp>(&config).is_err());
}

#[test]
fn del_succeeds_whatever_is_missing() {
    let world = world();
    world.add::<Dhcp>(CONFIG).unwrap();
    world.without_netns();
    assert_eq!(world.del::<Dhcp>(CONFIG), Ok(()));
    assert_eq!(world.del::<Dhcp>(CONFIG), Ok(()));
    assert!(world.dhcp_leases("net").is_empty());
    assert_eq!(world.del::<Dhcp>(&with_ipam(r#""provide": 5, "request": 6"#)), Ok(()));
    assert_eq!(world.del::<Dhcp>(r#"{"cniVersion": "1.0.0", "name": "net"}"#), Ok(()));
    world.without_dhcp_daemon();
    assert_eq!(world.del::<Dhcp>(CONFIG), Ok(()));
    assert!(world.log().iter().any(|(_, line)| line.contains("not released")), "{:?}", world.log());
}

#[test]
fn gc_gives_back_what_belongs_to_nobody() {
    let world = world();
    for (network, container) in [("net", "c1"), ("net", "c2"), ("other", "c1"), ("other", "c2")] {
        world.attachment(container, "eth0");
        world.add::<Dhcp>(&CONFIG.replace("\"net\"", &format!("\"{network}\""))).unwrap();
    }
    assert_eq!(world.gc::<Dhcp>(CONFIG, &[("c1", "eth0"), ("c2", "eth1")]), Ok(()));
    let left = world.dhcp_leases("net");
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].container_id, "c1");
    assert_eq!(world.dhcp_leases("other").len(), 2);
    world.without_dhcp_daemon();
    assert_eq!(world.gc::<Dhcp>(CONFIG, &[]), Ok(()));
}

#[test]
fn status_tells_whether_the_daemon_is_there() {
    let world = world();
    assert_eq!(world.status::<Dhcp>(CONFIG), Ok(()));
    assert_eq!(world.status::<Dhcp>(&with_ipam(r#""request": [{}]"#)).unwrap_err().code, 7);
    world.without_dhcp_daemon();
    assert_eq!(world.status::<Dhcp>(CONFIG).unwrap_err().code, 50);
    assert!(world.calls().iter().all(|call| call.starts_with("dhcp.available")));
}

#[test]
fn every_failure_is_an_error_and_leaves_no_lease() {
    let world = world();
    world.without_dhcp_daemon();
    assert_eq!(world.add::<Dhcp>(CONFIG).unwrap_err().code, 999);
    world.dhcp_daemon(SOCKET);
    assert_eq!(world.add::<Dhcp>(CONFIG).unwrap_err().code, 11, "no server");
    world.dhcp_offer(&lease("10.0.0.7/24"));
    for nth in 1.. {
        world.fail_nth(nth, FailureKind::Io);
        let outcome: weir_sdk::Result<AddResult> = world.add::<Dhcp>(CONFIG);
        world.heal();
        if outcome.is_ok() {
            assert!(nth > 1);
            break;
        }
        assert!(world.dhcp_leases("net").is_empty(), "call {nth}");
    }
    world.fail_always("dhcp.release", FailureKind::TimedOut);
    assert_eq!(world.del::<Dhcp>(CONFIG).unwrap_err().code, 11, "a daemon that hangs is not one that is gone");
    world.heal().fail_always("dhcp.retain", FailureKind::Io);
    assert_eq!(world.gc::<Dhcp>(CONFIG, &[]).unwrap_err().code, 5);
}
