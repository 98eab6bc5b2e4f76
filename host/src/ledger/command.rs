//! The commands of a runtime and the ledger: ADD writes it, a failed ADD is rolled back from it, DEL and GC work off what
//! the plugin has left.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cni_spec::error::{Error as CniError, IO_FAILURE};
use weir_native::attachment::Attachment;
use weir_native::watchdog::Watchdog;
use weir_native::{Error, Result};

use super::file::LedgerFile;
use super::record::{Book, Deed, Line, Record};
use super::undo::{Scene, addresses, addresses_in, undo};
use super::{Mode, Returned};
use crate::broker::times::{self, Phase};
use crate::broker::trace::{self, Level};
use crate::contract::Command;
use crate::delegate;
use crate::sandbox::{PluginOutcome, Session};

/// How long taking back a failed ADD may take.
const ROLL_BACK_TIME: Duration = Duration::from_secs(5);

/// Run one command of a plugin with the ledger. What an ADD made stays on record as unfinished until [`commit`].
///
/// # Errors
/// Those of the command itself; else what the ledger knows and could not be undone.
pub fn run(
    session: &Arc<Session>,
    plugin: &str,
    command: Command,
    body: impl FnOnce() -> std::result::Result<PluginOutcome, CniError>,
) -> std::result::Result<PluginOutcome, CniError> {
    match command {
        Command::Add => {
            let beginning = times::enter(Phase::Broker);
            begin(session, plugin).map_err(cni_error)?;
            drop(beginning);
            body().map_err(|error| roll_back(session, error))
        }
        Command::Del => {
            watch(session, plugin);
            let outcome = body();
            let undone = delete(session, plugin, outcome.is_ok());
            settle(outcome, undone)
        }
        Command::Gc => {
            watch(session, plugin);
            let outcome = body();
            settle(outcome, collect(session, plugin))
        }
        Command::Check | Command::Status | Command::Version => body(),
    }
}

/// The first error is told; what the ledger adds to it goes into the details.
fn settle(
    outcome: std::result::Result<PluginOutcome, CniError>,
    undone: Result<()>,
) -> std::result::Result<PluginOutcome, CniError> {
    match (outcome, undone) {
        (outcome, Ok(())) => outcome,
        (Ok(_), Err(error)) => Err(cni_error(error)),
        (Err(first), Err(second)) => Err(and(first, &second.message)),
    }
}

fn and(error: CniError, more: &str) -> CniError {
    let details = if error.details.is_empty() { more.to_owned() } else { format!("{}; {more}", error.details) };
    error.with_details(details)
}

fn cni_error(error: Error) -> CniError {
    CniError::new(IO_FAILURE, "the ledger of the attachment could not be worked off").with_details(error.message)
}

/// Begin an ADD: first finish one of the same plugin that was killed.
fn begin(session: &Session, plugin: &str) -> Result<()> {
    let ledger = session.ledger();
    if let Some((mut file, mut book)) = ledger.directory.open(&ledger.network, &ledger.owner)? {
        tell_damage(plugin, &file, &book);
        let runs = book.runs_of(plugin, true);
        if !runs.is_empty() {
            undo_runs(session, &mut file, &mut book, &runs, &ledger.owner, &[], Kept::Nothing)?;
        }
        if book.records.is_empty() {
            file.remove()?;
        } else {
            let mut state = ledger.state();
            (state.file, state.book) = (Some(file), book);
        }
    }
    let mut state = ledger.state();
    state.mode = Mode::Recording;
    plugin.clone_into(&mut state.plugin);
    state.run = format!("{:016x}", weir_native::process::random_number());
    Ok(())
}

fn watch(session: &Session, plugin: &str) {
    let mut state = session.ledger().state();
    state.mode = Mode::Watching;
    plugin.clone_into(&mut state.plugin);
}

/// The ADD succeeded, and its result is with the runtime.
pub fn commit(session: &Session) {
    let ledger = session.ledger();
    let mut state = ledger.state();
    state.mode = Mode::Idle;
    ledger.keep_directories(&mut state);
    if state.book.records.is_empty()
        && let Some(file) = state.file.take()
    {
        if let Err(error) = file.remove() {
            trace::line(&state.plugin, Level::Warn, &error.message);
        }
    } else if state.has_begun {
        let run = state.run.clone();
        if let Err(error) = ledger.write(&mut state, vec![Line::End { run }]) {
            trace::line(&state.plugin, Level::Warn, &error.message);
        }
    }
}

/// Take back all that this ADD made. Returns the error of the ADD, with what could not be taken back.
pub fn roll_back(session: &Arc<Session>, error: CniError) -> CniError {
    let ledger = session.ledger();
    let (run, file, mut book) = {
        let mut state = ledger.state();
        state.mode = Mode::Idle;
        (state.run.clone(), state.file.take(), std::mem::take(&mut state.book))
    };
    let Some(mut file) = file else { return error };
    let owner = ledger.owner.clone();
    // A runtime waits for the error; what is not done in time, its DEL does.
    let last_words = error.to_json(Some(session.invocation().version));
    let _watchdog = Watchdog::arm(ROLL_BACK_TIME, format!("{last_words}\n").as_bytes());
    let undone = undo_runs(session, &mut file, &mut book, &[run], &owner, &[], Kept::NothingShared)
        .and_then(|()| close(file, &book));
    match undone {
        Ok(()) => error,
        Err(left) => and(error, &format!("rolling back: {}", left.message)),
    }
}

