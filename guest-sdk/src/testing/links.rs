//! The model's links: veth pairs, bridges, ports and VLANs.

use std::collections::BTreeMap;

use crate::bindings::weir::cni::bridges::{BridgeOptions, PortOptions, PortVlan};
use crate::bindings::weir::cni::links::{LinkChanges, LinkInfo, OperationalState, VethEnd};
use crate::bindings::weir::cni::virtual_links::LinkKind;
use crate::failure::{Failure, FailureKind};
use crate::testing::routes::AddressEntry;
use crate::testing::state::State;
use crate::testing::traffic_control::TrafficControl;

/// A link.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(crate) namespace: usize,
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) kind: Option<String>,
    pub(crate) loopback: bool,
    pub(crate) mac: Vec<u8>,
    pub(crate) mac_chosen: bool,
    pub(crate) mtu: u32,
    pub(crate) up: bool,
    pub(crate) controller: Option<u64>,
    pub(crate) peer: Option<u64>,
    pub(crate) lower: Option<u64>,
    pub(crate) link_kind: Option<LinkKind>,
    pub(crate) promiscuous: bool,
    pub(crate) all_multicast: bool,
    pub(crate) tx_queue_length: u32,
    pub(crate) alias: Option<String>,
    pub(crate) addresses: Vec<AddressEntry>,
    pub(crate) vlan_filtering: bool,
    pub(crate) port: PortOptions,
    pub(crate) vlans: BTreeMap<u16, (bool, bool)>,
    pub(crate) traffic_control: TrafficControl,
}

fn failure<T>(kind: FailureKind, message: String) -> Result<T, Failure> {
    Err(Failure::new(kind, message))
}

impl State {
    /// A link by its number. `NotFound` where it was deleted.
    pub(crate) fn device(&mut self, id: u64) -> Result<&mut Device, Failure> {
        self.devices.get_mut(&id).ok_or_else(|| Failure::new(FailureKind::NotFound, "the link is gone"))
    }

