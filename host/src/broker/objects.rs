//! The objects that host calls are about, as the broker sees them: below the contract's handles, above the kernel.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use weir_native::netns::Netns;

/// Which namespace a handle leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
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

/// By what the guest knows of it.
impl Hash for NamespaceHandle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.place.hash(state);
    }
}

/// A link in a namespace.
#[derive(Debug, Clone, Hash)]
pub struct LinkHandle {
    /// The namespace.
    pub namespace: NamespaceHandle,
    /// Interface index in it.
    pub index: u32,
}
