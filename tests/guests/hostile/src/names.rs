//! Names and paths that mean something else than they say.

use weir_sdk::bindings::weir::cni::links::{self, LinkChanges, VethEnd};
use weir_sdk::bindings::weir::cni::nftables::{self, Command, EnsuredChain, Family, NewRule, Rule, Statement, Table};
use weir_sdk::bindings::weir::cni::types::IpFamily;
use weir_sdk::bindings::weir::cni::{
    attachment_state, container_state, delegate, environment_files, firewalld, host_devices, ipam_store, iptables,
    resolver, sysctls,
};

use crate::call::{Attempts, Call, Outcome, breach, failed};
use crate::scene::{END, SAME, VICTIM, container, host, network, own_pair};

/// Each name for a new link in the container, for its other end, and as a new name.
fn interface_names(call: &Call, names: &[&str]) -> Outcome {
    let mut attempts = Attempts::new();
    for name in names {
        let end = || VethEnd { name: Some((*name).to_owned()), ..END };
        attempts.to(format!("make {name:?}"), links::create_veth(&container()?, &end(), &host()?, &END));
        attempts.to(format!("make {name:?} on the host"), links::create_veth(&container()?, &END, &host()?, &end()));
    }
    let (own, other_end) = own_pair(call)?;
    for name in names {
        let changes = LinkChanges { name: Some((*name).to_owned()), ..SAME };
        attempts.to(format!("rename to {name:?}"), own.update(&changes));
        attempts.to(format!("rename to {name:?} on the host"), other_end.update(&changes));
        attempts.to(format!("move as {name:?}"), own.move_to(&host()?, &changes));
    }
    attempts.end()
}

pub fn interface_names_that_are_paths(call: &Call) -> Outcome {
    interface_names(call, &["", ".", "..", "/", "a/b", "../up", "/etc"])
}

pub fn interface_names_that_are_too_long(call: &Call) -> Outcome {
    let long = "x".repeat(255);
    interface_names(call, &["sixteen-bytes-16", "seventeen-bytes-1", &long])
}

pub fn interface_names_that_look_alike(call: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    let (_, other_end) = own_pair(call)?;
    // A Cyrillic letter, a full-width one, a zero-width space, a mark that turns the direction.
    for name in ["upl\u{456}nk", "\u{ff55}plink", "uplink\u{200b}", "\u{202e}knilpu"] {
        let end = VethEnd { name: Some(name.to_owned()), ..END };
        attempts.to(format!("make {name:?} on the host"), links::create_veth(&container()?, &END, &host()?, &end));
        let changes = LinkChanges { name: Some(name.to_owned()), ..SAME };
        attempts.to(format!("rename to {name:?}"), other_end.update(&changes));
    }
    attempts.end()
}

pub fn interface_names_with_formats(call: &Call) -> Outcome {
    interface_names(call, &["veth%d", "a b", "a\nb", "a\u{7f}b", "eth0:1", "a\tb"])
}

fn sysctl(keys: &[&str]) -> Outcome {
    let mut attempts = Attempts::new();
    for key in keys {
        attempts.to(format!("read {key:?}"), sysctls::get(&container()?, key));
        attempts.to(format!("write {key:?}"), sysctls::set(&container()?, key, "1"));
    }
    attempts.end()
}

pub fn sysctls_that_climb(_: &Call) -> Outcome {
    sysctl(&[
        "net/../kernel/core_pattern",
        "net/ipv4/../../kernel/hostname",
        "net/./../vm/swappiness",
        "../../etc/hostname",
        "/proc/sys/kernel/hostname",
        "net//ipv4",
        "net/",
        "net",
        "",
        ".",
    ])
}

pub fn sysctls_outside_the_network(_: &Call) -> Outcome {
    sysctl(&["kernel/hostname", "kernel/core_pattern", "vm/swappiness", "fs/file-max", "user/max_user_namespaces"])
}

pub fn sysctls_of_other_namespaces(_: &Call) -> Outcome {
    sysctl(&["net/ipv4/conf/uplink/forwarding", "net/ipv6/conf/cni0/accept_ra", "net/ipv4/neigh/uplink/gc_stale_time"])
}

fn directories(names: &[&str]) -> Outcome {
    let mut attempts = Attempts::new();
    for name in names {
        attempts.to(format!("keep in {name:?}"), attachment_state::save(Some(name), b"{}"));
        let file = container_state::File::Container;
        attempts.to(format!("keep of the container in {name:?}"), container_state::save(name, file, b"{}"));
        attempts.to(format!("look into {name:?}"), container_state::load(name, file));
        attempts.to(
            format!("take an address in {name:?}"),
            ipam_store::open(Some(name)).and_then(|store| store.reserve(0, VICTIM)),
        );
    }
    attempts.end()
}

pub fn directories_that_climb(_: &Call) -> Outcome {
    directories(&["/run/cni/hostile/../tuning", "../run/secrets", "run/cni/hostile", "", "/run/cni/hostile/..", "~"])
}

pub fn directories_that_are_too_long(_: &Call) -> Outcome {
    let deep = format!("/run/cni/hostile/{}", "d/".repeat(5000));
    let long = format!("/run/cni/hostile/{}", "d".repeat(300));
    directories(&[&deep, &long])
}

