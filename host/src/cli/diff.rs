//! `weir diff`: what another version of a plugin asks for more, less and as before.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use super::grants::{self, request};
use super::{Directory, is_file_name};
use crate::compiler::read_component;
use crate::registry::Manifest;

/// Arguments of `weir diff`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    directory: Directory,
    /// Name of an installed plugin, or path of a .wasm file.
    #[arg(value_name = "OLD.WASM | PLUGIN")]
    old: PathBuf,
    /// Path of a .wasm file.
    #[arg(value_name = "NEW.WASM")]
    new: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// One side.
#[derive(serde::Serialize)]
struct Side {
    name: String,
    version: String,
}

impl Side {
    fn of(manifest: &Manifest) -> Self {
        Self { name: manifest.name.clone(), version: manifest.version.clone() }
    }
}

#[derive(serde::Serialize)]
struct Report {
    old: Side,
    new: Side,
    #[serde(flatten)]
    difference: request::Difference,
}

/// Exit status 1: the new one asks for more.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let old = if is_file_name(&arguments.old) {
        of_file(&arguments.old)?
    } else {
        let name = arguments.old.to_str().context("the name is not UTF-8")?;
        grants::entry(&arguments.directory.registry()?, name)?.manifest
    };
    let new = of_file(&arguments.new)?;
    let difference = request::compare(&request::items(&old), &request::items(&new));
    let asks_for_more = !difference.more.is_empty();
    let report = Report { old: Side::of(&old), new: Side::of(&new), difference };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(if asks_for_more { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn of_file(path: &Path) -> anyhow::Result<Manifest> {
    let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    Ok(read_component(&bytes).with_context(|| path.display().to_string())?.manifest)
}

fn print(report: &Report) {
    let Report { old, new, difference } = report;
    println!("{} {} -> {} {}", old.name, old.version, new.name, new.version);
    for (title, items) in [("asks for more, to", &difference.more), ("no longer asks to", &difference.less)] {
        if !items.is_empty() {
            println!("{title}");
            print!("{}", request::describe(items));
        }
    }
    if difference.more.is_empty() {
        println!("asks for nothing more");
    }
    println!("as before: {}", difference.same.len());
}
