//! `addresses`.

use std::time::Duration;

use wasmtime::component::Resource;
use weir_native::address as native;

use super::convert;
use crate::broker::{Call, Function};
use crate::sandbox::Guest;
use crate::sandbox::bindings::cni::addresses::{self, IpAddress, IpNetwork, LinkAddress, NewAddress};
use crate::sandbox::guest::Answer;
use crate::sandbox::handles::LinkHandle;

type LinkResource = Resource<LinkHandle>;

impl addresses::Host for Guest {
    fn list(&mut self, link: LinkResource) -> Answer<Vec<LinkAddress>> {
        let link = self.link(&link)?;
        self.call(Call::AddressesList { link: &link }, || {
            let addresses = native::list(&link.namespace.netns, link.index)?;
            Ok(addresses
                .into_iter()
                .map(|a| LinkAddress {
                    network: convert::network_out(a.network),
                    scope: a.scope,
                    tentative: a.tentative,
                    dad_failed: a.dad_failed,
                })
                .collect())
        })
    }

    fn add(&mut self, link: LinkResource, addresses: Vec<NewAddress>) -> Answer<()> {
        let link = self.link(&link)?;
        let addresses = convert::all(addresses, |a| {
            Ok(native::NewAddress {
                network: convert::network(a.network)?,
                no_dad: a.no_dad,
                no_prefix_route: a.no_prefix_route,
            })
        });
        let addresses = valid!(self, Function::AddressesAdd, addresses);
        self.call(Call::AddressesAdd { link: &link, addresses: &addresses }, || {
            native::add(&link.namespace.netns, link.index, &addresses)
        })
    }

    fn remove(&mut self, link: LinkResource, addresses: Vec<IpNetwork>) -> Answer<()> {
        let link = self.link(&link)?;
        let addresses = valid!(self, Function::AddressesRemove, convert::all(addresses, convert::network));
        self.call(Call::AddressesRemove { link: &link, addresses: &addresses }, || {
            native::remove(&link.namespace.netns, link.index, &addresses)
        })
    }

    fn wait_settled(&mut self, link: LinkResource, timeout_milliseconds: u32) -> Answer<bool> {
        let link = self.link(&link)?;
        let timeout = Duration::from_millis(timeout_milliseconds.into()).min(self.broker.time_left());
        self.call(Call::AddressesWaitSettled { link: &link }, || {
            native::wait_settled(&link.namespace.netns, link.index, timeout)
        })
    }

    fn announce(&mut self, link: LinkResource, addresses: Vec<IpAddress>) -> Answer<()> {
        let link = self.link(&link)?;
        let addresses: Vec<_> = addresses.into_iter().map(convert::address).collect();
        self.call(Call::AddressesAnnounce { link: &link, addresses: &addresses }, || {
            native::announce(&link.namespace.netns, link.index, &addresses)
        })
    }
}