pub fn firewall_names_that_break_out(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    let long = "t".repeat(300);
    for name in ["", "a b", "hostile\n}", "hostile; flush ruleset", "\"hostile\"", "\u{202e}elitsoh", long.as_str()] {
        let table = |name: &str| Table { family: Family::Inet, name: name.to_owned() };
        attempts.to(format!("table {name:?}"), nftables::apply(&host()?, &table(name), &[Command::EnsureTable]));
        let chain = EnsuredChain { name: name.to_owned(), base: None, rules: Vec::new() };
        let commands = [Command::EnsureTable, Command::EnsureChain(chain)];
        attempts.to(format!("chain {name:?}"), nftables::apply(&host()?, &table("hostile"), &commands));
    }
    attempts.end()
}

pub fn iptables_words_that_break_out(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    for table in ["filter\n*nat", "filter -F", "../filter", "--help", ""] {
        let commands = [iptables::Command::CreateChain("HOSTILE-A".into())];
        attempts.to(format!("table {table:?}"), iptables::restore(&host()?, IpFamily::Ipv4, table, &commands));
    }
    for chain in ["HOSTILE-A\n-F INPUT", "HOSTILE-A -j", "-F", "", "HOSTILE-A - [0:0]\nCOMMIT\n*nat"] {
        let commands = [iptables::Command::CreateChain(chain.into())];
        attempts.to(format!("chain {chain:?}"), iptables::restore(&host()?, IpFamily::Ipv4, "filter", &commands));
    }
    for word in ["x\n-I INPUT -j DROP", "x\nCOMMIT\n*nat\n-F", "x\0y", "x\ry\n-F"] {
        let words = ["-m", "comment", "--comment", word].map(str::to_owned).to_vec();
        let commands = [
            iptables::Command::CreateChain("HOSTILE-A".into()),
            iptables::Command::Append(iptables::Rule { chain: "HOSTILE-A".into(), words }),
        ];
        attempts.to(format!("word {word:?}"), iptables::restore(&host()?, IpFamily::Ipv4, "filter", &commands));
    }
    attempts.end()
}

pub fn comments_that_break_out(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    let long = "c".repeat(200);
    for comment in ["x\n}\nflush ruleset", "a\rb", "a\0b", "\u{1b}[2J", long.as_str()] {
        let rule = Rule { statements: vec![Statement::Counter], comment: comment.to_owned() };
        let commands = [
            Command::EnsureTable,
            Command::EnsureChain(EnsuredChain { name: "c".into(), base: None, rules: Vec::new() }),
            Command::AddRule(NewRule { chain: "c".into(), first: false, rule }),
        ];
        let table = Table { family: Family::Inet, name: "hostile".into() };
        attempts.to(format!("{comment:?}"), nftables::apply(&host()?, &table, &commands));
    }
    attempts.end()
}

pub fn plugin_types_that_are_paths(call: &Call) -> Outcome {
    let mut refusals = Vec::new();
    for name in ["../bridge", "/bin/sh", "./native", "a/b", "", ".", "..", "native\0", ".weir", "weir-cni", "native "] {
        match delegate::call(delegate::Command::Add, name, &call.raw_config) {
            Ok(answer) => return breach(format!("{name:?}: {answer}")),
            Err(error) => refusals.push(format!("{name:?}: code {}: {}", error.code, error.msg)),
        }
    }
    failed(120, refusals.join("; "))
}

pub fn devices_that_are_paths(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    for path in ["/sys/devices/../../etc", "/etc", "devices", "/sys/devices/./../../proc", "", "/sys/class/net/uplink"]
    {
        attempts.to(format!("path {path:?}"), host_devices::find_by_path(path));
    }
    for address in ["../../../../etc", "0000:00:00.0/..", "", "/etc", "0000:00:00.0\0"] {
        attempts.to(format!("address {address:?}"), host_devices::find_pci(address));
    }
    for name in ["../../pci/devices", "..", "a/b", "", "/etc"] {
        attempts.to(format!("name {name:?}"), host_devices::find_auxiliary(name));
    }
    attempts.end()
}

pub fn zones_that_are_paths(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    for zone in ["../trusted", "", "a b", "trusted\n", "trusted"] {
        attempts.to(format!("{zone:?}"), firewalld::add_source(zone, network(VICTIM, 32)));
    }
    attempts.end()
}

pub fn texts_with_nul(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    let name = "side0\0x";
    let end = VethEnd { name: Some(name.to_owned()), ..END };
    match links::find(&container()?, name) {
        Ok(None) => {}
        other => attempts.to("find", other).map_or((), drop),
    }
    attempts.to("make", links::create_veth(&container()?, &end, &host()?, &END));
    attempts.to("sysctl", sysctls::get(&container()?, "net/ipv4/ip_forward\0x"));
    attempts.to("directory", attachment_state::load(Some("/run/cni/hostile\0x")));
    attempts.to("store", ipam_store::open(Some("/var/lib/cni/networks\0x")).and_then(|store| store.find()));
    attempts.to("resolver", resolver::load("/run/hostile/resolv.conf\0x"));
    attempts.to("file", environment_files::load("/run/hostile/environment\0x"));
    attempts.end()
}
