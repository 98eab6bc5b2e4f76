//! What reads foreign bytes, for the fuzz targets in `tests/fuzz`. No part of the interface.

// The compiler's reader of components, without the compiler.
#[path = "compiler/component.rs"]
mod component;

pub use component::{ComponentError, ComponentFacts, read_component};

use crate::registry::Entry;

/// An entry of the registry.
///
/// # Errors
/// What is wrong with it.
pub fn parse_entry(text: &[u8]) -> Result<Entry, String> {
    Entry::parse(text)
}
