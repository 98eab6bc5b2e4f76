//! The Container Network Interface specification (0.1.0 to 1.1.0) as Rust types: configuration, results, errors,
//! versions, names, arguments. Types alone: nothing here does I/O, so the crate builds for any target.
//!
//! Where the specification is silent, decoding does what the Go implementation does, because that is what users'
//! files were tried with.

pub mod args;
pub mod config;
pub mod error;
pub mod ip;
pub mod json;
pub mod names;
pub mod quoted;
pub mod result;
pub mod version;

pub use args::Args;
pub use config::{Attachment, NetworkConfig};
pub use error::Error;
pub use quoted::Quoted;
pub use result::{AddResult, Dns, Interface, IpConfig, Route};
pub use version::Version;
