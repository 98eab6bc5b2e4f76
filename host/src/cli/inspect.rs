//! `weir inspect`: of an installed plugin, or of a file that is not installed yet.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::grants::request;
use super::{Directory, is_file_name};
use crate::compiler::read_component;
use crate::registry::{Grants, Manifest};

/// Arguments of `weir inspect`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    directory: Directory,
    /// Name of an installed plugin, or path of a .wasm file.
    plugin: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What there is to say of a plugin.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    manifest: Manifest,
    imports: Vec<String>,
    wasi: bool,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grants: Option<Grants>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let report = if is_file_name(&arguments.plugin) { of_file(&arguments.plugin)? } else { of_installed(arguments)? };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    let manifest = &report.manifest;
    println!("{} {}: {}", manifest.name, manifest.version, manifest.description);
    let versions: Vec<String> = manifest.cni_versions.iter().map(ToString::to_string).collect();
    println!("CNI versions: {}", versions.join(", "));
    println!("size: {} bytes{}", report.size, if report.wasi { "; imports WASI (nothing is inherited)" } else { "" });
    if let Some(digest) = &report.component {
        println!("digest: sha256:{digest}");
    }
    println!("imports and asks for:");
    for need in &manifest.needs {
        let imported = report.imports.contains(&need.interface);
        let granted = match &report.grants {
            Some(grants) if grants.interfaces.contains(&need.interface) => " granted",
            Some(_) if imported => " DENIED",
            _ => "",
        };
        println!("  {:<20}{granted:<9}{} {}", need.interface, if imported { "" } else { " (unused)" }, need.reason);
    }
    let objects: Vec<_> = request::items(manifest).into_iter().filter(|item| item.key != "interfaces").collect();
    if !objects.is_empty() {
        print!("asks to\n{}", request::describe(&objects));
    }
    if let Some(grants) = report.grants.filter(|g| !g.native_delegates.is_empty()) {
        println!("may delegate to native plugins: {}", grants.native_delegates.join(", "));
    }
    Ok(())
}

fn of_file(path: &Path) -> anyhow::Result<Report> {
    let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let facts = read_component(&bytes).with_context(|| path.display().to_string())?;
    Ok(Report {
        manifest: facts.manifest,
        imports: facts.imports,
        wasi: !facts.wasi_imports.is_empty(),
        size: bytes.len() as u64,
        component: None,
        grants: None,
    })
}

fn of_installed(arguments: &Arguments) -> anyhow::Result<Report> {
    let name = arguments.plugin.to_str().context("the name is not UTF-8")?;
    cni_spec::names::plugin_type(name)?;
    let registry = arguments.directory.registry()?;
    let entry = registry.entry(name)?;
    let size = std::fs::metadata(registry.component_path(&entry.component))?.len();
    Ok(Report {
        manifest: entry.manifest,
        imports: entry.imports,
        wasi: entry.wasi,
        size,
        component: Some(entry.component),
        grants: Some(entry.grants),
    })
}
