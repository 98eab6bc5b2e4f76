//! The content of a file where the kernel has it: no copy.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

use crate::{Error, ErrorKind, Result};

/// Look at the whole content of a file that belongs to root or to the user of this process and can be written by nobody
/// else; any other is refused. Whoever may write it must replace it, not write into it: what is seen could change, and
/// where it becomes shorter the process is ended by SIGBUS.
pub fn look<T>(file: &File, see: impl FnOnce(&[u8]) -> T) -> Result<T> {
    let failed = |e: io::Error| Error::io("look at the content of a file", &e);
    let metadata = file.metadata().map_err(failed)?;
    let is_ours = metadata.uid() == 0 || metadata.uid() == crate::process::effective_user();
    if !metadata.is_file() || !is_ours || metadata.mode() & 0o022 != 0 {
        return Err(Error::new(ErrorKind::Denied, "look at the content of a file: others may change it meanwhile"));
    }
    let length =
        usize::try_from(metadata.len()).map_err(|_| Error::new(ErrorKind::Invalid, "the file is too large"))?;
    if length == 0 {
        return Ok(see(&[]));
    }
    // All at once: to be interrupted at each page takes longer than to look at it.
    let flags = libc::MAP_PRIVATE | libc::MAP_POPULATE;
    // SAFETY: a new mapping, for reading only, at an address that the kernel chooses.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), length, libc::PROT_READ, flags, file.as_raw_fd(), 0) };
    if start == libc::MAP_FAILED {
        return Err(failed(io::Error::last_os_error()));
    }
    let mapped = Mapped { start, length };
    // SAFETY: the mapping has this length and lives until `mapped` is dropped, after `see` has returned. Its bytes do not
    // change: those who may write the file were checked above, and they replace files instead of writing into them.
    Ok(see(unsafe { std::slice::from_raw_parts(mapped.start.cast(), mapped.length) }))
}

struct Mapped {
    start: *mut libc::c_void,
    length: usize,
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: this mapping was made in `look`, and nobody has a reference into it any more.
        unsafe { libc::munmap(self.start, self.length) };
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn all_of_a_file_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        for content in [Vec::new(), vec![7; 1], vec![8; 4096], vec![9; 100_001]] {
            let path = directory.path().join("file");
            std::fs::write(&path, &content).unwrap();
            assert_eq!(look(&File::open(&path).unwrap(), <[u8]>::to_vec).unwrap(), content);
        }
    }

    #[test]
    fn what_others_may_write_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "content").unwrap();
        for mode in [0o620, 0o602, 0o666] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(look(&File::open(&path).unwrap(), |_| ()).unwrap_err().kind, ErrorKind::Denied);
        }
        assert!(look(&File::open(directory.path()).unwrap(), |_| ()).is_err());
    }
}
