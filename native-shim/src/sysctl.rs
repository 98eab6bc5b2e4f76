//! Kernel parameters below /proc/sys/net of a namespace.

use crate::netns::Netns;
use crate::{Error, ErrorKind, Result};

fn unbuilt<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, "sysctls are not built yet"))
}

/// Read one. The key is the path below /proc/sys with slashes ("net/ipv4/conf/eth0/arp_notify"). White space at the
/// end of the value is cut.
pub fn get(_namespace: &Netns, _key: &str) -> Result<String> {
    unbuilt()
}

/// Write one.
pub fn set(_namespace: &Netns, _key: &str, _value: &str) -> Result<()> {
    unbuilt()
}
