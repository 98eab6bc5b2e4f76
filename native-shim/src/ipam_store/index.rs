//! A cache of what the files of a network say, in `<data directory>/.weir-index/<network>/`: a hash table from
//! attachments to addresses, and bitmaps of taken addresses.
//!
//! Whoever changes the files through the index sets the modification time of their directory to a time of its own making
//! and writes the same time into the index. Anything else that creates or removes a file there (host-local, a person,
//! ourselves before we were killed) leaves another time behind, so one look at the directory tells whether the index
//! is current. (A file written over in place by hand is not noticed; no plugin does that.) After a reboot it is never current: nothing here is synced to disk.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Error, Result};
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::Attachment;
use super::bitmap::{self, Bitmaps};
use super::files::{Files, Identity, Stamp, count_open};
use super::table::{self, Fill, Table};

const DIRECTORY: &str = ".weir-index";
const TABLE: &str = "attachments";
const MAGIC: [u8; 8] = *b"weiridx1";
const HEADER_SIZE: usize = 104;

/// The index of one network, known to be current.
#[derive(Debug)]
pub(super) struct Index {
    directory: PathBuf,
    file: File,
    fill: Fill,
    bitmaps: Bitmaps,
    /// Whether it was written anew from the files in this very operation.
    pub(super) is_fresh: bool,
}

impl Index {
    /// The index where it is current, else one made anew from the files. An error means: work without.
    pub(super) fn open(root: &Path, network: &str, files: &Files) -> Result<Self> {
        let directory = root.join(DIRECTORY).join(network);
        let path = directory.join(TABLE);
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600);
        count_open();
        let file = match options.open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
                options.create(true).open(&path)?
            }
            Err(e) => return Err(e),
        };
        let bitmaps = Bitmaps::new(&directory);
        let identity = files.identity().map_err(Error::other)?;
        let fill = read_header(&file, identity)?;
        let unknown = Fill { capacity: 0, used: 0, live: 0 };
        let mut index = Self { directory, file, fill: fill.unwrap_or(unknown), bitmaps, is_fresh: false };
        if fill.is_none() {
            index.rebuild(files)?;
        }
        Ok(index)
    }

    /// Write everything anew from the files.
    pub(super) fn rebuild(&mut self, files: &Files) -> Result<()> {
        self.file.write_all_at(&[0; HEADER_SIZE], 0)?;
        for entry in std::fs::read_dir(&self.directory)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(bitmap::PREFIX) {
                std::fs::remove_file(entry.path())?;
            }
        }
        let mut entries = Vec::new();
        let mut taken = Vec::new();
        for address in files.addresses().map_err(Error::other)? {
            let number = number(address);
            taken.push(number);
            // A file that somebody takes away meanwhile changes the directory, so this index will not be current.
            if let Some(owner) = files.owner_of(address).map_err(Error::other)? {
                entries.push((table::hash(&owner), number));
            }
        }
        taken.sort_unstable();
        self.bitmaps.write_all(&taken)?;
        self.fill = Table::write_all(&self.file, &entries)?;
        self.is_fresh = true;
        self.seal(files)?;
        // A file system that rounds times would make a foreign change look like ours.
        let Identity { modified, .. } = files.identity().map_err(Error::other)?;
        if read_header_stamp(&self.file)? != Some(modified) {
            return Err(Error::other("the file system does not keep nanoseconds"));
        }
        Ok(())
    }

    /// Declare the index current for the files as they are now. The last step of every change.
    pub(super) fn seal(&self, files: &Files) -> Result<()> {
        let stamp = new_stamp()?;
        files.set_modified(stamp).map_err(Error::other)?;
        let Identity { device, inode, .. } = files.identity().map_err(Error::other)?;
        let mut header = Vec::with_capacity(HEADER_SIZE);
        header.extend(MAGIC);
        header.extend(stamp.0.to_le_bytes());
        header.extend(stamp.1.to_le_bytes());
        header.extend(boot());
        for number in [device, inode, self.fill.capacity, self.fill.used, self.fill.live] {
            header.extend(number.to_le_bytes());
        }
        self.file.write_all_at(&header, 0)
    }

    /// Addresses that an attachment may have; its files must say so too.
    pub(super) fn lookup(&self, owner: &Attachment) -> Result<Vec<IpAddr>> {
        let table = Table { file: &self.file, fill: self.fill };
        Ok(table.lookup(owner)?.into_iter().map(address).collect())
    }

    /// Note that an attachment has an address. Not yet current: see [`Index::seal`].
    pub(super) fn insert(&mut self, owner: &Attachment, address: IpAddr) -> Result<()> {
        self.bitmaps.write(number(address), true)?;
        let mut table = Table { file: &self.file, fill: self.fill };
        if !table.insert(owner, number(address))? {
            let mut entries = table.entries()?;
            entries.push((table::hash(owner), number(address)));
            table.fill = Table::write_all(&self.file, &entries)?;
        }
        self.fill = table.fill;
        Ok(())
    }

    /// Note that an attachment has an address no more. Not yet current: see [`Index::seal`].
    pub(super) fn remove(&mut self, owner: &Attachment, address: IpAddr) -> Result<()> {
        self.bitmaps.write(number(address), false)?;
        let mut table = Table { file: &self.file, fill: self.fill };
        table.remove(owner, number(address))?;
        self.fill = table.fill;
        Ok(())
    }

    /// The first free address from `first` to `last`.
    pub(super) fn next_free(&self, first: u128, last: u128) -> Result<Option<u128>> {
        self.bitmaps.next_free(first, last)
    }

    /// How many addresses from `first` to `last` are taken.
    pub(super) fn count_taken(&self, first: u128, last: u128) -> Result<u64> {
        self.bitmaps.count_taken(first, last)
    }

    /// How many addresses the index knows.
    pub(super) fn live(&self) -> u64 {
        self.fill.live
    }
}

