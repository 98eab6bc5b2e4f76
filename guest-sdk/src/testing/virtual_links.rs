//! The model's macvlan, ipvlan, vlan, dummy, ifb, vrf and tap links, and moves between controllers and namespaces.

use crate::bindings::weir::cni::links::LinkChanges;
use crate::bindings::weir::cni::virtual_links::{LinkKind, LinkOptions};
use crate::failure::{Failure, FailureKind};
use crate::testing::state::State;

fn failure<T>(kind: FailureKind, message: String) -> Result<T, Failure> {
    Err(Failure::new(kind, message))
}

impl State {
    pub(crate) fn create_virtual_link(
        &mut self,
        namespace: usize,
        name: &str,
        kind: &LinkKind,
        options: &LinkOptions,
        lower: Option<u64>,
    ) -> Result<u64, Failure> {
        let what = kind.name();
        let refuse = |why: &str| failure(FailureKind::Invalid, format!("create {what} {name:?}: {why}"));
        if self.missing_kinds.iter().any(|missing| missing == what) {
            return failure(FailureKind::Unsupported, format!("create {what} {name:?}: unknown device type"));
        }
        let stands_on_another = matches!(kind, LinkKind::Macvlan(_) | LinkKind::Ipvlan(_) | LinkKind::Vlan(_));
        match kind {
            LinkKind::Vlan(id) if *id > 4094 => return refuse("no VLAN ID"),
            LinkKind::Vrf(0) => return refuse("no routing table"),
            _ if stands_on_another != lower.is_some() => return refuse("a link below it is missing, or too many"),
            LinkKind::Tap(tap) if tap.selinux_context.is_some() && !self.selinux => {
                return failure(FailureKind::Unsupported, format!("create {what} {name:?}: SELinux is off"));
            }
            _ => {}
        }
        let below = lower.map(|lower| self.device(lower).cloned()).transpose()?;
        let twin = |other: &&crate::testing::links::Device| {
            matches!(kind, LinkKind::Vlan(_)) && other.lower == lower && other.link_kind.as_ref() == Some(kind)
        };
        if let Some(twin) = self.devices.values().find(twin) {
            return failure(FailureKind::AlreadyExists, format!("create {what} {name:?}: {:?} has the ID", twin.name));
        }
        if let (Some(mtu), Some(below)) = (options.mtu, &below)
            && mtu > below.mtu
        {
            return refuse("the MTU is larger than that of the link below");
        }
        let id = self.create_device(namespace, name, what)?;
        let device = self.device(id)?;
        device.link_kind = Some(kind.clone());
        device.lower = lower;
        if let Some(below) = below {
            device.mtu = below.mtu;
            if !matches!(kind, LinkKind::Macvlan(_)) {
                device.mac = below.mac;
            }
        }
        let changes = LinkChanges {
            up: options.up.then_some(true),
            mtu: options.mtu,
            mac: options.mac.clone(),
            alias: options.alias.clone(),
            ..LinkChanges::default()
        };
        if let Err(error) = self.update_link(id, &changes) {
            self.devices.remove(&id);
            return Err(error);
        }
        Ok(id)
    }

    pub(crate) fn link_kind(&mut self, id: u64) -> Result<Option<LinkKind>, Failure> {
        let mut kind = self.device(id)?.link_kind.clone();
        if let Some(LinkKind::Tap(tap)) = &mut kind {
            tap.selinux_context = None;
        }
        Ok(kind)
    }

    pub(crate) fn set_controller(&mut self, id: u64, controller: Option<u64>) -> Result<(), Failure> {
        let namespace = self.device(id)?.namespace;
        if let Some(controller) = controller {
            let above = self.device(controller)?;
            let can = above.namespace == namespace && matches!(above.kind.as_deref(), Some("bridge" | "vrf"));
            if !can || controller == id {
                return failure(FailureKind::Invalid, format!("{:?} cannot control links here", above.name));
            }
        }
        let device = self.device(id)?;
        if device.loopback {
            return failure(FailureKind::Invalid, "\"lo\" has no controller".to_owned());
        }
        let (before, was_up) = (device.controller, device.up);
        let is_vrf =
            |controller: &u64| self.devices.get(controller).is_some_and(|it| it.kind.as_deref() == Some("vrf"));
        // A VRF sets its links down and up again when they come and go.
        let cycles = was_up && before != controller && [before, controller].iter().flatten().any(is_vrf);
        if cycles {
            self.set_up(id, false);
        }
        self.device(id)?.controller = controller;
        if cycles {
            self.set_up(id, true);
        }
        let bridges = [before, controller].into_iter().flatten();
        bridges.for_each(|bridge| self.follow_ports(bridge));
        Ok(())
    }

    pub(crate) fn move_link(&mut self, id: u64, target: usize, changes: &LinkChanges) -> Result<u64, Failure> {
        let before = self.device(id)?.clone();
        if before.namespace == target {
            self.update_link(id, changes)?;
            return Ok(id);
        }
        if before.loopback {
            return failure(FailureKind::Invalid, "move \"lo\": it stays where it is".to_owned());
        }
        let name = changes.name.as_deref().unwrap_or(&before.name).to_owned();
        if self.link_by_name(target, &name).is_some() {
            return failure(FailureKind::AlreadyExists, format!("move {:?} to {name:?}: taken", before.name));
        }
        self.set_controller(id, None)?;
        self.set_up(id, false);
        self.namespace(before.namespace).routes.retain(|entry| entry.link != id);
        let index = match self.link_by_index(target, before.index) {
            None => before.index,
            Some(_) => {
                let numbers = self.namespace(target);
                numbers.next_index += 1;
                numbers.next_index
            }
        };
        // Handles lead to the link by its number here; the old ones lead nowhere from now on.
        let moved = self.next_device;
        self.next_device += 1;
        self.renumber(id, moved);
        let device = self.device(moved)?;
        device.addresses.clear();
        device.namespace = target;
        device.index = index;
        if let Err(error) = self.update_link(moved, changes) {
            let device = self.device(moved)?;
            device.namespace = before.namespace;
            device.index = before.index;
            self.renumber(moved, id);
            return Err(error);
        }
        Ok(moved)
    }

