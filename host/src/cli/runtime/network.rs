//! `weir network`: what networks there are, whether they can work, and what they are made of.

use std::path::PathBuf;

use anyhow::bail;
use libcni::{Cache, Cni, ConfigError, NetworkConfigList, NetworkFile, PluginConfig};
use serde_json::{Value, json};

use super::failure;
use super::output::{self, Format};
use super::settings::Settings;
use super::table::{self, Table};

/// `weir network ...`.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// List the networks of the directory of configurations, in the order in which runtimes look at the files.
    List(ListArguments),
    /// Ask whether each plugin of a network is there and speaks its version. Nothing is attached.
    Validate(ValidateArguments),
    /// Show what a network is made of.
    Show(ShowArguments),
}

/// Arguments of `weir network list`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ListArguments {
    #[command(flatten)]
    settings: Settings,
}

/// Arguments of `weir network validate`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ValidateArguments {
    /// Names of networks; all where none is given.
    networks: Vec<String>,
    #[command(flatten)]
    settings: Settings,
}

/// Arguments of `weir network show`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ShowArguments {
    /// Name of a network.
    network: String,
    #[command(flatten)]
    settings: Settings,
}

impl Command {
    pub(super) fn settings(&self) -> &Settings {
        match self {
            Self::List(ListArguments { settings })
            | Self::Validate(ValidateArguments { settings, .. })
            | Self::Show(ShowArguments { settings, .. }) => settings,
        }
    }
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::List(arguments) => list(&arguments.settings),
        Command::Validate(arguments) => validate(arguments),
        Command::Show(arguments) => show(arguments),
    }
}

