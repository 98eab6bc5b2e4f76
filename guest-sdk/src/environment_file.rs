//! Files of `KEY=value` lines that other services write for plugins. Needs the interface `environment-files`.

use crate::failure::Failure;
use crate::imports::environment_files as host;

/// The assignments of a file, in order. `NotFound` where there is no file.
pub fn load(path: &str) -> Result<Vec<(String, String)>, Failure> {
    host::load(path)
}
