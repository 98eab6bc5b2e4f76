//! Why an operation failed.

use cni_spec::names::NameError;
use cni_spec::version::Version;

use crate::cache::CacheError;
use crate::cni::{Collected, Command};
use crate::config::ConfigError;
use crate::invoke::ExecError;
use crate::runtime_conf::ArgsPairError;

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A container ID, interface name or network name that breaks the specification's rules. Nothing was run.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Arguments that CNI_ARGS cannot carry. Nothing was run.
    #[error(transparent)]
    Args(#[from] ArgsPairError),
    /// The network's configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// CHECK of a network whose version has none (before 0.4.0).
    #[error("network {network} is of version {version}, which has no {command}")]
    NotSupported {
        /// The command.
        command: Command,
        /// The network.
        network: String,
        /// Its version.
        version: Version,
    },
    /// ADD of what is attached already. The specification forbids to ask plugins for it.
    #[error("container {container_id} is attached to network {network} as {if_name} already: delete that first")]
    AlreadyAttached {
        /// The network.
        network: String,
        /// The container.
        container_id: String,
        /// The interface.
        if_name: String,
    },
    /// CHECK of what is not in the cache: there is no result to check against.
    #[error("no result of ADD is known for container {container_id}, network {network}, interface {if_name}")]
    NotAttached {
        /// The network.
        network: String,
        /// The container.
        container_id: String,
        /// The interface.
        if_name: String,
    },
    /// A plugin failed, or could not be run.
    #[error("plugin {plugin_type} ({command}): {source}")]
    Plugin {
        /// The plugin.
        plugin_type: String,
        /// What it was asked for.
        command: Command,
        /// Why.
        source: ExecError,
    },
    /// A plugin that does not know the version of the network.
    #[error("plugin {plugin_type} does not support version {version}; it supports {}", supported.join(", "))]
    UnsupportedVersion {
        /// The plugin.
        plugin_type: String,
        /// The version of the network.
        version: Version,
        /// What the plugin says it supports.
        supported: Vec<String>,
    },
    /// ADD failed, and taking back what had been done failed too. The attachment is still in the cache, so that a
    /// later DEL or GC finds it.
    #[error("{cause}; then deleting what had been added failed: {}", joined(cleanup))]
    CleanupFailed {
        /// Why ADD failed.
        cause: Box<Error>,
        /// What failed afterwards.
        cleanup: Vec<Error>,
    },
    /// GC went on after errors; these are all of them.
    #[error("{}", joined(errors))]
    Gc {
        /// What failed.
        errors: Vec<Error>,
        /// What was done in spite of it.
        collected: Collected,
    },
    /// Deleting one attachment failed during GC.
    #[error("delete container {container_id}, interface {if_name}: {source}")]
    Attachment {
        /// The container.
        container_id: String,
        /// The interface.
        if_name: String,
        /// Why.
        source: Box<Error>,
    },
    /// Several plugins of a network are not as they should be.
    #[error("{}", joined(.0))]
    Several(Vec<Error>),
    /// The cache of attachments.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

impl Error {
    /// The error object that a plugin printed, where this is why: of several the first.
    pub fn plugin_error(&self) -> Option<&cni_spec::Error> {
        match self {
            Self::Plugin { source: ExecError::Plugin(error), .. } => Some(error),
            Self::CleanupFailed { cause: source, .. } | Self::Attachment { source, .. } => source.plugin_error(),
            Self::Gc { errors, .. } | Self::Several(errors) => errors.iter().find_map(Self::plugin_error),
            _ => None,
        }
    }

    /// Whether the caller cancelled.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cache(CacheError::Cancelled { .. }))
            || self.failed_run().is_some_and(|error| matches!(error, ExecError::Cancelled))
    }

    /// Whether the time was over.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Cache(CacheError::Locked { .. }))
            || self.failed_run().is_some_and(|error| matches!(error, ExecError::TimedOut { .. }))
    }

    fn failed_run(&self) -> Option<&ExecError> {
        match self {
            Self::Plugin { source, .. } => Some(source),
            Self::CleanupFailed { cause: source, .. } | Self::Attachment { source, .. } => source.failed_run(),
            Self::Gc { errors, .. } | Self::Several(errors) => errors.iter().find_map(Self::failed_run),
            _ => None,
        }
    }
}

fn joined(errors: &[Error]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
