//! What comes of a call.

use std::net::IpAddr;

/// What a call has made, as far as it is known only afterwards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Made {
    /// Nothing, or nothing that the call did not say before.
    #[default]
    Nothing,
    /// A link with this index. Where a link was moved: its index in the target namespace.
    Link(u32),
    /// A pair of links: the container's end, the host's end.
    Pair(u32, u32),
    /// An address that is this attachment's now.
    Address(IpAddr),
    /// Which commands of a firewall batch had to create what they ensure, by their places.
    Created(Vec<usize>),
    /// Something that was there before, so the call changed nothing.
    Unchanged,
}
