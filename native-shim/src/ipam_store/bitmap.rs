//! Which addresses are taken: one bit each, in files of 65,536 addresses that are read only when an allocation gets
//! there. A missing file, or one that is too short, means: free.

use std::fs::{File, OpenOptions};
use std::io::Result;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::files::count_open;

/// Prefix of the files' names.
pub(super) const PREFIX: &str = "taken-";
/// Bytes per file.
const SIZE: usize = 8192;

/// A file's worth of bits, in memory.
type Block = Vec<u8>;

/// The bitmaps in a directory. An address is the number of its IPv6 form (IPv4: mapped).
#[derive(Debug)]
pub(super) struct Bitmaps {
    directory: PathBuf,
}

impl Bitmaps {
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Set or clear the bit of an address.
    pub(super) fn write(&self, address: u128, taken: bool) -> Result<()> {
        let (block, bit) = split(address);
        count_open();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(taken).truncate(false).mode(0o600);
        let file = match options.open(self.path(block)) {
            Err(e) if !taken && e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        let mut byte = [0];
        let _ = file.read_at(&mut byte, (bit / 8) as u64)?;
        let mask = 1 << (bit % 8);
        let new = if taken { byte[0] | mask } else { byte[0] & !mask };
        file.write_all_at(&[new], (bit / 8) as u64)
    }

    /// Write all bitmaps anew; no file with bits may be there.
    pub(super) fn write_all(&self, sorted: &[u128]) -> Result<()> {
        for run in sorted.chunk_by(|a, b| split(*a).0 == split(*b).0) {
            let mut bytes = vec![0; SIZE];
            for &address in run {
                let (_, bit) = split(address);
                if let Some(byte) = bytes.get_mut(bit / 8) {
                    *byte |= 1 << (bit % 8);
                }
            }
            if let Some(&first) = run.first() {
                let mut options = OpenOptions::new();
                let file =
                    options.write(true).create(true).truncate(true).mode(0o600).open(self.path(split(first).0))?;
                file.write_all_at(&bytes, 0)?;
            }
        }
        Ok(())
    }

    /// The first free address from `first` to `last`.
    pub(super) fn next_free(&self, first: u128, last: u128) -> Result<Option<u128>> {
        let mut from = first;
        while from <= last {
            let (block, start) = split(from);
            let end = last.min((block << 16) | 0xffff);
            let Some(bytes) = self.read(block)? else { return Ok(Some(from)) };
            if let Some(bit) = first_clear(&bytes, start, split(end).1) {
                return Ok(Some((block << 16) | bit as u128));
            }
            let Some(next) = end.checked_add(1) else { break };
            from = next;
        }
        Ok(None)
    }

    /// How many addresses from `first` to `last` are taken.
    pub(super) fn count_taken(&self, first: u128, last: u128) -> Result<u64> {
        let mut count = 0;
        for block in split(first).0..=split(last).0 {
            let Some(bytes) = self.read(block)? else { continue };
            let start = if block == split(first).0 { split(first).1 } else { 0 };
            let end = if block == split(last).0 { split(last).1 } else { 0xffff };
            count += (start..=end).filter(|bit| is_set(&bytes, *bit)).count() as u64;
        }
        Ok(count)
    }

    fn read(&self, block: u128) -> Result<Option<Block>> {
        count_open();
        match File::open(self.path(block)) {
            Ok(file) => {
                let mut bytes = vec![0; SIZE];
                let mut done = 0;
                while let Some(rest) = bytes.get_mut(done..)
                    && !rest.is_empty()
                {
                    match file.read_at(rest, done as u64)? {
                        0 => break,
                        count => done += count,
                    }
                }
                Ok(Some(bytes))
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn path(&self, block: u128) -> PathBuf {
        self.directory.join(format!("{PREFIX}{block:028x}"))
    }
}

/// The number of the file, and of the bit in it.
fn split(address: u128) -> (u128, usize) {
    (address >> 16, (address & 0xffff) as usize)
}

fn is_set(bytes: &[u8], bit: usize) -> bool {
    bytes.get(bit / 8).is_some_and(|byte| byte & (1 << (bit % 8)) != 0)
}

/// The first bit from `start` to `end` that is not set.
fn first_clear(bytes: &[u8], start: usize, end: usize) -> Option<usize> {
    let mut bit = start;
    while bit <= end {
        if bit.is_multiple_of(8) && bytes.get(bit / 8) == Some(&0xff) {
            bit += 8;
        } else if is_set(bytes, bit) {
            bit += 1;
        } else {
            return Some(bit);
        }
    }
    None
}
