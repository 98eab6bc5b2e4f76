//! Runs one plugin for one command: maps its code, links what it imports and was granted, arms the limits, calls it.

mod answer;
pub mod bindings;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod boundary;
mod code;
pub mod engine;
mod fault;
pub mod guest;
pub mod handles;
mod imports;
mod isolated;
mod job;
mod limiter;
mod run;
mod side;
mod wasi;

pub use code::Runtime;
pub use guest::Guest;
pub use run::{PluginOutcome, Session, run};
