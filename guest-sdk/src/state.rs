//! What a plugin keeps from ADD to DEL of one attachment: one small document. Needs the interface
//! `attachment-state`. Directory none: `/run/cni/<plugin type>`.

use crate::failure::Failure;
use crate::imports::attachment_state as host;

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
