//! One small document per attachment, kept from ADD to DEL as `<directory>/<container ID>_<interface name>.json`.

use std::path::Path;

use crate::Result;
use crate::attachment::Attachment;

/// Read the document; `None` where there is none.
pub fn load(directory: &Path, owner: &Attachment) -> Result<Option<Vec<u8>>> {
    let _ = (directory, owner);
    Err(crate::Error::new(crate::ErrorKind::Unsupported, "not built yet"))
}

/// Write the document in one step, readable by its owner only. Creates the directory where it is missing.
pub fn save(directory: &Path, owner: &Attachment, document: &[u8]) -> Result<()> {
    let _ = (directory, owner, document);
    Err(crate::Error::new(crate::ErrorKind::Unsupported, "not built yet"))
}

/// Remove the document. None there is no failure.
pub fn remove(directory: &Path, owner: &Attachment) -> Result<()> {
    let _ = (directory, owner);
    Err(crate::Error::new(crate::ErrorKind::Unsupported, "not built yet"))
}
