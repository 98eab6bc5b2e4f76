//! From a record to what takes it back. Doing it twice does no harm, and nothing is touched that is not certainly what
//! the record speaks of.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use weir_native::attachment::Attachment;
use weir_native::dhcp::Daemon;
use weir_native::dhcp::protocol::Owner;
use weir_native::ipam_store::Store;
use weir_native::link::{self, LinkChanges, LinkInfo};
use weir_native::netns::Netns;
use weir_native::{
    Error, ErrorKind, Result, address, attachment_state, bridge, firewalld, route, rule, sysctl, traffic_control,
};

use super::plan::{matching, says};
use super::record::{Deed, Ensured, Made, Record, Space, differing};
use super::undo_firewall;
use crate::broker::objects::Place;

/// How long the DHCP daemon may take to give a lease back.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the undoing takes place.
pub(super) struct Scene<'a> {
    pub(super) host: Arc<Netns>,
    pub(super) container: Option<Arc<Netns>>,
    pub(super) network: &'a str,
    pub(super) owner: &'a Attachment,
    /// Addresses of the same attachment that other records speak of, by store.
    pub(super) held: &'a dyn Fn(&std::path::Path) -> Vec<IpAddr>,
    /// Whether this is the roll-back of the ADD that made it, so that what is shared goes, too.
    pub(super) is_roll_back: bool,
    /// Whether other attachments are on record on this node.
    pub(super) has_others: &'a dyn Fn() -> bool,
    /// Addresses of other attachments of the network.
    pub(super) held_by_others: &'a dyn Fn() -> Vec<IpAddr>,
    /// Has a native plugin delete what it added.
    pub(super) delegate: &'a dyn Fn(&str, &str) -> Result<()>,
}

impl Scene<'_> {
    /// The namespace, where it can be reached. One that is gone took all in it along.
    pub(super) fn netns(&self, space: &Space) -> Option<&Netns> {
        let netns = match space.place {
            Place::Host => Some(&self.host),
            Place::Container => self.container.as_ref(),
        };
        netns.map(AsRef::as_ref).filter(|netns| space.is(netns))
    }

    /// Whether what is for all attachments may go.
    pub(super) fn may_take_shared(&self) -> bool {
        self.is_roll_back && !(self.has_others)()
    }
}

/// Undo what a record speaks of, as far as it is there.
pub(super) fn undo(record: &Record, scene: &Scene<'_>) -> Result<()> {
    if record.deed.is_shared() && !scene.is_roll_back {
        return Ok(());
    }
    match &record.deed {
        Deed::Veth { container, host } => veth(record, container, host, scene),
        Deed::Link { space, name, kind, mac } => {
            let Some(netns) = scene.netns(space) else { return Ok(()) };
            let is_ours = |found: &LinkInfo| {
                found.kind.as_ref() == Some(kind)
                    && (record.made.is_some() || mac.as_ref().is_none_or(|mac| *mac == found.mac))
            };
            let found = located(netns, record, name)?.filter(is_ours);
            // Other interfaces of the container may be in it by now.
            if kind == VRF && found.as_ref().is_some_and(|found| is_shared(netns, found.index, scene).unwrap_or(true)) {
                return Ok(());
            }
            delete(netns, found)
        }
        Deed::Bridge { space, name } => made_bridge(record, space, name, scene),
        Deed::Moved { from, to, name, kind, mac, old, index: _ } => {
            let Some(netns) = scene.netns(to) else { return Ok(()) };
            let is_ours = |found: &LinkInfo| found.kind == *kind && (record.made.is_some() || found.mac == *mac);
            match located(netns, record, name)?.filter(is_ours) {
                Some(found) => move_back(netns, &found, from, old, scene),
                None => Ok(()),
            }
        }
        Deed::Relocated { to, name, kind, mac } => {
            let Some(netns) = scene.netns(to) else { return Ok(()) };
            let is_ours = |found: &LinkInfo| found.kind == *kind && (record.made.is_some() || found.mac == *mac);
            delete(netns, located(netns, record, name)?.filter(is_ours))
        }
        Deed::Changed { space, link, old, new } => {
            if space.place == Place::Host && !scene.may_take_shared() {
                return Ok(());
            }
            with(scene, space, |netns| change_back(netns, *link, old, new))
        }
        Deed::Controlled { space, link, old, new } => with(scene, space, |netns| {
            if link::info(netns, *link)?.controller != *new {
                return Ok(());
            }
            link::set_controller(netns, *link, *old)
        }),
        Deed::VlanFiltering { space, bridge, old } if scene.may_take_shared() => {
            with(scene, space, |netns| bridge::set_vlan_filtering(netns, *bridge, *old))
        }
        Deed::VlanFiltering { .. } => Ok(()),
        Deed::Addresses { is_bridge: true, .. } if !scene.may_take_shared() => Ok(()),
        Deed::Addresses { space, link, is_bridge: _, addresses } => {
            with(scene, space, |netns| address::remove(netns, *link, addresses))
        }
        Deed::Routes { space, routes } => with(scene, space, |netns| {
            for wanted in routes.iter().rev() {
                if let Some(found) = matching(netns, wanted)? {
                    route::remove(netns, &[found])?;
                }
            }
            Ok(())
        }),
        Deed::Rule { space, rule, except } => with(scene, space, |netns| {
            for found in rule::list(netns, Some(rule.family))?.into_iter().filter(|found| says(found, rule)) {
                if found.priority.is_none_or(|priority| !except.contains(&priority)) {
                    rule::remove(netns, &found)?;
                }
            }
            Ok(())
        }),
        Deed::Sysctl { space, .. } if space.place == Place::Host && !scene.may_take_shared() => Ok(()),
        Deed::Sysctl { space, key, old, new } => with(scene, space, |netns| {
            if sysctl::get(netns, key)? != *new {
                return Ok(());
            }
            sysctl::set(netns, key, old)
        }),
        Deed::Shaper { space, link } => with(scene, space, |netns| traffic_control::remove_shaper(netns, *link)),
        Deed::Redirect { space, link } => with(scene, space, |netns| traffic_control::remove_redirect(netns, *link)),
        Deed::Nftables { space, table, rules, elements, ensured } => with(scene, space, |netns| {
            let created = match &record.made {
                Some(Made::Created(places)) => Some(places.as_slice()),
                _ => None,
            };
            undo_firewall::nftables(netns, table, rules, elements, &ensured_of(ensured, created, scene), scene)
        }),
        Deed::Iptables { space, family, table, undo } => {
            with(scene, space, |netns| undo_firewall::iptables(netns, *family, table, undo, scene))
        }
        Deed::FirewalldSource { zone, source } => absent_is_fine(firewalld::remove_source(zone, *source)),
        Deed::Address { directory } => release(record, directory, scene),
        Deed::Document { directory, naming } => attachment_state::remove(directory, *naming, scene.owner),
        Deed::Directory { path } => remove_empty(path),
        Deed::Lease { socket } => {
            // No daemon, no lease.
            absent_is_fine(Daemon::new(socket, PATIENCE).release(Owner::new(scene.network, scene.owner)))
        }
        Deed::Delegate { plugin, config } => (scene.delegate)(plugin, config),
    }
}

