//! A command that runs in a network namespace, at the terminal and with the files of this process.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rustix::process::{Pid, PidfdFlags, Signal, getppid, pidfd_open, pidfd_send_signal};

use crate::netns::Netns;
use crate::{Error, ErrorKind, Result};

/// Where the C library looks for name servers.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// What is to be run.
#[derive(Debug, Clone, Copy)]
pub struct Program<'a> {
    /// A path, or a name that is looked up in PATH.
    pub program: &'a OsStr,
    /// Its arguments.
    pub arguments: &'a [OsString],
    /// A file that lies over /etc/resolv.conf, for this command and its children alone.
    pub resolv_conf: Option<&'a Path>,
}

/// How it ended.
#[derive(Debug)]
pub enum Ended {
    /// With this exit status.
    Exit(i32),
    /// By this signal.
    Signal(i32),
    /// It could not be started.
    NotStarted(io::Error),
}

/// A command that has been started.
#[derive(Debug)]
pub struct Started {
    process: OwnedFd,
}

impl Started {
    /// Send it a signal. Nothing happens where it has ended.
    pub fn signal(&self, number: i32) -> Result<()> {
        let Some(signal) = Signal::from_named_raw(number) else {
            return Err(Error::new(ErrorKind::Invalid, format!("there is no signal {number}")));
        };
        match pidfd_send_signal(&self.process, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(errno) => Err(Error::io("send a signal to the command", &errno.into())),
        }
    }
}

/// Run a command to its end; `started` is called once it runs. It is killed when this process ends before it.
pub fn run(namespace: &Netns, program: Program<'_>, started: impl FnOnce(Started) + Send) -> Result<Ended> {
    // Namespaces belong to threads. This one must outlive the command, which otherwise is told that its parent has ended.
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| namespace.enter(|| run_here(program, started)));
        thread.join().map_err(|_| Error::new(ErrorKind::Io, "the thread that runs the command has panicked"))??
    })
}

fn run_here(program: Program<'_>, started: impl FnOnce(Started)) -> Result<Ended> {
    if let Some(source) = program.resolv_conf {
        cover_resolv_conf(source)?;
    }
    let mut command = Command::new(program.program);
    command.args(program.arguments);
    let parent = Pid::from_raw(std::process::id().cast_signed());
    // SAFETY: the closure makes two system calls and allocates nothing, so it is safe between fork and exec.
    unsafe {
        command.pre_exec(move || {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            // Who has ended before is not told any more.
            if getppid() == parent { Ok(()) } else { Err(io::ErrorKind::Interrupted.into()) }
        })
    };
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Ok(Ended::NotStarted(error)),
    };
    let doing = "wait for the command";
    match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
        Ok(process) => started(Started { process }),
        Err(errno) => {
            let _ = child.kill();
            let _ = child.wait();
            return Err(Error::io(doing, &errno.into()));
        }
    }
    Ok(ended(child.wait().map_err(|error| Error::io(doing, &error))?))
}

fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exit(code),
        (None, signal) => Ended::Signal(signal.unwrap_or_default()),
    }
}

/// Put a file over /etc/resolv.conf in a mount namespace of the thread's own.
fn cover_resolv_conf(source: &Path) -> Result<()> {
    let doing = format!("put the DNS settings of the network over {RESOLV_CONF}");
    let refused = |errno: nix::Error| {
        let mut error = Error::io(&doing, &errno.into());
        if errno == nix::Error::EPERM {
            error.message.push_str("; this needs CAP_SYS_ADMIN");
        }
        error
    };
    // Often a link to where systemd-resolved or NetworkManager keeps it.
    let target = std::fs::canonicalize(RESOLV_CONF).map_err(|error| Error::io(&doing, &error))?;
    unshare(CloneFlags::CLONE_NEWNS).map_err(refused)?;
    // What the host mounts later is seen here, what is mounted here stays here.
    let slave = MsFlags::MS_REC | MsFlags::MS_SLAVE;
    mount(None::<&Path>, Path::new("/"), None::<&Path>, slave, None::<&Path>).map_err(refused)?;
    mount(Some(source), &target, None::<&Path>, MsFlags::MS_BIND, None::<&Path>).map_err(refused)
}
