//! A plugin that attacks its host on demand: the key `payload` of its configuration says how, `when` in which command
//! (ADD, unless it says otherwise). It has no manifest: the tests give it one, with the grant that they try.
#![cfg(target_arch = "wasm32")]
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::panic, reason = "it misbehaves on purpose")]

#[macro_use]
mod payloads;
mod call;
mod dispatch;

mod delegates;
mod exhaustion;
mod files;
mod handles;
mod host_links;
mod host_routing;
mod names;
mod others;
mod reentrancy;
mod results;
mod runtime;
mod scene;
mod wasi;
