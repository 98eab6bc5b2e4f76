//! The operations, one module each, and what they share: the network they are about, and how one plugin is run.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use cni_spec::names;
use cni_spec::version::Version;
use weir_exec::Cancellation;

use crate::cache::{CacheError, CacheLock, LockMode};
use crate::cni::{CachedAttachments, CachedConfig, Cni, CniConfig, Collected, Command, Deleted, GcArgs};
use crate::config::{ConfigError, NetworkConfigList, PluginConfig};
use crate::error::Error;
use crate::invoke::{ExecError, PluginRun};
use crate::result::NetworkResult;
use crate::runtime_conf::RuntimeConf;

mod add;
mod cached;
mod check;
mod del;
mod environment;
mod gc;
mod status;
mod stdin;
mod validate;
mod version_info;

pub use version_info::VersionInfo;

use stdin::Injected;

/// What the operations need to know of a network, be it a list or one plugin that stands alone.
#[derive(Clone, Copy)]
struct Network<'a> {
    name: &'a str,
    version: Version,
    plugins: &'a [PluginConfig],
    disable_check: bool,
    disable_gc: bool,
    bytes: &'a [u8],
}

impl<'a> Network<'a> {
    /// A caller may have made the list itself, so its name is checked here too.
    fn of_list(list: &'a NetworkConfigList) -> Result<Self, Error> {
        names::network_name(&list.name)?;
        Ok(Self {
            name: &list.name,
            version: list.cni_version,
            plugins: &list.plugins,
            disable_check: list.disable_check,
            disable_gc: list.disable_gc,
            bytes: &list.bytes,
        })
    }

    fn of_plugin(net: &'a PluginConfig) -> Result<Self, Error> {
        if net.name().is_empty() {
            return Err(ConfigError::NoName.into());
        }
        names::network_name(net.name())?;
        Ok(Self {
            name: net.name(),
            version: net.cni_version()?,
            plugins: std::slice::from_ref(net),
            disable_check: false,
            disable_gc: false,
            bytes: net.bytes(),
        })
    }
}

/// One command for the plugins of a network: which plugins, with what, until when.
struct Operation<'a> {
    cni: &'a CniConfig,
    command: Command,
    /// None for GC, STATUS and VERSION.
    attachment: Option<&'a RuntimeConf>,
    deadline: Option<Instant>,
    cancellation: Option<&'a Cancellation>,
}

impl<'a> Operation<'a> {
    /// One that the caller has asked for: its time begins now.
    fn start(cni: &'a CniConfig, command: Command, attachment: Option<&'a RuntimeConf>) -> Self {
        let deadline = cni.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Self { cni, command, attachment, deadline, cancellation: cni.cancellation.as_ref() }
    }

    /// Taking back what a failed one has done: that it was cancelled, or its time is over, must not stop this.
    fn start_clean_up(cni: &'a CniConfig, attachment: &'a RuntimeConf) -> Self {
        Self { cancellation: None, ..Self::start(cni, Command::Del, Some(attachment)) }
    }

    /// A part of one: another command, within the same time.
    fn part(&self, command: Command, attachment: &'a RuntimeConf) -> Self {
        Self { command, attachment: Some(attachment), ..*self }
    }

    /// Keep GC of a network apart from its ADDs and DELs, in all processes that use the cache.
    fn lock(&self, network: &str, mode: LockMode) -> Result<CacheLock, CacheError> {
        let cancelled = || self.cancellation.is_some_and(Cancellation::is_cancelled);
        self.cni.cache.lock(network, mode, self.time_for_one(), &cancelled)
    }

    fn find(&self, plugin_type: &str) -> Result<PathBuf, Error> {
        let found = self.cni.exec.find_in_path(plugin_type, &self.cni.path);
        found.map_err(|source| self.failed(plugin_type, source))
    }

    /// Find a plugin of a network and run it.
    fn run(&self, plugin: &PluginConfig, injected: &Injected<'_>) -> Result<Vec<u8>, Error> {
        let path = self.find(plugin.plugin_type())?;
        self.exec(plugin.plugin_type(), path, &stdin::execution_config(plugin, injected)?)
    }

    fn exec(&self, plugin_type: &str, path: PathBuf, input: &[u8]) -> Result<Vec<u8>, Error> {
        let environment = environment::of(self.cni, self.command, self.attachment)?;
        let run = PluginRun {
            plugin_type,
            path: &path,
            input,
            environment: &environment,
            timeout: self.time_for_one(),
            cancellation: self.cancellation,
        };
        self.still_wanted(plugin_type)?;
        self.cni.exec.exec_plugin(&run).map_err(|source| self.failed(plugin_type, source))
    }

