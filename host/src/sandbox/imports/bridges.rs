//! `bridges`.

use wasmtime::component::Resource;
use weir_native::bridge as native;

use crate::broker::{Call, Made};
use crate::sandbox::Guest;
use crate::sandbox::bindings::cni::bridges::{self, BridgeOptions, PortOptions, PortVlan};
use crate::sandbox::guest::Answer;
use crate::sandbox::handles::{LinkHandle, NamespaceHandle};

type LinkResource = Resource<LinkHandle>;

impl bridges::Host for Guest {
    fn create(
        &mut self,
        namespace: Resource<NamespaceHandle>,
        name: String,
        options: BridgeOptions,
    ) -> Answer<LinkResource> {
        let namespace = self.namespace(&namespace)?;
        let BridgeOptions { mtu, vlan_filtering, keep_mac } = options;
        let options = native::BridgeOptions { mtu, vlan_filtering, keep_mac };
        let made = self.call_making(
            Call::BridgesCreate { namespace: &namespace, name: &name },
            || native::create(&namespace.netns, &name, &options),
            |index| Made::Link(*index),
        )?;
        Ok(match made {
            Ok(index) => Ok(self.hand_out_link(&namespace, index)?),
            Err(failure) => Err(failure),
        })
    }

    fn delete_unused(&mut self, bridge: LinkResource) -> Answer<bool> {
        let bridge = self.link(&bridge)?;
        self.call(Call::BridgesDeleteUnused { bridge: &bridge }, || {
            native::delete_unused(&bridge.namespace.netns, bridge.index)
        })
    }

    fn vlan_filtering(&mut self, bridge: LinkResource) -> Answer<bool> {
        let bridge = self.link(&bridge)?;
        self.call(Call::BridgesVlanFiltering { bridge: &bridge }, || {
            native::vlan_filtering(&bridge.namespace.netns, bridge.index)
        })
    }

    fn set_vlan_filtering(&mut self, bridge: LinkResource, enabled: bool) -> Answer<()> {
        let bridge = self.link(&bridge)?;
        self.call(Call::BridgesSetVlanFiltering { bridge: &bridge, enabled }, || {
            native::set_vlan_filtering(&bridge.namespace.netns, bridge.index, enabled)
        })
    }

    fn attach(&mut self, bridge: LinkResource, port: LinkResource, options: PortOptions) -> Answer<()> {
        let (bridge, port) = (self.link(&bridge)?, self.link(&port)?);
        let options = native::PortOptions { hairpin: options.hairpin, isolated: options.isolated };
        self.call(Call::BridgesAttach { bridge: &bridge, port: &port }, || {
            if !bridge.namespace.netns.is_same(&port.namespace.netns) {
                return Err(weir_native::Error::new(
                    weir_native::ErrorKind::Invalid,
                    "attach a port to a bridge: they are in different namespaces",
                ));
            }
            native::attach(&bridge.namespace.netns, bridge.index, port.index, &options)
        })
    }

    fn port(&mut self, port: LinkResource) -> Answer<Option<PortOptions>> {
        let port = self.link(&port)?;
        self.call(Call::BridgesPort { port: &port }, || {
            let options = native::port(&port.namespace.netns, port.index)?;
            Ok(options.map(|o| PortOptions { hairpin: o.hairpin, isolated: o.isolated }))
        })
    }

    fn add_vlans(&mut self, link: LinkResource, vlans: Vec<PortVlan>) -> Answer<()> {
        let link = self.link(&link)?;
        let vlans = self::vlans(&vlans);
        self.call(Call::BridgesAddVlans { link: &link, vlans: &vlans }, || {
            native::add_vlans(&link.namespace.netns, link.index, &vlans)
        })
    }

    fn remove_vlans(&mut self, link: LinkResource, vlans: Vec<PortVlan>) -> Answer<()> {
        let link = self.link(&link)?;
        let vlans = self::vlans(&vlans);
        self.call(Call::BridgesRemoveVlans { link: &link, vlans: &vlans }, || {
            native::remove_vlans(&link.namespace.netns, link.index, &vlans)
        })
    }

    fn list_vlans(&mut self, link: LinkResource) -> Answer<Vec<PortVlan>> {
        let link = self.link(&link)?;
        self.call(Call::BridgesListVlans { link: &link }, || {
            let vlans = native::list_vlans(&link.namespace.netns, link.index)?;
            Ok(vlans
                .into_iter()
                .map(|v| PortVlan { first: v.first, last: v.last, pvid: v.pvid, untagged: v.untagged })
                .collect())
        })
    }
}

fn vlans(vlans: &[PortVlan]) -> Vec<native::PortVlan> {
    vlans
        .iter()
        .map(|v| native::PortVlan { first: v.first, last: v.last, pvid: v.pvid, untagged: v.untagged })
        .collect()
}
