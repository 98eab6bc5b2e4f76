//! The flow around a link, on the in-memory host, with a bridge as the link.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use cni_spec::version;

use super::*;
use crate::net::{BridgeOptions, LinkChanges, Route};
use crate::plugin::{GcRequest, Plugin, StatusRequest};
use crate::testing::{Command, NetnsView, World, fail_each, with_prev_result};

struct OneLink;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    ipam: Ipam,
    dns: Dns,
    wait: bool,
}

impl Plugin for OneLink {
    fn add(request: &Request) -> Result<AddResult> {
        let config: Config = request.config()?;
        let detection = if config.wait { DuplicateDetection::Wait } else { DuplicateDetection::Skip };
        let settings = Settings { ipam: config.ipam.plugin(), dns: &config.dns, detection };
        add(request, &settings, |container| Ok(container.create_bridge("eth0", BridgeOptions::default())?))
    }

    fn del(request: &Request) -> Result<()> {
        del(request)
    }

    fn check(request: &Request) -> Result<()> {
        let config: Config = request.config()?;
        check(
            request,
            config.ipam.plugin(),
            |_, info| {
                if info.is("bridge") { Ok(()) } else { Err(Error::internal("no bridge")) }
            },
        )
    }

    fn gc(request: &GcRequest) -> Result<()> {
        collect_garbage(request)
    }

    fn status(request: &StatusRequest) -> Result<()> {
        status(request)
    }
}

const BARE: &str = r#"{"name": "net", "type": "one"}"#;
const WITH_IPAM: &str = r#"{"name": "net", "type": "one", "wait": true, "ipam": {"type": "pool"}}"#;
const LEASED: &str = r#"{"ips": [{"address": "10.1.2.3/24", "gateway": "10.1.2.1"}, {"address": "fd00:1::3/64"}],
    "routes": [{"dst": "0.0.0.0/0"}], "dns": {"nameservers": ["9.9.9.9"]}}"#;

fn install(world: &World) {
    world.ipam("pool", AddResult::from_slice(LEASED.as_bytes(), version::LATEST).unwrap());
}

fn added() -> (World, AddResult, String) {
    let world = World::new();
    install(&world);
    let result = world.add::<OneLink>(WITH_IPAM).unwrap();
    let prev = with_prev_result(WITH_IPAM, &result).unwrap();
    (world, result, prev)
}

#[test]
fn addresses_routes_and_dns_of_ipam_come_to_the_link() {
    let (world, result, _) = added();
    let link = world.container().link("eth0").unwrap();
    assert!(link.up);
    assert_eq!(
        result.interfaces,
        [Interface {
            name: "eth0".to_owned(),
            mac: link.mac.to_string(),
            sandbox: "/run/netns/c1".to_owned(),
            ..Interface::default()
        }]
    );
    assert_eq!(result.ips.iter().map(|ip| ip.interface).collect::<Vec<_>>(), [Some(0), Some(0)]);
    assert_eq!(result.dns.nameservers, ["9.9.9.9"]);
    assert_eq!(world.container().addresses("eth0").len(), 2);
    assert!(world.container().routes().iter().any(|route| route.destination.prefix_len() == 0));
    for key in ["net/ipv4/conf/eth0/arp_notify", "net/ipv6/conf/eth0/ndisc_notify"] {
        assert_eq!(world.container().sysctl(key).unwrap(), "1");
    }
    assert!(world.waited() > 0, "duplicates are not waited for");
}

