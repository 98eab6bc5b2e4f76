//! `weir exec`: one command of an installed plugin, exactly as `weir-cni` serves it, with a fault on purpose where asked.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;

use super::Directory;
use crate::broker::fault::{Fault, Probe};
use crate::console;
use crate::contract;

/// Arguments of `weir exec`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    directory: Directory,
    /// Put in a fault at a host call, counted from 1 with those of delegates: error@N (the call fails), trap@N (the
    /// plugin is stopped), kill-before@N or kill-after@N (SIGKILL of this process).
    #[arg(long, value_name = "KIND@CALL")]
    fault: Option<Fault>,
    /// Write the names of the host calls to a file, one per line, each after the plugin that makes it.
    #[arg(long, value_name = "FILE")]
    count_calls: Option<PathBuf>,
    /// An installed plugin. The CNI_ variables and standard input are those of the CNI specification.
    #[arg(value_name = "PLUGIN")]
    plugin: String,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let registry = arguments.directory.registry()?;
    let names = match &arguments.count_calls {
        Some(path) => {
            Some(std::fs::File::create(path).with_context(|| format!("write names of calls to {}", path.display()))?)
        }
        None => None,
    };
    let probe = Arc::new(Probe::new(arguments.fault, names));
    let status = contract::serve(&arguments.plugin, registry, Some(probe.clone()));
    if let Some(fault) = arguments.fault.filter(|fault| fault.number() > probe.calls()) {
        console::err(format_args!(
            "weir: the command made {} host calls; the fault at number {} had no effect",
            probe.calls(),
            fault.number()
        ));
    }
    Ok(status)
}
