//! Connection tracking: forget connections, so that new rules hold for them too.

use crate::family::IpFamily;
use crate::netns::Netns;
use crate::{Error, ErrorKind, Result};

/// Which connections to forget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowFilter {
    /// Address family.
    pub family: IpFamily,
    /// Transport protocol number: 6 TCP, 17 UDP, 132 SCTP.
    pub protocol: u8,
    /// Destination port in the original direction.
    pub destination_port: u16,
}

/// Forget all connections that match any of the filters. Returns how many there were.
pub fn flush(_namespace: &Netns, _filters: &[FlowFilter]) -> Result<u32> {
    Err(Error::new(ErrorKind::Unsupported, "conntrack is not built yet"))
}
