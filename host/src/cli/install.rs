//! `weir install`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::Directory;
use super::consent::{self, Given};
use super::grants;
use super::signing::Trust;
use crate::compiler::{Candidate, InstallOptions, SignatureOptions, install};
use crate::console;

/// Arguments of `weir install`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    directory: Directory,
    /// Grant what this file says: JSON, as `weir grant NAME --show` prints it. It may hold less than the manifest asks
    /// for, and never more.
    #[arg(long, value_name = "FILE", conflicts_with = "grant_requested")]
    grant: Option<PathBuf>,
    /// Grant each plugin what its manifest asks for, without asking.
    #[arg(long)]
    grant_requested: bool,
    /// Take the place of native plugins of the same names.
    #[arg(long)]
    overwrite_native: bool,
    /// Allow these plugins to delegate to the native plugin of this type, found on CNI_PATH.
    #[arg(long, value_name = "TYPE")]
    allow_native: Vec<String>,
    /// Refuse what no trusted key has signed.
    #[arg(long)]
    require_signature: bool,
    #[command(flatten)]
    trust: Trust,
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
    let signatures =
        SignatureOptions { trust_directory: arguments.trust.trust_dir.clone(), require: arguments.require_signature };
    let options = InstallOptions { host_binary, compiler, overwrite_native: arguments.overwrite_native, signatures };
    let file = arguments.grant.as_deref().map(grants::read_file).transpose()?;
    let given = match &file {
        Some(grants) => Given::File(grants),
        None if arguments.grant_requested => Given::Requested,
        None => Given::No,
    };
    if file.is_some() && arguments.components.len() > 1 {
        bail!("--grant FILE is for one plugin; install the others by themselves");
    }
    for component in &arguments.components {
        let decide = |candidate: &Candidate<'_>| consent::decide(candidate, given, &arguments.allow_native);
        let installed = install(&registry, component, &options, decide)?;
        let name = &installed.entry.name;
        console::out(format_args!(
            "installed {name} {} into {}",
            installed.entry.manifest.version,
            registry.bin_dir().display()
        ));
        console::out(format_args!("  {}", installed.signature));
        if let Some(newer) = &installed.newer_before {
            console::out(format_args!("  this is older than {newer}, which was installed before"));
        }
        if installed.native_kept {
            console::out(format_args!("  a native plugin {name} is there and stays; --overwrite-native replaces it"));
        }
        grants::warn_of_missing(&installed.entry);
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
