//! Runs CNI plugins as sandboxed WebAssembly components.
//!
//! The way of one command, each step a module:
//!
//! 1. [`contract`] turns the process's environment and standard input into a checked [`contract::Invocation`].
//! 2. [`registry`] finds the plugin of that name: its manifest, its grants, its compiled code.
//! 3. [`sandbox`] maps the code and links only what the plugin imports and was granted.
//! 4. [`broker`] stands below all bindings: every host call of every guest passes its one check on the way to
//!    `weir-native`.
//! 5. [`confinement`] is what the process gives up before it runs any of that code.
//! 6. [`ledger`] holds what an attachment has made, for roll-back, DEL and GC.
//! 7. [`delegate`] runs another plugin for a guest, in an instance of its own.
//!
//! [`compiler`], [`cli`] and [`signing`] exist only with the feature `compiler`, and `embedding`, where all this happens in the
//! process of a container runtime, with the feature of that name. `weir-cni` is built without them.

pub mod broker;
#[cfg(feature = "compiler")]
pub mod cli;
#[cfg(feature = "compiler")]
pub mod compiler;
pub mod confinement;
pub mod console;
pub mod contract;
pub mod delegate;
#[cfg(feature = "embedding")]
pub mod embedding;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod ledger;
pub mod registry;
pub mod sandbox;
#[cfg(feature = "compiler")]
pub mod signing;
