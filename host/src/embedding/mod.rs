//! Plugins of a registry run in the process of their caller, a container runtime for instance: nothing is executed.
//!
//! Each command has a thread of its own, and on it what a process of its own would have: an instance, grants, budgets, the
//! ledger, and the confinement, which the kernel keeps per thread. Commands share the engine and the code that is mapped.
//! Whatever is no plugin of such a registry is executed, as are plugins that need a process.

mod handover;
mod place;

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use libcni::{Exec, ExecError, PluginRun, RawExec};

use crate::broker::Patience;
use crate::broker::trace::{self, Sink};
use crate::contract::{self, Environment, Input, Setting};
use crate::registry::Registry;
use crate::sandbox::Runtime;

use handover::Patient;
use place::{Place, Trusted};

/// How long a command may take to end after its caller has had enough: it cleans up in that time.
const GRACE: Duration = Duration::from_secs(2);

/// Why plugins cannot be run in this process.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddingError {
    /// A directory cannot be looked at.
    #[error("{}: {source}", directory.display())]
    Io {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A directory is none that `weir install` has made, or others may write in it.
    #[error("{} is no directory whose plugins may run in this process: {reason}", directory.display())]
    NotTrusted {
        /// The directory.
        directory: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is no engine for this machine.
    #[error(transparent)]
    Engine(cni_spec::error::Error),
}

/// Runs plugins of registries in this process, and executes all others. Clones share the engine and the mapped code.
#[derive(Clone)]
pub struct InProcess {
    trusted: Trusted,
    runtime: Arc<Runtime>,
    raw: RawExec,
    grace: Duration,
    log: Option<Sink>,
}

impl InProcess {
    /// For the plugins that are installed in these directories, and no others. The directories must belong to root or to
    /// the user that runs, and nobody else may write in them.
    ///
    /// # Errors
    /// Where a directory is not such a one, or the engine cannot be made on this machine.
    pub fn new(bin_dirs: impl IntoIterator<Item = impl Into<PathBuf>>) -> Result<Self, EmbeddingError> {
        let trusted = Trusted::new(bin_dirs.into_iter().map(Into::into))?;
        let runtime = Arc::new(Runtime::lasting().map_err(EmbeddingError::Engine)?);
        Ok(Self { trusted, runtime, raw: RawExec::new(), grace: GRACE, log: None })
    }

    /// How long a call waits, after its time is over or it was cancelled, for the command to clean up. 2 s if never set.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Write what plugins and the host say on the way here, instead of to standard error.
    #[must_use]
    pub fn with_stderr(mut self, sink: impl Write + Send + 'static) -> Self {
        let sink = Shared(Arc::new(Mutex::new(sink)));
        self.raw = RawExec::new().with_stderr(sink.clone());
        self.log = Some(Arc::new(move |line: &str| {
            // Nobody can do anything about words that cannot be written.
            let _ = sink.clone().write_all(format!("{line}\n").as_bytes());
        }));
        self
    }

    fn serve(&self, run: &PluginRun<'_>, registry: Registry, name: String) -> Result<Vec<u8>, ExecError> {
        let patience = Arc::new(Patience::of(run.timeout));
        let setting = Setting {
            registry,
            environment: Environment::Given(run.environment.to_vec()),
            probe: None,
            runtime: Some(self.runtime.clone()),
            patience: Some(patience.clone()),
        };
        let (input, log) = (run.input.to_vec(), self.log.clone());
        let patient = Patient { patience, limit: run.timeout, grace: self.grace, cancellation: run.cancellation };
        handover::on_thread(&patient, run.path, move |deliver| {
            if let Some(log) = log {
                trace::redirect(log);
            }
            contract::answer(&name, setting, Input::Given(&input), &mut None, deliver)
        })
    }
}

impl Exec for InProcess {
    fn find_in_path(&self, plugin_type: &str, paths: &[PathBuf]) -> Result<PathBuf, ExecError> {
        self.raw.find_in_path(plugin_type, paths)
    }

    fn exec_plugin(&self, run: &PluginRun<'_>) -> Result<Vec<u8>, ExecError> {
        match self.trusted.place(run.path) {
            Place::Here(registry, name) => self.serve(run, registry, name),
            Place::Process => self.raw.exec_plugin(run),
        }
    }
}

impl std::fmt::Debug for InProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InProcess").field("trusted", &self.trusted).field("grace", &self.grace).finish_non_exhaustive()
    }
}

/// Something to write to that several hold.
#[derive(Clone)]
struct Shared(Arc<Mutex<dyn Write + Send>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}
