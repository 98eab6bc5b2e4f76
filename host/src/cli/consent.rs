//! What an operator is shown and asked before a plugin is installed, and what is granted by the answer.

use std::io::IsTerminal;

use crate::compiler::Candidate;
use crate::console;
use crate::registry::{Entry, Grants};

use super::grants::{edit, request};

/// How consent was given on the command line.
#[derive(Debug, Clone, Copy)]
pub(super) enum Given<'a> {
    /// With a grant file that was read.
    File(&'a Grants),
    /// To all that is asked for.
    Requested,
    /// Not yet.
    No,
}

/// Decide what a plugin is granted.
///
/// # Errors
/// A sentence that says why it is not to be installed.
pub(super) fn decide(
    candidate: &Candidate<'_>,
    given: Given<'_>,
    native_delegates: &[String],
) -> Result<Grants, String> {
    let granted = match given {
        Given::File(grants) => {
            console::err_part(introduction(candidate, &request::items(candidate.manifest)));
            grants.clone()
        }
        Given::Requested => candidate.manifest.requested()?,
        Given::No => match candidate.installed {
            Some(installed) if installed.component == candidate.digest => installed.grants.clone(),
            installed => ask(candidate, installed)?,
        },
    };
    let native = Grants { native_delegates: native_delegates.to_vec(), ..Grants::default() };
    let granted = edit::add(&granted, &native)?;
    for warning in request::warnings(&granted) {
        console::err(format_args!("weir: {}: granted {warning}", candidate.manifest.name));
    }
    Ok(granted)
}

fn introduction(candidate: &Candidate<'_>, items: &[request::Item]) -> String {
    let manifest = candidate.manifest;
    let head = format!("{} {}: {}\n", manifest.name, manifest.version, manifest.description);
    if items.is_empty() {
        return format!("{head}It asks for nothing.\n");
    }
    format!("{head}It asks to\n{}", request::describe(items))
}

fn ask(candidate: &Candidate<'_>, installed: Option<&Entry>) -> Result<Grants, String> {
    let manifest = candidate.manifest;
    let asked = request::items(manifest);
    if asked.is_empty() {
        return Ok(Grants::default());
    }
    match installed {
        None => console::err_part(introduction(candidate, &asked)),
        Some(installed) => console::err_part(upgrade(candidate, installed, &asked)),
    }
    if !std::io::stdin().is_terminal() {
        console::err("There is no terminal to ask on. --grant-requested grants this, --grant FILE what the file says.");
        return Err("nobody has granted what it asks for".to_owned());
    }
    console::err_part("Grant this? [y/N] ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(|e| format!("cannot read the answer: {e}"))?;
    if !matches!(answer.trim(), "y" | "Y" | "yes") {
        return Err("what it asks for was not granted".to_owned());
    }
    let requested = manifest.requested()?;
    installed.map_or_else(|| Ok(requested.clone()), |installed| carry_over(installed, &requested))
}

/// What is asked for besides what was granted to the version that is installed.
fn upgrade(candidate: &Candidate<'_>, installed: &Entry, asked: &[request::Item]) -> String {
    let manifest = candidate.manifest;
    let old = &installed.manifest;
    let head = format!("{} {}: {}\n", manifest.name, manifest.version, manifest.description);
    let difference = request::compare(&request::items(old), asked);
    let beyond = request::beyond(&installed.grants, asked);
    let mut text = if beyond.is_empty() {
        format!("{head}It asks for nothing that was not granted to {} before.\n", old.version)
    } else {
        format!("{head}Besides what was granted to {}, it asks to\n{}", old.version, request::describe(&beyond))
    };
    for item in difference.less {
        text.push_str(&format!("  no longer: {} {}\n", item.key, item.value));
    }
    text
}

/// All that is asked for, and of what was granted before also what only the operator gives: limits, and native delegates
/// where others may be called at all.
fn carry_over(installed: &Entry, requested: &Grants) -> Result<Grants, String> {
    let mut kept = edit::document(&installed.grants);
    let calls_others = !requested.delegates.is_empty();
    kept.retain(|key, _| key == "limits" || key == "nativeDelegates" && calls_others);
    let kept = serde_json::from_value(kept.into()).map_err(|e| e.to_string())?;
    edit::add(requested, &kept)
}
