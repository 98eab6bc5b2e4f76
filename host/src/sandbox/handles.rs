//! What the handles of a guest stand for. A guest holds numbers; these values stay on the host's side.

use std::sync::Arc;

use weir_native::ipam_store::Store;
use weir_native::netns::Netns;

/// Which namespace a handle leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The container's.
    Container,
    /// The host's.
    Host,
}

/// An open network namespace.
#[derive(Debug, Clone)]
pub struct NamespaceHandle {
    /// The namespace.
    pub netns: Arc<Netns>,
    /// Which it is.
    pub place: Place,
}

/// A link in a namespace.
#[derive(Debug, Clone)]
pub struct LinkHandle {
    /// The namespace.
    pub namespace: NamespaceHandle,
    /// Interface index in it.
    pub index: u32,
}

/// The address store of the command's network.
#[derive(Debug)]
pub struct StoreHandle {
    /// The store.
    pub store: Arc<Store>,
}
