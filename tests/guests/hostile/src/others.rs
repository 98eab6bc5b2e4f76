//! Reaches for what belongs to other attachments, other networks and other plugins.

use weir_sdk::bindings::weir::cni::addresses::{self, NewAddress};
use weir_sdk::bindings::weir::cni::bridges::{self, PortOptions, PortVlan};
use weir_sdk::bindings::weir::cni::links::LinkChanges;
use weir_sdk::bindings::weir::cni::nftables::{
    self, BaseChain, ChainType, Command, Element, ElementData, EnsuredChain, Family, Hook, NewRule, Policy, Rule,
    Statement, Table, Value, Verdict,
};
use weir_sdk::bindings::weir::cni::types::IpFamily;
use weir_sdk::bindings::weir::cni::{attachment_state, container_state, ipam_store, iptables};

use crate::call::{Attempts, Call, Outcome};
use crate::scene::{BRIDGE, SAME, SIDE, VICTIM, container, host, link, network, own_pair, v4, victims_link};

pub fn link_set_down(call: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    attempts.to("another's link down", victims_link(call)?.update(&LinkChanges { up: Some(false), ..SAME }));
    attempts.to("its name", victims_link(call)?.update(&LinkChanges { name: Some("gone0".into()), ..SAME }));
    attempts.end()
}

pub fn link_deleted(call: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    attempts.to("delete another's link", victims_link(call)?.delete());
    attempts.end()
}

pub fn link_moved_into_the_container(call: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    attempts.to("move another's link", victims_link(call)?.move_to(&container()?, &SAME));
    attempts.end()
}

pub fn bridge_changed(call: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    let bridge = link(&host()?, BRIDGE)?;
    attempts.to("down", bridge.update(&LinkChanges { up: Some(false), ..SAME }));
    attempts.to("hardware address", bridge.update(&LinkChanges { mac: Some(vec![2, 0, 0, 0, 0, 9]), ..SAME }));
    attempts.to("VLAN filtering", bridges::set_vlan_filtering(&bridge, true));
    let vlan = PortVlan { first: 1, last: 4094, pvid: false, untagged: true };
    attempts.to("VLANs", bridges::add_vlans(&victims_link(call)?, &[vlan]));
    attempts.to("no VLANs", bridges::remove_vlans(&victims_link(call)?, &[vlan]));
    let new = NewAddress { network: network(v4(10, 88, 255, 1), 16), no_dad: true, no_prefix_route: false };
    attempts.to("address", addresses::add(&bridge, &[new]));
    attempts.to("no address", addresses::remove(&bridge, &[network(v4(10, 88, 0, 1), 16)]));
    attempts.end()
}

pub fn bridge_joined(call: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    let (_, own) = own_pair(call)?;
    let bridge = link(&host()?, BRIDGE)?;
    attempts.to("attach", bridges::attach(&bridge, &own, PortOptions { hairpin: false, isolated: false }));
    attempts.to("controller", own.set_controller(Some(&bridge)));
    attempts.to("throw another out", victims_link(call)?.set_controller(None));
    attempts.end()
}

pub fn bridge_deleted(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    attempts.to("delete", link(&host()?, BRIDGE)?.delete());
    attempts.to("delete unless used", bridges::delete_unused(&link(&host()?, BRIDGE)?));
    attempts.end()
}

pub fn container_link_of_another_attachment(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    let side = link(&container()?, SIDE)?;
    attempts.to("down", side.update(&LinkChanges { up: Some(false), ..SAME }));
    attempts.to("move to the host", side.move_to(&host()?, &SAME));
    attempts.to("remove its address", addresses::remove(&side, &[network(v4(10, 77, 0, 2), 24)]));
    attempts.to("delete", side.delete());
    attempts.end()
}

fn table() -> Table {
    Table { family: Family::Inet, name: "admin".into() }
}

fn on_the_admins_table(commands: Vec<Command>) -> Outcome {
    let mut attempts = Attempts::new();
    for command in commands {
        attempts.to(format!("{command:?}"), nftables::apply(&host()?, &table(), &[command]));
    }
    attempts.end()
}

fn accept_all() -> Rule {
    Rule { statements: vec![Statement::Verdict(Verdict::Accept)], comment: String::new() }
}

pub fn nftables_table_deleted(_: &Call) -> Outcome {
    on_the_admins_table(vec![Command::DeleteTable])
}

pub fn nftables_chain_flushed(_: &Call) -> Outcome {
    on_the_admins_table(vec![Command::FlushChain("guard".into()), Command::DeleteChain("guard".into())])
}

pub fn nftables_rule_first(_: &Call) -> Outcome {
    let rule = |first| Command::AddRule(NewRule { chain: "guard".into(), first, rule: accept_all() });
    on_the_admins_table(vec![rule(true), rule(false)])
}

