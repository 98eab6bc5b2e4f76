//! `weir grant` and `weir revoke`: change what an installed plugin may do.

pub(super) mod edit;
pub(super) mod request;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::{Map, Value};

use super::Directory;
use crate::compiler;
use crate::console;
use crate::registry::{Entry, GrantLine, Grants, Manifest, Registry, keys};

/// Arguments of `weir grant`.
#[derive(Debug, clap::Args)]
pub(super) struct GrantArguments {
    #[command(flatten)]
    directory: Directory,
    /// Name of an installed plugin.
    plugin: String,
    /// What to do.
    #[command(flatten)]
    change: Change,
}

/// One of these.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Change {
    /// Grant this besides, for instance '{"hostLinks": ["br0"]}'. Denials name what to add.
    #[arg(long, value_name = "JSON")]
    add: Option<String>,
    /// Grant what this file says, and nothing else.
    #[arg(long, value_name = "FILE")]
    set: Option<PathBuf>,
    /// Grant what the manifest asks for, and nothing else.
    #[arg(long)]
    requested: bool,
    /// Print the grant, in the form of a grant file.
    #[arg(long)]
    show: bool,
}

/// Arguments of `weir revoke`.
#[derive(Debug, clap::Args)]
pub(super) struct RevokeArguments {
    #[command(flatten)]
    directory: Directory,
    /// Name of an installed plugin.
    plugin: String,
    /// What to revoke: JSON as --add of `weir grant` takes it, or a key and a value.
    #[arg(value_name = "JSON | KEY VALUE", num_args = 1..=2, required_unless_present = "all")]
    what: Vec<String>,
    /// Revoke everything.
    #[arg(long, conflicts_with = "what")]
    all: bool,
}

pub(super) fn grant(arguments: &GrantArguments) -> anyhow::Result<()> {
    let registry = arguments.directory.registry()?;
    let entry = entry(&registry, &arguments.plugin)?;
    let change = &arguments.change;
    if change.show {
        println!("{}", serde_json::to_string_pretty(&edit::document(&entry.grants))?);
        return Ok(());
    }
    let grants = match (&change.add, &change.set) {
        (Some(text), _) => {
            let fragment = parse(text.as_bytes()).context("--add")?;
            edit::add(&entry.grants, &fragment).map_err(anyhow::Error::msg)?
        }
        (None, Some(path)) => read_file(path)?,
        (None, None) => requested(&entry.manifest)?,
    };
    change_to(&registry, entry, grants)
}

pub(super) fn revoke(arguments: &RevokeArguments) -> anyhow::Result<()> {
    let registry = arguments.directory.registry()?;
    let entry = entry(&registry, &arguments.plugin)?;
    if arguments.all {
        return change_to(&registry, entry, Grants::default());
    }
    let fragment = match arguments.what.as_slice() {
        [key, value] => {
            let mut fragment = Map::new();
            let value = match (key.as_str(), keys::find(key)) {
                ("limits", _) => Value::Object([(value.clone(), Value::Null)].into_iter().collect()),
                (_, Some(_)) => vec![value.clone()].into(),
                _ => bail!("{key:?} is no key of grants; there are {}", key_names()),
            };
            fragment.insert(key.clone(), value);
            fragment
        }
        [text] => serde_json::from_str(text).context("what to revoke is no JSON object")?,
        _ => bail!("what to revoke is JSON, or a key and a value"),
    };
    let grants = edit::remove(&entry.grants, &fragment).map_err(anyhow::Error::msg)?;
    change_to(&registry, entry, grants)
}

fn key_names() -> String {
    request::keys_in_order().collect::<Vec<_>>().join(", ")
}

pub(super) fn entry(registry: &Registry, name: &str) -> anyhow::Result<Entry> {
    cni_spec::names::plugin_type(name)?;
    Ok(registry.read_entry(name)?)
}

/// Read a grant file.
pub(super) fn read_file(path: &Path) -> anyhow::Result<Grants> {
    let text = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    parse(&text).with_context(|| path.display().to_string())
}

fn parse(text: &[u8]) -> anyhow::Result<Grants> {
    Grants::parse(text).map_err(anyhow::Error::msg)
}

/// All that a manifest asks for.
pub(super) fn requested(manifest: &Manifest) -> anyhow::Result<Grants> {
    manifest.requested().map_err(anyhow::Error::msg)
}

fn change_to(registry: &Registry, mut entry: Entry, grants: Grants) -> anyhow::Result<()> {
    let surplus = entry.manifest.surplus(&grants).map_err(anyhow::Error::msg)?;
    if !surplus.is_empty() {
        bail!("{}", surplus_message(&entry.manifest, &surplus));
    }
    let before = edit::document(&entry.grants);
    entry.grants = grants;
    compiler::write_entry(registry, &entry)?;
    let after = edit::document(&entry.grants);
    let mut is_changed = false;
    for (sign, from, to) in [("+", &after, &before), ("-", &before, &after)] {
        for key in request::keys_in_order() {
            let others = edit::values(to, key);
            for value in edit::values(from, key).iter().filter(|value| !others.contains(value)) {
                println!("{sign} {key} {value}");
                is_changed = true;
            }
        }
    }
    if !is_changed {
        println!("{} was granted just this before", entry.name);
    }
    warn_of_missing(&entry);
    Ok(())
}

/// Tell which imports are not granted: the plugin cannot run without them.
pub(super) fn warn_of_missing(entry: &Entry) {
    if let Some(interface) = entry.missing_grant() {
        console::err(format_args!(
            "weir: {} imports {interface}, which is not granted: its calls give error 101 until it is",
            entry.name
        ));
    }
}

/// Why a grant was refused.
fn surplus_message(manifest: &Manifest, surplus: &[GrantLine]) -> String {
    let list: Vec<String> = surplus.iter().map(ToString::to_string).collect();
    let mut message =
        format!("the manifest of {} {} does not ask for {}", manifest.name, manifest.version, list.join(", "));
    if manifest.is_of_version_1() {
        message.push_str("; it is of version 1, which cannot ask for objects: build the plugin with a newer SDK");
    } else {
        message.push_str("; `weir inspect` shows what it asks for, and more is not granted");
    }
    message
}
