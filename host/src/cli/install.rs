//! `weir install`.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::Directory;
use crate::compiler::{InstallOptions, install};
use crate::registry::Manifest;

/// Arguments of `weir install`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    directory: Directory,
    /// Grant each plugin what its manifest asks for, without asking.
    #[arg(long)]
    grant_requested: bool,
    /// Take the place of native plugins of the same names.
    #[arg(long)]
    overwrite_native: bool,
    /// Allow these plugins to delegate to the native plugin of this type, found on CNI_PATH.
    #[arg(long, value_name = "TYPE")]
    allow_native: Vec<String>,
    /// The host binary; by default the one that came with this program.
    #[arg(long, value_name = "FILE")]
    host_binary: Option<PathBuf>,
    /// Components.
    #[arg(required = true, value_name = "PLUGIN.WASM")]
    components: Vec<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let registry = arguments.directory.registry()?;
    for plugin_type in &arguments.allow_native {
        cni_spec::names::plugin_type(plugin_type)?;
    }
    let compiler = std::env::current_exe().context("find this program")?;
    let host_binary = match &arguments.host_binary {
        Some(path) => path.clone(),
        None => find_host_binary(&compiler)?,
    };
    let options = InstallOptions {
        host_binary,
        compiler,
        overwrite_native: arguments.overwrite_native,
        allow_native: arguments.allow_native.clone(),
    };
    for component in &arguments.components {
        let grant = |manifest: &Manifest, imports: &[String]| consent(arguments.grant_requested, manifest, imports);
        let installed = install(&registry, component, &options, grant)?;
        let name = &installed.entry.name;
        println!("installed {name} {} into {}", installed.entry.manifest.version, registry.bin_dir().display());
        if installed.native_kept {
            println!("  a native plugin {name} is there and stays; --overwrite-native replaces it");
        }
    }
    Ok(())
}

/// `weir-cni` lies beside this program, or in `lib/weir` beside its directory.
fn find_host_binary(compiler: &Path) -> anyhow::Result<PathBuf> {
    let directory = compiler.parent().unwrap_or_else(|| Path::new("/"));
    let candidates = [directory.join("weir-cni"), directory.join("../lib/weir/weir-cni")];
    for candidate in &candidates {
        if candidate.is_file() {
            return Ok(candidate.clone());
        }
    }
    bail!("weir-cni is not at {} or {}; --host-binary names it", candidates[0].display(), candidates[1].display())
}

/// What the operator allows: all that is asked for, or nothing.
fn consent(granted: bool, manifest: &Manifest, imports: &[String]) -> Option<Vec<String>> {
    if granted || manifest.needs.is_empty() {
        return Some(imports.to_vec());
    }
    eprintln!("{} {}: {}", manifest.name, manifest.version, manifest.description);
    eprintln!("It asks for:");
    for need in &manifest.needs {
        eprintln!("  {:<20} {}", need.interface, need.reason);
    }
    if !std::io::stdin().is_terminal() {
        eprintln!("There is no terminal to ask on; --grant-requested grants this.");
        return None;
    }
    eprint!("Grant this? [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).ok()?;
    matches!(answer.trim(), "y" | "Y" | "yes").then(|| imports.to_vec())
}
