//! Which addresses an attachment has: a hash table in a file, in slots of 32 bytes, read and written in place, so that
//! a lookup reads a page however large the pool is.

use std::fs::File;
use std::io::Result;
use std::os::unix::fs::FileExt;

use super::Attachment;

/// Bytes before the first slot.
pub(super) const HEADER: u64 = 4096;
const SLOT: usize = 32;
/// Slots read at once.
const RUN: u64 = 32;
const SMALLEST: u64 = 512;

/// First half of a slot: a hash of an attachment. All zero: the slot is empty. A slot that was emptied keeps its hash
/// and loses its address, so that what lies behind it is still found.
type Hash = [u8; 16];

/// How the slots are filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fill {
    /// How many slots there are; a power of two.
    pub(super) capacity: u64,
    /// How many are not empty, emptied ones included.
    pub(super) used: u64,
    /// How many hold an address.
    pub(super) live: u64,
}

impl Fill {
    /// Whether the numbers make sense for a file of this size.
    pub(super) fn is_sound(&self, file_size: u64) -> bool {
        let size = self.capacity.checked_mul(SLOT as u64).and_then(|slots| slots.checked_add(HEADER));
        self.capacity.is_power_of_two()
            && self.live <= self.used
            && self.used < self.capacity
            && size == Some(file_size)
    }
}

/// The slots of an open file.
#[derive(Debug)]
pub(super) struct Table<'a> {
    pub(super) file: &'a File,
    pub(super) fill: Fill,
}

impl Table<'_> {
    /// Addresses written for an attachment. May hold too many where two attachments have the same hash.
    pub(super) fn lookup(&self, owner: &Attachment) -> Result<Vec<u128>> {
        let hash = hash(owner);
        let mut found = Vec::new();
        self.probe(hash, |_, slot_hash, address| {
            if slot_hash == hash && address != 0 {
                found.push(address);
            }
            false
        })?;
        Ok(found)
    }

    /// Note an address of an attachment. `false`: the table is too full, write it anew.
    pub(super) fn insert(&mut self, owner: &Attachment, address: u128) -> Result<bool> {
        if (self.fill.used + 1) * 4 > self.fill.capacity * 3 {
            return Ok(false);
        }
        let hash = hash(owner);
        if let Some(end) = self.probe(hash, |_, _, _| false)? {
            self.write(end, hash, address)?;
            self.fill.used += 1;
            self.fill.live += 1;
            return Ok(true);
        }
        Ok(false)
    }

    /// Forget an address of an attachment.
    pub(super) fn remove(&mut self, owner: &Attachment, address: u128) -> Result<()> {
        let hash = hash(owner);
        let mut place = None;
        self.probe(hash, |index, slot_hash, slot_address| {
            if slot_hash == hash && slot_address == address {
                place = Some(index);
            }
            place.is_some()
        })?;
        if let Some(index) = place {
            self.write(index, hash, 0)?;
            self.fill.live -= 1;
        }
        Ok(())
    }

    /// Write all slots anew, from pairs of hash and address.
    pub(super) fn write_all(file: &File, entries: &[(Hash, u128)]) -> Result<Fill> {
        let live = entries.len() as u64;
        let capacity = (live * 2).next_power_of_two().max(SMALLEST);
        let mut bytes = vec![0; capacity as usize * SLOT];
        for (hash, address) in entries {
            let mut index = start(hash, capacity);
            loop {
                let at = index as usize * SLOT;
                let Some(slot) = bytes.get_mut(at..at + SLOT) else { break };
                if slot.iter().all(|byte| *byte == 0) {
                    slot.copy_from_slice(&encode(*hash, *address));
                    break;
                }
                index = (index + 1) & (capacity - 1);
            }
        }
        file.set_len(0)?;
        file.write_all_at(&bytes, HEADER)?;
        Ok(Fill { capacity, used: live, live })
    }

    /// All pairs of hash and address.
    pub(super) fn entries(&self) -> Result<Vec<(Hash, u128)>> {
        let mut bytes = vec![0; self.fill.capacity as usize * SLOT];
        self.file.read_exact_at(&mut bytes, HEADER)?;
        Ok(bytes.chunks_exact(SLOT).map(decode).filter(|(_, address)| *address != 0).collect())
    }

    /// Visit the slots from a hash's place on until the visitor says stop or an empty slot comes; its index is returned.
    fn probe(&self, hash: Hash, mut visit: impl FnMut(u64, Hash, u128) -> bool) -> Result<Option<u64>> {
        let mut index = start(&hash, self.fill.capacity);
        let mut left = self.fill.capacity;
        let mut bytes = [0; RUN as usize * SLOT];
        while left > 0 {
            let count = RUN.min(self.fill.capacity - index).min(left);
            let Some(part) = bytes.get_mut(..count as usize * SLOT) else { break };
            self.file.read_exact_at(part, HEADER + index * SLOT as u64)?;
            for slot in part.chunks_exact(SLOT) {
                let (slot_hash, address) = decode(slot);
                if slot_hash == Hash::default() {
                    return Ok(Some(index));
                }
                if visit(index, slot_hash, address) {
                    return Ok(None);
                }
                index += 1;
            }
            index &= self.fill.capacity - 1;
            left -= count;
        }
        Ok(None)
    }

    fn write(&self, index: u64, hash: Hash, address: u128) -> Result<()> {
        self.file.write_all_at(&encode(hash, address), HEADER + index * SLOT as u64)
    }
}

/// FNV-1a over both names: the same on every machine and in every release. What it finds is checked against the file
/// of the address, so a clash costs time and nothing else.
pub(super) fn hash(owner: &Attachment) -> Hash {
    let names = owner.container_id.bytes().chain([0]).chain(owner.interface_name.bytes());
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for byte in names {
        hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    hash.max(1).to_le_bytes()
}

fn start(hash: &Hash, capacity: u64) -> u64 {
    let number = u128::from_le_bytes(*hash);
    ((number >> 64) as u64 ^ number as u64) & (capacity - 1)
}

fn encode(hash: Hash, address: u128) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    let (first, second) = slot.split_at_mut(16);
    first.copy_from_slice(&hash);
    second.copy_from_slice(&address.to_le_bytes());
    slot
}

fn decode(slot: &[u8]) -> (Hash, u128) {
    let (first, second) = slot.split_at_checked(16).unwrap_or_default();
    let hash = Hash::try_from(first).unwrap_or_default();
    (hash, second.try_into().map(u128::from_le_bytes).unwrap_or_default())
}
