//! Finds programs, above all CNI plugins, and runs them: environment and standard input in, standard output, error and
//! status out. A program that takes too long, prints too much or is cancelled is killed with all it has started.

mod cancellation;
mod error;

use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind as IoKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

pub use cancellation::Cancellation;
pub use error::{Error, Result};

/// A program that prints more is killed.
const STDOUT_LIMIT: usize = 10 << 20;
/// What comes after this on standard error is dropped.
const STDERR_LIMIT: usize = 1 << 20;
/// How often a file that is just being written is tried, and how long apart.
const BUSY_TRIES: u32 = 5;
const BUSY_PAUSE: Duration = Duration::from_millis(200);

/// Where programs of the system are looked for after PATH, which a container runtime may have left empty.
pub const PROGRAM_DIRECTORIES: [&str; 6] =
    ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"];

/// PATH, and [`PROGRAM_DIRECTORIES`].
pub fn program_directories() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named = std::env::split_paths(&path).filter(|directory| directory.is_absolute());
    named.chain(PROGRAM_DIRECTORIES.iter().map(PathBuf::from)).collect()
}

/// One run of a program.
#[derive(Debug, Clone)]
pub struct Invocation<'a> {
    /// The executable, as [`find`] gave it.
    pub path: &'a Path,
    /// Arguments after the program's name; CNI plugins take none.
    pub arguments: &'a [OsString],
    /// The whole environment of the program; nothing is inherited.
    pub environment: &'a [(OsString, OsString)],
    /// What it reads on standard input.
    pub input: &'a [u8],
    /// How long it may take; then it and its children are killed.
    pub timeout: Duration,
    /// Kills it and its children from another thread.
    pub cancellation: Option<&'a Cancellation>,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Exit status; none where a signal ended it.
    pub status: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error, cut at 1 MiB.
    pub stderr: Vec<u8>,
}

/// The first regular executable file named `name` in the directories. [`Error::NotFound`] names them all.
pub fn find(name: &str, directories: &[PathBuf]) -> Result<PathBuf> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        return Err(Error::InvalidName { name: name.to_owned() });
    }
    let is_program = |path: &PathBuf| {
        path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    let found = directories.iter().filter(|d| !d.as_os_str().is_empty()).map(|d| d.join(name)).find(is_program);
    found.ok_or_else(|| Error::NotFound { name: name.to_owned(), directories: directories.to_vec() })
}

/// Run a program to its end. An exit status other than 0 is no error here.
pub fn run(invocation: &Invocation<'_>) -> Result<Output> {
    if invocation.cancellation.is_some_and(Cancellation::is_cancelled) {
        return Err(Error::Cancelled { path: invocation.path.to_owned() });
    }
    let deadline = Instant::now().checked_add(invocation.timeout);
    let mut child = Running { child: spawn(invocation, deadline)?, reaped: false };
    let (stdout, stderr) = converse(&mut child.child, invocation, deadline)?;
    let status = child.wait(invocation, deadline)?;
    Ok(Output { status: status.code(), signal: status.signal(), stdout, stderr })
}

/// A child that does not outlive its owner: dropped before it was waited for, it is killed with its process group.
struct Running {
    child: Child,
    reaped: bool,
}

