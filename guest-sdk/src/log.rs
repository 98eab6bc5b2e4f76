//! Lines for the operator, on standard error. Needs the interface `log`.
//!
//! The macros [`error!`](crate::error!), [`warn!`](crate::warn!), [`info!`](crate::info!) and
//! [`debug!`](crate::debug!) take what `format!` takes.

use crate::imports::log as host;

pub use crate::bindings::weir::cni::log::Level;

/// Write one line.
pub fn write(level: Level, message: &str) {
    host::write(level, message);
}

/// Something failed and the command goes on (DEL, GC).
#[macro_export]
macro_rules! error {
    ($($words:tt)+) => { $crate::log::write($crate::log::Level::Error, &::std::format!($($words)+)) };
}

/// Something is odd and may matter.
#[macro_export]
macro_rules! warn {
    ($($words:tt)+) => { $crate::log::write($crate::log::Level::Warn, &::std::format!($($words)+)) };
}

/// What a person following along would want to know.
#[macro_export]
macro_rules! info {
    ($($words:tt)+) => { $crate::log::write($crate::log::Level::Info, &::std::format!($($words)+)) };
}

/// What a developer would want to know.
#[macro_export]
macro_rules! debug {
    ($($words:tt)+) => { $crate::log::write($crate::log::Level::Debug, &::std::format!($($words)+)) };
}
