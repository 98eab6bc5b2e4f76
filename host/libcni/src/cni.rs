//! The operations that a runtime has on networks, and how it wants them done.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cni_spec::Attachment;
use serde_json::Value;
use weir_exec::Cancellation;

use crate::cache::{Cache, DEFAULT_CACHE_DIR, DamagedEntry};
use crate::config::{NetworkConfigList, PluginConfig};
use crate::error::Error;
use crate::invoke::{Exec, RawExec};
use crate::operations::VersionInfo;
use crate::result::NetworkResult;
use crate::runtime_conf::RuntimeConf;

/// A command of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the specification's own words")]
pub enum Command {
    Add,
    Check,
    Del,
    Gc,
    Status,
    Version,
}

impl Command {
    /// As it is written in CNI_COMMAND.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Check => "CHECK",
            Self::Del => "DEL",
            Self::Gc => "GC",
            Self::Status => "STATUS",
            Self::Version => "VERSION",
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a runtime does with networks. [`CniConfig`] does it; a runtime's own tests may put something else in its place.
///
/// "List" is a network of any number of plugins; the operations without it take the configuration of one plugin that
/// stands alone, with name and version.
pub trait Cni {
    /// Attach a container to a network: ADD of each plugin, each with the result of the one before. The last result is
    /// the network's; it goes into the cache. When a plugin fails, those that had run are asked to delete again.
    fn add_network_list(&self, list: &NetworkConfigList, rt: &RuntimeConf) -> Result<NetworkResult, Error>;
    /// Whether the attachment is as it was made: CHECK of each plugin. Does nothing where the network says
    /// `disableCheck`.
    fn check_network_list(&self, list: &NetworkConfigList, rt: &RuntimeConf) -> Result<(), Error>;
    /// Detach a container: DEL of each plugin, the last first. It is no error if the attachment is not known. What is
    /// wrong in the cache is told, and does not stop it.
    fn del_network_list(&self, list: &NetworkConfigList, rt: &RuntimeConf) -> Result<Deleted, Error>;
    /// The result of ADD, in the version of the network; none where the cache has none.
    fn get_network_list_cached_result(
        &self,
        list: &NetworkConfigList,
        rt: &RuntimeConf,
    ) -> Result<Option<NetworkResult>, Error>;
    /// The configuration that ADD used, and what it was told; none where the cache has none.
    fn get_network_list_cached_config(
        &self,
        list: &NetworkConfigList,
        rt: &RuntimeConf,
    ) -> Result<Option<CachedConfig>, Error>;

    /// As [`Cni::add_network_list`].
    fn add_network(&self, net: &PluginConfig, rt: &RuntimeConf) -> Result<NetworkResult, Error>;
    /// As [`Cni::check_network_list`].
    fn check_network(&self, net: &PluginConfig, rt: &RuntimeConf) -> Result<(), Error>;
    /// As [`Cni::del_network_list`].
    fn del_network(&self, net: &PluginConfig, rt: &RuntimeConf) -> Result<Deleted, Error>;
    /// As [`Cni::get_network_list_cached_result`].
    fn get_network_cached_result(&self, net: &PluginConfig, rt: &RuntimeConf) -> Result<Option<NetworkResult>, Error>;
    /// As [`Cni::get_network_list_cached_config`].
    fn get_network_cached_config(&self, net: &PluginConfig, rt: &RuntimeConf) -> Result<Option<CachedConfig>, Error>;
    /// What is attached according to the cache; of one container, or all.
    fn get_cached_attachments(&self, container_id: Option<&str>) -> Result<CachedAttachments, Error>;

    /// Whether every plugin of the network is there and supports its version. Returns the capabilities that the
    /// network's plugins declare, sorted.
    fn validate_network_list(&self, list: &NetworkConfigList) -> Result<Vec<String>, Error>;
    /// As [`Cni::validate_network_list`].
    fn validate_network(&self, net: &PluginConfig) -> Result<Vec<String>, Error>;
    /// What a plugin says of itself.
    fn get_version_info(&self, plugin_type: &str) -> Result<VersionInfo, Error>;

    /// Clean up: DEL of the network's attachments in the cache that are not valid any more, then (from 1.1.0) GC of each
    /// plugin. Goes on after errors and tells all of them. Does nothing where the network says `disableGC`.
    fn gc_network_list(&self, list: &NetworkConfigList, args: &GcArgs) -> Result<Collected, Error>;
    /// Whether every plugin is ready for ADD: STATUS (from 1.1.0). The first error is returned.
    fn get_status_network_list(&self, list: &NetworkConfigList) -> Result<(), Error>;
}

/// Which attachments of a network are to stay at GC. There is no value that means "not said".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GcArgs {
    /// These stay, all others of the network go.
    ValidAttachments(Vec<Attachment>),
    /// None stays: every attachment of the network is deleted.
    DeleteAll,
}

/// What DEL met.
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use = "what is damaged in the cache should be told"]
pub struct Deleted {
    /// Entries of the cache that could not be read: the plugins did without the result of ADD.
    pub damaged: Vec<DamagedEntry>,
}

