//! What operators see and decide: what a plugin asks for, what it is granted, what that changes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::process::ExitCode;

use weir_tests::run;

mod commands;
mod component;
mod consent;
mod denials;
mod explain;

fn main() -> ExitCode {
    let mut tests = consent::tests();
    tests.extend(commands::tests());
    tests.extend(explain::tests());
    tests.extend(denials::tests());
    run(tests)
}
