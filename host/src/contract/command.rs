//! One command of a runtime, from what it gives to what it gets: in the process that it started, or in its own.

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use cni_spec::config;
use cni_spec::error::{Error, IO_FAILURE};
use cni_spec::version::{LATEST, Version};

use super::output::{self, Document};
use super::{Command, Input, Invocation, Setting, Variables, code};
use crate::broker::fault::Probe;
use crate::broker::times::{self, Phase};
use crate::broker::trace::{self, Level};
use crate::console;
use crate::ledger;
use crate::registry::{Registry, RegistryError};
use crate::sandbox::{self, PluginOutcome, Session};

/// Serve one command of the exec contract. The plugin is the one that the program is called as.
pub fn main() -> ExitCode {
    let called_as = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&called_as).file_name().unwrap_or_default().to_string_lossy().into_owned();
    if name == "weir-cni" || name.is_empty() {
        console::err(format_args!(
            "weir-cni {} runs CNI plugins as WebAssembly. It is called through the links that `weir install` makes, by the \
             name of a plugin.",
            env!("CARGO_PKG_VERSION")
        ));
        return ExitCode::from(2);
    }
    match Registry::of_this_program() {
        Ok(registry) => serve(&name, registry, None),
        Err(error) => fail(&unavailable(error), None),
    }
}

/// Serve one command for a plugin of a registry: variables and standard input in, one document and an exit status out.
/// A probe counts host calls and puts in faults.
pub fn serve(name: &str, registry: Registry, probe: Option<Arc<Probe>>) -> ExitCode {
    let contract = times::enter(Phase::Contract);
    let mut version = None;
    let setting = Setting::of_process(registry, probe);
    let status = match run(name, setting, &mut version) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, version),
    };
    drop(contract);
    times::report();
    status
}

fn fail(error: &Error, version: Option<Version>) -> ExitCode {
    output::print_error(error, version);
    ExitCode::FAILURE
}

fn run(name: &str, setting: Setting, version: &mut Option<Version>) -> Result<(), Error> {
    if setting.environment.text("CNI_COMMAND")?.is_empty() {
        return about(name, &setting.registry);
    }
    answer(name, setting, Input::Standard, version, &mut output::print)
}

/// Answer one command for a plugin of a registry. Nothing here belongs to the process: not its environment, nor its
/// standard input and output, nor its end.
///
/// `version` is learnt on the way, for an error object. `deliver` gets the document of a command that has one; where it
/// fails, the command has failed, and an ADD is taken back.
///
/// # Errors
/// What goes into an error object.
pub fn answer(
    name: &str,
    setting: Setting,
    input: Input<'_>,
    version: &mut Option<Version>,
    deliver: &mut dyn FnMut(&Document) -> io::Result<()>,
) -> Result<(), Error> {
    let variables = Variables::read(|name| setting.environment.text(name));
    // The configuration is read before the variables are judged: an error object names its version.
    let input = input.read();
    if let Ok(input) = &input {
        *version = config::version_hint(input);
    }
    let variables = variables?;
    let entry = setting.registry.entry(name).map_err(unavailable)?;
    if variables.command == Command::Version {
        let asked = config::version_hint(&input?).unwrap_or(LATEST);
        let versions = output::version_answer(&asked.to_string(), &entry.manifest.cni_versions);
        return deliver(&Document::Versions(versions))
            .map_err(|e| Error::new(IO_FAILURE, format!("cannot print the versions: {e}")));
    }
    let invocation = Invocation::check(variables, &input?, &entry.manifest.cni_versions)?;
    *version = Some(invocation.version);
    let (command, result_version) = (invocation.command, invocation.version);
    let session = Arc::new(Session::new(setting, invocation)?);
    let config = &session.invocation().config;
    let outcome = ledger::run(&session, name, command, || sandbox::run(&session, &entry, command, config, None));
    // What was deleted is deleted, whatever the answer is.
    let undone = |error| {
        session.finish_deletion();
        error
    };
    let outcome = outcome.map_err(undone)?;
    if let PluginOutcome::Result(result) = outcome {
        let value = match result.to_json(result_version) {
            Ok(value) => value,
            // A result that the configuration's version cannot express is a failed ADD: nothing of it may stay.
            Err(unspeakable) => {
                if let Err(e) = sandbox::run(&session, &entry, Command::Del, config, None) {
                    trace::line(name, Level::Error, &format!("undo the failed ADD: {e}"));
                }
                return Err(undone(ledger::roll_back(&session, unspeakable.into())));
            }
        };
        // Without its result the runtime takes it for failed.
        deliver(&Document::Result(value)).map_err(|e| {
            let error = Error::new(IO_FAILURE, format!("cannot print the result: {e}"));
            undone(ledger::roll_back(&session, error))
        })?;
        let _committing = times::enter(Phase::Broker);
        ledger::commit(&session);
    }
    if matches!(command, Command::Del | Command::Gc) {
        session.finish_deletion();
    }
    Ok(())
}

/// Without a command a person is asking: say what this is.
fn about(name: &str, registry: &Registry) -> Result<(), Error> {
    let entry = registry.entry(name).map_err(unavailable)?;
    let versions: Vec<String> = entry.manifest.cni_versions.iter().map(ToString::to_string).collect();
    console::err(format_args!("CNI plugin {name} {}: {}", entry.manifest.version, entry.manifest.description));
    console::err(format_args!("CNI versions: {}", versions.join(", ")));
    Ok(())
}

fn unavailable(error: RegistryError) -> Error {
    Error::new(code::PLUGIN_UNAVAILABLE, error.to_string())
}