/// Remove a directory that nobody has put anything into.
fn remove_empty(path: &std::path::Path) -> Result<()> {
    use std::io::ErrorKind as Kind;
    match std::fs::remove_dir(path) {
        Err(error) if !matches!(error.kind(), Kind::NotFound | Kind::DirectoryNotEmpty | Kind::NotADirectory) => {
            Err(Error::io(format!("remove the directory {}", path.display()), &error))
        }
        _ => Ok(()),
    }
}

fn ensured_of<'a>(ensured: &'a [(usize, Ensured)], created: Option<&[usize]>, scene: &Scene<'_>) -> Vec<&'a Ensured> {
    // Of a process that was killed nobody knows what it created; a chain with the container's name is this attachment's.
    let is_own = |what: &Ensured| match what {
        Ensured::Chain { name, base, .. } => !base && name.contains(&scene.owner.container_id),
        Ensured::Table | Ensured::Set { .. } => false,
    };
    let is_new =
        |place: &usize, what: &Ensured| created.map_or_else(|| is_own(what), |created| created.contains(place));
    ensured.iter().filter(|(place, what)| is_new(place, what)).map(|(_, what)| what).collect()
}

/// Work in a namespace, where it can be reached. What is gone from there needs no undoing.
fn with(scene: &Scene<'_>, space: &Space, work: impl FnOnce(&Netns) -> Result<()>) -> Result<()> {
    scene.netns(space).map_or(Ok(()), |netns| absent_is_fine(work(netns)))
}

pub(super) fn absent_is_fine(outcome: Result<()>) -> Result<()> {
    match outcome {
        Err(Error { kind: ErrorKind::NotFound, .. }) => Ok(()),
        other => other,
    }
}

/// The link that a record speaks of: by the index that the kernel gave it, else by name.
fn located(netns: &Netns, record: &Record, name: &str) -> Result<Option<LinkInfo>> {
    match record.made {
        Some(Made::Link(index)) => link::find_by_index(netns, index),
        _ => link::find(netns, name),
    }
}

/// The kind of links that several interfaces of a container share.
const VRF: &str = "vrf";

/// Whether interfaces other than that of the attachment are in it.
fn is_shared(netns: &Netns, index: u32, scene: &Scene<'_>) -> Result<bool> {
    let other = |info: &LinkInfo| info.controller == Some(index) && info.name != scene.owner.interface_name;
    Ok(link::list(netns)?.iter().any(other))
}

fn delete(netns: &Netns, found: Option<LinkInfo>) -> Result<()> {
    found.map_or(Ok(()), |found| absent_is_fine(link::delete_at_once(netns, found.index).map(drop)))
}

