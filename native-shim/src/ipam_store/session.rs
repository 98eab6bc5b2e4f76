//! One operation on a store: the files, their lock held from beginning to end, and the index while it can be trusted.

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::Path;

use super::files::Files;
use super::index::{Index, address, number};
use super::lock::Lock;
use super::ranges::Part;
use super::{Attachment, Lease, is_of};
use crate::Result;

/// An operation in progress.
#[derive(Debug)]
pub(super) struct Session {
    files: Files,
    index: Option<Index>,
    _lock: Option<Lock>,
}

impl Session {
    /// For an operation that changes nothing where there is nothing: `None` where the store is missing.
    pub(super) fn open(root: &Path, network: &str) -> Result<Option<Self>> {
        Files::open(root, network)?.map(|files| Self::begin(root, network, files)).transpose()
    }

    /// For an operation that adds to the store.
    pub(super) fn create(root: &Path, network: &str) -> Result<Self> {
        let files = match Files::open(root, network)? {
            Some(files) => files,
            None => Files::create(root, network)?,
        };
        Self::begin(root, network, files)
    }

    fn begin(root: &Path, network: &str, files: Files) -> Result<Self> {
        let lock = files.lock()?;
        // Without the lock somebody may be changing the files just now, and the index could not tell.
        let index = if lock.is_some() { Index::open(root, network, &files).ok() } else { None };
        Ok(Self { files, index, _lock: lock })
    }

    /// The address last given out for a range set.
    pub(super) fn last_reserved(&self, range_set: u32) -> Option<IpAddr> {
        self.files.last_reserved(range_set)
    }

    /// Who has an address.
    pub(super) fn owner_of(&self, address: IpAddr) -> Result<Option<Attachment>> {
        self.files.owner_of(address)
    }

    /// Addresses of the owner, sorted.
    pub(super) fn find(&mut self, owner: &Attachment) -> Result<Vec<IpAddr>> {
        Ok(self.find_leases(owner)?.into_iter().map(|lease| lease.address).collect())
    }

    /// Addresses of the owner as the files say, sorted; also those that very old plugins wrote without interface name.
    pub(super) fn find_leases(&mut self, owner: &Attachment) -> Result<Vec<Lease>> {
        if let Some(found) = self.find_by_index(owner)? {
            return Ok(found);
        }
        Ok(self.list()?.into_iter().filter(|lease| is_of(&lease.owner, owner)).collect())
    }

    /// `None`: there is no index, or it says something that the files do not.
    fn find_by_index(&mut self, owner: &Attachment) -> Result<Option<Vec<Lease>>> {
        let Some(index) = &self.index else { return Ok(None) };
        let unnamed = Attachment::new(owner.container_id.as_str(), "");
        let (Ok(named), Ok(old)) = (index.lookup(owner), index.lookup(&unnamed)) else {
            self.index = None;
            return Ok(None);
        };
        let mut addresses: Vec<_> = named.into_iter().chain(old).collect();
        addresses.sort_unstable();
        addresses.dedup();
        let mut leases = Vec::new();
        for address in addresses {
            match self.files.owner_of(address)? {
                Some(holder) if is_of(&holder, owner) => leases.push(Lease { address, owner: holder }),
                _ => {
                    self.rebuild_index();
                    return Ok(None);
                }
            }
        }
        Ok(Some(leases))
    }

    /// All addresses with their owners, sorted.
    pub(super) fn list(&self) -> Result<Vec<Lease>> {
        let mut leases = Vec::new();
        for address in self.files.addresses()? {
            if let Some(owner) = self.files.owner_of(address)? {
                leases.push(Lease { address, owner });
            }
        }
        Ok(leases)
    }

    /// How many addresses from `first` to `last` are taken.
    pub(super) fn count_taken(&self, first: u128, last: u128) -> Result<u64> {
        /// With more bitmaps than this it is quicker to list the directory.
        const BLOCKS: u128 = 64;
        if let Some(index) = &self.index
            && (last >> 16) - (first >> 16) < BLOCKS
            && let Ok(count) = index.count_taken(first, last)
        {
            return Ok(count);
        }
        let addresses = self.files.addresses()?;
        Ok(addresses.into_iter().filter(|address| (first..=last).contains(&number(*address))).count() as u64)
    }

