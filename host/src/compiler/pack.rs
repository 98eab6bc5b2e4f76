//! From a core module that the SDK produced for wasm32-unknown-unknown to a component.

use super::component::{ComponentError, read_component};

/// Make a component of a core module, and check that it is a plugin.
///
/// # Errors
/// Why it is none.
pub fn pack(module: &[u8]) -> Result<Vec<u8>, ComponentError> {
    let invalid = |e: anyhow::Error| ComponentError::Invalid(format!("{e:#}"));
    let component = wit_component::ComponentEncoder::default()
        .module(module)
        .map_err(invalid)?
        .validate(true)
        .encode()
        .map_err(invalid)?;
    read_component(&component)?;
    Ok(component)
}
