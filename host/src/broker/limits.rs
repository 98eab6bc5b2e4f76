//! All budgets of one instance in one struct.

use std::time::Duration;

/// What one instance of a plugin may use for one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory in bytes, all memories of the component together. A bundled plugin uses 1 to 2 MiB.
    pub memory: usize,
    /// Elements of all tables together.
    pub table_elements: usize,
    /// Units of work as the engine counts them, about one for each WebAssembly instruction. A bridge ADD takes
    /// fewer than 2 million.
    pub fuel: u64,
    /// Time from start to end, host calls included. Runtimes give up after 60 s or more; DAD may take 5 s.
    pub wall_time: Duration,
    /// Number of host calls. A bridge ADD makes fewer than 50.
    pub host_calls: u64,
    /// Resource handles that are open at a time.
    pub handles: usize,
    /// Bytes that one host call may bring across the boundary.
    pub call_data: usize,
    /// Bytes of the result.
    pub result: usize,
    /// Plugins that call plugins.
    pub delegation_depth: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            table_elements: 20_000,
            fuel: 10_000_000_000,
            wall_time: Duration::from_secs(50),
            host_calls: 100_000,
            handles: 4096,
            call_data: 16 << 20,
            result: 1 << 20,
            delegation_depth: 4,
        }
    }
}
