//! What the handles of a guest stand for. A guest holds numbers; these values stay on the host's side.

use std::path::PathBuf;
use std::sync::Arc;

use weir_native::ipam_store::Store;

pub use crate::broker::objects::{LinkHandle, NamespaceHandle, Place};

/// The address store of the command's network.
#[derive(Debug)]
pub struct StoreHandle {
    /// The store.
    pub store: Arc<Store>,
    /// The directory that it lies in.
    pub directory: PathBuf,
}