#[test]
fn own_dns_settings_replace_others_only_where_there_are_any() {
    for (dns, expected) in [("{}", "9.9.9.9"), (r#"{"nameservers": ["1.1.1.1"]}"#, "1.1.1.1")] {
        let world = World::new();
        install(&world);
        let config = WITH_IPAM.replacen('{', &format!(r#"{{"dns": {dns}, "#), 1);
        assert_eq!(world.add::<OneLink>(&config).unwrap().dns.nameservers, [expected]);
    }
}

#[test]
fn without_ipam_the_link_is_up_and_without_addresses() {
    let world = World::new();
    let result = world.add::<OneLink>(BARE).unwrap();
    assert!(result.ips.is_empty() && world.container().link("eth0").unwrap().up);
    assert_eq!(world.check::<OneLink>(&with_prev_result(BARE, &result).unwrap()), Ok(()));
    assert_eq!(world.del::<OneLink>(BARE), Ok(()));
    assert_eq!(world.container().link("eth0"), None);
}

#[test]
fn whatever_fails_in_add_leaves_nothing() {
    let calls = fail_each::<OneLink>(WITH_IPAM, install, |world, call| {
        assert_eq!(world.container().link("eth0"), None, "{call}");
    });
    assert!(calls > 10, "{calls}");
}

#[test]
fn an_ipam_plugin_without_addresses_and_a_duplicate_are_errors_that_leave_nothing() {
    let world = World::new();
    world.ipam("pool", AddResult::default());
    assert!(world.add::<OneLink>(WITH_IPAM).unwrap_err().msg.contains("no address"));
    assert_eq!(world.asked_of("pool"), [Command::Add, Command::Del]);
    assert_eq!(world.container().link("eth0"), None);
    install(&world);
    world.duplicate_address("fd00:1::3".parse().unwrap());
    assert!(world.add::<OneLink>(WITH_IPAM).unwrap_err().msg.contains("another owner"));
    assert_eq!(world.container().link("eth0"), None);
    assert_eq!(world.asked_of("pool").last(), Some(&Command::Del));
}

#[test]
fn del_gives_addresses_back_whatever_is_missing() {
    let breaks: [fn(&World); 4] = [
        |_| {},
        |world| {
            world.without_netns();
        },
        |world| {
            world.destroy_container();
        },
        |world| {
            world.container().delete_link("eth0");
        },
    ];
    for break_something in breaks {
        let (world, _, prev) = added();
        break_something(&world);
        for config in [prev.as_str(), WITH_IPAM] {
            assert_eq!(world.del::<OneLink>(config), Ok(()));
            assert_eq!(world.asked_of("pool").last(), Some(&Command::Del));
        }
    }
}

#[test]
fn del_gives_addresses_back_where_the_link_cannot_be_deleted_and_reports_it() {
    let (world, _, prev) = added();
    world.fail_call("link.delete", 1, crate::FailureKind::Io);
    assert_eq!(world.del::<OneLink>(&prev).unwrap_err().code, 5);
    assert_eq!(world.asked_of("pool"), [Command::Add, Command::Del]);
}

#[test]
fn check_finds_what_was_changed() {
    let net = |text: &str| text.parse().unwrap();
    let (world, _, prev) = added();
    assert_eq!(world.check::<OneLink>(&prev), Ok(()));
    let other_mac = LinkChanges { mac: Some(vec![0x0a, 9, 9, 9, 9, 9]), ..LinkChanges::default() };
    let changes: [(&str, &dyn Fn(NetnsView)); 5] = [
        ("no interface eth0", &|container| {
            container.delete_link("eth0");
        }),
        ("no bridge", &|container| {
            container.delete_link("eth0").add_link("eth0", "dummy");
        }),
        ("has the MAC", &|container| {
            container.update_link("eth0", &other_mac);
        }),
        ("fd00:1::3/64", &|container| {
            container.remove_address("eth0", net("fd00:1::3/64"));
        }),
        ("0.0.0.0/0", &|container| {
            container.remove_routes(&Route::to(net("0.0.0.0/0")));
        }),
    ];
    for (expected, change) in changes {
        let (world, _, prev) = added();
        change(world.container());
        let error = world.check::<OneLink>(&prev).unwrap_err();
        assert!(error.msg.contains(expected), "{expected:?} is not in {:?}", error.msg);
    }
}

#[test]
fn check_needs_a_result_that_tells_of_the_interface() {
    let (world, _, prev) = added();
    assert_eq!(world.check::<OneLink>(WITH_IPAM).unwrap_err().code, 7);
    assert_eq!(world.check::<OneLink>(&prev.replace("eth0", "eth1")).unwrap_err().code, 7);
}

#[test]
fn check_gc_and_status_are_passed_on_to_ipam() {
    let (world, _, prev) = added();
    world.check::<OneLink>(&prev).unwrap();
    world.gc::<OneLink>(WITH_IPAM, &[]).unwrap();
    world.status::<OneLink>(WITH_IPAM).unwrap();
    assert_eq!(world.asked_of("pool"), [Command::Add, Command::Check, Command::Gc, Command::Status]);
    world.gc::<OneLink>(BARE, &[]).unwrap();
    world.status::<OneLink>(BARE).unwrap();
}

#[test]
fn the_lower_link_is_the_named_one_or_that_of_the_best_default_route() {
    let world = World::new();
    let host = world.host();
    host.add_link("nic0", "dummy").add_link("nic1", "dummy");
    let netns = Netns::host().unwrap();
    let found = |name: &str| lower::find(&netns, name).map(|(_, info)| info.name).map_err(|error| error.code);
    assert_eq!((found("nic1"), found("nic7"), found("")), (Ok("nic1".to_owned()), Err(7), Err(7)));
    for (name, address, metric) in [("nic0", "10.0.0.2/24", 20), ("nic1", "10.0.1.2/24", 10)] {
        host.update_link(name, &LinkChanges { up: Some(true), ..LinkChanges::default() });
        host.add_address(name, address.parse().unwrap());
        let link = host.link(name).map(|info| info.index);
        let route = Route { link, priority: Some(metric), ..Route::to("0.0.0.0/0".parse().unwrap()) };
        netns.add_routes(&[route], crate::net::Conflict::Append).unwrap();
    }
    assert_eq!(found(""), Ok("nic1".to_owned()));
}

#[test]
fn the_mtu_is_at_most_that_of_the_lower_link() {
    let world = World::new();
    world.host().add_link("nic0", "dummy");
    let info = world.host().link("nic0").unwrap();
    let mtu = |mtu| lower::require_mtu(mtu, &info).map_err(|error| error.code);
    assert_eq!((mtu(0), mtu(1400), mtu(1500)), (Ok(None), Ok(Some(1400)), Ok(Some(1500))));
    assert_eq!((mtu(1501), mtu(-1), mtu(i64::MAX)), (Err(7), Err(7), Err(7)));
}