/// Each end goes with the other.
fn veth(record: &Record, container: &super::record::End, host: &super::record::End, scene: &Scene<'_>) -> Result<()> {
    // A pair that leads nowhere but to the host serves several containers, as a bridge does.
    let leads_to_container = [container, host].iter().any(|end| end.space.place == Place::Container);
    if !leads_to_container && !scene.may_take_shared() {
        return Ok(());
    }
    let is_veth = |found: &LinkInfo| found.kind.as_deref() == Some("veth");
    if let Some(Made::Pair(near, far)) = record.made {
        for (space, own, peer) in [(&host.space, far, near), (&container.space, near, far)] {
            let Some(netns) = scene.netns(space) else { continue };
            let found = link::find_by_index(netns, own)?;
            delete(netns, found.filter(|found| is_veth(found) && found.lower == Some(peer)))?;
        }
        return Ok(());
    }
    for end in [host, container] {
        let (Some(netns), Some(mac)) = (scene.netns(&end.space), &end.mac) else { continue };
        let found = match &end.name {
            Some(name) => link::find(netns, name)?.into_iter().collect(),
            // The kernel was told a name by lot, and nobody wrote it down.
            None => link::list(netns)?,
        };
        for found in found.into_iter().filter(|found| is_veth(found) && found.mac == *mac) {
            delete(netns, Some(found))?;
        }
    }
    Ok(())
}

/// A bridge goes where it was certainly made, and has no ports.
fn made_bridge(record: &Record, space: &Space, name: &str, scene: &Scene<'_>) -> Result<()> {
    let (Some(netns), Some(Made::Link(index))) = (scene.netns(space), &record.made) else { return Ok(()) };
    match link::find_by_index(netns, *index)? {
        Some(found) if found.name == *name && found.kind.as_deref() == Some("bridge") => {
            absent_is_fine(bridge::delete_unused(netns, *index).map(drop))
        }
        _ => Ok(()),
    }
}

fn move_back(netns: &Netns, found: &LinkInfo, from: &Space, old: &LinkChanges, scene: &Scene<'_>) -> Result<()> {
    let Some(home) = scene.netns(from) else { return Ok(()) };
    let is = super::plan::shape(found);
    let mut changes = differing(old, &is);
    // It leaves its namespace down.
    changes.up = None;
    let index = link::move_to(netns, found.index, home, &changes)?;
    if old.up == Some(true) {
        link::update(home, index, &LinkChanges { up: Some(true), ..LinkChanges::default() })?;
    }
    Ok(())
}

/// Give those properties their old values back that still have the new ones.
fn change_back(netns: &Netns, index: u32, old: &LinkChanges, new: &LinkChanges) -> Result<()> {
    let is = super::plan::shape(&link::info(netns, index)?);
    let moved_on = differing(&is, new);
    let back = LinkChanges {
        up: old.up.filter(|_| moved_on.up.is_none()),
        name: old.name.clone().filter(|_| moved_on.name.is_none()),
        mtu: old.mtu.filter(|_| moved_on.mtu.is_none()),
        mac: old.mac.clone().filter(|_| moved_on.mac.is_none()),
        promiscuous: old.promiscuous.filter(|_| moved_on.promiscuous.is_none()),
        all_multicast: old.all_multicast.filter(|_| moved_on.all_multicast.is_none()),
        tx_queue_length: old.tx_queue_length.filter(|_| moved_on.tx_queue_length.is_none()),
        alias: old.alias.clone().filter(|_| moved_on.alias.is_none()),
    };
    link::update(netns, index, &back)
}

/// Give an address back; where it is not known which, all that no other record speaks of.
fn release(record: &Record, directory: &std::path::Path, scene: &Scene<'_>) -> Result<()> {
    let store = Store::open(directory, scene.network)?;
    let given = match record.made {
        Some(Made::Address(address)) => vec![address],
        _ => {
            let others = (scene.held)(directory);
            store.find(scene.owner)?.into_iter().filter(|address| !others.contains(address)).collect()
        }
    };
    for address in given {
        match store.release_address(scene.owner, address) {
            // Given to somebody else by now.
            Err(Error { kind: ErrorKind::NotFound | ErrorKind::Busy, .. }) | Ok(()) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The addresses that records speak of, of one store.
pub(super) fn addresses_in(records: &[Record], directory: &std::path::Path) -> Vec<IpAddr> {
    let of_store = records
        .iter()
        .filter(|record| matches!(&record.deed, Deed::Address { directory: other } if other == directory));
    of_store
        .filter_map(|record| if let Some(Made::Address(address)) = record.made { Some(address) } else { None })
        .collect()
}

/// All networks with one address each that records speak of.
pub(super) fn addresses(records: &[Record]) -> Vec<IpAddr> {
    records
        .iter()
        .filter_map(|record| if let Some(Made::Address(address)) = record.made { Some(address) } else { None })
        .collect()
}
