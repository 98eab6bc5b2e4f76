//! `links`.

use std::time::Duration;

use wasmtime::component::Resource;
use weir_native::link as native;

use crate::broker::{Call, Made};
use crate::sandbox::Guest;
use crate::sandbox::bindings::cni::links::{self, LinkChanges, LinkInfo, MacAddress, OperationalState, VethEnd};
use crate::sandbox::guest::Answer;
use crate::sandbox::handles::{LinkHandle, NamespaceHandle};

type LinkResource = Resource<LinkHandle>;
type NamespaceResource = Resource<NamespaceHandle>;

impl links::Host for Guest {
    fn find(&mut self, namespace: NamespaceResource, name: String) -> Answer<Option<LinkResource>> {
        let namespace = self.namespace(&namespace)?;
        let found = self
            .call(Call::LinksFind { namespace: &namespace, name: &name }, || native::find(&namespace.netns, &name))?;
        self.hand_out_found(&namespace, found)
    }

    fn find_by_index(&mut self, namespace: NamespaceResource, index: u32) -> Answer<Option<LinkResource>> {
        let namespace = self.namespace(&namespace)?;
        let found = self.call(Call::LinksFindByIndex { namespace: &namespace, index }, || {
            native::find_by_index(&namespace.netns, index)
        })?;
        self.hand_out_found(&namespace, found)
    }

    fn list(&mut self, namespace: NamespaceResource) -> Answer<Vec<LinkInfo>> {
        let namespace = self.namespace(&namespace)?;
        self.call(Call::LinksList { namespace: &namespace }, || {
            Ok(native::list(&namespace.netns)?.into_iter().map(info_out).collect())
        })
    }

    fn create_veth(
        &mut self,
        container: NamespaceResource,
        container_end: VethEnd,
        host: NamespaceResource,
        host_end: VethEnd,
    ) -> Answer<(LinkResource, LinkResource)> {
        let (container, host) = (self.namespace(&container)?, self.namespace(&host)?);
        let (container_end, mut host_end) = (end(container_end), end(host_end));
        // Chosen here, so that the ledger can tell the pair from others before it is made.
        host_end.mac.get_or_insert_with(|| native::random_mac().to_vec());
        let call = Call::LinksCreateVeth {
            container: &container,
            container_end: &container_end,
            host: &host,
            host_end: &host_end,
        };
        let made = self.call_making(
            call,
            || native::create_veth(&container.netns, &container_end, &host.netns, &host_end),
            |(near, far)| Made::Pair(near.index, far.index),
        )?;
        Ok(match made {
            Ok((near, far)) => Ok((self.hand_out_link(&container, near.index)?, self.hand_out_link(&host, far.index)?)),
            Err(failure) => Err(failure),
        })
    }
}

impl Guest {
    fn hand_out_found(
        &mut self,
        namespace: &NamespaceHandle,
        found: Result<Option<native::LinkInfo>, links::Failure>,
    ) -> Answer<Option<LinkResource>> {
        Ok(match found {
            Ok(Some(info)) => {
                self.broker.facts().learn_name(namespace, info.index, &info.name);
                Ok(Some(self.hand_out_link(namespace, info.index)?))
            }
            Ok(None) => Ok(None),
            Err(failure) => Err(failure),
        })
    }
}

impl links::HostLink for Guest {
    fn info(&mut self, link: LinkResource) -> Answer<LinkInfo> {
        let link = self.link(&link)?;
        self.call(Call::LinkInfo { link: &link }, || native::info(&link.namespace.netns, link.index).map(info_out))
    }

    fn update(&mut self, link: LinkResource, changes: LinkChanges) -> Answer<()> {
        let link = self.link(&link)?;
        let changes = self::changes(changes);
        self.call(Call::LinkUpdate { link: &link, changes: &changes }, || {
            native::update(&link.namespace.netns, link.index, &changes)
        })
    }