    /// Give the owner a certain address. `false`: somebody has it.
    pub(super) fn claim(&mut self, owner: &Attachment, range_set: u32, address: IpAddr) -> Result<bool> {
        let mut lease = self.files.prepare(owner)?;
        if !lease.publish(address)? {
            return Ok(false);
        }
        drop(lease);
        self.settle(owner, range_set, address)?;
        Ok(true)
    }

    /// Give the owner the first free address of the parts. `None`: all are taken.
    pub(super) fn claim_first(&mut self, owner: &Attachment, set: u32, parts: &[Part]) -> Result<Option<IpAddr>> {
        if let Some(address) = self.claim_by_index(owner, parts)? {
            self.settle(owner, set, address)?;
            return Ok(Some(address));
        }
        if self.index_is_complete()? {
            return Ok(None);
        }
        let claimed = self.claim_by_files(owner, parts)?;
        if let Some(address) = claimed {
            self.settle(owner, set, address)?;
        }
        Ok(claimed)
    }

    fn claim_by_index(&mut self, owner: &Attachment, parts: &[Part]) -> Result<Option<IpAddr>> {
        let Some(index) = &self.index else { return Ok(None) };
        for &(first, last) in parts {
            match index.next_free(first, last) {
                Ok(None) => {}
                Ok(Some(free)) => {
                    let free = address(free);
                    if self.files.prepare(owner)?.publish(free)? {
                        return Ok(Some(free));
                    }
                    // Taken all the same: somebody does without the lock, or the index is damaged.
                    self.rebuild_index();
                    self.index = None;
                    return Ok(None);
                }
                Err(_) => {
                    self.index = None;
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    /// Whether there is an index that knows as many addresses as there are files, so that its "all are taken" counts.
    fn index_is_complete(&mut self) -> Result<bool> {
        let Some(index) = &self.index else { return Ok(false) };
        if index.is_fresh || index.live() == self.files.addresses()?.len() as u64 {
            return Ok(true);
        }
        self.rebuild_index();
        self.index = None;
        Ok(false)
    }

    fn claim_by_files(&self, owner: &Attachment, parts: &[Part]) -> Result<Option<IpAddr>> {
        let taken: HashSet<u128> = self.files.addresses()?.into_iter().map(number).collect();
        let mut lease = self.files.prepare(owner)?;
        for &(first, last) in parts {
            for candidate in (first..=last).filter(|candidate| !taken.contains(candidate)) {
                if lease.publish(address(candidate))? {
                    return Ok(Some(address(candidate)));
                }
            }
        }
        Ok(None)
    }

    /// After a claim: where the next allocation goes on, and the index.
    fn settle(&mut self, owner: &Attachment, range_set: u32, address: IpAddr) -> Result<()> {
        if let Err(error) = self.files.set_last_reserved(range_set, address) {
            // The caller hears of a failure, so it must not have the address.
            self.files.remove(address)?;
            return Err(error);
        }
        self.update_index(|index| index.insert(owner, address));
        Ok(())
    }

    /// Take addresses back.
    pub(super) fn release(&mut self, leases: &[Lease]) -> Result<()> {
        if leases.is_empty() {
            return Ok(());
        }
        // All are tried; the first failure is told.
        let results: Vec<_> = leases.iter().map(|lease| self.files.remove(lease.address)).collect();
        if results.iter().all(Result::is_ok) {
            self.update_index(|index| leases.iter().try_for_each(|lease| index.remove(&lease.owner, lease.address)));
        }
        results.into_iter().find_map(Result::err).map_or(Ok(()), Err)
    }

    /// Bring the index up to the files. Where that fails it stays marked as out of date, and the next operation makes
    /// it anew.
    fn update_index(&mut self, change: impl FnOnce(&mut Index) -> std::io::Result<()>) {
        if let Some(index) = &mut self.index
            && change(index).and_then(|()| index.seal(&self.files)).is_err()
        {
            self.index = None;
        }
    }

    fn rebuild_index(&mut self) {
        if let Some(index) = &mut self.index
            && index.rebuild(&self.files).is_err()
        {
            self.index = None;
        }
    }
}