    /// Whether a plugin may be run: neither is the operation cancelled, nor its time over.
    fn still_wanted(&self, plugin_type: &str) -> Result<(), Error> {
        if self.cancellation.is_some_and(Cancellation::is_cancelled) {
            return Err(self.failed(plugin_type, ExecError::Cancelled));
        }
        if self.time_for_one().is_zero() {
            let limit = self.cni.timeout.unwrap_or(self.cni.plugin_timeout);
            return Err(self.failed(plugin_type, ExecError::TimedOut { limit }));
        }
        Ok(())
    }

    /// Whether nothing more can be run.
    fn is_over(&self) -> bool {
        self.cancellation.is_some_and(Cancellation::is_cancelled) || self.time_for_one().is_zero()
    }

    fn time_for_one(&self) -> Duration {
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        left.map_or(self.cni.plugin_timeout, |left| left.min(self.cni.plugin_timeout))
    }

    fn failed(&self, plugin_type: &str, source: ExecError) -> Error {
        Error::Plugin { plugin_type: plugin_type.to_owned(), command: self.command, source }
    }
}

impl Cni for CniConfig {
    fn add_network_list(&self, list: &NetworkConfigList, rt: &RuntimeConf) -> Result<NetworkResult, Error> {
        add::add(self, Network::of_list(list)?, rt)
    }

    fn check_network_list(&self, list: &NetworkConfigList, rt: &RuntimeConf) -> Result<(), Error> {
        check::check(self, Network::of_list(list)?, rt)
    }

    fn del_network_list(&self, list: &NetworkConfigList, rt: &RuntimeConf) -> Result<Deleted, Error> {
        del::del(self, Network::of_list(list)?, rt)
    }

    fn get_network_list_cached_result(
        &self,
        list: &NetworkConfigList,
        rt: &RuntimeConf,
    ) -> Result<Option<NetworkResult>, Error> {
        cached::result(self, Network::of_list(list)?, rt)
    }

    fn get_network_list_cached_config(
        &self,
        list: &NetworkConfigList,
        rt: &RuntimeConf,
    ) -> Result<Option<CachedConfig>, Error> {
        cached::config(self, Network::of_list(list)?, rt)
    }

    fn add_network(&self, net: &PluginConfig, rt: &RuntimeConf) -> Result<NetworkResult, Error> {
        add::add(self, Network::of_plugin(net)?, rt)
    }

    fn check_network(&self, net: &PluginConfig, rt: &RuntimeConf) -> Result<(), Error> {
        check::check(self, Network::of_plugin(net)?, rt)
    }

    fn del_network(&self, net: &PluginConfig, rt: &RuntimeConf) -> Result<Deleted, Error> {
        del::del(self, Network::of_plugin(net)?, rt)
    }

    fn get_network_cached_result(&self, net: &PluginConfig, rt: &RuntimeConf) -> Result<Option<NetworkResult>, Error> {
        cached::result(self, Network::of_plugin(net)?, rt)
    }

    fn get_network_cached_config(&self, net: &PluginConfig, rt: &RuntimeConf) -> Result<Option<CachedConfig>, Error> {
        cached::config(self, Network::of_plugin(net)?, rt)
    }

    fn get_cached_attachments(&self, container_id: Option<&str>) -> Result<CachedAttachments, Error> {
        cached::attachments(self, container_id)
    }

    fn validate_network_list(&self, list: &NetworkConfigList) -> Result<Vec<String>, Error> {
        validate::validate(self, Network::of_list(list)?)
    }

    fn validate_network(&self, net: &PluginConfig) -> Result<Vec<String>, Error> {
        validate::validate(self, Network::of_plugin(net)?)
    }

    fn get_version_info(&self, plugin_type: &str) -> Result<VersionInfo, Error> {
        version_info::get(&Operation::start(self, Command::Version, None), plugin_type)
    }

    fn gc_network_list(&self, list: &NetworkConfigList, args: &GcArgs) -> Result<Collected, Error> {
        gc::gc(self, Network::of_list(list)?, args)
    }

    fn get_status_network_list(&self, list: &NetworkConfigList) -> Result<(), Error> {
        status::status(self, Network::of_list(list)?)
    }
}
