//! What is remembered of attachments, in the files that Go's libcni uses: either reads, checks and deletes what the other
//! wrote.
//!
//! One file for each attachment, `<dir>/results/<network>-<container ID>-<interface>`. `-` is legal in all three parts, so
//! a name can stand for several attachments: what a file says inside counts, never its name alone.
//!
//! Files appear whole or not at all, also after a loss of power: each is written beside its place, synced, and renamed.
//! What cannot be read is reported as [`DamagedEntry`], with its path, and is in nobody's way: it can be removed and
//! written over.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use cni_spec::Attachment;
use serde_json::Value;

mod damage;
mod entry;
mod error;
mod lock;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use damage::{Damage, DamagedEntry};
pub use error::{CacheError, Doing};
pub use lock::{CacheLock, LockMode};

use entry::{Decoded, Owner, Wanted};

/// Where Go's libcni keeps its cache.
pub const DEFAULT_CACHE_DIR: &str = "/var/lib/cni";
/// The directory of entries, below that of the cache.
const RESULTS: &str = "results";
/// A larger entry is neither read nor written. The largest result of a plugin, 10 MiB, fits in with its configuration.
const MOST_BYTES: u64 = 64 << 20;

/// A directory in which attachments are remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    dir: PathBuf,
}

/// What is remembered of one attachment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CacheEntry {
    /// Name of the network.
    pub network: String,
    /// The container.
    pub container_id: String,
    /// Name of the interface in the container.
    pub if_name: String,
    /// Path of the container's network namespace; empty: not known.
    pub net_ns: String,
    /// The configuration of the network, or of the plugin, as it was at ADD. Empty in an entry of an old libcni.
    pub config: Vec<u8>,
    /// CNI_ARGS of the attachment.
    pub cni_args: Vec<(String, String)>,
    /// Capability arguments of the attachment.
    pub capability_args: BTreeMap<String, Value>,
    /// The final result of ADD, in the version that it had.
    pub result: Option<Value>,
}

impl CacheEntry {
    /// Whether it is this attachment's.
    pub fn is_of(&self, network: &str, container_id: &str, if_name: &str) -> bool {
        self.network == network && self.container_id == container_id && self.if_name == if_name
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self::new(DEFAULT_CACHE_DIR)
    }
}

