//! `weir attachments` and `weir result`: what is remembered.

use cni_spec::version::LATEST;
use libcni::{Cache, CacheEntry, NetworkResult};
use serde::Serialize;
use serde_json::Value;

use super::attach::Target;
use super::output::{self, Format};
use super::settings::Settings;
use super::table::Table;

/// Arguments of `weir attachments`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Only those of this container.
    #[arg(long, value_name = "ID")]
    container_id: Option<String>,
    /// Only those of this network.
    #[arg(long, value_name = "NAME")]
    network: Option<String>,
    #[command(flatten)]
    pub(super) settings: Settings,
}

/// Arguments of `weir result`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ResultArguments {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    pub(super) settings: Settings,
}

/// For programs.
#[derive(Serialize)]
struct Document<'a> {
    attachments: Vec<Listed<'a>>,
    damaged: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    container_id: &'a str,
    finished: bool,
    if_name: &'a str,
    netns: &'a str,
    network: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Value>,
}

impl<'a> Listed<'a> {
    fn of(entry: &'a CacheEntry) -> Self {
        Self {
            container_id: &entry.container_id,
            finished: entry.result.is_some(),
            if_name: &entry.if_name,
            netns: &entry.net_ns,
            network: &entry.network,
            result: entry.result.as_ref(),
        }
    }
}

pub(super) fn attachments(arguments: &Arguments) -> anyhow::Result<()> {
    let cache = Cache::new(arguments.settings.cache_dir());
    let (mut entries, damaged) = match (&arguments.network, &arguments.container_id) {
        (Some(network), _) => cache.entries_of_network(network)?,
        (None, Some(container_id)) => cache.entries_of_container(container_id)?,
        (None, None) => cache.entries()?,
    };
    entries.retain(|entry| arguments.container_id.as_ref().is_none_or(|id| entry.container_id == *id));
    entries.sort_by(|a, b| (&a.network, &a.container_id, &a.if_name).cmp(&(&b.network, &b.container_id, &b.if_name)));
    let document =
        Document { attachments: entries.iter().map(Listed::of).collect(), damaged: output::damaged(&damaged) };
    output::print(Format::of(&arguments.settings), &document, || {
        let mut table = Table::new(&["NETWORK", "CONTAINER", "IFNAME", "ADDRESSES", "NAMESPACE"]);
        for entry in &entries {
            let addresses = match &entry.result {
                Some(_) => result(entry).map(|result| output::addresses(&result.result)).unwrap_or_default(),
                None => "(not finished)".to_owned(),
            };
            table.row(
                [&entry.network, &entry.container_id, &entry.if_name, &addresses, &entry.net_ns].map(String::as_str),
            );
        }
        let mut text = if table.is_empty() { "no attachments are remembered\n".to_owned() } else { table.text() };
        for entry in &damaged {
            text.push_str(&format!("\nDAMAGED: {entry}\n"));
        }
        text
    })
}

/// The result of an entry; none where it has none, or one that cannot be read.
fn result(entry: &CacheEntry) -> Option<NetworkResult> {
    NetworkResult::from_json(entry.result.clone()?, LATEST).ok()
}

pub(super) fn show_result(arguments: &ResultArguments) -> anyhow::Result<()> {
    let attachment = arguments.target.attachment()?;
    let cache = Cache::new(arguments.settings.cache_dir());
    let network = arguments.target.network();
    let entry = cache.read(network, &attachment.container_id, &attachment.if_name)?;
    let Some(result) = entry.and_then(|entry| entry.result) else {
        anyhow::bail!(
            "no result is remembered of container {}, network {network}, interface {}; `weir attachments` lists what is",
            attachment.container_id,
            attachment.if_name
        );
    };
    let converted = NetworkResult::from_json(result.clone(), LATEST)?;
    output::print(Format::of(&arguments.settings), &result, || output::describe(&converted.result))
}
