//! Connection tracking. Needs the interface `conntrack`.

use crate::failure::Failure;
use crate::imports::conntrack as host;
use crate::net::Netns;

pub use crate::bindings::weir::cni::conntrack::FlowFilter;

impl Netns {
    /// Forget all connections that match any of the filters. Returns how many there were.
    pub fn flush_conntrack(&self, filters: &[FlowFilter]) -> Result<u32, Failure> {
        host::flush(&self.raw, filters)
    }
}
