//! Random bytes of the kernel, for secrets. See getrandom(2).

use rustix::rand::{GetRandomFlags, getrandom};

use crate::{Error, Result};

/// Bytes that nobody can foresee. Waits at the machine's first start until the kernel has collected enough.
pub fn bytes<const LENGTH: usize>() -> Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match getrandom(rest, GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(Error::io("ask the kernel for random bytes", &errno.into())),
        }
    }
    Ok(bytes)
}
