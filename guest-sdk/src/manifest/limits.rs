//! The limits that a manifest may ask to be raised, by the names that the [macro](crate::manifest!) takes.
#![allow(non_upper_case_globals, reason = "named as the macro takes them")]

/// Linear memory, all memories together.
pub const memory_bytes: &str = "memoryBytes";
/// Units of computing.
pub const fuel: &str = "fuel";
/// Time from start to end.
pub const wall_time_ms: &str = "wallTimeMs";
/// Number of host calls.
pub const host_calls: &str = "hostCalls";
/// Resource handles that are open at a time.
pub const handles: &str = "handles";
/// Size of the result.
pub const result_bytes: &str = "resultBytes";
