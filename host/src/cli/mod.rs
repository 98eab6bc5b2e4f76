//! The command `weir`: for operators and authors of plugins.

mod dhcp_daemon;
mod exec;
mod inspect;
mod install;
mod list;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::compiler;
use crate::registry::Registry;

/// Runs CNI plugins as sandboxed WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "weir", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install plugins into a directory that runtimes have as CNI_PATH.
    Install(install::Arguments),
    /// List the plugins of a directory.
    List(Directory),
    /// Show what a plugin is, what it asks for and what it was granted.
    Inspect(inspect::Arguments),
    /// Remove plugins from a directory. Native plugins are not touched.
    Remove {
        #[command(flatten)]
        directory: Directory,
        /// Names of plugins.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Run one command of an installed plugin as a runtime does, with a fault put in where asked: to see what it leaves.
    Exec(exec::Arguments),
    /// Get and keep the leases of containers, for the plugin dhcp.
    DhcpDaemon(dhcp_daemon::Arguments),
    /// Compile what was compiled for another version of the host. Runs by itself after an upgrade.
    Compile(Directory),
    /// Make a component of a core module built for wasm32-unknown-unknown.
    Pack {
        /// The core module.
        module: PathBuf,
        /// The component to write.
        #[arg(short, long)]
        output: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct Directory {
    /// The directory that runtimes have as CNI_PATH.
    #[arg(long, default_value = "/opt/cni/bin")]
    bin_dir: PathBuf,
}

impl Directory {
    fn registry(&self) -> anyhow::Result<Registry> {
        Ok(Registry::new(std::path::absolute(&self.bin_dir)?))
    }
}

/// Serve the command line. Exit status: 0 done, 1 failed, 2 wrong arguments.
pub fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("weir: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let done = match command {
        // Answers as the CNI specification says, also in its exit status.
        Command::Exec(arguments) => return exec::run(&arguments),
        Command::Install(arguments) => install::run(&arguments),
        Command::List(directory) => list::run(&directory.registry()?),
        Command::DhcpDaemon(arguments) => dhcp_daemon::run(arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Remove { directory, names } => {
            let registry = directory.registry()?;
            for name in &names {
                cni_spec::names::plugin_type(name)?;
                compiler::remove(&registry, name)?;
                println!("removed {name}");
            }
            Ok(())
        }
        Command::Compile(directory) => {
            let done = compiler::recompile_stale(&directory.registry()?)?;
            if done.is_empty() {
                println!("everything is up to date");
            }
            for name in done {
                println!("compiled {name}");
            }
            Ok(())
        }
        Command::Pack { module, output } => {
            let bytes = std::fs::read(&module).with_context(|| format!("read {}", module.display()))?;
            let component = compiler::pack(&bytes).with_context(|| module.display().to_string())?;
            std::fs::write(&output, component).with_context(|| format!("write {}", output.display()))
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}
