//! `weir gc`: attachments of a network that are no more are deleted, and what plugins have kept of them.
//!
//! Saying nothing never means "everything": cnitool's gc takes the network away from all containers of the node.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use cni_spec::{Attachment, names};
use libcni::{Cache, Cni, GcArgs};
use serde_json::json;

use super::output::{self, Format};
use super::run::{self, record::Records};
use super::settings::{Interface, Settings};
use super::{failure, table::Table};

/// Arguments of `weir gc`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Name of a network.
    network: String,
    /// Not used; cnitool wants it.
    netns: Option<OsString>,
    /// An attachment that stays; may be repeated. Without IFNAME all interfaces of the container.
    #[arg(long, value_name = "ID[:IFNAME]")]
    valid: Vec<String>,
    /// A file with attachments that stay, - for standard input: ID or ID:IFNAME, one in a line, or a JSON array as
    /// `cni.dev/valid-attachments` has it.
    #[arg(long, value_name = "FILE")]
    valid_from: Option<PathBuf>,
    /// No attachment stays.
    #[arg(long, conflicts_with_all = ["valid", "valid_from"])]
    all: bool,
    #[command(flatten)]
    interface: Interface,
    #[command(flatten)]
    pub(super) settings: Settings,
}

/// A container, or one of its interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Valid {
    container_id: String,
    interface_name: Option<String>,
}

pub(super) fn gc(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = &arguments.settings;
    let valid = valid(arguments)?;
    let list = libcni::load_network_conf(&settings.conf_dir(), &arguments.network)?;
    let cni = settings.cni(None)?;
    let records = Records::read(settings.cache_dir())?;
    let alive: Vec<Valid> = records.alive.iter().flat_map(|run| of_run(run, &list.name)).collect();
    run::recover(&cni, records);
    let args = match valid {
        None => GcArgs::DeleteAll,
        Some(mut valid) => {
            // A runtime does not know what `weir run` has attached.
            valid.extend(alive);
            // Only what is named without an interface has to be looked up.
            let remembered = match valid.iter().any(|one| one.interface_name.is_none()) {
                true => Cache::new(settings.cache_dir()).attachments_of_network(&list.name)?.0,
                false => Vec::new(),
            };
            GcArgs::ValidAttachments(expand(&valid, &remembered, &arguments.interface.name()?))
        }
    };
    let collected = cni.gc_network_list(&list, &args)?;
    output::warn(&collected.damaged);
    let document = json!({
        "command": "gc", "network": list.name, "deleted": collected.deleted,
        "damaged": output::damaged(&collected.damaged),
    });
    output::print(Format::of(settings), &document, || {
        let mut table = Table::new(&["DELETED", "IFNAME"]);
        for one in &collected.deleted {
            table.row([one.container_id.clone(), one.interface_name.clone()]);
        }
        if table.is_empty() { format!("{}: nothing to delete\n", list.name) } else { table.text() }
    })
}

fn of_run(run: &run::record::Run, network: &str) -> Vec<Valid> {
    let of_network = run.attachments.iter().filter(|one| one.network == network);
    of_network
        .map(|one| Valid { container_id: run.container_id.clone(), interface_name: Some(one.if_name.clone()) })
        .collect()
}

/// What stays; none: nothing, because the operator has said so.
fn valid(arguments: &Arguments) -> anyhow::Result<Option<Vec<Valid>>> {
    if arguments.all {
        return Ok(None);
    }
    let mut valid = Vec::new();
    for text in &arguments.valid {
        valid.push(parse(text).map_err(|error| failure::arguments(format!("--valid: {error}")))?);
    }
    if let Some(path) = &arguments.valid_from {
        let text = read(path)?;
        let listed = parse_list(&text);
        valid.extend(listed.map_err(|error| failure::arguments(format!("--valid-from {}: {error}", path.display())))?);
    }
    if valid.is_empty() {
        let what = if arguments.valid_from.is_some() { "the list is empty" } else { "no list of attachments is given" };
        return Err(failure::arguments(format!(
            "{what}, and that could mean that every container of network {network} loses it. Name what stays by --valid \
             ID[:IFNAME] or --valid-from FILE, or say --all to delete every attachment",
            network = arguments.network
        )));
    }
    Ok(Some(valid))
}

fn read(path: &Path) -> anyhow::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("read the list from standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

fn parse_list(text: &str) -> Result<Vec<Valid>, String> {
    if text.trim_start().starts_with('[') {
        let listed: Vec<Attachment> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut valid = Vec::new();
        for one in listed {
            valid.push(checked(one.container_id, Some(one.interface_name))?);
        }
        return Ok(valid);
    }
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(parse).collect()
}

fn parse(text: &str) -> Result<Valid, String> {
    // Neither name may hold a colon.
    match text.split_once(':') {
        Some((id, interface)) => checked(id.to_owned(), Some(interface.to_owned())),
        None => checked(text.to_owned(), None),
    }
}

fn checked(container_id: String, interface_name: Option<String>) -> Result<Valid, String> {
    names::container_id(&container_id).map_err(|error| error.to_string())?;
    if let Some(name) = &interface_name {
        names::interface_name(name).map_err(|error| error.to_string())?;
    }
    Ok(Valid { container_id, interface_name })
}

/// A container without an interface stands for all that are remembered of it, or for the usual one.
fn expand(valid: &[Valid], remembered: &[Attachment], usual: &str) -> Vec<Attachment> {
    let mut by_container: HashMap<&str, Vec<&str>> = HashMap::new();
    for one in remembered {
        by_container.entry(&one.container_id).or_default().push(&one.interface_name);
    }
    let (mut attachments, mut seen) = (Vec::new(), HashSet::new());
    for Valid { container_id, interface_name } in valid {
        let mut names: Vec<&str> = interface_name.as_deref().into_iter().collect();
        if names.is_empty() {
            names.extend(by_container.get(container_id.as_str()).into_iter().flatten());
        }
        if names.is_empty() {
            names.push(usual);
        }
        for name in names {
            if seen.insert((container_id.clone(), name.to_owned())) {
                attachments.push(Attachment { container_id: container_id.clone(), interface_name: name.to_owned() });
            }
        }
    }
    attachments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stays(id: &str, interface: Option<&str>) -> Valid {
        Valid { container_id: id.into(), interface_name: interface.map(Into::into) }
    }

    #[test]
    fn lists_are_lines_or_json() {
        assert_eq!(parse_list("a\n\n  b:net1 \n"), Ok(vec![stays("a", None), stays("b", Some("net1"))]));
        let json = r#" [{"containerID": "a", "ifname": "eth0"}]"#;
        assert_eq!(parse_list(json), Ok(vec![stays("a", Some("eth0"))]));
        for text in
            ["[", "[{}]", "[{\"containerID\": \"\", \"ifname\": \"eth0\"}]", "a b", "a:", ":eth0", "a:b:c", "a/b"]
        {
            assert!(parse_list(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_container_stands_for_its_remembered_interfaces() {
        let remembered =
            |id: &str, interface: &str| Attachment { container_id: id.into(), interface_name: interface.into() };
        let cached = [remembered("a", "eth0"), remembered("a", "net1"), remembered("b", "eth0")];
        let expanded = expand(
            &[stays("a", None), stays("c", None), stays("b", Some("net2")), stays("a", Some("net1"))],
            &cached,
            "eth0",
        );
        let pairs: Vec<_> =
            expanded.iter().map(|one| (one.container_id.as_str(), one.interface_name.as_str())).collect();
        assert_eq!(pairs, [("a", "eth0"), ("a", "net1"), ("c", "eth0"), ("b", "net2")]);
    }
}
