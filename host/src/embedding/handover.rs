//! A command on a thread of its own, and its answer to whoever waits for it, not for ever.
//!
//! Answer and impatience meet under a lock: a caller that has given up gets no result, and a command whose result nobody
//! takes has failed and takes back what it made.

use std::any::Any;
use std::io::{self, PipeReader};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cni_spec::error::Error as CniError;
use libcni::{Cancellation, ExecError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::broker::Patience;
use crate::contract::output::Document;

/// What the main thread of a process usually has.
const STACK: usize = 8 << 20;

/// Who waits for a command.
pub(super) struct Patient<'a> {
    /// Ended when the caller has had enough, for the command to see.
    pub(super) patience: Arc<Patience>,
    /// How long the command may take.
    pub(super) limit: Duration,
    /// How long it may then take to end.
    pub(super) grace: Duration,
    /// Another thread may call it off.
    pub(super) cancellation: Option<&'a Cancellation>,
}

/// The answer on its way.
#[derive(Default)]
enum Slot {
    #[default]
    Empty,
    Filled(Vec<u8>),
    /// Nobody waits for it.
    Refused,
}

/// Why the caller waits no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Command,
    Patience,
    Cancelled,
}

/// Run a command on a fresh thread, and wait for it. `path` is the plugin's, for errors.
///
/// # Errors
/// The command's own error; `TimedOut` or `Cancelled` where it had to be stopped, also if it has not come back then: the
/// thread is left behind, and ends when what it waits for does.
pub(super) fn on_thread(
    patient: &Patient<'_>,
    path: &Path,
    command: impl FnOnce(&mut dyn FnMut(&Document) -> io::Result<()>) -> Result<(), CniError> + Send + 'static,
) -> Result<Vec<u8>, ExecError> {
    if patient.cancellation.is_some_and(Cancellation::is_cancelled) {
        return Err(ExecError::Cancelled);
    }
    let failed = |source| ExecError::Start { path: path.to_owned(), source };
    // At its end when the thread is, however it ends.
    let (end, running) = io::pipe().map_err(failed)?;
    let slot = Arc::new(Mutex::new(Slot::default()));
    let filled = slot.clone();
    let work = move || {
        let _running = running;
        weir_native::hosted::begin().map_err(|e| CniError::new(cni_spec::error::INTERNAL, e.message))?;
        command(&mut |document| fill(&filled, document.to_bytes()?))
    };
    let name = path.file_name().map_or_else(|| "weir".to_owned(), |name| format!("weir {}", name.display()));
    let thread = std::thread::Builder::new().name(name).stack_size(STACK).spawn(work).map_err(failed)?;
    let why = match wait(&end, patient.limit, patient.cancellation)? {
        Ended::Command => {
            let answer = answer(thread, &slot);
            // The command may see before its caller that the time is over.
            let is_late = patient.patience.time_left().is_zero();
            return answer.map_err(|e| if is_late { ExecError::TimedOut { limit: patient.limit } } else { e });
        }
        Ended::Patience => ExecError::TimedOut { limit: patient.limit },
        Ended::Cancelled => ExecError::Cancelled,
    };
    patient.patience.end();
    if wait(&end, patient.grace, None)? == Ended::Command {
        // What it has done in spite of all counts; why it failed, the caller knows.
        return answer(thread, &slot).map_err(|_| why);
    }
    match std::mem::replace(&mut *slot.lock().unwrap_or_else(PoisonError::into_inner), Slot::Refused) {
        Slot::Filled(document) => Ok(document),
        Slot::Empty | Slot::Refused => Err(why),
    }
}

/// Hand over a document, if anybody waits.
fn fill(slot: &Mutex<Slot>, document: Vec<u8>) -> io::Result<()> {
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(*slot, Slot::Refused) {
        return Err(io::Error::new(io::ErrorKind::BrokenPipe, "its caller waits no longer"));
    }
    *slot = Slot::Filled(document);
    Ok(())
}

/// The answer of a thread that is at its end.
fn answer(thread: JoinHandle<Result<(), CniError>>, slot: &Mutex<Slot>) -> Result<Vec<u8>, ExecError> {
    match thread.join() {
        Ok(Ok(())) => Ok(match std::mem::take(&mut *slot.lock().unwrap_or_else(PoisonError::into_inner)) {
            Slot::Filled(document) => document,
            Slot::Empty | Slot::Refused => Vec::new(),
        }),
        Ok(Err(error)) => Err(ExecError::Plugin(error)),
        Err(panic) => {
            let how = format!("ended with a panic of the host ({})", words(&*panic));
            Err(ExecError::Failed { how, output: String::new(), stderr: String::new() })
        }
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words")
}

/// Wait for the end of the command, of the time or of the caller's interest.
fn wait(end: &PipeReader, limit: Duration, cancellation: Option<&Cancellation>) -> Result<Ended, ExecError> {
    let deadline = Instant::now().checked_add(limit);
    let mut fds = vec![PollFd::new(end, PollFlags::IN)];
    fds.extend(cancellation.map(|cancellation| PollFd::new(cancellation, PollFlags::IN)));
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) => return Ok(Ended::Patience),
            Ok(_) if fds.first().is_some_and(|end| !end.revents().is_empty()) => return Ok(Ended::Command),
            Ok(_) => return Ok(Ended::Cancelled),
            Err(Errno::INTR) => {}
            Err(errno) => {
                return Err(ExecError::Io { doing: "wait for the plugin's thread".to_owned(), source: errno.into() });
            }
        }
    }
}

#[cfg(test)]
#[path = "handover_tests.rs"]
mod tests;