/// The files of the directory; none where it has none.
fn files(settings: &Settings) -> anyhow::Result<Vec<NetworkFile>> {
    match libcni::network_confs(&settings.conf_dir()) {
        Ok(files) => Ok(files),
        Err(ConfigError::NoConfigsFound { .. }) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn list(settings: &Settings) -> anyhow::Result<()> {
    let files = files(settings)?;
    let attached = Cache::new(settings.cache_dir()).attachments_by_network()?;
    let count = |name: &str| attached.get(name).copied().unwrap_or_default();
    let listed: Vec<Value> = files
        .iter()
        .map(|NetworkFile { path, network }| match network {
            Ok(network) => json!({
                "name": network.name, "cniVersion": network.cni_version.as_str(), "plugins": types(network),
                "file": path, "attachments": count(&network.name),
            }),
            Err(error) => json!({"file": path, "error": error.to_string()}),
        })
        .collect();
    output::print(Format::of(settings), &json!({"networks": listed}), || {
        let mut table = Table::new(&["NETWORK", "VERSION", "PLUGINS", "ATTACHED", "SIZE", "FILE"]);
        let mut faults = String::new();
        for NetworkFile { path, network } in &files {
            match network {
                Ok(network) => table.row([
                    network.name.clone(),
                    network.cni_version.to_string(),
                    types(network).join(" "),
                    count(&network.name).to_string(),
                    path.metadata().map(|metadata| table::size(metadata.len())).unwrap_or_default(),
                    path.display().to_string(),
                ]),
                Err(error) => faults.push_str(&format!("\nNOT USABLE: {error}\n")),
            }
        }
        let none = || format!("no networks in {}\n", settings.conf_dir().display());
        let text = if table.is_empty() { none() } else { table.text() };
        format!("{text}{faults}")
    })
}

fn types(network: &NetworkConfigList) -> Vec<&str> {
    network.plugins.iter().map(PluginConfig::plugin_type).collect()
}

fn validate(arguments: &ValidateArguments) -> anyhow::Result<()> {
    let settings = &arguments.settings;
    let cni = settings.cni(None)?;
    let loaded: Vec<(String, Result<NetworkConfigList, ConfigError>)> = if arguments.networks.is_empty() {
        let named = |file: NetworkFile| match file.network {
            Ok(network) => (network.name.clone(), Ok(network)),
            Err(error) => (file.path.display().to_string(), Err(error)),
        };
        files(settings)?.into_iter().map(named).collect()
    } else {
        let load = |name: &String| (name.clone(), libcni::load_network_conf(&settings.conf_dir(), name));
        arguments.networks.iter().map(load).collect()
    };
    let judge = |(name, network): (String, Result<NetworkConfigList, ConfigError>)| {
        let verdict = network.map_err(libcni::Error::from).and_then(|network| cni.validate_network_list(&network));
        (name, verdict)
    };
    let verdicts: Vec<_> = loaded.into_iter().map(judge).collect();
    let listed: Vec<Value> = verdicts
        .iter()
        .map(|(name, verdict)| match verdict {
            Ok(capabilities) => json!({"name": name, "valid": true, "capabilities": capabilities}),
            Err(error) => json!({"name": name, "valid": false, "error": error.to_string()}),
        })
        .collect();
    let invalid = verdicts.iter().filter(|(_, verdict)| verdict.is_err()).count();
    output::print(Format::of(settings), &json!({"networks": listed}), || {
        let mut table = Table::new(&["NETWORK", "VALID", "CAPABILITIES"]);
        for (name, verdict) in &verdicts {
            let (valid, what) = match verdict {
                Ok(capabilities) => ("yes", capabilities.join(" ")),
                Err(error) => ("NO", error.to_string()),
            };
            table.row([name.as_str(), valid, &what]);
        }
        if table.is_empty() { format!("no networks in {}\n", settings.conf_dir().display()) } else { table.text() }
    })?;
    // The document has said why.
    if invalid > 0 { Err(failure::told()) } else { Ok(()) }
}

fn show(arguments: &ShowArguments) -> anyhow::Result<()> {
    let settings = &arguments.settings;
    let network = libcni::load_network_conf(&settings.conf_dir(), &arguments.network)?;
    let of_name = |file: &NetworkFile| file.network.as_ref().is_ok_and(|other| *other == network);
    let file: Option<PathBuf> = files(settings)?.into_iter().find(of_name).map(|file| file.path);
    let Ok(text) = std::str::from_utf8(&network.bytes) else { bail!("the configuration is not UTF-8") };
    let config: Value = serde_json::from_str(text)?;
    let document = json!({
        "name": network.name, "cniVersion": network.cni_version.as_str(), "file": file,
        "disableCheck": network.disable_check, "disableGC": network.disable_gc,
        "loadOnlyInlinedPlugins": network.load_only_inlined_plugins, "config": config,
    });
    output::print(Format::of(settings), &document, || describe(settings, &network, file.as_ref()))
}

fn describe(settings: &Settings, network: &NetworkConfigList, file: Option<&PathBuf>) -> String {
    let mut text = format!("{}, version {}", network.name, network.cni_version);
    for (said, word) in [
        (network.disable_check, "disableCheck"),
        (network.disable_gc, "disableGC"),
        (network.load_only_inlined_plugins, "loadOnlyInlinedPlugins"),
    ] {
        if said {
            text.push_str(&format!(", {word}"));
        }
    }
    if let Some(file) = file {
        text.push_str(&format!("\n{}", file.display()));
    }
    let path = settings.path();
    let mut table = Table::new(&["PLUGIN", "IPAM", "CAPABILITIES", "FOUND"]);
    for plugin in &network.plugins {
        let capabilities: Vec<&str> =
            plugin.capabilities().iter().filter(|(_, is_on)| **is_on).map(|(name, _)| name.as_str()).collect();
        let found = path.iter().map(|directory| directory.join(plugin.plugin_type())).find(|path| path.is_file());
        let found = found.map_or_else(|| "NOT FOUND".to_owned(), |path| path.display().to_string());
        table.row([plugin.plugin_type(), plugin.ipam_type(), &capabilities.join(" "), &found]);
    }
    format!("{text}\n\n{}", table.text())
}
