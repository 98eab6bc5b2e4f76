//! `addresses`, `routes`, `ipam-store`, `resolver`.

use std::path::Path;
use std::time::Duration;

use super::devices::links::Link;
use super::{contract, convert, namespaces::Netns, session, unanswered::unsupported};
use crate::failure::Failure;
use contract::types::{IpAddress, IpNetwork};

pub(crate) mod addresses {
    use super::*;
    use contract::addresses::{LinkAddress, NewAddress};
    use weir_native::address as native;

    pub(crate) fn list(link: &Link) -> Result<Vec<LinkAddress>, Failure> {
        let out = |a: native::LinkAddress| LinkAddress {
            network: a.network.into(),
            scope: a.scope,
            tentative: a.tentative,
            dad_failed: a.dad_failed,
        };
        Ok(native::list(&link.netns, link.index)?.into_iter().map(out).collect())
    }
    pub(crate) fn add(link: &Link, addresses: &[NewAddress]) -> Result<(), Failure> {
        let new = |a: &NewAddress| native::NewAddress {
            network: convert::network(a.network),
            no_dad: a.no_dad,
            no_prefix_route: a.no_prefix_route,
        };
        Ok(native::add(&link.netns, link.index, &addresses.iter().map(new).collect::<Vec<_>>())?)
    }
    pub(crate) fn remove(link: &Link, addresses: &[IpNetwork]) -> Result<(), Failure> {
        let addresses: Vec<_> = addresses.iter().copied().map(convert::network).collect();
        Ok(native::remove(&link.netns, link.index, &addresses)?)
    }
    pub(crate) fn wait_settled(link: &Link, milliseconds: u32) -> Result<bool, Failure> {
        Ok(native::wait_settled(&link.netns, link.index, Duration::from_millis(milliseconds.into()))?)
    }
    pub(crate) fn announce(link: &Link, addresses: &[IpAddress]) -> Result<(), Failure> {
        let addresses: Vec<_> = addresses.iter().copied().map(Into::into).collect();
        Ok(native::announce(&link.netns, link.index, &addresses)?)
    }
}

pub(crate) mod routes {
    use super::*;
    use contract::routes::{Conflict, Route, RouteFilter};
    use weir_native::route as native;

    pub(crate) fn add(namespace: &Netns, routes: &[Route], conflict: Conflict) -> Result<(), Failure> {
        let conflict = match conflict {
            Conflict::Refuse => native::Conflict::Refuse,
            Conflict::Append => native::Conflict::Append,
            Conflict::Replace => native::Conflict::Replace,
        };
        Ok(native::add(&namespace.0, &routes.iter().map(route).collect::<Vec<_>>(), conflict)?)
    }
    pub(crate) fn remove(namespace: &Netns, routes: &[Route]) -> Result<(), Failure> {
        Ok(native::remove(&namespace.0, &routes.iter().map(route).collect::<Vec<_>>())?)
    }
    pub(crate) fn list(_: &Netns, _: RouteFilter) -> Result<Vec<Route>, Failure> {
        unsupported("routes.list")
    }
    pub(crate) fn lookup(_: &Netns, _: IpAddress) -> Result<Option<Route>, Failure> {
        unsupported("routes.lookup")
    }

    fn route(route: &Route) -> native::Route {
        native::Route {
            destination: convert::network(route.destination),
            gateway: route.gateway.map(Into::into),
            link: route.link,
            source: route.source.map(Into::into),
            table: route.table,
            priority: route.priority,
            scope: route.scope,
            mtu: route.mtu,
            advmss: route.advmss,
            onlink: route.onlink,
        }
    }
}

pub(crate) mod ipam_store {
    use super::*;
    use contract::ipam_store::{AddressRange, Lease};
    use contract::types::Attachment;
    use weir_native::ipam_store as native;

    #[derive(Debug)]
    pub(crate) struct Store(native::Store);

    pub(crate) fn open(directory: Option<&str>) -> Result<Store, Failure> {
        let directory = directory.unwrap_or("/var/lib/cni/networks");
        Ok(Store(native::Store::open(Path::new(directory), &session()?.network)?))
    }

    impl Store {
        pub(crate) fn allocate(&self, range_set: u32, ranges: &[AddressRange]) -> Result<IpAddress, Failure> {
            let range = |range: &AddressRange| native::AddressRange {
                first: range.first.into(),
                last: range.last.into(),
                except: range.except.map(Into::into),
            };
            let ranges: Vec<_> = ranges.iter().map(range).collect();
            Ok(self.0.allocate(&session()?.attachment, range_set, &ranges)?.into())
        }
        pub(crate) fn reserve(&self, range_set: u32, address: IpAddress) -> Result<(), Failure> {
            Ok(self.0.reserve(&session()?.attachment, range_set, address.into())?)
        }
        pub(crate) fn release_address(&self, address: IpAddress) -> Result<(), Failure> {
            Ok(self.0.release_address(&session()?.attachment, address.into())?)
        }
        pub(crate) fn release(&self) -> Result<Vec<IpAddress>, Failure> {
            Ok(self.0.release(&session()?.attachment)?.into_iter().map(Into::into).collect())
        }
        pub(crate) fn find(&self) -> Result<Vec<IpAddress>, Failure> {
            Ok(self.0.find(&session()?.attachment)?.into_iter().map(Into::into).collect())
        }
        pub(crate) fn list(&self) -> Result<Vec<Lease>, Failure> {
            unsupported("store.list")
        }
        pub(crate) fn retain(&self, _: &[Attachment]) -> Result<Vec<Lease>, Failure> {
            unsupported("store.retain")
        }
        pub(crate) fn count_free(&self, _: &[AddressRange]) -> Result<u64, Failure> {
            unsupported("store.count-free")
        }
    }
}

pub(crate) mod resolver {
    use super::*;
    use contract::resolver::Settings;

    pub(crate) fn load(path: &str) -> Result<Settings, Failure> {
        let settings = weir_native::resolver::load(Path::new(path))?;
        Ok(Settings {
            nameservers: settings.nameservers,
            domain: settings.domain,
            search: settings.search,
            options: settings.options,
        })
    }
}
