//! The command `weir`: for operators and authors of plugins.

mod consent;
mod dhcp_daemon;
mod diff;
mod duration;
mod exec;
mod explain;
mod grants;
mod inspect;
mod install;
mod lines;
mod list;
mod runtime;
mod signing;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::compiler;
use crate::console;
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
    /// Grant a plugin more or something else; print what it was granted.
    Grant(grants::GrantArguments),
    /// Take away what a plugin was granted.
    Revoke(grants::RevokeArguments),
    /// Compare what two versions of a plugin ask for. Exit status 1: the new one asks for more; 2: it could not be found out.
    Diff(diff::Arguments),
    /// Show what a plugin imports and asks for, whether it was granted, and by which line of which file.
    Explain(explain::Arguments),
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
    #[command(flatten)]
    Runtime(runtime::Command),
    /// Make a pair of keys to sign plugins with.
    Keygen(signing::KeygenArguments),
    /// Sign plugins.
    Sign(signing::SignArguments),
    /// Say whose signature plugins have, or fail: of files, or of all that is installed.
    Verify(signing::VerifyArguments),
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

/// Whether an argument is the path of a component, rather than the name of an installed plugin.
fn is_file_name(plugin: &Path) -> bool {
    plugin.components().count() > 1 || plugin.extension().is_some_and(|e| e == "wasm")
}

/// Serve the command line. Exit status: 0 done, 1 failed, 2 wrong arguments.
pub fn main() -> ExitCode {
    let command = Arguments::parse().command;
    // As `diff` has it: 1 is an answer, so trouble is something else.
    let trouble = if matches!(command, Command::Diff(_)) { ExitCode::from(2) } else { ExitCode::FAILURE };
    run(command).unwrap_or_else(|error| {
        console::err(format_args!("weir: {error:#}"));
        trouble
    })
}

/// Whether a command does little but print: it runs no other program to which it writes, and no service.
fn only_prints(command: &Command) -> bool {
    matches!(
        command,
        Command::List(_)
            | Command::Inspect(_)
            | Command::Explain(_)
            | Command::Diff(_)
            | Command::Verify(_)
            | Command::Grant(_)
            | Command::Revoke(_)
    )
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    if only_prints(&command) {
        weir_native::closed_pipe::end_on_closed_pipe();
    }
    let done = match command {
        // Answers as the CNI specification says, also in its exit status.
        Command::Exec(arguments) => return exec::run(&arguments),
        Command::Runtime(command) => return Ok(runtime::serve(&command)),
        Command::Install(arguments) => install::run(&arguments),
        Command::List(directory) => list::run(&directory.registry()?),
        Command::Keygen(arguments) => signing::keygen(&arguments),
        Command::Sign(arguments) => signing::sign(&arguments),
        Command::Verify(arguments) => signing::verify(&arguments),
        Command::DhcpDaemon(arguments) => dhcp_daemon::run(arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Grant(arguments) => grants::grant(&arguments),
        Command::Revoke(arguments) => grants::revoke(&arguments),
        Command::Diff(arguments) => return diff::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Remove { directory, names } => {
            let registry = directory.registry()?;
            for name in &names {
                cni_spec::names::plugin_type(name)?;
                compiler::remove(&registry, name)?;
                console::out(format_args!("removed {name}"));
            }
            Ok(())
        }
        Command::Compile(directory) => {
            let done = compiler::recompile_stale(&directory.registry()?)?;
            if done.is_empty() {
                console::out("everything is up to date");
            }
            for name in done {
                console::out(format_args!("compiled {name}"));
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