/// DEL: what is left of the plugin's records. Documents stay where the plugin has failed: its next DEL goes by them.
fn delete(session: &Arc<Session>, plugin: &str, has_succeeded: bool) -> Result<()> {
    let ledger = session.ledger();
    let returned = {
        let mut state = ledger.state();
        state.mode = Mode::Idle;
        std::mem::take(&mut state.returned)
    };
    let Some((mut file, mut book)) = ledger.directory.open(&ledger.network, &ledger.owner)? else { return Ok(()) };
    tell_damage(plugin, &file, &book);
    let runs = book.runs_of(plugin, false);
    let kept = if has_succeeded { Kept::Nothing } else { Kept::Documents };
    undo_runs(session, &mut file, &mut book, &runs, &ledger.owner, &returned, kept)?;
    close(file, &book)
}

/// GC: what is left of the plugin's records of all attachments that are not valid.
fn collect(session: &Arc<Session>, plugin: &str) -> Result<()> {
    let ledger = session.ledger();
    ledger.state().mode = Mode::Idle;
    let valid: Vec<Attachment> = session
        .invocation()
        .valid_attachments
        .iter()
        .map(|one| Attachment::new(one.container_id.as_str(), one.interface_name.as_str()))
        .collect();
    let mut failures = Vec::new();
    for (mut file, mut book) in ledger.directory.others(&ledger.network, &valid)? {
        tell_damage(plugin, &file, &book);
        let runs = book.runs_of(plugin, false);
        let owner = book.runs.first().map(|run| &run.begin);
        let owner = owner.map(|begin| Attachment::new(begin.container_id.as_str(), begin.interface_name.as_str()));
        let undone = match owner {
            Some(owner) => undo_runs(session, &mut file, &mut book, &runs, &owner, &[], Kept::Nothing),
            None => Ok(()),
        };
        if let Err(error) = undone.and_then(|()| close(file, &book)) {
            failures.push(error);
        }
    }
    first_of(failures)
}

/// What of a run stays when it is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// What others may share; the rest goes.
    Nothing,
    /// Besides, the plugin's documents.
    Documents,
    /// Not even what was made for others as well: the ADD that made it has failed.
    NothingShared,
}

/// Undo the records of runs, the latest first. What is undone is struck off; the rest stays on record.
fn undo_runs(
    session: &Session,
    file: &mut LedgerFile,
    book: &mut Book,
    runs: &[String],
    owner: &Attachment,
    returned: &[Returned],
    kept: Kept,
) -> Result<()> {
    let ledger = session.ledger();
    let all = book.records.clone();
    let wanted: Vec<Record> = all.iter().filter(|record| runs.contains(&record.run)).cloned().collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let is_of_command = *owner == ledger.owner;
    let container = session.container_netns().filter(|_| is_of_command);
    let held = |directory: &Path| addresses_in(&all, directory);
    let has_others = || ledger.directory.has_others(&ledger.network, owner);
    let held_by_others = || {
        let others = ledger.directory.books(&ledger.network);
        let is_other = |book: &Book| {
            book.runs.first().is_some_and(|run| {
                (&run.begin.container_id, &run.begin.interface_name) != (&owner.container_id, &owner.interface_name)
            })
        };
        others.iter().filter(|book| is_other(book)).flat_map(|book| addresses(&book.records)).collect()
    };
    let delegate = |plugin: &str, config: &str| {
        delegate::delete_native(session, plugin, config, owner)
            .map_err(|error| Error::new(weir_native::ErrorKind::Io, error.to_string()))
    };
    let scene = Scene {
        host: session.host_netns()?,
        container,
        network: &ledger.network,
        owner,
        held: &held,
        is_roll_back: kept == Kept::NothingShared,
        has_others: &has_others,
        held_by_others: &held_by_others,
        delegate: &delegate,
    };
    let (mut void, mut failures) = (Vec::new(), Vec::new());
    for record in wanted.into_iter().rev() {
        if kept == Kept::Documents && matches!(record.deed, Deed::Document { .. }) {
            continue;
        }
        let undone = if is_returned(&record.deed, returned) { Ok(()) } else { undo(&record, &scene) };
        match undone {
            Ok(()) => void.push(Line::Void { run: record.run, n: record.n }),
            Err(error) => failures.push(error),
        }
    }
    for line in void.clone() {
        book.take(line);
    }
    // Where nothing is left the file goes, and nothing need be written.
    if !book.records.is_empty() {
        file.write(&void)?;
    }
    first_of(failures)
}

fn is_returned(deed: &Deed, returned: &[Returned]) -> bool {
    returned.iter().any(|one| match (one, deed) {
        (Returned::Addresses(given), Deed::Address { directory }) => given == directory,
        (Returned::Document(removed), Deed::Document { directory, naming }) => {
            removed == directory && *naming == weir_native::attachment_state::Naming::Attachment
        }
        (Returned::Lease(asked), Deed::Lease { socket }) => asked == socket,
        (Returned::Delegate(called), Deed::Delegate { plugin, .. }) => called == plugin,
        _ => false,
    })
}

/// The first failure, with the others behind it.
fn first_of(failures: Vec<Error>) -> Result<()> {
    let mut failures = failures.into_iter();
    let Some(mut first) = failures.next() else { return Ok(()) };
    for other in failures {
        first.message.push_str("; ");
        first.message.push_str(&other.message);
    }
    Err(first)
}

/// A file in which nothing is left is removed.
fn close(file: LedgerFile, book: &Book) -> Result<()> {
    if book.records.is_empty() { file.remove() } else { Ok(()) }
}

fn tell_damage(plugin: &str, file: &LedgerFile, book: &Book) {
    if book.damaged > 0 {
        let message = format!(
            "{} lines of the ledger {} cannot be read; what they speak of may stay",
            book.damaged,
            file.path().display()
        );
        trace::line(plugin, Level::Warn, &message);
    }
}
