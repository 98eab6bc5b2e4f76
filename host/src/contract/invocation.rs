//! One command, checked: variables, configuration and namespace together.

use std::path::PathBuf;
use std::sync::Arc;

use cni_spec::args::Args;
use cni_spec::config::{Attachment, NetworkConfig};
use cni_spec::error::{
    DECODE_FAILURE, Error, INCOMPATIBLE_VERSION, INVALID_CONFIG, INVALID_ENVIRONMENT, IO_FAILURE, SAME_NETNS,
    UNKNOWN_CONTAINER,
};
use cni_spec::result::AddResult;
use cni_spec::version::Version;
use weir_native::ErrorKind;
use weir_native::netns::Netns;

use super::{Command, Variables};

/// A command that passed all checks. Nothing was touched yet.
#[derive(Debug)]
pub struct Invocation {
    /// The command; never [`Command::Version`], which needs none of this.
    pub command: Command,
    /// The version that the result must have.
    pub version: Version,
    /// Network name.
    pub network: String,
    /// Container ID and interface name; empty for GC and STATUS.
    pub attachment: Attachment,
    /// CNI_NETNS as given; none where it is empty.
    pub netns_path: Option<String>,
    /// The namespace, open; none where the runtime gave none or where it is gone (DEL).
    pub netns: Option<Arc<Netns>>,
    /// CNI_ARGS.
    pub args: Args,
    /// CNI_PATH.
    pub cni_path: Vec<PathBuf>,
    /// The variables, for native delegates.
    pub variables: Variables,
    /// The configuration as it came.
    pub config: String,
    /// `prevResult`, up-converted.
    pub prev_result: Option<AddResult>,
    /// Attachments that GC must spare.
    pub valid_attachments: Vec<Attachment>,
}

impl Invocation {
    /// Check variables and configuration together and open the namespace.
    ///
    /// `supported` are the versions that the plugin supports.
    ///
    /// # Errors
    /// With the specification's codes: 1 version, 3 container gone, 4 environment, 6 and 7 configuration, 8 the
    /// container's namespace is the caller's.
    pub fn check(variables: Variables, config: &[u8], supported: &[Version]) -> Result<Self, Error> {
        let command = variables.command;
        let text = std::str::from_utf8(config)
            .map_err(|e| Error::new(DECODE_FAILURE, format!("network configuration is not UTF-8: {e}")))?;
        let parsed = NetworkConfig::parse(config)?;
        let version = parsed.cni_version;
        check_version(command, version, supported)?;
        let args =
            variables.args.parse::<Args>().map_err(|e| Error::new(INVALID_ENVIRONMENT, format!("CNI_ARGS: {e}")))?;
        let prev_result = match &parsed.prev_result {
            Some(value) => Some(AddResult::from_json(value, version).map_err(|e| {
                Error::new(DECODE_FAILURE, format!("prevResult is no result of version {version}: {e}"))
            })?),
            None => None,
        };
        if command == Command::Check && prev_result.is_none() {
            return Err(Error::new(INVALID_CONFIG, "CHECK needs prevResult, and the configuration has none"));
        }
        let netns_path =
            (command.is_about_attachment() && !variables.netns.is_empty()).then(|| variables.netns.clone());
        let netns = match &netns_path {
            Some(path) => open_netns(command, path, variables.netns_override)?,
            None => None,
        };
        let attachment = if command.is_about_attachment() {
            Attachment {
                container_id: variables.container_id.clone(),
                interface_name: variables.interface_name.clone(),
            }
        } else {
            Attachment { container_id: String::new(), interface_name: String::new() }
        };
        Ok(Self {
            command,
            version,
            network: parsed.name,
            attachment,
            netns_path,
            netns,
            args,
            cni_path: variables.path.split(':').filter(|p| !p.is_empty()).map(PathBuf::from).collect(),
            variables,
            config: text.to_owned(),
            prev_result,
            valid_attachments: parsed.valid_attachments.unwrap_or_default(),
        })
    }
}

fn check_version(command: Command, version: Version, supported: &[Version]) -> Result<(), Error> {
    if !supported.contains(&version) {
        let list: Vec<String> = supported.iter().map(ToString::to_string).collect();
        return Err(Error::new(INCOMPATIBLE_VERSION, format!("the plugin does not support cniVersion {version}"))
            .with_details(format!("it supports {}", list.join(", "))));
    }
    let allowed = match command {
        Command::Check => version.supports_check(),
        Command::Gc | Command::Status => version.supports_gc_and_status(),
        Command::Add | Command::Del | Command::Version => true,
    };
    if allowed {
        return Ok(());
    }
    let since = if command == Command::Check { Version::V0_4_0 } else { Version::V1_1_0 };
    Err(Error::new(
        INCOMPATIBLE_VERSION,
        format!("{command} exists since cniVersion {since}, the configuration has {version}"),
    ))
}

/// Open the container's namespace. For DEL a namespace that is gone is no error: a path that does not exist, and a
/// file that is no namespace any more (what is left of a mount point).
fn open_netns(command: Command, path: &str, allow_own: bool) -> Result<Option<Arc<Netns>>, Error> {
    let netns = match Netns::open(path.as_ref()) {
        Ok(netns) => netns,
        Err(e) => {
            return match e.kind {
                ErrorKind::NotFound | ErrorKind::Invalid if command == Command::Del => Ok(None),
                ErrorKind::NotFound => {
                    Err(Error::new(UNKNOWN_CONTAINER, format!("CNI_NETNS {path:?} does not exist"))
                        .with_details(e.message))
                }
                ErrorKind::Invalid => {
                    Err(Error::new(INVALID_ENVIRONMENT, format!("CNI_NETNS {path:?} is not a network namespace"))
                        .with_details(e.message))
                }
                _ => {
                    Err(Error::new(IO_FAILURE, format!("CNI_NETNS {path:?} cannot be opened")).with_details(e.message))
                }
            };
        }
    };
    if !allow_own {
        let own = Netns::current().map_err(|e| Error::new(IO_FAILURE, e.message))?;
        if netns.is_same(&own) {
            return Err(Error::new(
                SAME_NETNS,
                format!("CNI_NETNS {path:?} is the network namespace of the runtime itself"),
            )
            .with_details("set CNI_NETNS_OVERRIDE=1 where this is meant"));
        }
    }
    Ok(Some(Arc::new(netns)))
}

#[cfg(test)]
#[path = "invocation_tests.rs"]
mod tests;
