//! The exec contract of CNI: what comes in by environment and standard input, and what goes out.
//!
//! Everything is checked here before anything is touched. Sources: CNI specification 1.1.0, sections 2 and 5.

mod command;
pub mod environment;
pub mod invocation;
pub mod output;
mod request;

pub use command::{answer, main, serve};
pub use environment::{Command, Variables};
pub use invocation::Invocation;
pub use request::{Environment, Input, Setting};

/// Error codes of our own; the specification leaves 100 and above to plugins.
pub mod code {
    /// The plugin is not installed, or its files may not be trusted.
    pub const PLUGIN_UNAVAILABLE: u32 = 100;
    /// The plugin needs what the operator did not grant.
    pub const NOT_GRANTED: u32 = 101;
    /// The plugin's code failed: it trapped, ran out of its limits, or returned nonsense.
    pub const PLUGIN_FAILED: u32 = 102;
}
