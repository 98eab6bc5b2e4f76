//! Runs one plugin for one command: maps its code, links what it imports and was granted, arms the limits, calls it.

mod answer;
pub mod bindings;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod boundary;
mod code;
pub mod engine;
pub mod guest;
pub mod handles;
mod imports;
mod limiter;
mod run;
mod wasi;

pub use code::Runtime;
pub use guest::Guest;
pub use run::{PluginOutcome, Session, run};
