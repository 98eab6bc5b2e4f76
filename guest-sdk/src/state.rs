//! What a plugin keeps from ADD to DEL of one attachment: one small document. Needs the interface
//! `attachment-state`. Directory none: `/run/cni/<plugin type>`.
//!
//! A JSON object whose key `name` is the network's can be collected by [`retain`].

use crate::failure::Failure;
use crate::imports::attachment_state as host;
use crate::plugin::GcRequest;

/// Read the document; none where there is none.
pub fn load(directory: Option<&str>) -> Result<Option<Vec<u8>>, Failure> {
    host::load(directory)
}

/// Write the document, in one step.
pub fn save(directory: Option<&str>, document: &[u8]) -> Result<(), Failure> {
    host::save(directory, document)
}

/// Remove the document. None there is no failure.
pub fn remove(directory: Option<&str>) -> Result<(), Failure> {
    host::remove(directory)
}

/// GC: remove the documents of this network whose attachment is no more, and return them.
pub fn retain(directory: Option<&str>, request: &GcRequest) -> Result<Vec<Vec<u8>>, Failure> {
    host::retain(directory, &request.valid_records())
}

/// The same in files that are named after the container alone. Needs the interface `container-state`.
pub mod container {
    use crate::failure::Failure;
    use crate::imports::container_state as host;
    use crate::plugin::GcRequest;

    pub use crate::bindings::weir::cni::container_state::File;

    /// Read a document; none where there is none.
    pub fn load(directory: &str, file: File) -> Result<Option<Vec<u8>>, Failure> {
        host::load(directory, file)
    }

    /// Write a document, in one step.
    pub fn save(directory: &str, file: File, document: &[u8]) -> Result<(), Failure> {
        host::save(directory, file, document)
    }

    /// Remove a document. None there is no failure.
    pub fn remove(directory: &str, file: File) -> Result<(), Failure> {
        host::remove(directory, file)
    }

    /// GC: remove the documents of this network whose attachment is no more, and return them. The file of a container
    /// stays while any of its interfaces is in use.
    pub fn retain(directory: &str, request: &GcRequest) -> Result<Vec<Vec<u8>>, Failure> {
        host::retain(directory, &request.valid_records())
    }
}