    /// Give a link another number, and tell the links that refer to it.
    fn renumber(&mut self, from: u64, to: u64) {
        if let Some(device) = self.devices.remove(&from) {
            self.devices.insert(to, device);
        }
        for other in self.devices.values_mut() {
            for reference in [&mut other.peer, &mut other.lower, &mut other.controller] {
                if *reference == Some(from) {
                    *reference = Some(to);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, clippy::unwrap_used, reason = "a test may fail loudly")]

    use crate::net::{LinkChanges, LinkKind, LinkOptions, MacvlanMode, MacvlanOptions, TapOptions};
    use crate::testing::World;
    use crate::{FailureKind, Netns};

    fn named(name: &str) -> LinkChanges {
        LinkChanges { name: Some(name.to_owned()), ..LinkChanges::default() }
    }

    #[test]
    fn a_link_stands_on_one_elsewhere_and_goes_with_it() {
        let world = World::new();
        world.host().add_link("eth0", "veth");
        let (host, container) = (Netns::host().unwrap(), Netns::container().unwrap());
        let lower = host.link("eth0").unwrap().unwrap();
        let kind = LinkKind::Macvlan(MacvlanOptions { mode: MacvlanMode::Bridge, broadcast_queue_length: None });
        let options = LinkOptions { mtu: Some(1400), up: true, ..LinkOptions::default() };
        let made = container.create_virtual_link("eth0", &kind, &options, Some(&lower)).unwrap();
        let info = made.info().unwrap();
        assert_eq!((info.mtu, info.up, info.lower), (1400, true, Some(lower.info().unwrap().index)));
        assert_eq!(made.kind(), Ok(Some(kind.clone())));
        let again = container.create_virtual_link("eth0", &kind, &options, Some(&lower));
        assert_eq!(again.unwrap_err().kind, FailureKind::AlreadyExists);
        let without = container.create_virtual_link("eth1", &kind, &options, None);
        assert_eq!(without.unwrap_err().kind, FailureKind::Invalid);
        let large = LinkOptions { mtu: Some(1501), ..options };
        let too_large = container.create_virtual_link("eth1", &kind, &large, Some(&lower));
        assert_eq!(too_large.unwrap_err().kind, FailureKind::Invalid);
        assert_eq!(world.container().link_names(), ["eth0"], "nothing is left of what was refused");
        lower.delete().unwrap();
        assert_eq!(world.container().link_names(), [""; 0]);
    }

    #[test]
    fn what_the_host_lacks_is_unsupported() {
        let world = World::new();
        world.without_link_kind("dummy");
        let container = Netns::container().unwrap();
        let tap = TapOptions { selinux_context: Some("a:b:c:s0".to_owned()), ..TapOptions::default() };
        for kind in [LinkKind::Dummy, LinkKind::Tap(tap.clone())] {
            let failure = container.create_virtual_link("x", &kind, &LinkOptions::default(), None).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Unsupported);
        }
        world.with_selinux();
        let made = container.create_virtual_link("x", &LinkKind::Tap(tap), &LinkOptions::default(), None).unwrap();
        assert_eq!(made.kind(), Ok(Some(LinkKind::Tap(TapOptions::default()))), "the kernel does not tell the context");
    }

    #[test]
    fn a_move_takes_the_link_along_and_a_refused_one_does_not() {
        let world = World::new();
        world.host().add_link("eth1", "veth").add_bridge("br0", crate::net::BridgeOptions::default());
        world.container().add_link("eth0", "veth");
        let (host, container) = (Netns::host().unwrap(), Netns::container().unwrap());
        let link = host.link("eth1").unwrap().unwrap();
        let bridge = host.link("br0").unwrap().unwrap();
        link.set_controller(Some(&bridge)).unwrap();
        assert_eq!(link.info().unwrap().controller, Some(bridge.info().unwrap().index));
        assert_eq!(link.move_to(&container, &named("eth0")).unwrap_err().kind, FailureKind::AlreadyExists);
        let refused = LinkChanges { mtu: Some(1), ..named("net1") };
        assert_eq!(link.move_to(&container, &refused).unwrap_err().kind, FailureKind::Invalid);
        assert_eq!(world.host().link("eth1").map(|info| info.up), Some(false));
        let moved = link.move_to(&container, &named("net1")).unwrap();
        assert_eq!(moved.info().unwrap().name, "net1");
        assert_eq!(link.info().unwrap_err().kind, FailureKind::NotFound, "the old handle leads nowhere");
        assert_eq!(world.host().link_names(), ["br0"]);
        let back = moved.move_to(&host, &named("eth1")).unwrap();
        assert_eq!(back.info().unwrap().controller, None);
        assert_eq!(world.container().link_names(), ["eth0"]);
    }
}
