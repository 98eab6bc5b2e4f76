//! Runs the iptables programs inside a namespace: no environment, no inherited files, a limit on time.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::exec::{self, Invocation, PROGRAM_DIRECTORIES, program_directories};
use crate::family::IpFamily;
use crate::netns::Netns;
use crate::{Error, ErrorKind, Result};

/// Longer than the ten seconds for which the programs wait for their lock.
const TIMEOUT: Duration = Duration::from_secs(25);

/// One of the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Save,
    Restore,
}

/// A run that went wrong.
#[derive(Debug)]
pub(super) enum Failed {
    /// It could not be run.
    Run(Error),
    /// It said no, in these words.
    Refused {
        /// Name of the program.
        program: &'static str,
        /// What it printed.
        words: String,
    },
}

fn name(tool: Tool, family: IpFamily) -> &'static str {
    match (tool, family) {
        (Tool::Save, IpFamily::Ipv4) => "iptables-save",
        (Tool::Save, IpFamily::Ipv6) => "ip6tables-save",
        (Tool::Restore, IpFamily::Ipv4) => "iptables-restore",
        (Tool::Restore, IpFamily::Ipv6) => "ip6tables-restore",
    }
}

/// The program's path; `Unsupported` where it is not installed.
pub(super) fn find(tool: Tool, family: IpFamily) -> Result<PathBuf> {
    let program = name(tool, family);
    exec::find(program, &program_directories()).map_err(|_| {
        let message =
            format!("{program} is neither in PATH nor in {}: install iptables", PROGRAM_DIRECTORIES.join(", "));
        Error::new(ErrorKind::Unsupported, message)
    })
}

/// Run a program to its end and return what it printed.
pub(super) fn run(
    namespace: &Netns,
    tool: Tool,
    family: IpFamily,
    arguments: &[&str],
    input: &[u8],
) -> std::result::Result<String, Failed> {
    let path = find(tool, family).map_err(Failed::Run)?;
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    let search = std::env::join_paths(program_directories()).unwrap_or_default();
    let environment = [(OsString::from("PATH"), search)];
    let invocation = Invocation {
        path: &path,
        arguments: &arguments,
        environment: &environment,
        input,
        timeout: TIMEOUT,
        cancellation: None,
    };
    // A child is in the namespace of the thread that starts it.
    let ended = namespace.enter(|| exec::run(&invocation)).map_err(Failed::Run)?.map_err(Failed::Run)?;
    if ended.status == Some(0) {
        return Ok(String::from_utf8_lossy(&ended.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let words = match ended.signal {
        Some(signal) => format!("ended by signal {signal}"),
        None if lines.is_empty() => format!("ended with status {}", ended.status.unwrap_or(-1)),
        None => lines.join(" "),
    };
    Err(Failed::Refused { program: name(tool, family), words })
}

impl Failed {
    /// The number of the refused line of the input, counted from one.
    pub(super) fn line(&self) -> Option<usize> {
        let Self::Refused { words, .. } = self else { return None };
        let marked = words.to_ascii_lowercase();
        let places = marked.match_indices("line").filter_map(|(at, word)| marked.get(at + word.len()..));
        places
            .filter_map(|rest| {
                let rest = rest.trim_start_matches([' ', ':']);
                let digits = rest.split(|one: char| !one.is_ascii_digit()).next()?;
                digits.parse().ok()
            })
            .next()
    }

    /// As an error of what was being done.
    pub(super) fn error(self, doing: &str) -> Error {
        match self {
            Self::Run(error) => Error::new(error.kind, format!("iptables: {doing}: {}", error.message)),
            Self::Refused { program, words } => {
                let message = format!("iptables: {doing}: {program} says: {words}");
                Error::new(kind(&words), message)
            }
        }
    }
}

/// The programs have one exit status for most failures, so their words decide.
fn kind(words: &str) -> ErrorKind {
    let has = |any: &[&str]| any.iter().any(|part| words.contains(part));
    if has(&["xtables lock", "Resource temporarily unavailable", "Resource busy", "resource busy", "not empty"]) {
        ErrorKind::Busy
    } else if has(&["Permission denied", "must be root", "Operation not permitted"]) {
        ErrorKind::Denied
    } else if has(&["matching rule", "No chain/target/match", "No such file", "does not exist"]) {
        ErrorKind::NotFound
    } else if has(&["already exists", "File exists"]) {
        ErrorKind::AlreadyExists
    } else if has(&["not supported", "do you need to insmod", "Couldn't load"]) {
        ErrorKind::Unsupported
    } else if has(&["Bad argument", "unknown option", "Unknown arg", "Invalid argument", "invalid"]) {
        ErrorKind::Invalid
    } else {
        ErrorKind::Io
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refused_line_is_told_from_the_words() {
        let refused = |words: &str| Failed::Refused { program: "iptables-restore", words: words.into() };
        assert_eq!(refused("iptables-restore: line 4 failed").line(), Some(4));
        assert_eq!(refused("Bad argument `x' Error occurred at line: 3 Try `x -h'").line(), Some(3));
        assert_eq!(refused("nothing of the sort").line(), None);
    }

    #[test]
    fn the_kind_is_told_from_the_words() {
        assert_eq!(kind("iptables: Bad rule (does a matching rule exist in that chain?)."), ErrorKind::NotFound);
        assert_eq!(kind("Another app is currently holding the xtables lock."), ErrorKind::Busy);
        assert_eq!(kind("line 3: RULE_APPEND failed (Operation not supported)"), ErrorKind::Unsupported);
    }
}
