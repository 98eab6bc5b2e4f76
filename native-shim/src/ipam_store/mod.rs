//! Addresses given out on this node, in the files of the host-local plugin, shared with it while both run.
//!
//! `<data directory>/<network>/` holds one file per address (`containerID CR LF ifname`), `last_reserved_ip.<range set>`
//! and `lock`. These files are the truth; an index beside them only saves looking through them.

mod bitmap;
mod files;
mod index;
mod lock;
mod ranges;
mod session;
mod table;

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

pub use crate::attachment::Attachment;
use crate::{Error, ErrorKind, Result};
use session::Session;

/// Addresses from the first to the last, both included, all of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressRange {
    /// First address that may be given out.
    pub first: IpAddr,
    /// Last address that may be given out.
    pub last: IpAddr,
    /// An address in between that is never given out: the gateway.
    pub except: Option<IpAddr>,
}

/// An address given out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
        files::check_network(network)?;
        Ok(Self { directory: directory.to_owned(), network: network.to_owned() })
    }

    /// Give the owner the next free address of the ranges, going on after the one last given out for this set, once
    /// round. `Exhausted`: none is free. `AlreadyExists`: the owner holds one of these ranges.
    pub fn allocate(&self, owner: &Attachment, range_set: u32, ranges: &[AddressRange]) -> Result<IpAddr> {
        owner.check()?;
        ranges::check(ranges)?;
        let mut session = Session::create(&self.directory, &self.network)?;
        if let Some(held) = session.find(owner)?.into_iter().find(|held| ranges.iter().any(|r| r.contains(*held))) {
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                format!(
                    "{held} is given to {} of container {} already: delete that attachment before adding it again",
                    owner.interface_name, owner.container_id
                ),
            ));
        }
        let lap = ranges::lap(ranges, session.last_reserved(range_set));
        session.claim_first(owner, range_set, &lap)?.ok_or_else(|| {
            let all: Vec<_> = ranges.iter().map(|range| format!("{} to {}", range.first, range.last)).collect();
            Error::new(
                ErrorKind::Exhausted,
                format!(
                    "every address of network {} is given out ({}): enlarge the range, or have the runtime run GC",
                    self.network,
                    all.join(", ")
                ),
            )
        })
    }

    /// Give the owner one certain address. `Busy`: somebody has it, also this owner.
    pub fn reserve(&self, owner: &Attachment, range_set: u32, address: IpAddr) -> Result<()> {
        owner.check()?;
        let address = address.to_canonical();
        let mut session = Session::create(&self.directory, &self.network)?;
        if session.claim(owner, range_set, address)? {
            return Ok(());
        }
        let holder = session.owner_of(address)?.unwrap_or_else(|| Attachment::new("", ""));
        let network = &self.network;
        Err(Error::new(ErrorKind::Busy, format!("{address} of network {network} is given to {}", describe(&holder))))
    }

    /// Take back one address. `NotFound`: nobody has it. `Busy`: somebody else has it.
    pub fn release_address(&self, owner: &Attachment, address: IpAddr) -> Result<()> {
        owner.check()?;
        let address = address.to_canonical();
        let mut session = Session::open(&self.directory, &self.network)?;
        let holder = match &session {
            Some(session) => session.owner_of(address)?,
            None => None,
        };
        let (Some(session), Some(holder)) = (&mut session, holder) else {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("{address} of network {} is given to nobody", self.network),
            ));
        };
        if !is_of(&holder, owner) {
            return Err(Error::new(
                ErrorKind::Busy,
                format!("{address} of network {} is given to {}, and stays", self.network, describe(&holder)),
            ));
        }
        session.release(&[Lease { address, owner: holder }])
    }

    /// Take back all addresses of the owner, sorted. Returns them; none is no failure. What a very old plugin gave out
    /// without interface name goes where nothing else is the owner's.
    pub fn release(&self, owner: &Attachment) -> Result<Vec<IpAddr>> {
        owner.check()?;
        let Some(mut session) = Session::open(&self.directory, &self.network)? else { return Ok(Vec::new()) };
        let held = session.find_leases(owner)?;
        let by_name: Vec<_> = held.iter().filter(|lease| lease.owner == *owner).cloned().collect();
        let leases = if by_name.is_empty() { held } else { by_name };
        session.release(&leases)?;
        Ok(leases.into_iter().map(|lease| lease.address).collect())
    }

    /// Addresses of the owner, sorted.
    pub fn find(&self, owner: &Attachment) -> Result<Vec<IpAddr>> {
        owner.check()?;
        match Session::open(&self.directory, &self.network)? {
            Some(mut session) => session.find(owner),
            None => Ok(Vec::new()),
        }
    }

    /// All addresses of the network, sorted.
    pub fn list(&self) -> Result<Vec<Lease>> {
        match Session::open(&self.directory, &self.network)? {
            Some(session) => session.list(),
            None => Ok(Vec::new()),
        }
    }

    /// Take back every address whose owner is not in the list. Returns what was taken back. An owner without interface
    /// name stays where its container is in the list.
    pub fn retain(&self, valid: &[Attachment]) -> Result<Vec<Lease>> {
        let Some(mut session) = Session::open(&self.directory, &self.network)? else { return Ok(Vec::new()) };
        let attachments: HashSet<_> = valid.iter().collect();
        let containers: HashSet<_> = valid.iter().map(|attachment| attachment.container_id.as_str()).collect();
        let mut leases = session.list()?;
        leases.retain(|Lease { owner, .. }| {
            let stays = attachments.contains(owner)
                || (owner.interface_name.is_empty() && containers.contains(owner.container_id.as_str()));
            !stays
        });
        session.release(&leases)?;
        Ok(leases)
    }

    /// How many addresses of the ranges are free.
    pub fn count_free(&self, ranges: &[AddressRange]) -> Result<u64> {
        ranges::check(ranges)?;
        let session = Session::open(&self.directory, &self.network)?;
        let mut free: u128 = 0;
        for range in ranges {
            for (first, last) in range.parts() {
                let taken = session.as_ref().map_or(Ok(0), |session| session.count_taken(first, last))?;
                free = free.saturating_add((last - first).saturating_add(1).saturating_sub(u128::from(taken)));
            }
        }
        Ok(u64::try_from(free).unwrap_or(u64::MAX))
    }
}

/// Whether an address with this holder is the owner's: by both names, or by the container alone in very old files.
fn is_of(holder: &Attachment, owner: &Attachment) -> bool {
    holder.container_id == owner.container_id
        && (holder.interface_name == owner.interface_name || holder.interface_name.is_empty())
}

fn describe(holder: &Attachment) -> String {
    match (holder.container_id.as_str(), holder.interface_name.as_str()) {
        ("", _) => "somebody whose plugin died while writing it down; GC takes it back".into(),
        (container, "") => format!("container {container}"),
        (container, interface) => format!("{interface} of container {container}"),
    }
}

#[cfg(test)]
mod tests;