pub fn nftables_rules_deleted(_: &Call) -> Outcome {
    on_the_admins_table(vec![Command::DeleteRules(("guard".into(), (1..20).collect()))])
}

pub fn nftables_elements(_: &Call) -> Outcome {
    let element = |address| {
        let key = vec![Value::Address(address)];
        vec![Element { key, data: ElementData::None, comment: String::new() }]
    };
    on_the_admins_table(vec![
        Command::AddElements(("trusted".into(), element(VICTIM))),
        Command::DeleteElements(("trusted".into(), element(v4(192, 0, 2, 2)))),
        Command::DeleteSet("trusted".into()),
    ])
}

pub fn nftables_chain_before_all(_: &Call) -> Outcome {
    let base = BaseChain { type_: ChainType::Filter, hook: Hook::Input, priority: -400, policy: Policy::Drop };
    let chain = EnsuredChain { name: "mine".into(), base: Some(base), rules: vec![accept_all()] };
    on_the_admins_table(vec![Command::EnsureChain(chain)])
}

fn rule(chain: &str, words: &[&str]) -> iptables::Rule {
    iptables::Rule { chain: chain.into(), words: words.iter().map(|&word| word.into()).collect() }
}

fn on_the_admins_chains(commands: Vec<iptables::Command>) -> Outcome {
    let mut attempts = Attempts::new();
    for command in commands {
        let outcome = iptables::restore(&host()?, IpFamily::Ipv4, "filter", std::slice::from_ref(&command));
        attempts.to(format!("{command:?}"), outcome);
    }
    attempts.end()
}

pub fn iptables_chain_flushed(_: &Call) -> Outcome {
    on_the_admins_chains(
        ["ADMIN", "INPUT", "FORWARD"].map(|chain| iptables::Command::CreateOrFlushChain(chain.into())).to_vec(),
    )
}

pub fn iptables_accept_first(_: &Call) -> Outcome {
    on_the_admins_chains(vec![
        iptables::Command::Prepend(rule("INPUT", &["-j", "ACCEPT"])),
        iptables::Command::Prepend(rule("FORWARD", &["-d", "10.88.0.2/32", "-j", "DROP"])),
        iptables::Command::Append(rule("ADMIN", &["-j", "ACCEPT"])),
    ])
}

pub fn iptables_rule_deleted(_: &Call) -> Outcome {
    on_the_admins_chains(vec![
        iptables::Command::Delete(rule("ADMIN", &["-s", "198.51.100.0/24", "-j", "DROP"])),
        iptables::Command::Delete(rule("INPUT", &["-j", "ADMIN"])),
        iptables::Command::DeleteChain("ADMIN".into()),
    ])
}

/// GC's functions, in ADD: nobody said which attachments there are.
pub fn documents_forgotten(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    attempts.to("attachments", attachment_state::retain(Some("/run/cni/hostile"), &[]));
    attempts.to("containers", container_state::retain("/run/cni/hostile", &[]));
    attempts.end()
}

pub fn documents_of_another_plugin(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    for directory in ["/run/cni/tuning", "/run/cni", "/var/lib/cni/flannel"] {
        let file = container_state::File::Container;
        attempts.to(format!("save in {directory}"), attachment_state::save(Some(directory), b"{}"));
        attempts.to(format!("load in {directory}"), container_state::load(directory, file));
        attempts.to(format!("save of the container in {directory}"), container_state::save(directory, file, b"{}"));
        attempts.to(format!("remove in {directory}"), container_state::remove(directory, file));
        attempts.to(format!("forget in {directory}"), attachment_state::retain(Some(directory), &[]));
    }
    attempts.end()
}

pub fn store_of_another_directory(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    for directory in ["/run/secrets", "/etc/cni", "/var/lib/cni/networks/victims", "/"] {
        let outcome = ipam_store::open(Some(directory)).and_then(|store| store.reserve(0, VICTIM));
        attempts.to(format!("reserve in {directory}"), outcome);
    }
    attempts.end()
}

/// 10.99.0.2 is that of another attachment of the same network.
pub fn address_of_another_taken(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    let other = v4(10, 99, 0, 2);
    attempts.to("take it", ipam_store::open(None).and_then(|store| store.reserve(0, other)));
    attempts.end()
}

/// Not an error: it is not this attachment's, so nothing is there to release.
pub fn addresses_of_others_released(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    if let Ok(store) = ipam_store::open(None) {
        let _ = store.release_address(v4(10, 99, 0, 2));
        let _ = store.release_address(VICTIM);
        if let Ok(released) = store.release()
            && !released.is_empty()
        {
            attempts.to("release", Ok(()));
            return attempts.end();
        }
    }
    crate::call::nothing()
}

/// GC's function, in ADD.
pub fn leases_of_others_released(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    attempts.to("release all", ipam_store::open(None).and_then(|store| store.retain(&[])));
    attempts.end()
}
