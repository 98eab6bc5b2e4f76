//! Reads small files that configurations name: regular ones, up to a size.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::{Error, ErrorKind, Result};

/// The text of a regular file of at most `limit` bytes. `doing` names the operation in errors. A pipe is not waited for.
pub(crate) fn read(path: &Path, limit: u64, doing: &dyn Fn() -> String) -> Result<String> {
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(path);
    let file = opened.map_err(|e| Error::io(doing(), &e))?;
    let kind = file.metadata().map_err(|e| Error::io(doing(), &e))?;
    if !kind.is_file() {
        return Err(Error::new(ErrorKind::Invalid, format!("{}: not a regular file", doing())));
    }
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| Error::io(doing(), &e))?;
    if bytes.len() as u64 > limit {
        return Err(Error::new(ErrorKind::Invalid, format!("{}: larger than {limit} bytes", doing())));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
