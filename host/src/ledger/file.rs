//! The files: one for each attachment, below one directory for each network. They are under /run, so they end when the
//! kernel state ends that they describe; that is why nothing is flushed to a disk.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind as IoKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use weir_native::attachment::{Attachment, check_identifier};
use weir_native::process::OPEN_NO_FOLLOW;
use weir_native::{Error, ErrorKind, Result};

use super::record::{Book, Line};

/// Where they are.
pub const DIRECTORY: &str = "/run/weir/ledger";
/// Larger files are not read: a chain of plugins writes some kilobytes.
const LARGEST: u64 = 64 << 20;
/// Others may be removing the directories that are being made.
const TRIES: u32 = 16;

/// All ledgers of this node.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    root: PathBuf,
}

/// The ledger of one attachment, open and locked.
#[derive(Debug)]
pub(super) struct LedgerFile {
    directory: PathBuf,
    path: PathBuf,
    file: File,
    /// A line that its writer did not complete is at the end.
    is_torn: bool,
}

impl Directory {
    /// In this directory.
    pub(super) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Open the file of an attachment, where there is one, and read it.
    pub(super) fn open(&self, network: &str, owner: &Attachment) -> Result<Option<(LedgerFile, Book)>> {
        let path = self.path(network, owner)?;
        let mut options = OpenOptions::new();
        options.read(true).append(true).custom_flags(OPEN_NO_FOLLOW);
        match options.open(&path) {
            Ok(file) => LedgerFile::read(path, file).map(Some),
            Err(error) if error.kind() == IoKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(format!("open the ledger {}", path.display()), &error)),
        }
    }

    /// Make the file of an attachment that has none, or open it.
    pub(super) fn create(&self, network: &str, owner: &Attachment) -> Result<(LedgerFile, Book)> {
        let path = self.path(network, owner)?;
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600).custom_flags(OPEN_NO_FOLLOW);
        let mut tries = 0_u32;
        loop {
            match options.open(&path) {
                Ok(file) => return LedgerFile::read(path, file),
                Err(error) if error.kind() == IoKind::NotFound && tries < TRIES => {
                    let parent = path.parent().unwrap_or(&self.root);
                    let made = DirBuilder::new().recursive(true).mode(0o700).create(parent);
                    if let Err(error) = made
                        && error.kind() != IoKind::NotFound
                    {
                        return Err(Error::io(format!("create the directory {}", parent.display()), &error));
                    }
                }
                Err(error) => return Err(Error::io(format!("create the ledger {}", path.display()), &error)),
            }
            tries = tries.saturating_add(1);
        }
    }

    /// Open the files of a network but those of these attachments, and those that are in use just now.
    pub(super) fn others(&self, network: &str, spared: &[Attachment]) -> Result<Vec<(LedgerFile, Book)>> {
        check_identifier("network name", network)?;
        let spared: Vec<String> = spared.iter().map(file_name).collect::<Result<_>>()?;
        let directory = self.root.join(network);
        let failed = |error: std::io::Error| Error::io(format!("list the directory {}", directory.display()), &error);
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == IoKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            if name.to_str().is_none_or(|name| spared.iter().any(|other| other == name)) {
                continue;
            }
            let path = directory.join(&name);
            let mut options = OpenOptions::new();
            let opened = options.read(true).append(true).custom_flags(OPEN_NO_FOLLOW).open(&path);
            // Gone meanwhile, or no file.
            let Ok(file) = opened else { continue };
            if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
                continue;
            }
            found.push(LedgerFile::read(path, file)?);
        }
        Ok(found)
    }

    /// What all files of a network say that can be read.
    pub(super) fn books(&self, network: &str) -> Vec<Book> {
        if check_identifier("network name", network).is_err() {
            return Vec::new();
        }
        let Ok(entries) = std::fs::read_dir(self.root.join(network)) else { return Vec::new() };
        entries.flatten().filter_map(|entry| std::fs::read(entry.path()).ok()).map(|text| Book::parse(&text)).collect()
    }

    /// Whether any attachment but this one is on record.
    pub(super) fn has_others(&self, network: &str, owner: &Attachment) -> bool {
        let Ok(own) = self.path(network, owner) else { return true };
        let networks = match std::fs::read_dir(&self.root) {
            Ok(networks) => networks,
            Err(error) => return error.kind() != IoKind::NotFound,
        };
        networks.flatten().any(|network| {
            let files = std::fs::read_dir(network.path());
            files.is_ok_and(|files| files.flatten().any(|file| file.path() != own))
        })
    }

    fn path(&self, network: &str, owner: &Attachment) -> Result<PathBuf> {
        check_identifier("network name", network)?;
        Ok(self.root.join(network).join(file_name(owner)?))
    }
}

/// The name of the file of an attachment. One that would be too long ends in a digest.
fn file_name(owner: &Attachment) -> Result<String> {
    const LONGEST: usize = 255;
    const KEPT: usize = 150;
    owner.check()?;
    let name = format!("{}:{}", owner.container_id, owner.interface_name);
    if name.len() <= LONGEST {
        return Ok(name);
    }
    let kept: String = name.chars().take(KEPT).collect();
    Ok(format!("{kept}:{}", blake3::hash(name.as_bytes()).to_hex()))
}

impl LedgerFile {
    fn read(path: PathBuf, file: File) -> Result<(Self, Book)> {
        let doing = || format!("read the ledger {}", path.display());
        // Against GC only: a runtime never runs two commands on one attachment at the same time.
        let _ = file.try_lock();
        let metadata = file.metadata().map_err(|error| Error::io(doing(), &error))?;
        if !metadata.is_file() || metadata.len() > LARGEST {
            let message = format!("{}: not a regular file, or larger than {LARGEST} bytes; remove it", doing());
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let mut text = Vec::new();
        if metadata.len() > 0 {
            (&file).take(LARGEST).read_to_end(&mut text).map_err(|error| Error::io(doing(), &error))?;
        }
        let book = Book::parse(&text);
        let is_torn = text.last().is_some_and(|last| *last != b'\n');
        let directory = path.parent().unwrap_or(Path::new("/")).to_owned();
        Ok((Self { directory, path, file, is_torn }, book))
    }

    /// Write lines, in one piece.
    pub(super) fn write(&mut self, lines: &[Line]) -> Result<()> {
        let doing = || format!("write the ledger {}", self.path.display());
        let mut text = Vec::with_capacity(512);
        if self.is_torn {
            text.push(b'\n');
        }
        for line in lines {
            serde_json::to_writer(&mut text, line).map_err(|error| Error::io(doing(), &error.into()))?;
            text.push(b'\n');
        }
        (&self.file).write_all(&text).map_err(|error| Error::io(doing(), &error))?;
        self.is_torn = false;
        Ok(())
    }

    /// The file, for messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Remove it, and the directories where they are empty now.
    pub(super) fn remove(self) -> Result<()> {
        match std::fs::remove_file(&self.path) {
            Ok(()) => {}
            Err(error) if error.kind() == IoKind::NotFound => {}
            Err(error) => return Err(Error::io(format!("remove the ledger {}", self.path.display()), &error)),
        }
        // Up to /run/weir; the first that somebody uses stays, and all above it.
        for directory in self.directory.ancestors().take(3) {
            if std::fs::remove_dir(directory).is_err() {
                break;
            }
        }
        Ok(())
    }
}

impl Drop for LedgerFile {
    /// A child process that outlives this one would keep the lock.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
