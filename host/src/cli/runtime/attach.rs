//! `weir add`, `weir check` and `weir del`: an attachment made, looked at and taken away, as a runtime does it.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context;
use libcni::{Cache, Cni, ConfigError, NetworkConfigList, RuntimeConf};
use serde_json::{Value, json};

use super::output::{self, Format};
use super::settings::{Handed, Interface, Settings};
use super::{container_id, failure};
use crate::console;

/// Which attachment.
#[derive(Debug, clap::Args)]
pub(super) struct Target {
    /// Name of a network.
    network: String,
    /// Path of a network namespace, for example /run/netns/NAME.
    netns: OsString,
    #[command(flatten)]
    interface: Interface,
    /// Container ID [default: made of the namespace's path, as cnitool does].
    #[arg(long, value_name = "ID")]
    container_id: Option<String>,
}

/// Arguments of `weir check` and `weir del`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    handed: Handed,
    #[command(flatten)]
    pub(super) settings: Settings,
}

/// Arguments of `weir add`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct AddArguments {
    #[command(flatten)]
    arguments: Arguments,
    /// Where a plugin fails, leave what those before it have made, to look at it. `weir del` takes it away.
    #[arg(long)]
    keep: bool,
}

impl AddArguments {
    pub(super) fn settings(&self) -> &Settings {
        &self.arguments.settings
    }
}

/// A command that prints nothing of its own.
#[derive(Debug, Clone, Copy)]
pub(super) enum Command {
    Check,
    Del,
}

impl Target {
    /// Name of the network.
    pub(super) fn network(&self) -> &str {
        &self.network
    }

    /// The attachment, without what is handed on to plugins.
    pub(super) fn attachment(&self) -> anyhow::Result<RuntimeConf> {
        let netns: PathBuf = container_id::absolute(&self.netns).context("make the namespace's path absolute")?;
        let container_id = match &self.container_id {
            Some(given) => {
                cni_spec::names::container_id(given)
                    .map_err(|error| failure::arguments(format!("--container-id: {error}")))?;
                given.clone()
            }
            None => container_id::of_namespace(&netns),
        };
        let net_ns = netns.into_os_string().into_string();
        let net_ns = net_ns.map_err(|path| failure::arguments(format!("{} is not UTF-8", path.display())))?;
        Ok(RuntimeConf { container_id, net_ns, if_name: self.interface.name()?, ..RuntimeConf::default() })
    }
}

impl Arguments {
    fn runtime_conf(&self) -> anyhow::Result<RuntimeConf> {
        let mut conf = self.target.attachment()?;
        conf.args = self.handed.args()?;
        conf.capability_args = self.handed.capability_args()?;
        Ok(conf)
    }
}

pub(super) fn add(arguments: &AddArguments) -> anyhow::Result<()> {
    let AddArguments { arguments: Arguments { target, settings, .. }, keep } = arguments;
    let conf = arguments.arguments.runtime_conf()?;
    let list = libcni::load_network_conf(&settings.conf_dir(), &target.network)?;
    let cni = settings.cni(None)?.keep_on_failed_add(*keep);
    let made = cni.add_network_list(&list, &conf)?;
    output::print(Format::of(settings), &made.json, || {
        format!("{}\n\n{}", words("attached to", &list.name, &conf), output::describe(&made.result))
    })
}

pub(super) fn check_or_del(arguments: &Arguments, command: Command) -> anyhow::Result<()> {
    let Arguments { target, settings, .. } = arguments;
    let conf = arguments.runtime_conf()?;
    let cni = settings.cni(None)?;
    let list = match (libcni::load_network_conf(&settings.conf_dir(), &target.network), command) {
        (Err(error), Command::Del) => remembered(settings, error, &target.network, &conf)?,
        (loaded, _) => loaded?,
    };
    let said = match command {
        Command::Check => {
            cni.check_network_list(&list, &conf)?;
            "is as it should be on"
        }
        Command::Del => {
            let deleted = cni.del_network_list(&list, &conf)?;
            output::warn(&deleted.damaged);
            "detached from"
        }
    };
    let name = match command {
        Command::Check => "check",
        Command::Del => "del",
    };
    output::print(Format::of(settings), &document(name, &list.name, &conf), || {
        format!("{}\n", words(said, &list.name, &conf))
    })
}

/// The configuration that was remembered with an attachment, where the directory has none any more.
fn remembered(
    settings: &Settings,
    error: ConfigError,
    name: &str,
    conf: &RuntimeConf,
) -> anyhow::Result<NetworkConfigList> {
    if !matches!(error, ConfigError::NotFound { .. } | ConfigError::NoConfigsFound { .. }) {
        return Err(error.into());
    }
    let cache = Cache::new(settings.cache_dir());
    let Some(entry) = cache.read(name, &conf.container_id, &conf.if_name)? else {
        return Err(anyhow::Error::from(error).context("and nothing is remembered of this attachment"));
    };
    console::err(format_args!("weir: {error}: using the configuration that was remembered with the attachment"));
    Ok(network(&entry.config)?)
}

/// The configuration in a cache entry: a list, or one plugin that stands alone, which other programs remember too.
pub(super) fn network(config: &[u8]) -> Result<NetworkConfigList, ConfigError> {
    match libcni::network_plugin_conf_from_bytes(config) {
        Ok(plugin) => libcni::conf_list_from_conf(&plugin),
        Err(_) => libcni::network_conf_from_bytes(config),
    }
}

fn words(said: &str, network: &str, conf: &RuntimeConf) -> String {
    format!("{} of {} {said} {network}", conf.if_name, conf.container_id)
}

fn document(command: &str, network: &str, conf: &RuntimeConf) -> Value {
    json!({
        "command": command, "network": network, "containerId": conf.container_id, "ifName": conf.if_name,
        "netns": conf.net_ns,
    })
}
