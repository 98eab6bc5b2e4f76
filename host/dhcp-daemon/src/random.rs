//! Numbers that nobody can foresee, enough for transaction IDs and for uneven pauses.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A number; every call has new keys of the standard library's hasher.
pub(crate) fn number() -> u32 {
    (RandomState::new().build_hasher().finish() >> 16) as u32
}