impl Running {
    fn wait(&mut self, invocation: &Invocation<'_>, deadline: Option<Instant>) -> Result<ExitStatus> {
        let io = |source| Error::Io { doing: format!("wait for {}", invocation.path.display()), source };
        let pid = Pid::from_child(&self.child);
        let exited = pidfd_open(pid, PidfdFlags::empty()).map_err(|errno| io(errno.into()))?;
        wait_ready(vec![PollFd::new(&exited, PollFlags::IN)], invocation, deadline)?;
        let status = self.child.wait().map_err(io)?;
        self.reaped = true;
        Ok(status)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.reaped {
            // Not reaped, so the number of the group cannot stand for anybody else.
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn spawn(invocation: &Invocation<'_>, deadline: Option<Instant>) -> Result<Child> {
    let mut command = Command::new(invocation.path);
    command
        .args(invocation.arguments)
        .env_clear()
        .envs(invocation.environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own, so that a timeout reaches what it has started itself.
    command.process_group(0);
    let mut tries = 0;
    loop {
        match command.spawn() {
            Ok(child) => return Ok(child),
            Err(error) if error.kind() == IoKind::ExecutableFileBusy => {
                tries += 1;
                if tries == BUSY_TRIES {
                    return Err(Error::Busy { path: invocation.path.to_owned() });
                }
                pause(invocation, deadline)?;
            }
            Err(source) => return Err(Error::Start { path: invocation.path.to_owned(), source }),
        }
    }
}

/// A pause between two tries that ends early where the run is cancelled or its time is over.
fn pause(invocation: &Invocation<'_>, deadline: Option<Instant>) -> Result<()> {
    let end = Instant::now().checked_add(BUSY_PAUSE);
    let until = [deadline, end].into_iter().flatten().min();
    match wait_ready(Vec::new(), invocation, until) {
        Err(Error::TimedOut { .. }) if until == end => Ok(()),
        other => other,
    }
}

/// Write standard input and read both outputs at once, so that neither side waits for the other for ever.
fn converse(child: &mut Child, call: &Invocation<'_>, deadline: Option<Instant>) -> Result<(Vec<u8>, Vec<u8>)> {
    let io = |source| Error::Io { doing: format!("talk to {}", call.path.display()), source };
    let mut stdin = nonblocking(child.stdin.take().map(OwnedFd::from)).map_err(io)?;
    let mut stdout = nonblocking(child.stdout.take().map(OwnedFd::from)).map_err(io)?;
    let mut stderr = nonblocking(child.stderr.take().map(OwnedFd::from)).map_err(io)?;
    let (mut printed, mut diagnostics) = (Vec::new(), Vec::new());
    let mut unsent = call.input;
    if unsent.is_empty() {
        stdin = None;
    }
    while stdin.is_some() || stdout.is_some() || stderr.is_some() {
        let fds = [(&stdin, PollFlags::OUT), (&stdout, PollFlags::IN), (&stderr, PollFlags::IN)];
        let polled: Vec<_> = fds
            .iter()
            .filter_map(|(file, flags)| file.as_ref().map(|file| PollFd::from_borrowed_fd(file.as_fd(), *flags)))
            .collect();
        wait_ready(polled, call, deadline)?;
        if let Some(mut file) = stdin.as_ref() {
            match file.write(unsent) {
                Ok(sent) => unsent = unsent.get(sent..).unwrap_or_default(),
                Err(e) if e.kind() == IoKind::WouldBlock || e.kind() == IoKind::Interrupted => {}
                // A plugin need not read its input (VERSION does not).
                Err(e) if e.kind() == IoKind::BrokenPipe => unsent = &[],
                Err(e) => return Err(io(e)),
            }
            if unsent.is_empty() {
                stdin = None;
            }
        }
        read_some(&mut stdout, &mut printed).map_err(io)?;
        read_some(&mut stderr, &mut diagnostics).map_err(io)?;
        diagnostics.truncate(STDERR_LIMIT);
        if printed.len() > STDOUT_LIMIT {
            return Err(Error::TooMuchOutput { path: call.path.to_owned(), limit: STDOUT_LIMIT });
        }
    }
    Ok((printed, diagnostics))
}

fn nonblocking(pipe: Option<OwnedFd>) -> std::io::Result<Option<File>> {
    let Some(pipe) = pipe else { return Ok(None) };
    let flags = rustix::fs::fcntl_getfl(&pipe)?;
    rustix::fs::fcntl_setfl(&pipe, flags | OFlags::NONBLOCK)?;
    Ok(Some(File::from(pipe)))
}

/// Read what is there; at the end the file is closed.
fn read_some(file: &mut Option<File>, into: &mut Vec<u8>) -> std::io::Result<()> {
    let Some(open) = file.as_mut() else { return Ok(()) };
    let mut buffer = [0; 16 * 1024];
    match open.read(&mut buffer) {
        Ok(0) => *file = None,
        Ok(count) => into.extend_from_slice(buffer.get(..count).unwrap_or_default()),
        Err(e) if e.kind() == IoKind::WouldBlock || e.kind() == IoKind::Interrupted => {}
        Err(e) => return Err(e),
    }
    Ok(())
}

/// Until one of the descriptors is ready, the time is over or the run is cancelled.
fn wait_ready<'f>(mut fds: Vec<PollFd<'f>>, invocation: &Invocation<'f>, deadline: Option<Instant>) -> Result<()> {
    if let Some(cancellation) = invocation.cancellation {
        fds.push(PollFd::from_borrowed_fd(cancellation.as_fd(), PollFlags::IN));
    }
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) => {
                return Err(Error::TimedOut { path: invocation.path.to_owned(), limit: invocation.timeout });
            }
            Ok(_) => break,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => {
                let doing = format!("wait for {}", invocation.path.display());
                return Err(Error::Io { doing, source: errno.into() });
            }
        }
    }
    let is_cancelled = invocation.cancellation.is_some() && fds.last().is_some_and(|fd| !fd.revents().is_empty());
    if is_cancelled { Err(Error::Cancelled { path: invocation.path.to_owned() }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
