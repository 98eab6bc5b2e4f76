//! The whole interface of the crate against plugins that write down what they were told and answer what the test says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod adding;
mod arguments;
mod cached;
mod checking;
mod deleting;
mod environment;
mod exec;
mod failing_add;
mod gc;
mod lab;
mod limits;
mod outputs;
mod status;
mod stdin;
mod validation;
