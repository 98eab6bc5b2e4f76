//! Kernel parameters below /proc/sys/net of a namespace.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::PathBuf;

use crate::netns::Netns;
use crate::{Error, ErrorKind, Result};

/// Longest value that is read. The kernel's own limit for most is one page.
const LONGEST_VALUE: u64 = 64 * 1024;

/// Read one. The key is the path below /proc/sys with slashes ("net/ipv4/conf/eth0/arp_notify"). White space at the
/// end of the value is cut.
pub fn get(namespace: &Netns, key: &str) -> Result<String> {
    let path = path_of(key)?;
    let read = || {
        let mut value = String::new();
        OpenOptions::new().read(true).open(&path)?.take(LONGEST_VALUE).read_to_string(&mut value)?;
        value.truncate(value.trim_end().len());
        Ok(value)
    };
    // The kernel looks at the namespace of whoever opens the file.
    namespace.enter(read)?.map_err(|error| Error::io(format_args!("read sysctl {key}"), &error))
}

/// Write one.
pub fn set(namespace: &Netns, key: &str, value: &str) -> Result<()> {
    let path = path_of(key)?;
    // No truncation: a sandbox may forbid it, and these files have nothing to truncate. One write: the kernel takes
    // each for a whole value.
    let write = || OpenOptions::new().write(true).open(&path)?.write(value.as_bytes());
    let doing = || format!("write {value:?} to sysctl {key}");
    match namespace.enter(write)? {
        Ok(written) if written == value.len() => Ok(()),
        Ok(written) => {
            Err(Error::new(ErrorKind::Invalid, format!("{}: the kernel took {written} bytes only", doing())))
        }
        Err(error) => Err(Error::io(doing(), &error)),
    }
}

/// The file of a key; only what belongs to a network namespace.
fn path_of(key: &str) -> Result<PathBuf> {
    let fault = if key.contains('\0') {
        "contains a NUL"
    } else if !key.starts_with("net/") {
        "does not begin with \"net/\"; write it with slashes and without /proc/sys"
    } else if key.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        "has an empty part, \".\" or \"..\""
    } else {
        return Ok(PathBuf::from("/proc/sys").join(key));
    };
    Err(Error::new(ErrorKind::Invalid, format!("sysctl key {key:?} {fault}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_parameters_of_the_network_have_a_file() {
        assert_eq!(
            path_of("net/ipv4/conf/eth0.5/arp_notify").ok(),
            Some(PathBuf::from("/proc/sys/net/ipv4/conf/eth0.5/arp_notify"))
        );
        for key in [
            "",
            "net",
            "net/",
            "/net/ipv4/ip_forward",
            "net.ipv4.ip_forward",
            "kernel/core_pattern",
            "net/../kernel/core_pattern",
            "net/./ipv4",
            "net//ipv4",
            "net/ipv4/",
            "net/ipv4\0/x",
            "../net/x",
        ] {
            assert_eq!(path_of(key).map_err(|error| error.kind), Err(ErrorKind::Invalid), "{key:?}");
        }
    }
}
