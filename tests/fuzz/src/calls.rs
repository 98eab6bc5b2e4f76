//! What a guest calls: the functions of the contract, with arguments and handles of any kind.
#![allow(clippy::panic, clippy::expect_used, reason = "a target reports what is wrong by panicking")]

use std::sync::OnceLock;

use weir::fuzzing::Boundary;

/// One call after the other, until the bytes end or the guest is stopped.
pub(crate) fn boundary(bytes: &[u8]) {
    static BOUNDARY: OnceLock<(tempfile::TempDir, Boundary)> = OnceLock::new();
    let (_, boundary) = BOUNDARY.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let boundary = Boundary::new(directory.path()).expect("nothing is in the way");
        (directory, boundary)
    });
    boundary.run(bytes).unwrap_or_else(|fault| panic!("{fault}"));
}
