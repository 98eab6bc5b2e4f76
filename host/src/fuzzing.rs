//! What reads foreign bytes, for the fuzz targets in `tests/fuzz`. No part of the interface.

// The compiler's reader of components, also where this crate is built without the compiler.
#[cfg(not(feature = "compiler"))]
#[path = "compiler/component.rs"]
mod component;

#[cfg(feature = "compiler")]
pub use crate::compiler::{ComponentError, ComponentFacts, read_component};
#[cfg(not(feature = "compiler"))]
pub use component::{ComponentError, ComponentFacts, read_component};

use crate::registry::Entry;
pub use crate::sandbox::boundary::Boundary;

/// An entry of the registry.
///
/// # Errors
/// What is wrong with it.
pub fn parse_entry(text: &[u8]) -> Result<Entry, String> {
    Entry::parse(text)
}
