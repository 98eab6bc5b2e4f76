//! All budgets of a command in one struct: their defaults, what a grant may set them to, and the ceilings above that.
//!
//! The first plugin of a command holds its budgets for the command as a whole: what other plugins use on its behalf
//! counts too (see `budget`).

use std::time::Duration;

use serde::{Deserialize, Serialize};

macro_rules! limits {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $key:literal, $default:expr, at most $ceiling:expr;)*) => {
        /// What a plugin may use for one command.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Limits {
            $($(#[$doc])* pub $field: $type,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        /// Limits that a grant sets otherwise, lower or higher. What it does not name has the default.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
        pub struct LimitsGrant {
            $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$type>,)*
        }

        /// Names of all limits, as a grant writes them.
        pub const KEYS: &[&str] = &[$($key),*];

        impl LimitsGrant {
            /// What is set, by name, in the order of [`KEYS`].
            pub fn set(&self) -> Vec<(&'static str, u64)> {
                let all: [(&'static str, Option<u64>); KEYS.len()] = [$(($key, self.$field.map(widen)),)*];
                all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
            }

            /// Set what the other grant sets.
            pub fn merge(&mut self, other: Self) {
                $(self.$field = other.$field.or(self.$field);)*
            }

            /// Have a limit be the default again. False: it was.
            pub fn remove(&mut self, key: &str) -> bool {
                match key {
                    $($key => self.$field.take().is_some(),)*
                    _ => false,
                }
            }

            /// The limits with what this grant sets.
            pub fn over(&self, limits: &Limits) -> Limits {
                Limits { $($field: self.$field.unwrap_or(limits.$field).min($ceiling),)* }
            }

            /// Refuse what is above a ceiling.
            ///
            /// # Errors
            /// A sentence that names limit, value and ceiling.
            pub fn check(&self) -> Result<(), String> {
                $(if let Some(value) = self.$field && value > $ceiling {
                    let ceiling: $type = $ceiling;
                    return Err(format!("limit {}: {value} is above {ceiling}, the highest that can be granted", $key));
                })*
                Ok(())
            }

            /// The first limit that is granted higher than both the default and what was asked for, with its value.
            pub fn exceeds(&self, asked: &Self) -> Option<(&'static str, u64)> {
                let default = Limits::default();
                $(if let Some(value) = self.$field && value > asked.$field.unwrap_or(0).max(default.$field) {
                    return Some(($key, widen(value)));
                })*
                None
            }
        }
    };
}

/// All limits are at most 64 bits wide.
fn widen(value: impl TryInto<u64>) -> u64 {
    value.try_into().unwrap_or(u64::MAX)
}

limits! {
    /// Linear memory in bytes, all memories together. A bundled plugin uses 1 to 2 MiB.
    memory_bytes: usize = "memoryBytes", 64 << 20, at most 1 << 30;
    /// Elements of all tables together. A bundled plugin has some hundred.
    table_elements: usize = "tableElements", 20_000, at most 10_000_000;
    /// Core instances that the component is made of. A packed plugin has at most 4.
    instances: usize = "instances", 64, at most 1000;
    /// Linear memories. A packed plugin has 1.
    memories: usize = "memories", 8, at most 100;
    /// Tables. A packed plugin has at most 2.
    tables: usize = "tables", 64, at most 1000;
    /// Units of computing as the engine counts them, about one for each WebAssembly instruction. A bridge ADD takes
    /// fewer than 2 million; the default is some seconds of computing.
    fuel: u64 = "fuel", 10_000_000_000, at most 1_000_000_000_000_000;
    /// Milliseconds from start to end, host calls included. Runtimes give up after 60 s or more; duplicate address
    /// detection may take 5 s.
    wall_time_ms: u64 = "wallTimeMs", 50_000, at most 600_000;
    /// Calls to the host. A bridge ADD makes fewer than 50.
    host_calls: u64 = "hostCalls", 100_000, at most 10_000_000;
    /// Bytes that one host call may bring from the plugin to the host.
    call_bytes: usize = "callBytes", 16 << 20, at most 128 << 20;
    /// Bytes that all host calls may bring across the boundary, both ways. A bridge ADD moves some kilobytes; a GC
    /// on a node with 60,000 addresses some megabytes.
    total_bytes: u64 = "totalBytes", 256 << 20, at most 64 << 30;
    /// Resource handles that are open at a time.
    handles: usize = "handles", 4096, at most 1_000_000;
    /// Lines of log; those above are dropped, and one line says so.
    log_lines: u64 = "logLines", 1000, at most 1_000_000;
    /// Bytes of log, likewise.
    log_bytes: u64 = "logBytes", 256 << 10, at most 1 << 30;
    /// Bytes of the result of ADD.
    result_bytes: usize = "resultBytes", 1 << 20, at most 16 << 20;
    /// Plugins that call plugins, below this one. Each level takes up to 512 KiB of the process's stack.
    delegation_depth: u32 = "delegationDepth", 4, at most 8;
    /// Bytes that a component with WASI may print.
    output_bytes: usize = "outputBytes", 64 << 10, at most 16 << 20;
    /// Bytes of one document of `attachment-state` or `container-state`.
    document_bytes: usize = "documentBytes", 1 << 20, at most 16 << 20;
    /// Entries of a list of address ranges or attachments that one host call brings from the plugin.
    list_entries: usize = "listEntries", 200_000, at most 10_000_000;
}

impl LimitsGrant {
    /// Whether all limits are the defaults.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Limits {
    /// What a grant makes of the defaults.
    pub fn granted(grant: &LimitsGrant) -> Self {
        grant.over(&Self::default())
    }

    /// Time from start to end.
    pub fn wall_time(&self) -> Duration {
        Duration::from_millis(self.wall_time_ms)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn names_in_a_grant_are_those_of_the_struct() {
        for key in KEYS {
            let grant: LimitsGrant = serde_json::from_value(serde_json::json!({ *key: 1 })).unwrap();
            assert_eq!(grant.set(), [(*key, 1)]);
            assert_eq!(serde_json::to_value(&grant).unwrap(), serde_json::json!({ *key: 1 }));
        }
        assert!(serde_json::from_str::<LimitsGrant>(r#"{"memory": 1}"#).is_err());
        assert!(serde_json::from_str::<LimitsGrant>(r#"{"fuel": -1}"#).is_err());
    }

    #[test]
    fn a_grant_lowers_raises_and_leaves_alone() {
        let grant = LimitsGrant { fuel: Some(5), handles: Some(9000), ..LimitsGrant::default() };
        let limits = Limits::granted(&grant);
        assert_eq!(limits, Limits { fuel: 5, handles: 9000, ..Limits::default() });
        assert_eq!(Limits::granted(&LimitsGrant::default()), Limits::default());
    }

    #[test]
    fn what_is_above_the_ceiling_is_refused_and_never_taken() {
        for key in KEYS {
            let grant: LimitsGrant = serde_json::from_value(serde_json::json!({ *key: u32::MAX })).unwrap();
            let is_above = !["fuel", "totalBytes"].contains(key);
            assert_eq!(grant.check().is_err(), is_above, "{key}");
            if is_above {
                assert!(grant.check().unwrap_err().contains(key));
            }
        }
        let grant = LimitsGrant { memory_bytes: Some((1 << 30) + 1), ..LimitsGrant::default() };
        assert_eq!(Limits::granted(&grant).memory_bytes, 1 << 30);
        assert!(LimitsGrant { memory_bytes: Some(1 << 30), ..LimitsGrant::default() }.check().is_ok());
    }

    #[test]
    fn more_than_default_and_request_is_named() {
        let asked = LimitsGrant { wall_time_ms: Some(60_000), ..LimitsGrant::default() };
        let granted = |wall_time_ms| LimitsGrant { wall_time_ms: Some(wall_time_ms), ..LimitsGrant::default() };
        assert_eq!(granted(60_000).exceeds(&asked), None);
        assert_eq!(granted(60_001).exceeds(&asked), Some(("wallTimeMs", 60_001)));
        assert_eq!(granted(50_000).exceeds(&LimitsGrant::default()), None);
        assert_eq!(granted(50_001).exceeds(&LimitsGrant::default()), Some(("wallTimeMs", 50_001)));
    }
}