    fn wait_operational(&mut self, link: LinkResource, timeout_milliseconds: u32) -> Answer<bool> {
        let link = self.link(&link)?;
        let timeout = Duration::from_millis(timeout_milliseconds.into()).min(self.broker.time_left());
        self.call(Call::LinkWaitOperational { link: &link }, || {
            native::wait_operational(&link.namespace.netns, link.index, timeout)
        })
    }

    fn set_controller(&mut self, link: LinkResource, controller: Option<LinkResource>) -> Answer<()> {
        let link = self.link(&link)?;
        let controller = controller.map(|controller| self.link(&controller)).transpose()?;
        self.call(Call::LinkSetController { link: &link, controller: controller.as_ref() }, || {
            let elsewhere = |other: &&LinkHandle| !other.namespace.netns.is_same(&link.namespace.netns);
            if controller.as_ref().filter(elsewhere).is_some() {
                return Err(weir_native::Error::new(
                    weir_native::ErrorKind::Invalid,
                    "put a link under a controller: they are in different namespaces",
                ));
            }
            native::set_controller(
                &link.namespace.netns,
                link.index,
                controller.as_ref().map(|controller| controller.index),
            )
        })
    }

    fn move_to(
        &mut self,
        link: LinkResource,
        namespace: NamespaceResource,
        changes: LinkChanges,
    ) -> Answer<LinkResource> {
        let (link, target) = (self.link(&link)?, self.namespace(&namespace)?);
        let changes = self::changes(changes);
        let moved = self.call_making(
            Call::LinkMoveTo { link: &link, target: &target, changes: &changes },
            || native::move_to(&link.namespace.netns, link.index, &target.netns, &changes),
            |index| Made::Link(*index),
        )?;
        Ok(match moved {
            Ok(index) => Ok(self.hand_out_link(&target, index)?),
            Err(failure) => Err(failure),
        })
    }

    fn delete(&mut self, link: LinkResource) -> Answer<()> {
        let link = self.link(&link)?;
        self.call(Call::LinkDelete { link: &link }, || {
            // The link is gone when this returns; what the kernel cleans up behind it, a child process waits for.
            native::delete_at_once(&link.namespace.netns, link.index).map(drop)
        })
    }

    fn drop(&mut self, link: LinkResource) -> wasmtime::Result<()> {
        self.table.delete(link)?;
        Ok(())
    }
}

fn end(end: VethEnd) -> native::VethEnd {
    native::VethEnd { name: end.name, mac: end.mac, mtu: end.mtu }
}

fn changes(changes: LinkChanges) -> native::LinkChanges {
    let mac: Option<MacAddress> = changes.mac;
    native::LinkChanges {
        up: changes.up,
        name: changes.name,
        mtu: changes.mtu,
        mac,
        promiscuous: changes.promiscuous,
        all_multicast: changes.all_multicast,
        tx_queue_length: changes.tx_queue_length,
        alias: changes.alias,
    }
}

fn info_out(info: native::LinkInfo) -> LinkInfo {
    LinkInfo {
        index: info.index,
        name: info.name,
        kind: info.kind,
        loopback: info.loopback,
        mac: info.mac,
        mtu: info.mtu,
        up: info.up,
        operational_state: match info.operational_state {
            native::OperationalState::Unknown => OperationalState::Unknown,
            native::OperationalState::NotPresent => OperationalState::NotPresent,
            native::OperationalState::Down => OperationalState::Down,
            native::OperationalState::LowerLayerDown => OperationalState::LowerLayerDown,
            native::OperationalState::Testing => OperationalState::Testing,
            native::OperationalState::Dormant => OperationalState::Dormant,
            native::OperationalState::Up => OperationalState::Up,
        },
        controller: info.controller,
        lower: info.lower,
        promiscuous: info.promiscuous,
        all_multicast: info.all_multicast,
        tx_queue_length: info.tx_queue_length,
        alias: info.alias,
    }
}
