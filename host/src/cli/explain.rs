//! `weir explain`: the way of each capability, from what the component imports and asks for to the line that grants it.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;

use super::Directory;
use super::grants::{self, edit, request};
use super::lines::{Place, places};
use crate::registry::{Entry, VerifiedFile};

mod expansion;
mod kernel;

use expansion::Expansion;

/// Arguments of `weir explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    directory: Directory,
    /// Name of an installed plugin.
    plugin: String,
    /// A network configuration or a list of them: show what ${...} stands for with it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Whether a capability is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// All of it.
    Granted,
    /// A part of it.
    Partly,
    /// Nothing of it.
    Denied,
}

/// One capability.
#[derive(Debug, serde::Serialize)]
struct Capability {
    #[serde(flatten)]
    asked: request::Item,
    /// Whether the component imports it; of interfaces only.
    #[serde(skip_serializing_if = "Option::is_none")]
    imported: Option<bool>,
    /// What the value stands for with the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    expanded: Option<String>,
    state: State,
    /// The lines that grant it, or a part of it.
    granted_by: Vec<Line>,
}

/// A line of the entry.
#[derive(Debug, Clone, serde::Serialize)]
struct Line {
    key: String,
    value: String,
    file: String,
    line: usize,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    name: String,
    version: String,
    component: String,
    /// Where the grants are written.
    entry: String,
    /// Who signed the component, as the entry has it.
    signature: Value,
    capabilities: Vec<Capability>,
    /// Limits and native delegates, which the operator sets without being asked.
    set_by_operator: Vec<Line>,
    /// What is granted and not asked for. Nothing, or the plugin does not run.
    surplus: Vec<Line>,
    kernel: kernel::Support,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let registry = arguments.directory.registry()?;
    let entry = grants::entry(&registry, &arguments.plugin)?;
    let path = registry.entry_path(&entry.name);
    let text = String::from_utf8(VerifiedFile::open(&path)?.read()?).context("the entry is not UTF-8")?;
    let config = arguments.config.as_deref().map(|file| read_config(file, &entry.name)).transpose()?;
    let expansion = Expansion::new(&entry.name, config);
    let report = report(&entry, &path, &text, &expansion)?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

/// The configuration of the plugin: of a list, its own part, with the name of the list.
fn read_config(file: &Path, plugin: &str) -> anyhow::Result<Value> {
    let text = std::fs::read(file).with_context(|| format!("read {}", file.display()))?;
    let document: Value = serde_json::from_slice(&text).with_context(|| file.display().to_string())?;
    let Some(plugins) = document.get("plugins").and_then(Value::as_array) else { return Ok(document) };
    let is_ours = |config: &&Value| config.get("type").and_then(Value::as_str) == Some(plugin);
    let Some(mut config) = plugins.iter().find(is_ours).cloned() else {
        bail!("{}: no plugin of this list has the type {plugin}", file.display());
    };
    if let (Value::Object(config), Some(name)) = (&mut config, document.get("name")) {
        config.insert("name".to_owned(), name.clone());
    }
    Ok(config)
}

fn report(entry: &Entry, path: &Path, text: &str, expansion: &Expansion) -> anyhow::Result<Report> {
    let lines = granted_lines(path, text);
    let surplus = entry.manifest.surplus(&entry.grants).map_err(anyhow::Error::msg)?;
    let is_surplus = |line: &&Line| surplus.iter().any(|s| s.key == line.key && s.value == line.value);
    let items = request::items(&entry.manifest);
    let capabilities = items.into_iter().map(|item| capability(item, entry, &lines, expansion)).collect();
    let operators = |line: &&Line| matches!(line.key.as_str(), "limits" | "nativeDelegates");
    let signature = serde_json::from_str::<Value>(text)
        .ok()
        .and_then(|document| ["signature", "signer"].iter().find_map(|key| document.get(key).cloned()));
    Ok(Report {
        name: entry.name.clone(),
        version: entry.manifest.version.clone(),
        component: entry.component.clone(),
        entry: path.display().to_string(),
        signature: signature.unwrap_or(Value::Null),
        capabilities,
        set_by_operator: lines.iter().filter(operators).cloned().collect(),
        surplus: lines.iter().filter(is_surplus).cloned().collect(),
        kernel: kernel::Support::of(entry),
    })
}

/// The lines below `grants`.
fn granted_lines(path: &Path, text: &str) -> Vec<Line> {
    let file = path.display().to_string();
    let line = |place: Place| match place.path.as_slice() {
        [grants, key] if grants == "grants" => {
            Some(Line { key: key.clone(), value: place.value, file: file.clone(), line: place.line })
        }
        [grants, limits, name] if grants == "grants" && limits == "limits" && place.value != "null" => Some(Line {
            key: limits.clone(),
            value: format!("{name}={}", place.value),
            file: file.clone(),
            line: place.line,
        }),
        _ => None,
    };
    places(text).into_iter().filter_map(line).collect()
}

fn capability(asked: request::Item, entry: &Entry, lines: &[Line], expansion: &Expansion) -> Capability {
    let of_key = || lines.iter().filter(|line| line.key == asked.key);
    let whole: Vec<Line> =
        of_key().filter(|line| request::includes(&asked.key, &line.value, &asked.value)).cloned().collect();
    let (state, granted_by) = if whole.is_empty() {
        let part: Vec<Line> = of_key()
            .filter(|line| asked.key != "limits" && request::includes(&asked.key, &asked.value, &line.value))
            .cloned()
            .collect();
        (if part.is_empty() { State::Denied } else { State::Partly }, part)
    } else {
        (State::Granted, whole)
    };
    let imported = (asked.key == "interfaces").then(|| entry.imports.contains(&asked.value));
    let expanded = expansion.of(&asked.value);
    Capability { asked, imported, expanded, state, granted_by }
}

fn print(report: &Report) {
    let digest: String = report.component.chars().take(12).collect();
    println!("{} {} (sha256:{digest}...)", report.name, report.version);
    println!("granted by {}", report.entry);
    match &report.signature {
        Value::Null => println!("not signed, or installed without a look at the signature"),
        signature => println!("signed: {signature}"),
    }
    if report.capabilities.is_empty() {
        println!("asks for nothing");
    }
    let width = report.capabilities.iter().map(|c| shown(c).chars().count()).max().unwrap_or(0).min(40);
    for key in request::keys_in_order() {
        let of_key: Vec<&Capability> = report.capabilities.iter().filter(|c| c.asked.key == key).collect();
        if of_key.is_empty() {
            continue;
        }
        println!("\nasks to {} ({key})", request::words(key));
        for capability in of_key {
            print_capability(&report.name, capability, width);
        }
    }
    for (title, lines) in [
        ("set by the operator", &report.set_by_operator),
        ("NOT ASKED FOR: the plugin does not run until it is revoked", &report.surplus),
    ] {
        if !lines.is_empty() {
            println!("\n{title}");
            for line in lines {
                println!("  {} {}  line {}", line.key, line.value, line.line);
            }
        }
    }
    report.kernel.print();
}

fn shown(capability: &Capability) -> String {
    match &capability.expanded {
        Some(expanded) => format!("{} = {expanded}", capability.asked.value),
        None => capability.asked.value.clone(),
    }
}

fn print_capability(plugin: &str, capability: &Capability, width: usize) {
    let asked = &capability.asked;
    let lines: Vec<String> = capability.granted_by.iter().map(|line| line.line.to_string()).collect();
    let by = match capability.state {
        State::Granted => format!("granted, line {}", lines.join(", ")),
        State::Partly => {
            let parts: Vec<_> =
                capability.granted_by.iter().map(|line| format!("{} in line {}", line.value, line.line)).collect();
            format!("partly: {}", parts.join(", "))
        }
        State::Denied => "DENIED".to_owned(),
    };
    let unused = if capability.imported == Some(false) { " (not imported)" } else { "" };
    println!("  {:<width$}  {by:<18}  {}{unused}", shown(capability), asked.reason);
    if capability.state == State::Denied && capability.imported != Some(false) {
        println!("  {:<width$}  weir grant {plugin} --add '{}'", "", edit::fragment(&asked.key, &asked.value));
    }
}
