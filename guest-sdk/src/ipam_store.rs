//! Addresses given out on this node, in the files of the host-local plugin. Needs the interface `ipam-store`.

use std::net::IpAddr;

use crate::bindings::weir::cni::ipam_store as contract;
use crate::export::AttachmentExt;
use crate::failure::Failure;
use crate::imports::ipam_store as host;
use crate::plugin::Attachment;

/// Addresses from the first to the last, both included, all of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    /// First address that may be given out.
    pub first: IpAddr,
    /// Last address that may be given out.
    pub last: IpAddr,
    /// An address in between that is never given out: the gateway.
    pub except: Option<IpAddr>,
}

/// An address given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub address: IpAddr,
    /// To whom. The interface name is empty in files of very old plugins.
    pub owner: Attachment,
}

/// The addresses of this command's network.
#[derive(Debug)]
pub struct Store {
    raw: host::Store,
}

impl Store {
    /// Open the store in a directory; none: `/var/lib/cni/networks`.
    pub fn open(directory: Option<&str>) -> Result<Self, Failure> {
        Ok(Self { raw: host::open(directory)? })
    }

    /// Give this attachment the next free address of the ranges of a set. `Exhausted`: none is free. `AlreadyExists`:
    /// the attachment holds one of this set.
    pub fn allocate(&self, range_set: u32, ranges: &[AddressRange]) -> Result<IpAddr, Failure> {
        Ok(self.raw.allocate(range_set, &to_host(ranges))?.into())
    }

    /// Give this attachment one certain address. `Busy`: somebody has it.
    pub fn reserve(&self, range_set: u32, address: IpAddr) -> Result<(), Failure> {
        self.raw.reserve(range_set, address.into())
    }

    /// Take back one address of this attachment.
    pub fn release_address(&self, address: IpAddr) -> Result<(), Failure> {
        self.raw.release_address(address.into())
    }

    /// Take back all addresses of this attachment. Returns them; none is no failure.
    pub fn release(&self) -> Result<Vec<IpAddr>, Failure> {
        Ok(self.raw.release()?.into_iter().map(IpAddr::from).collect())
    }

    /// Addresses of this attachment.
    pub fn find(&self) -> Result<Vec<IpAddr>, Failure> {
        Ok(self.raw.find()?.into_iter().map(IpAddr::from).collect())
    }

    /// All addresses of the network.
    pub fn list(&self) -> Result<Vec<Lease>, Failure> {
        Ok(self.raw.list()?.into_iter().map(Lease::from).collect())
    }

    /// Take back every address whose owner is not in the list. Returns what was taken back.
    pub fn retain(&self, valid: &[Attachment]) -> Result<Vec<Lease>, Failure> {
        Ok(self
            .raw
            .retain(&valid.iter().map(AttachmentExt::to_record).collect::<Vec<_>>())?
            .into_iter()
            .map(Lease::from)
            .collect())
    }

    /// How many addresses of the ranges are free.
    pub fn count_free(&self, ranges: &[AddressRange]) -> Result<u64, Failure> {
        self.raw.count_free(&to_host(ranges))
    }
}

fn to_host(ranges: &[AddressRange]) -> Vec<contract::AddressRange> {
    ranges
        .iter()
        .map(|range| contract::AddressRange {
            first: range.first.into(),
            last: range.last.into(),
            except: range.except.map(Into::into),
        })
        .collect()
}

impl From<contract::Lease> for Lease {
    fn from(lease: contract::Lease) -> Self {
        Self { address: lease.address.into(), owner: Attachment::from_record(lease.owner) }
    }
}
