//! What a grant allows: the one decision that every host call passes.

pub mod pattern;
