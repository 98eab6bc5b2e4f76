//! Reaches for links of the host that are nobody's to change.

use weir_sdk::bindings::weir::cni::addresses::{self, NewAddress};
use weir_sdk::bindings::weir::cni::links::LinkChanges;
use weir_sdk::bindings::weir::cni::traffic_control::{self, TokenBucket};
use weir_sdk::bindings::weir::cni::virtual_links::{self, LinkKind, LinkOptions, MacvlanMode, MacvlanOptions};

use crate::call::{Attempts, Call, Outcome};
use crate::scene::{BRIDGE, GATEWAY, SAME, SIDE, container, host, link, network, own_pair, uplink, v4};

fn change(changes: &LinkChanges) -> Outcome {
    let mut attempts = Attempts::new();
    attempts.to("change the uplink", uplink()?.update(changes));
    attempts.end()
}

pub fn set_down(_: &Call) -> Outcome {
    change(&LinkChanges { up: Some(false), ..SAME })
}

pub fn renamed(_: &Call) -> Outcome {
    change(&LinkChanges { name: Some("gone0".into()), ..SAME })
}

pub fn mtu(_: &Call) -> Outcome {
    change(&LinkChanges { mtu: Some(68), ..SAME })
}

pub fn hardware_address(_: &Call) -> Outcome {
    change(&LinkChanges { mac: Some(vec![2, 0, 0, 0, 0, 1]), ..SAME })
}

pub fn other_settings(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    let changes = [
        LinkChanges { promiscuous: Some(true), ..SAME },
        LinkChanges { all_multicast: Some(true), ..SAME },
        LinkChanges { tx_queue_length: Some(0), ..SAME },
        LinkChanges { alias: Some("stolen".into()), ..SAME },
        SAME,
    ];
    for changes in changes.iter().take(4) {
        attempts.to(format!("{changes:?}"), uplink()?.update(changes));
    }
    attempts.end()
}

pub fn deleted(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    attempts.to("delete the uplink", uplink()?.delete());
    attempts.end()
}

pub fn moved_into_the_container(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    attempts.to("move the uplink", uplink()?.move_to(&container()?, &SAME));
    attempts.to("move it under another name", {
        uplink()?.move_to(&container()?, &LinkChanges { name: Some("eth0".into()), ..SAME })
    });
    attempts.end()
}

pub fn under_a_bridge(call: &Call) -> Outcome {
    let bridge = link(&host()?, BRIDGE)?;
    let (_, own) = own_pair(call)?;
    let mut attempts = Attempts::new();
    attempts.to("the uplink under a bridge", uplink()?.set_controller(Some(&bridge)));
    attempts.to("the uplink under nothing", uplink()?.set_controller(None));
    let options = weir_sdk::bindings::weir::cni::bridges::PortOptions { hairpin: true, isolated: false };
    attempts.to("attach the uplink", weir_sdk::bindings::weir::cni::bridges::attach(&bridge, &uplink()?, options));
    attempts.to("the own link under the uplink", own.set_controller(Some(&uplink()?)));
    attempts.end()
}

pub fn addresses_added(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    for address in [GATEWAY, v4(192, 0, 2, 77)] {
        let new = NewAddress { network: network(address, 24), no_dad: true, no_prefix_route: true };
        attempts.to("an address for the uplink", addresses::add(&uplink()?, &[new]));
    }
    attempts.end()
}

pub fn addresses_removed(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    attempts.to("take the address", addresses::remove(&uplink()?, &[network(v4(192, 0, 2, 1), 24)]));
    attempts.end()
}

/// The host's neighbours would send to this host what is the gateway's.
pub fn addresses_announced(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    attempts.to("announce the gateway's address", addresses::announce(&uplink()?, &[GATEWAY]));
    attempts.end()
}

pub fn macvlan_on_top(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    let options = || LinkOptions { mtu: None, mac: None, up: true, alias: None };
    for mode in [MacvlanMode::Bridge, MacvlanMode::Passthru] {
        let kind = LinkKind::Macvlan(MacvlanOptions { mode, broadcast_queue_length: None });
        let made = virtual_links::create(&container()?, "eth0", &kind, &options(), Some(&uplink()?));
        attempts.to(format!("macvlan {mode:?} on the uplink"), made);
    }
    let lower = link(&host()?, BRIDGE)?;
    let kind = LinkKind::Macvlan(MacvlanOptions { mode: MacvlanMode::Bridge, broadcast_queue_length: None });
    attempts.to("macvlan on the bridge", virtual_links::create(&container()?, "eth0", &kind, &options(), Some(&lower)));
    let kind = LinkKind::Vlan(7);
    attempts.to("vlan", virtual_links::create(&container()?, "eth0", &kind, &options(), Some(&uplink()?)));
    let kind = LinkKind::Vrf(254);
    attempts.to("vrf of the main table", virtual_links::create(&host()?, "steal0", &kind, &options(), None));
    attempts.end()
}

pub fn loopback(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    let down = LinkChanges { up: Some(false), ..SAME };
    attempts.to("the host's loopback down", link(&host()?, "lo")?.update(&down));
    let new = NewAddress { network: network(GATEWAY, 32), no_dad: true, no_prefix_route: true };
    attempts.to("an address for it", addresses::add(&link(&host()?, "lo")?, &[new]));
    attempts.to("its own address", addresses::remove(&link(&host()?, "lo")?, &[network(v4(127, 0, 0, 1), 8)]));
    attempts.end()
}

pub fn queueing(_: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    let bucket = TokenBucket { rate: 1, burst: 2000, limit: 2000 };
    attempts.to("slow the uplink down", traffic_control::shape(&uplink()?, bucket));
    attempts.to("take its queue", traffic_control::remove_shaper(&uplink()?));
    attempts.to("take its redirect", traffic_control::remove_redirect(&uplink()?));
    attempts.end()
}

pub fn redirected(call: &Call) -> Outcome {
    let mut attempts = Attempts::new();
    let (_, own) = own_pair(call)?;
    attempts.to("the uplink's packets to the own link", traffic_control::redirect(&uplink()?, &own));
    attempts.to("the own packets out of the uplink", traffic_control::redirect(&own, &uplink()?));
    let side = link(&container()?, SIDE)?;
    attempts.to("another attachment's packets", traffic_control::redirect(&side, &link(&container()?, "eth0")?));
    attempts.end()
}
