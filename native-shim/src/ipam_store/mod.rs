//! Addresses given out on this node, in the files of the host-local plugin, shared with it while both run.
//!
//! `<data directory>/<network>/` holds one file per address (`containerID CR LF ifname`), `last_reserved_ip.<range set>`
//! and `lock`. These files are the truth; an index beside them only saves looking through them.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

pub use crate::attachment::Attachment;
use crate::{Error, ErrorKind, Result};

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
    /// To whom. The interface name is empty in files of very old plugins; both names are empty where a plugin died
    /// between creating and writing the file.
    pub owner: Attachment,
}

/// The addresses of one network. Each call holds the store's lock, as host-local does.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    network: String,
}

impl Store {
    /// The store of a network in a data directory, which need not exist: it is created at the first change.
    pub fn open(directory: &Path, network: &str) -> Result<Self> {
        Ok(Self { directory: directory.to_owned(), network: network.to_owned() })
    }

    /// Give the owner the next free address of the ranges, going on after the one last given out for this set, once
    /// round. `Exhausted`: none is free. `AlreadyExists`: the owner holds one of these ranges.
    pub fn allocate(&self, owner: &Attachment, range_set: u32, ranges: &[AddressRange]) -> Result<IpAddr> {
        let _ = (owner, range_set, ranges);
        Err(self.unbuilt())
    }

    /// Give the owner one certain address. `Busy`: somebody has it, also this owner.
    pub fn reserve(&self, owner: &Attachment, range_set: u32, address: IpAddr) -> Result<()> {
        let _ = (owner, range_set, address);
        Err(self.unbuilt())
    }

    /// Take back one address. `NotFound`: nobody has it. `Busy`: somebody else has it.
    pub fn release_address(&self, owner: &Attachment, address: IpAddr) -> Result<()> {
        let _ = (owner, address);
        Err(self.unbuilt())
    }

    /// Take back all addresses of the owner. Returns them; none is no failure.
    pub fn release(&self, owner: &Attachment) -> Result<Vec<IpAddr>> {
        let _ = owner;
        Err(self.unbuilt())
    }

    /// Addresses of the owner, sorted.
    pub fn find(&self, owner: &Attachment) -> Result<Vec<IpAddr>> {
        let _ = owner;
        Err(self.unbuilt())
    }

    /// All addresses of the network, sorted.
    pub fn list(&self) -> Result<Vec<Lease>> {
        Err(self.unbuilt())
    }

    /// Take back every address whose owner is not in the list. Returns what was taken back. An owner without interface
    /// name stays where its container is in the list.
    pub fn retain(&self, valid: &[Attachment]) -> Result<Vec<Lease>> {
        let _ = valid;
        Err(self.unbuilt())
    }

    /// How many addresses of the ranges are free.
    pub fn count_free(&self, ranges: &[AddressRange]) -> Result<u64> {
        let _ = ranges;
        Err(self.unbuilt())
    }

    fn unbuilt(&self) -> Error {
        Error::new(
            ErrorKind::Unsupported,
            format!("store of {} in {}: not built yet", self.network, self.directory.display()),
        )
    }
}