impl Cache {
    /// The cache in this directory. Nothing is made before something is written.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn results(&self) -> PathBuf {
        self.dir.join(RESULTS)
    }

    /// The file of an attachment.
    pub fn path(&self, network: &str, container_id: &str, if_name: &str) -> Result<PathBuf, CacheError> {
        Ok(self.results().join(file_name(network, container_id, if_name)?))
    }

    /// Remember an attachment, in place of what was remembered of it. An entry of another attachment that has the same
    /// file name is not overwritten: `Taken`.
    pub fn write(&self, entry: &CacheEntry) -> Result<(), CacheError> {
        let CacheEntry { network, container_id, if_name, .. } = entry;
        let path = self.path(network, container_id, if_name)?;
        if let Ok(Some(Decoded::Entry(found))) = read::entry(&path)
            && !found.is_of(network, container_id, if_name)
        {
            return Err(CacheError::Taken { path, by: Box::new(*found), wanted: entry.container_id.clone() });
        }
        write::replace(&self.results(), &path, &entry::encode(entry)?)
    }

    /// What is remembered of an attachment. None: nothing is, or the file of this name is another attachment's. An old
    /// libcni's entry has a result only. `Damaged`: the file cannot be used.
    pub fn read(&self, network: &str, container_id: &str, if_name: &str) -> Result<Option<CacheEntry>, CacheError> {
        let path = self.path(network, container_id, if_name)?;
        match read::entry(&path) {
            Ok(None) => Ok(None),
            Ok(Some(Decoded::Entry(entry))) => Ok(Some(*entry).filter(|e| e.is_of(network, container_id, if_name))),
            Ok(Some(Decoded::Result(result))) => Ok(Some(CacheEntry {
                network: network.to_owned(),
                container_id: container_id.to_owned(),
                if_name: if_name.to_owned(),
                result: Some(result),
                ..CacheEntry::default()
            })),
            Err(damage) => Err(CacheError::Damaged(DamagedEntry { path, damage })),
        }
    }

    /// Forget an attachment; whether there was anything to be forgotten. Removes a damaged file of this name too, but not
    /// another attachment's entry.
    pub fn remove(&self, network: &str, container_id: &str, if_name: &str) -> Result<bool, CacheError> {
        let path = self.path(network, container_id, if_name)?;
        write::sweep(&self.results());
        if let Ok(Some(Decoded::Entry(entry))) = read::entry(&path)
            && !entry.is_of(network, container_id, if_name)
        {
            return Ok(false);
        }
        let removed = match fs::remove_file(&path) {
            // A directory: goes if it is empty.
            Err(error)
                if matches!(error.kind(), ErrorKind::IsADirectory | ErrorKind::PermissionDenied) && path.is_dir() =>
            {
                fs::remove_dir(&path)
            }
            other => other,
        };
        match removed {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
            Err(source) => Err(CacheError::Io { doing: Doing::Remove, path, source }),
        }
    }

    /// All entries, in the order of their file names, and what cannot be used.
    pub fn entries(&self) -> Result<(Vec<CacheEntry>, Vec<DamagedEntry>), CacheError> {
        self.entries_where(|_| true)
    }

    /// All entries of a network.
    pub fn entries_of_network(&self, network: &str) -> Result<(Vec<CacheEntry>, Vec<DamagedEntry>), CacheError> {
        let start = format!("{network}-");
        let (mut entries, damaged) = self.entries_where::<CacheEntry>(|name| name.starts_with(&start))?;
        entries.retain(|entry| entry.network == network);
        Ok((entries, damaged))
    }

    /// The attachments of a network, without what is remembered of them: quicker than [`Self::entries_of_network`].
    pub fn attachments_of_network(&self, network: &str) -> Result<(Vec<Attachment>, Vec<DamagedEntry>), CacheError> {
        let start = format!("{network}-");
        let (owners, damaged) = self.entries_where::<Owner>(|name| name.starts_with(&start))?;
        let of_network = owners.into_iter().filter(|owner| owner.network == network);
        let attachment =
            |Owner { container_id, if_name: interface_name, .. }| Attachment { container_id, interface_name };
        Ok((of_network.map(attachment).collect(), damaged))
    }

    /// How many attachments each network has. What cannot be used is not counted.
    pub fn attachments_by_network(&self) -> Result<BTreeMap<String, usize>, CacheError> {
        let mut counts = BTreeMap::new();
        for owner in self.entries_where::<Owner>(|_| true)?.0 {
            *counts.entry(owner.network).or_default() += 1;
        }
        Ok(counts)
    }

    /// All entries of a container.
    pub fn entries_of_container(&self, container_id: &str) -> Result<(Vec<CacheEntry>, Vec<DamagedEntry>), CacheError> {
        let middle = format!("-{container_id}-");
        let (mut entries, damaged) = self.entries_where::<CacheEntry>(|name| name.contains(&middle))?;
        entries.retain(|entry| entry.container_id == container_id);
        Ok((entries, damaged))
    }

    /// Entries with a file name that `may_be` one of those wanted, so that the others need not be read.
    fn entries_where<T: Wanted>(
        &self,
        may_be: impl Fn(&str) -> bool,
    ) -> Result<(Vec<T>, Vec<DamagedEntry>), CacheError> {
        let results = self.results();
        write::sweep(&results);
        let failed = |source| CacheError::Io { doing: Doing::List, path: results.clone(), source };
        let listing = match fs::read_dir(&results) {
            Ok(listing) => listing,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok((Vec::new(), Vec::new())),
            Err(source) => return Err(failed(source)),
        };
        let directory = read::directory(&results).map_err(failed)?;
        let mut names = Vec::new();
        for item in listing {
            let name = item.map_err(failed)?.file_name();
            if name != write::UNFINISHED && may_be(&name.to_string_lossy()) {
                names.push(name);
            }
        }
        names.sort_unstable();
        let (mut entries, mut damaged) = (Vec::with_capacity(names.len()), Vec::new());
        let mut buffers = read::Buffers::default();
        for name in names {
            let damage = match buffers.entry::<T>(directory.as_fd(), &name) {
                // Forgotten just now.
                Ok(None) => continue,
                Ok(Some(Decoded::Entry(entry))) => {
                    let [network, container_id, if_name] = entry.names();
                    let proper = file_name(network, container_id, if_name);
                    match proper.ok().filter(|proper| name.as_os_str() != proper.as_str()) {
                        None => {
                            entries.push(*entry);
                            continue;
                        }
                        // A copy, which no DEL would remove.
                        Some(proper) => Damage::Misnamed { proper },
                    }
                }
                Ok(Some(Decoded::Result(_))) => Damage::OldFormat,
                Err(damage) => damage,
            };
            damaged.push(DamagedEntry { path: results.join(name), damage });
        }
        Ok((entries, damaged))
    }
}

/// The name of an attachment's file.
fn file_name(network: &str, container_id: &str, if_name: &str) -> Result<String, CacheError> {
    check_part("network name", network)?;
    check_part("container ID", container_id)?;
    check_part("interface name", if_name)?;
    Ok(format!("{network}-{container_id}-{if_name}"))
}

/// Refuse what would lead out of the directory.
fn check_part(what: &'static str, text: &str) -> Result<(), CacheError> {
    if matches!(text, "" | "." | "..") || text.contains(['/', '\0']) {
        return Err(CacheError::Name { what, text: text.to_owned() });
    }
    Ok(())
}
