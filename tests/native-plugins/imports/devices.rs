//! `links`, `bridges`, `sysctls`.

use std::sync::Arc;
use std::time::Duration;

use weir_native::netns::Netns as NativeNetns;

use super::{contract, convert, namespaces::Netns, unanswered::unsupported};
use crate::failure::Failure;

pub(crate) mod links {
    use super::*;
    use contract::links::{LinkChanges, LinkInfo, VethEnd};
    use weir_native::link as native;

    #[derive(Debug)]
    pub(crate) struct Link {
        pub(in super::super) netns: Arc<NativeNetns>,
        pub(in super::super) index: u32,
    }

    impl Link {
        pub(crate) fn info(&self) -> Result<LinkInfo, Failure> {
            Ok(convert::info(native::info(&self.netns, self.index)?))
        }
        pub(crate) fn update(&self, changes: &LinkChanges) -> Result<(), Failure> {
            Ok(native::update(&self.netns, self.index, &convert::changes(changes))?)
        }
        pub(crate) fn wait_operational(&self, milliseconds: u32) -> Result<bool, Failure> {
            let timeout = Duration::from_millis(milliseconds.into());
            Ok(native::wait_operational(&self.netns, self.index, timeout)?)
        }
        pub(crate) fn set_controller(&self, _: Option<&Self>) -> Result<(), Failure> {
            unsupported("link.set-controller")
        }
        pub(crate) fn move_to(&self, _: &Netns, _: &LinkChanges) -> Result<Self, Failure> {
            unsupported("link.move-to")
        }
        pub(crate) fn delete(&self) -> Result<(), Failure> {
            Ok(native::delete_at_once(&self.netns, self.index).map(drop)?)
        }
    }

    pub(crate) fn find(namespace: &Netns, name: &str) -> Result<Option<Link>, Failure> {
        let found = native::find(&namespace.0, name)?;
        Ok(found.map(|info| Link { netns: namespace.0.clone(), index: info.index }))
    }
    pub(crate) fn find_by_index(namespace: &Netns, index: u32) -> Result<Option<Link>, Failure> {
        let found = native::find_by_index(&namespace.0, index)?;
        Ok(found.map(|info| Link { netns: namespace.0.clone(), index: info.index }))
    }
    pub(crate) fn list(namespace: &Netns) -> Result<Vec<LinkInfo>, Failure> {
        Ok(native::list(&namespace.0)?.into_iter().map(convert::info).collect())
    }
    pub(crate) fn create_veth(
        container: &Netns,
        container_end: &VethEnd,
        host: &Netns,
        host_end: &VethEnd,
    ) -> Result<(Link, Link), Failure> {
        let (near, far) =
            native::create_veth(&container.0, &convert::end(container_end), &host.0, &convert::end(host_end))?;
        let near = Link { netns: container.0.clone(), index: near.index };
        Ok((near, Link { netns: host.0.clone(), index: far.index }))
    }
}

pub(crate) mod bridges {
    use super::links::Link;
    use super::*;
    use contract::bridges::{BridgeOptions, PortOptions, PortVlan};
    use weir_native::bridge as native;

    pub(crate) fn create(namespace: &Netns, name: &str, options: BridgeOptions) -> Result<Link, Failure> {
        let BridgeOptions { mtu, vlan_filtering, keep_mac } = options;
        let index = native::create(&namespace.0, name, &native::BridgeOptions { mtu, vlan_filtering, keep_mac })?;
        Ok(Link { netns: namespace.0.clone(), index })
    }
    pub(crate) fn delete_unused(bridge: &Link) -> Result<bool, Failure> {
        Ok(native::delete_unused(&bridge.netns, bridge.index)?)
    }
    pub(crate) fn attach(bridge: &Link, port: &Link, options: PortOptions) -> Result<(), Failure> {
        let options = native::PortOptions { hairpin: options.hairpin, isolated: options.isolated };
        Ok(native::attach(&bridge.netns, bridge.index, port.index, &options)?)
    }
    pub(crate) fn port(port: &Link) -> Result<Option<PortOptions>, Failure> {
        let options = native::port(&port.netns, port.index)?;
        Ok(options.map(|o| PortOptions { hairpin: o.hairpin, isolated: o.isolated }))
    }
    pub(crate) fn vlan_filtering(_: &Link) -> Result<bool, Failure> {
        unsupported("bridges.vlan-filtering")
    }
    pub(crate) fn set_vlan_filtering(_: &Link, _: bool) -> Result<(), Failure> {
        unsupported("bridges.set-vlan-filtering")
    }
    pub(crate) fn add_vlans(_: &Link, _: &[PortVlan]) -> Result<(), Failure> {
        unsupported("bridges.add-vlans")
    }
    pub(crate) fn remove_vlans(_: &Link, _: &[PortVlan]) -> Result<(), Failure> {
        unsupported("bridges.remove-vlans")
    }
    pub(crate) fn list_vlans(_: &Link) -> Result<Vec<PortVlan>, Failure> {
        unsupported("bridges.list-vlans")
    }
}

pub(crate) mod sysctls {
    use super::*;
    use weir_native::sysctl as native;

    pub(crate) fn get(namespace: &Netns, key: &str) -> Result<String, Failure> {
        Ok(native::get(&namespace.0, key)?)
    }
    pub(crate) fn set(namespace: &Netns, key: &str, value: &str) -> Result<(), Failure> {
        Ok(native::set(&namespace.0, key, value)?)
    }
    pub(crate) fn allow_list() -> Result<Option<Vec<String>>, Failure> {
        unsupported("sysctls.allow-list")
    }
}