    pub(crate) fn links_of(&self, namespace: usize) -> Vec<u64> {
        let mut found: Vec<_> = self
            .devices
            .iter()
            .filter(|(_, device)| device.namespace == namespace)
            .map(|(id, device)| (device.index, *id))
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, id)| id).collect()
    }

    pub(crate) fn link_by_name(&self, namespace: usize, name: &str) -> Option<u64> {
        self.devices.iter().find(|(_, device)| device.namespace == namespace && device.name == name).map(|(id, _)| *id)
    }

    pub(crate) fn link_by_index(&self, namespace: usize, index: u32) -> Option<u64> {
        self.devices
            .iter()
            .find(|(_, device)| device.namespace == namespace && device.index == index)
            .map(|(id, _)| *id)
    }

    /// Make a device without checks.
    pub(crate) fn insert_device(&mut self, namespace: usize, name: &str, kind: Option<&str>, mac: Vec<u8>) -> u64 {
        let id = self.next_device;
        self.next_device += 1;
        let numbers = self.namespace(namespace);
        numbers.next_index += 1;
        let index = numbers.next_index;
        let device = Device {
            namespace,
            index,
            name: name.to_owned(),
            kind: kind.map(str::to_owned),
            loopback: false,
            mac,
            mac_chosen: false,
            mtu: 1500,
            up: false,
            controller: None,
            peer: None,
            lower: None,
            link_kind: None,
            promiscuous: false,
            all_multicast: false,
            tx_queue_length: 1000,
            alias: None,
            addresses: Vec::new(),
            vlan_filtering: false,
            port: PortOptions::default(),
            vlans: BTreeMap::new(),
            traffic_control: TrafficControl::default(),
        };
        self.devices.insert(id, device);
        id
    }

    /// Make a device as the kernel would: the name is checked.
    pub(crate) fn create_device(&mut self, namespace: usize, name: &str, kind: &str) -> Result<u64, Failure> {
        if cni_spec::names::interface_name(name).is_err() {
            return failure(FailureKind::Invalid, format!("create {kind} {name:?}: no valid interface name"));
        }
        if self.link_by_name(namespace, name).is_some() {
            return failure(FailureKind::AlreadyExists, format!("create {kind} {name:?}: the name is taken"));
        }
        let [.., high, low] = self.next_device.to_be_bytes();
        Ok(self.insert_device(namespace, name, Some(kind), vec![0x0a, 0, 0, 0, high, low]))
    }

    pub(crate) fn create_veth(
        &mut self,
        (namespace, end): (usize, &VethEnd),
        (peer_namespace, peer): (usize, &VethEnd),
    ) -> Result<(u64, u64), Failure> {
        let one = self.create_veth_end(namespace, end)?;
        let two = match self.create_veth_end(peer_namespace, peer) {
            Ok(two) => two,
            Err(error) => {
                self.devices.remove(&one);
                return Err(error);
            }
        };
        self.device(one)?.peer = Some(two);
        self.device(two)?.peer = Some(one);
        Ok((one, two))
    }

    fn create_veth_end(&mut self, namespace: usize, end: &VethEnd) -> Result<u64, Failure> {
        let name = end.name.clone().unwrap_or_else(|| format!("veth{:08x}", self.next_device));
        let id = self.create_device(namespace, &name, "veth")?;
        let device = self.device(id)?;
        if let Some(mac) = &end.mac {
            device.mac.clone_from(mac);
            device.mac_chosen = true;
        }
        device.mtu = end.mtu.unwrap_or(1500);
        Ok(id)
    }

    pub(crate) fn link_info(&mut self, id: u64) -> Result<LinkInfo, Failure> {
        let device = self.device(id)?.clone();
        let index = |other: Option<u64>| other.and_then(|other| self.devices.get(&other)).map(|other| other.index);
        Ok(LinkInfo {
            index: device.index,
            operational_state: self.operational_state(&device),
            controller: index(device.controller),
            lower: index(device.peer.or(device.lower)),
            name: device.name,
            kind: device.kind,
            loopback: device.loopback,
            mac: device.mac,
            mtu: device.mtu,
            up: device.up,
            promiscuous: device.promiscuous,
            all_multicast: device.all_multicast,
            tx_queue_length: device.tx_queue_length,
            alias: device.alias,
        })
    }

    fn operational_state(&self, device: &Device) -> OperationalState {
        if device.loopback {
            return OperationalState::Unknown;
        }
        if !device.up {
            return OperationalState::Down;
        }
        match device.link_kind {
            // Nothing to be up or down, and nobody who has it open.
            Some(LinkKind::Dummy | LinkKind::Ifb) => return OperationalState::Unknown,
            Some(LinkKind::Tap(_)) => return OperationalState::Down,
            _ => {}
        }
        match device.peer.or(device.lower) {
            Some(peer) if self.devices.get(&peer).is_none_or(|peer| !peer.up) => OperationalState::LowerLayerDown,
            _ => OperationalState::Up,
        }
    }

    pub(crate) fn wait_operational(&mut self, id: u64, timeout: u32) -> Result<bool, Failure> {
        let info = self.link_info(id)?;
        let ready = matches!(info.operational_state, OperationalState::Up | OperationalState::Unknown);
        if !ready {
            self.clock += u64::from(timeout);
        }
        Ok(ready)
    }

    pub(crate) fn update_link(&mut self, id: u64, changes: &LinkChanges) -> Result<(), Failure> {
        let device = self.device(id)?.clone();
        if let Some(name) = &changes.name {
            if cni_spec::names::interface_name(name).is_err() {
                return failure(FailureKind::Invalid, format!("rename {:?} to {name:?}: no valid name", device.name));
            }
            if self.link_by_name(device.namespace, name).is_some_and(|other| other != id) {
                return failure(FailureKind::AlreadyExists, format!("rename {:?} to {name:?}: taken", device.name));
            }
        }
        if changes.mtu.is_some_and(|mtu| mtu < 68) {
            return failure(FailureKind::Invalid, format!("set the MTU of {:?}: smaller than 68", device.name));
        }
        let is_unicast = |mac: &Vec<u8>| {
            mac.len() == 6 && mac.iter().any(|byte| *byte != 0) && mac.first().is_some_and(|byte| byte & 1 == 0)
        };
        if changes.mac.as_ref().is_some_and(|mac| !is_unicast(mac)) {
            return failure(FailureKind::Invalid, format!("set the MAC of {:?}: no unicast address", device.name));
        }
        let device = self.device(id)?;
        if let Some(mac) = &changes.mac {
            device.mac.clone_from(mac);
            device.mac_chosen = true;
        }
        device.name = changes.name.clone().unwrap_or_else(|| device.name.clone());
        device.mtu = changes.mtu.unwrap_or(device.mtu);
        device.promiscuous = changes.promiscuous.unwrap_or(device.promiscuous);
        device.all_multicast = changes.all_multicast.unwrap_or(device.all_multicast);
        device.tx_queue_length = changes.tx_queue_length.unwrap_or(device.tx_queue_length);
        if let Some(alias) = &changes.alias {
            device.alias = (!alias.is_empty()).then(|| alias.clone());
        }
        if let Some(up) = changes.up {
            self.set_up(id, up);
        }
        Ok(())
    }

    /// Delete a link: its peer goes too, its addresses and routes, and what it was attached to or had attached.
    pub(crate) fn delete_link(&mut self, id: u64) -> Result<(), Failure> {
        let device = self.device(id)?.clone();
        if device.loopback {
            return failure(FailureKind::Unsupported, "delete \"lo\": the kernel keeps it".to_owned());
        }
        let mut all: Vec<u64> = [Some(id), device.peer].into_iter().flatten().collect();
        let stands_on = |all: &[u64], id: u64, device: &Device| {
            device.lower.is_some_and(|lower| all.contains(&lower)) && !all.contains(&id)
        };
        while let Some((above, _)) = self.devices.iter().find(|(id, device)| stands_on(&all, **id, device)) {
            all.push(*above);
        }
        for gone in all {
            if let Some(device) = self.devices.remove(&gone) {
                self.namespace(device.namespace).routes.retain(|entry| entry.link != gone);
                device.controller.into_iter().for_each(|bridge| self.follow_ports(bridge));
            }
            let others = self.devices.values_mut().filter(|other| other.controller == Some(gone));
            others.for_each(|port| port.controller = None);
        }
        Ok(())
    }

    pub(crate) fn create_bridge(
        &mut self,
        namespace: usize,
        name: &str,
        options: BridgeOptions,
    ) -> Result<u64, Failure> {
        if options.vlan_filtering {
            self.require_vlan_filtering()?;
        }
        let id = self.create_device(namespace, name, "bridge")?;
        let supported = self.vlan_filtering_supported;
        let device = self.device(id)?;
        device.mtu = options.mtu.unwrap_or(1500);
        device.vlan_filtering = options.vlan_filtering;
        device.mac_chosen = options.keep_mac;
        if supported {
            device.vlans.insert(1, (true, true));
        }
        Ok(id)
    }

    pub(crate) fn delete_unused_bridge(&mut self, id: u64) -> Result<bool, Failure> {
        self.bridge(id)?;
        let is_unused = !self.devices.values().any(|device| device.controller == Some(id));
        if is_unused {
            self.delete_link(id)?;
        }
        Ok(is_unused)
    }

    fn require_vlan_filtering(&self) -> Result<(), Failure> {
        if self.vlan_filtering_supported {
            return Ok(());
        }
        failure(FailureKind::Unsupported, "the kernel has no VLAN filtering of bridges".to_owned())
    }

    fn bridge(&mut self, id: u64) -> Result<&mut Device, Failure> {
        let device = self.device(id)?;
        if device.kind.as_deref() == Some("bridge") {
            return Ok(device);
        }
        failure(FailureKind::Unsupported, format!("{:?} is no bridge", device.name))
    }

    pub(crate) fn vlan_filtering(&mut self, id: u64) -> Result<bool, Failure> {
        Ok(self.bridge(id)?.vlan_filtering)
    }

    pub(crate) fn set_vlan_filtering(&mut self, id: u64, enabled: bool) -> Result<(), Failure> {
        self.require_vlan_filtering()?;
        self.bridge(id)?.vlan_filtering = enabled;
        Ok(())
    }

    pub(crate) fn attach(&mut self, bridge: u64, port: u64, options: PortOptions) -> Result<(), Failure> {
        let namespace = self.bridge(bridge)?.namespace;
        let supported = self.vlan_filtering_supported;
        let device = self.device(port)?;
        if device.namespace != namespace || device.loopback {
            return failure(FailureKind::Invalid, format!("attach {:?}: not a link beside the bridge", device.name));
        }
        if device.controller.is_some_and(|controller| controller != bridge) {
            return failure(FailureKind::Busy, format!("attach {:?}: it is a port of another bridge", device.name));
        }
        device.controller = Some(bridge);
        device.port = options;
        if supported {
            device.vlans.insert(1, (true, true));
        }
        self.set_up(port, true);
        self.follow_ports(bridge);
        Ok(())
    }

    /// A bridge whose hardware address nobody chose takes the lowest of its ports, or none at all.
    pub(crate) fn follow_ports(&mut self, bridge: u64) {
        if self.bridge(bridge).is_err() {
            return;
        }
        let ports = self.devices.values().filter(|device| device.controller == Some(bridge));
        let lowest = ports.map(|port| port.mac.clone()).min().unwrap_or_else(|| vec![0; 6]);
        if let Some(device) = self.devices.get_mut(&bridge).filter(|device| !device.mac_chosen) {
            device.mac = lowest;
        }
    }

    pub(crate) fn port_options(&mut self, id: u64) -> Result<Option<PortOptions>, Failure> {
        let device = self.device(id)?;
        Ok(device.controller.map(|_| device.port))
    }

    fn vlan_holder(&mut self, id: u64) -> Result<&mut Device, Failure> {
        self.require_vlan_filtering()?;
        let device = self.device(id)?;
        if device.controller.is_none() && device.kind.as_deref() != Some("bridge") {
            return failure(FailureKind::Unsupported, format!("{:?} is no port of a bridge", device.name));
        }
        Ok(device)
    }

    pub(crate) fn add_vlans(&mut self, id: u64, vlans: &[PortVlan]) -> Result<(), Failure> {
        let device = self.vlan_holder(id)?;
        for vlan in vlans {
            if vlan.first == 0 || vlan.last > 4094 || vlan.first > vlan.last || (vlan.pvid && vlan.first != vlan.last) {
                return failure(FailureKind::Invalid, format!("VLANs {} to {}: no valid range", vlan.first, vlan.last));
            }
            for id in vlan.first..=vlan.last {
                if vlan.pvid {
                    device.vlans.values_mut().for_each(|(pvid, _)| *pvid = false);
                }
                device.vlans.insert(id, (vlan.pvid, vlan.untagged));
            }
        }
        Ok(())
    }

    pub(crate) fn remove_vlans(&mut self, id: u64, vlans: &[PortVlan]) -> Result<(), Failure> {
        let device = self.vlan_holder(id)?;
        device.vlans.retain(|id, _| !vlans.iter().any(|vlan| (vlan.first..=vlan.last).contains(id)));
        Ok(())
    }

    pub(crate) fn list_vlans(&mut self, id: u64) -> Result<Vec<PortVlan>, Failure> {
        let mut joined: Vec<PortVlan> = Vec::new();
        for (&id, &(pvid, untagged)) in &self.device(id)?.vlans {
            match joined.last_mut() {
                Some(last) if last.last + 1 == id && !last.pvid && !pvid && last.untagged == untagged => last.last = id,
                _ => joined.push(PortVlan { first: id, last: id, pvid, untagged }),
            }
        }
        Ok(joined)
    }
}
