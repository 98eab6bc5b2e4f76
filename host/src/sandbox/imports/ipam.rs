//! `ipam-store`, `resolver`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmtime::component::Resource;
use weir_native::attachment::Attachment as NativeAttachment;
use weir_native::ipam_store::{self as native, Store};
use weir_native::{Error, ErrorKind};

use super::convert;
use crate::broker::weigh::{Opaque, weigh};
use crate::broker::{Call, Function, Made};
use crate::sandbox::Guest;
use crate::sandbox::bindings::cni::ipam_store::{self, AddressRange, Attachment, IpAddress, Lease};
use crate::sandbox::bindings::cni::resolver;
use crate::sandbox::guest::Answer;
use crate::sandbox::handles::StoreHandle;

/// Where host-local keeps its files by default.
const DEFAULT_STORE: &str = "/var/lib/cni/networks";

type StoreResource = Resource<StoreHandle>;

impl ipam_store::Host for Guest {
    fn open(&mut self, directory: Option<String>) -> Answer<StoreResource> {
        let session = self.session.clone();
        let directory = absolute(directory.as_deref().unwrap_or(DEFAULT_STORE));
        let directory = valid!(self, Function::StoreOpen, directory);
        let opened = self.call(Call::StoreOpen { directory: &directory }, || {
            Store::open(&directory, session.network()).map(Opaque)
        })?;
        Ok(match opened {
            Ok(Opaque(store)) => Ok(self.table.push(StoreHandle { store: Arc::new(store), directory })?),
            Err(failure) => Err(failure),
        })
    }
}

impl Guest {
    /// The store behind a handle, its directory, and the attachment of the command.
    fn store(&self, handle: &StoreResource) -> wasmtime::Result<(Arc<Store>, PathBuf, NativeAttachment)> {
        let handle = self.table.get(handle)?;
        Ok((handle.store.clone(), handle.directory.clone(), self.session.attachment()))
    }
}

impl ipam_store::HostStore for Guest {
    fn allocate(&mut self, store: StoreResource, range_set: u32, ranges: Vec<AddressRange>) -> Answer<IpAddress> {
        self.admit_list(ranges.len())?;
        let ranges = self::ranges(ranges);
        let (store, directory, owner) = self.store(&store)?;
        let given = self.call_making(
            Call::StoreAllocate { directory: &directory, range_set, ranges: &ranges },
            || store.allocate(&owner, range_set, &ranges),
            |address| Made::Address(*address),
        )?;
        Ok(given.map(convert::address_out))
    }

    fn reserve(&mut self, store: StoreResource, range_set: u32, address: IpAddress) -> Answer<()> {
        let address = convert::address(address);
        let (store, directory, owner) = self.store(&store)?;
        self.call_making(
            Call::StoreReserve { directory: &directory, range_set, address },
            || store.reserve(&owner, range_set, address),
            |()| Made::Address(address),
        )
    }

    fn release_address(&mut self, store: StoreResource, address: IpAddress) -> Answer<()> {
        let address = convert::address(address);
        let (store, directory, owner) = self.store(&store)?;
        self.call(Call::StoreReleaseAddress { directory: &directory, address }, || {
            store.release_address(&owner, address)
        })
    }

    fn release(&mut self, store: StoreResource) -> Answer<Vec<IpAddress>> {
        let (store, directory, owner) = self.store(&store)?;
        self.call(Call::StoreRelease { directory: &directory }, || {
            Ok(store.release(&owner)?.into_iter().map(convert::address_out).collect())
        })
    }

    fn find(&mut self, store: StoreResource) -> Answer<Vec<IpAddress>> {
        let (store, directory, owner) = self.store(&store)?;
        self.call(Call::StoreFind { directory: &directory }, || {
            Ok(store.find(&owner)?.into_iter().map(convert::address_out).collect())
        })
    }

    fn list(&mut self, store: StoreResource) -> Answer<Vec<Lease>> {
        let (store, directory, _) = self.store(&store)?;
        self.call(Call::StoreList { directory: &directory }, || Ok(store.list()?.into_iter().map(lease_out).collect()))
    }

    fn retain(&mut self, store: StoreResource, valid: Vec<Attachment>) -> Answer<Vec<Lease>> {
        self.admit_list(valid.len())?;
        let valid: Vec<_> = valid.into_iter().map(convert::attachment).collect();
        valid!(self, Function::StoreRetain, self.spares_all_in_use(&valid));
        let (store, directory, _) = self.store(&store)?;
        self.call(Call::StoreRetain { directory: &directory, valid: &valid }, || {
            Ok(store.retain(&valid)?.into_iter().map(lease_out).collect())
        })
    }

    fn count_free(&mut self, store: StoreResource, ranges: Vec<AddressRange>) -> Answer<u64> {
        self.admit_list(ranges.len())?;
        let ranges = self::ranges(ranges);
        self.exchange(weigh(&ranges))?;
        let (store, directory, _) = self.store(&store)?;
        self.call(Call::StoreCountFree { directory: &directory }, || store.count_free(&ranges))
    }

    fn drop(&mut self, store: StoreResource) -> wasmtime::Result<()> {
        self.table.delete(store)?;
        Ok(())
    }
}

fn ranges(ranges: Vec<AddressRange>) -> Vec<native::AddressRange> {
    ranges
        .into_iter()
        .map(|range| native::AddressRange {
            first: convert::address(range.first),
            last: convert::address(range.last),
            except: range.except.map(convert::address),
        })
        .collect()
}

fn lease_out(lease: native::Lease) -> Lease {
    Lease { address: convert::address_out(lease.address), owner: convert::attachment_out(lease.owner) }
}

impl resolver::Host for Guest {
    fn load(&mut self, path: String) -> Answer<resolver::Settings> {
        self.call(Call::ResolverLoad { path: Path::new(&path) }, || {
            let settings = weir_native::resolver::load(Path::new(&path))?;
            Ok(resolver::Settings {
                nameservers: settings.nameservers,
                domain: settings.domain,
                search: settings.search,
                options: settings.options,
            })
        })
    }
}

/// A directory that a configuration names.
pub(super) fn absolute(directory: &str) -> weir_native::Result<PathBuf> {
    let path = Path::new(directory);
    let climbs = path.components().any(|part| part == std::path::Component::ParentDir);
    if path.is_absolute() && !climbs {
        return Ok(path.to_owned());
    }
    Err(Error::new(ErrorKind::Invalid, format!("path {directory:?} must be absolute and without `..`")))
}