/// What GC did.
#[derive(Debug, Clone, Default, PartialEq)]
#[must_use = "what is damaged in the cache should be told"]
pub struct Collected {
    /// Attachments that were deleted.
    pub deleted: Vec<Attachment>,
    /// Entries of the cache that could not be read, so that nobody knows whose they are. They are left alone.
    pub damaged: Vec<DamagedEntry>,
}

/// An attachment in the cache.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkAttachment {
    /// The network.
    pub network: String,
    /// The container.
    pub container_id: String,
    /// The interface in the container.
    pub if_name: String,
    /// Path of the container's network namespace.
    pub net_ns: String,
    /// The configuration that ADD used.
    pub config: Vec<u8>,
    /// CNI_ARGS of ADD.
    pub cni_args: Vec<(String, String)>,
    /// Capability arguments of ADD.
    pub capability_args: BTreeMap<String, Value>,
}

/// What the cache knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CachedAttachments {
    /// Attachments, sorted by network, container and interface.
    pub attachments: Vec<NetworkAttachment>,
    /// Entries that could not be read.
    pub damaged: Vec<DamagedEntry>,
}

/// What ADD was told.
#[derive(Debug, Clone, PartialEq)]
pub struct CachedConfig {
    /// The configuration of the network.
    pub config: Vec<u8>,
    /// The attachment, with the arguments of ADD.
    pub runtime_conf: RuntimeConf,
}

/// How long one plugin may take, unless [`CniConfig::with_plugin_timeout`] says otherwise.
const PLUGIN_TIMEOUT: Duration = Duration::from_secs(120);

/// Where plugins are, how they are run, and where is remembered what was attached. Implements [`Cni`].
#[derive(Clone)]
pub struct CniConfig {
    pub(crate) path: Vec<PathBuf>,
    pub(crate) cache: Cache,
    pub(crate) exec: Arc<dyn Exec>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) plugin_timeout: Duration,
    pub(crate) cancellation: Option<Cancellation>,
    pub(crate) keep_on_failed_add: bool,
}

impl CniConfig {
    /// Plugins are executed from these directories, also those that plugins start themselves (CNI_PATH). Attachments are
    /// remembered in [`DEFAULT_CACHE_DIR`]. A plugin may take two minutes.
    pub fn new(path: Vec<PathBuf>) -> Self {
        Self {
            path,
            cache: Cache::new(DEFAULT_CACHE_DIR),
            exec: Arc::new(RawExec::new()),
            timeout: None,
            plugin_timeout: PLUGIN_TIMEOUT,
            cancellation: None,
            keep_on_failed_add: false,
        }
    }

    /// Remember attachments in another directory.
    #[must_use]
    pub fn with_cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache = Cache::new(dir);
        self
    }

    /// Find and run plugins in another way.
    #[must_use]
    pub fn with_exec(mut self, exec: Arc<dyn Exec>) -> Self {
        self.exec = exec;
        self
    }

    /// How long an operation may take as a whole. Taking back a failed ADD has as long again.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How long one plugin may take.
    #[must_use]
    pub fn with_plugin_timeout(mut self, timeout: Duration) -> Self {
        self.plugin_timeout = timeout;
        self
    }

    /// What ends operations from another thread. A cancelled ADD still takes back what it has done, before it returns.
    ///
    /// ```
    /// use libcni::{Cancellation, Cni, CniConfig};
    /// # use std::{fs, os::unix::fs::PermissionsExt};
    /// # let dir = tempfile::tempdir()?;
    /// # fs::write(dir.path().join("slow"), "#!/bin/sh\nexec sleep 1000\n")?;
    /// # fs::set_permissions(dir.path().join("slow"), fs::Permissions::from_mode(0o755))?;
    ///
    /// let cancellation = Cancellation::new()?;
    /// let cni = CniConfig::new(vec![dir.path().to_owned()]).with_cancellation(cancellation.clone());
    /// let asking = std::thread::spawn(move || cni.get_version_info("slow"));
    /// cancellation.cancel();
    /// assert!(asking.join().unwrap().unwrap_err().is_cancelled());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_cancellation(mut self, cancellation: Cancellation) -> Self {
        self.cancellation = Some(cancellation);
        self
    }

    /// Whether a failed ADD leaves what had been done, for someone to look at. The attachment stays in the cache, so
    /// that DEL and GC find it.
    #[must_use]
    pub fn keep_on_failed_add(mut self, keep: bool) -> Self {
        self.keep_on_failed_add = keep;
        self
    }

    /// The cache of attachments.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }
}

impl fmt::Debug for CniConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CniConfig")
            .field("path", &self.path)
            .field("cache", &self.cache)
            .field("timeout", &self.timeout)
            .field("plugin_timeout", &self.plugin_timeout)
            .field("keep_on_failed_add", &self.keep_on_failed_add)
            .finish_non_exhaustive()
    }
}
