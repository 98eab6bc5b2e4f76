//! How a command tells that it failed: words on standard error; for programs an object on standard output besides.

use std::fmt;
use std::process::ExitCode;

use serde_json::{Map, Value};

use super::output::{self, Format};
use crate::console;

/// Exit status for wrong arguments, as the parser of arguments has it.
const WRONG_ARGUMENTS: u8 = 2;
/// Exit status for everything else.
pub(super) const FAILED: u8 = 1;

/// What the operator wrote makes no sense, or is not enough.
#[derive(Debug)]
struct WrongArguments(String);

impl fmt::Display for WrongArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongArguments {}

/// An error for wrong arguments.
pub(super) fn arguments(message: impl Into<String>) -> anyhow::Error {
    WrongArguments(message.into()).into()
}

/// What a document that has been printed has told already.
#[derive(Debug)]
struct Told;

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not everything is as it should be")
    }
}

impl std::error::Error for Told {}

/// A failure that needs no further word.
pub(super) fn told() -> anyhow::Error {
    Told.into()
}

/// Tell what happened. Exit status: 0 done, 1 failed, 2 wrong arguments.
pub(super) fn report(format: Format, outcome: anyhow::Result<()>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    if error.is::<Told>() {
        return ExitCode::from(FAILED);
    }
    let status = tell(&error);
    if format == Format::Json
        && status == FAILED
        && let Err(error) = output::print(format, &document(&error), String::new)
    {
        console::err(format_args!("weir: {error:#}"));
    }
    ExitCode::from(status)
}

/// Say it on standard error; the exit status.
pub(super) fn tell(error: &anyhow::Error) -> u8 {
    console::err(format_args!("weir: {}", words(error)));
    if error.is::<WrongArguments>() { WRONG_ARGUMENTS } else { FAILED }
}

/// The sentence: the errors of libcni have in theirs what caused them.
fn words(error: &anyhow::Error) -> String {
    let mut words = Vec::new();
    for cause in error.chain() {
        words.push(cause.to_string());
        if cause.is::<libcni::Error>() || cause.is::<libcni::ConfigError>() || cause.is::<libcni::CacheError>() {
            break;
        }
    }
    words.join(": ")
}

/// The error as an object: `message`, and where a plugin has answered with an error, `code`, `msg` and `details` as it said
/// them, and which plugin and command it was.
fn document(error: &anyhow::Error) -> Value {
    let mut object = Map::new();
    let failed = error.chain().find_map(|cause| cause.downcast_ref::<libcni::Error>());
    if let Some(said) = failed.and_then(libcni::Error::plugin_error)
        && let Value::Object(said) = said.to_json(None)
    {
        object.extend(said);
    }
    if let Some((plugin, command)) = failed.and_then(run) {
        object.insert("plugin".to_owned(), plugin.into());
        object.insert("command".to_owned(), command.into());
    }
    object.insert("message".to_owned(), words(error).into());
    Value::Object(object)
}

/// The plugin that failed first, and at what.
fn run(error: &libcni::Error) -> Option<(&str, &'static str)> {
    use libcni::Error;
    match error {
        Error::Plugin { plugin_type, command, .. } => Some((plugin_type, command.as_str())),
        Error::CleanupFailed { cause: source, .. } | Error::Attachment { source, .. } => run(source),
        Error::Gc { errors, .. } | Error::Several(errors) => errors.iter().find_map(run),
        _ => None,
    }
}
