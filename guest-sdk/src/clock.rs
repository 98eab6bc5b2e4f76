//! Time. Needs the interface `clock`.

use std::time::Duration;

use crate::imports::clock as host;

/// Time since some point in the past; never goes back.
pub fn now() -> Duration {
    Duration::from_millis(host::now())
}

/// Wait. Prefer calls that wait for something.
pub fn sleep(time: Duration) {
    host::sleep(u32::try_from(time.as_millis()).unwrap_or(u32::MAX));
}
