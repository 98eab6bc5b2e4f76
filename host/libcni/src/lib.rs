//! The runtime side of the [Container Network Interface](https://www.cni.dev): what a container runtime needs to
//! attach containers to networks. It loads network configurations, runs the chain of plugins of a network, remembers
//! results, and cleans up. The names are those of Go's libcni; the cache of attachments is the same on disk.
//!
//! Synchronous: every operation runs plugins and waits for them, for as long as the caller allows. Another thread may
//! cancel it.
#![doc = include_str!("example.md")]

mod cache;
mod cni;
mod config;
mod error;
mod invoke;
mod json;
mod load;
mod operations;
mod result;
mod runtime_conf;
mod versions;

pub use cni_spec;
pub use weir_exec::Cancellation;

pub use cache::{Cache, CacheEntry, CacheError, CacheLock, DEFAULT_CACHE_DIR, Damage, DamagedEntry, Doing, LockMode};
pub use cni::{
    CachedAttachments, CachedConfig, Cni, CniConfig, Collected, Command, Deleted, GcArgs, NetworkAttachment,
};
pub use config::{ConfigError, NetworkConfigList, PluginConfig, VersionError, conf_list_from_conf};
pub use error::Error;
pub use invoke::{Exec, ExecError, PluginRun, RawExec};
pub use load::{
    NetworkFile, conf_files, load_network_conf, network_conf_from_bytes, network_conf_from_cache,
    network_conf_from_file, network_confs, network_plugin_conf_from_bytes, network_plugin_conf_from_file,
    network_plugin_confs_from_files,
};
pub use operations::VersionInfo;
pub use result::NetworkResult;
pub use runtime_conf::{ArgsPairError, RuntimeConf};
