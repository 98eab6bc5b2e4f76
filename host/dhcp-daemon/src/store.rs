//! Records on disk, one file each, so that leases survive the daemon.

use std::fmt::Write as _;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use weir_native::dhcp::protocol::Owner;
use weir_native::{Error, Result};

use crate::log;
use crate::record::Record;

/// The directory of the records.
#[derive(Debug)]
pub(crate) struct Store {
    directory: PathBuf,
}

impl Store {
    /// Open it; it is made where it is missing, for its owner alone.
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|error| Error::io(format_args!("create {}", directory.display()), &error))?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// All records. What cannot be read is told and stays.
    pub(crate) fn load(&self) -> Result<Vec<Record>> {
        let doing = |error: &io::Error| Error::io(format_args!("read {}", self.directory.display()), error);
        let mut records = Vec::new();
        for entry in std::fs::read_dir(&self.directory).map_err(|error| doing(&error))? {
            let path = entry.map_err(|error| doing(&error))?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let read = std::fs::read(&path).and_then(|text| Ok(serde_json::from_slice::<Record>(&text)?));
            match read {
                Ok(record) if self.path(&record.owner) == path => records.push(record),
                Ok(record) => log::warn(format_args!("{} is not the file of {}", path.display(), record.owner)),
                Err(error) => log::warn(format_args!("read {}: {error}", path.display())),
            }
        }
        Ok(records)
    }

    /// Write a record, whole or not at all.
    pub(crate) fn save(&self, record: &Record) -> Result<()> {
        let path = self.path(&record.owner);
        let temporary = path.with_extension("new");
        let write = || -> io::Result<()> {
            let text = serde_json::to_vec(record)?;
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            file.write_all(&text)?;
            std::fs::rename(&temporary, &path)
        };
        write().map_err(|error| Error::io(format_args!("write {}", path.display()), &error))
    }

    /// Remove a record. None there is no failure.
    pub(crate) fn remove(&self, owner: &Owner) -> Result<()> {
        let path = self.path(owner);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io(format_args!("remove {}", path.display()), &error))
            }
            _ => Ok(()),
        }
    }

    /// Container IDs may be longer than file names, so the name is a digest.
    fn path(&self, owner: &Owner) -> PathBuf {
        let mut hasher = Sha256::new();
        for part in [&owner.network, &owner.container_id, &owner.interface_name] {
            hasher.update(part);
            // No name holds this byte.
            hasher.update([0]);
        }
        let mut name = String::new();
        for byte in hasher.finalize().iter().take(16) {
            let _ = write!(name, "{byte:02x}");
        }
        self.directory.join(name + ".json")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::time::Duration;

    use super::*;
    use crate::record::tests::{record, terms};

    #[test]
    fn records_come_back_as_they_were() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("a/b")).unwrap();
        let mut one = record("c1");
        one.grant(terms(Some((1, 2, 3))), Duration::from_millis(12_345));
        let two = record(&"c".repeat(1000));
        store.save(&one).unwrap();
        store.save(&two).unwrap();
        one.grant(terms(None), Duration::from_secs(7));
        store.save(&one).unwrap();
        let mut loaded = store.load().unwrap();
        loaded.sort_by_key(|record| record.owner.container_id.len());
        assert_eq!(loaded, [one.clone(), two.clone()]);
        store.remove(&one.owner).unwrap();
        store.remove(&one.owner).unwrap();
        assert_eq!(store.load().unwrap(), [two]);
    }

    #[test]
    fn what_is_no_record_harms_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        store.save(&record("c1")).unwrap();
        std::fs::write(directory.path().join("x.json"), "half").unwrap();
        std::fs::write(directory.path().join("y.new"), "half").unwrap();
        std::fs::write(directory.path().join("z.json"), serde_json::to_vec(&record("c2")).unwrap()).unwrap();
        assert_eq!(store.load().unwrap(), [record("c1")]);
    }

    #[test]
    fn names_that_run_together_have_files_of_their_own() {
        let store = Store { directory: PathBuf::new() };
        let owner = |container: &str, interface: &str| Owner {
            network: "n".to_owned(),
            container_id: container.to_owned(),
            interface_name: interface.to_owned(),
        };
        assert_ne!(store.path(&owner("a_b", "c")), store.path(&owner("a", "b_c")));
    }
}