/// The number of an address, IPv4 in its IPv6 form.
pub(super) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The address of a number.
pub(super) fn address(number: u128) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from_bits(number)).to_canonical()
}

fn read_header(file: &File, identity: Identity) -> Result<Option<Fill>> {
    let mut header = [0; HEADER_SIZE];
    if file.read_exact_at(&mut header, 0).is_err() {
        return Ok(None);
    }
    let Some((fixed, numbers)) = header.split_at_checked(64) else { return Ok(None) };
    let numbers: Vec<u64> = numbers.chunks_exact(8).filter_map(|n| n.try_into().ok()).map(u64::from_le_bytes).collect();
    let &[device, inode, capacity, used, live] = numbers.as_slice() else { return Ok(None) };
    let fill = Fill { capacity, used, live };
    let is_current = read_stamp(fixed) == Some(identity.modified)
        && fixed.get(24..) == Some(boot().as_slice())
        && (device, inode) == (identity.device, identity.inode)
        && fill.is_sound(file.metadata()?.len());
    Ok(is_current.then_some(fill))
}

fn read_header_stamp(file: &File) -> Result<Option<Stamp>> {
    let mut header = [0; 24];
    file.read_exact_at(&mut header, 0)?;
    Ok(read_stamp(&header))
}

fn read_stamp(header: &[u8]) -> Option<Stamp> {
    let rest = header.strip_prefix(&MAGIC)?;
    let seconds = rest.get(..8)?.try_into().ok().map(i64::from_le_bytes)?;
    let nanoseconds = rest.get(8..16)?.try_into().ok().map(i64::from_le_bytes)?;
    Some((seconds, nanoseconds))
}

/// A time that no other change of the directory leaves behind: the current second, and random nanoseconds.
fn new_stamp() -> Result<Stamp> {
    let mut random = [0; 4];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(now.as_secs()).unwrap_or_default();
    Ok((seconds, i64::from(u32::from_le_bytes(random) % 1_000_000_000)))
}

/// The kernel's name for this boot, in 40 bytes; zeros where it cannot be read.
fn boot() -> [u8; 40] {
    count_open();
    let mut boot = [0; 40];
    if let Ok(file) = File::open("/proc/sys/kernel/random/boot_id") {
        let _ = file.read_at(&mut boot, 0);
    }
    boot
}
