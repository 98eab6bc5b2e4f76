//! Files that are trusted only after a look at the open handle: who owns it, who may write it, what is in it.

use std::fs::{File, Metadata};
use std::io::{Read, Seek};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::RegistryError;

/// No file of the registry is larger.
const MAX_SIZE: u64 = 256 << 20;

/// An open file that is a regular file, belongs to root or to the user we run as, and is writable by nobody else.
#[derive(Debug)]
pub struct VerifiedFile {
    file: File,
    path: PathBuf,
    size: u64,
    identity: FileIdentity,
}

/// Tells whether a file is the one that was looked at before, and untouched since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileIdentity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl FileIdentity {
    /// To be written down and compared on a later day. The kernel alone sets the time of the last change of a file's content
    /// or attributes, so no other content can have the same stamp, unless root puts the clock back to the nanosecond. The
    /// device is not in it: its number may be another after a reboot, and then the digest would be computed at each start.
    pub fn stamp(&self) -> String {
        let Self { file: (_, inode), size, modified, changed } = self;
        format!("{inode}-{size}-{}.{:09}-{}.{:09}", modified.0, modified.1, changed.0, changed.1)
    }
}

impl VerifiedFile {
    /// Open and check a file. Links are not followed.
    ///
    /// # Errors
    /// Where it cannot be opened, or is not trusted.
    pub fn open(path: &Path) -> Result<Self, RegistryError> {
        let file = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(weir_native::process::OPEN_NO_FOLLOW)
            .open(path)
            .map_err(|e| RegistryError::io("open", path, e))?;
        let metadata = file.metadata().map_err(|e| RegistryError::io("stat", path, e))?;
        let refuse = |reason: String| Err(RegistryError::not_trusted(path, reason));
        if !metadata.is_file() {
            return refuse("not a regular file".to_owned());
        }
        let me = weir_native::process::effective_user();
        if metadata.uid() != 0 && metadata.uid() != me {
            return refuse(format!("it belongs to user {}, not to root", metadata.uid()));
        }
        if metadata.mode() & 0o022 != 0 {
            return refuse(format!("mode {:04o} lets others write it", metadata.mode() & 0o7777));
        }
        if metadata.len() > MAX_SIZE {
            return refuse(format!("{} bytes is more than {MAX_SIZE}", metadata.len()));
        }
        Ok(Self { file, path: path.to_owned(), size: metadata.len(), identity: FileIdentity::of(&metadata) })
    }

    /// Which file it is, as it was when it was opened.
    pub fn identity(&self) -> FileIdentity {
        self.identity
    }

    /// Its permissions.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn mode(&self) -> Result<u32, RegistryError> {
        let metadata = self.file.metadata().map_err(|e| RegistryError::io("stat", &self.path, e))?;
        Ok(metadata.mode() & 0o7777)
    }

    /// All its bytes.
    ///
    /// # Errors
    /// Where reading fails.
    pub fn read(&self) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.size).unwrap_or(0).saturating_add(1));
        let mut file = &self.file;
        let read = file.rewind().and_then(|()| file.take(MAX_SIZE).read_to_end(&mut bytes));
        read.map_err(|e| RegistryError::io("read", &self.path, e))?;
        Ok(bytes)
    }

    /// Check the content against a BLAKE3 digest in hexadecimal.
    ///
    /// # Errors
    /// Where it differs.
    pub fn verify_digest(&self, expected: &str) -> Result<(), RegistryError> {
        // Where the kernel has it: to copy it takes as long as to hash it.
        let digest = weir_native::mapping::look(&self.file, blake3::hash)
            .map_err(|e| RegistryError::not_trusted(&self.path, e.message))?;
        if digest.to_hex().as_str() == expected {
            return Ok(());
        }
        Err(RegistryError::not_trusted(&self.path, "its content is not what was installed (digest differs)"))
    }

    /// A path that leads to this very open file, whatever happens to the name meanwhile.
    pub fn handle_path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }
}

impl AsFd for VerifiedFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
