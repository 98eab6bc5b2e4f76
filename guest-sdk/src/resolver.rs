//! DNS settings of the host. Needs the interface `resolver`.

use crate::failure::Failure;
use crate::imports::resolver as host;

pub use crate::bindings::weir::cni::resolver::Settings;

/// What the resolv.conf(5) file at this path says.
pub fn load(path: &str) -> Result<Settings, Failure> {
    host::load(path)
}
