//! Breaks the canonical ABI: components that no compiler would make.

use anyhow::Result;

use crate::lab::Lab;

/// Name and test of each.
pub fn all() -> Vec<(&'static str, &'static str, fn(&Lab<'_>) -> Result<()>)> {
    Vec::new()
}
