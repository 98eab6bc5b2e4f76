//! Plugins as files that are executed.

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use cni_spec::names;
use serde_json::Value;
use weir_exec::{Error as Failed, Invocation, Output};

use super::{Exec, ExecError, PluginRun, excerpt};

/// Executes plugins. What they print on standard error goes to that of the caller, once they have ended.
#[derive(Clone, Default)]
pub struct RawExec {
    stderr: Option<Arc<Mutex<dyn Write + Send>>>,
}

impl RawExec {
    /// One that writes plugins' words to the caller's standard error.
    pub fn new() -> Self {
        Self::default()
    }

    /// Write plugins' words somewhere else.
    #[must_use]
    pub fn with_stderr(mut self, sink: impl Write + Send + 'static) -> Self {
        self.stderr = Some(Arc::new(Mutex::new(sink)));
        self
    }

    /// Nobody can do anything about words that cannot be written.
    fn forward(&self, words: &[u8]) {
        if words.is_empty() {
            return;
        }
        let _ = match &self.stderr {
            Some(sink) => sink.lock().unwrap_or_else(PoisonError::into_inner).write_all(words),
            None => std::io::stderr().write_all(words),
        };
    }
}

impl std::fmt::Debug for RawExec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawExec").field("has_sink", &self.stderr.is_some()).finish()
    }
}

impl Exec for RawExec {
    fn find_in_path(&self, plugin_type: &str, paths: &[PathBuf]) -> Result<PathBuf, ExecError> {
        names::plugin_type(plugin_type)?;
        weir_exec::find(plugin_type, paths).map_err(ExecError::from)
    }

    fn exec_plugin(&self, run: &PluginRun<'_>) -> Result<Vec<u8>, ExecError> {
        let output = weir_exec::run(&Invocation {
            path: run.path,
            arguments: &[],
            environment: run.environment,
            input: run.input,
            timeout: run.timeout,
            cancellation: run.cancellation,
        })?;
        self.forward(&output.stderr);
        if output.status == Some(0) {
            return Ok(output.stdout);
        }
        Err(failure(&output))
    }
}

/// The error object that the plugin printed. There are plugins that print a result before it: the last object counts.
fn failure(output: &Output) -> ExecError {
    let documents = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let objects: Result<Vec<_>, _> = documents.collect();
    let error = objects.ok().and_then(|mut objects| cni_spec::json::from_value(&objects.pop()?).ok());
    if let Some(error) = error {
        return ExecError::Plugin(error);
    }
    let how = match (output.status, output.signal) {
        (Some(status), _) => format!("ended with exit status {status}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended without a status".to_owned(),
    };
    ExecError::Failed { how, output: excerpt(&output.stdout), stderr: excerpt(&output.stderr) }
}

impl From<Failed> for ExecError {
    fn from(error: Failed) -> Self {
        match error {
            Failed::InvalidName { name } => {
                let rule = "it must be a file name without a path";
                Self::InvalidType(names::NameError { kind: names::NameKind::PluginType, name, rule })
            }
            Failed::NotFound { directories, .. } => Self::NotFound { paths: directories },
            Failed::Busy { path } => Self::Busy { path },
            Failed::Start { path, source } => Self::Start { path, source },
            Failed::TooMuchOutput { limit, .. } => Self::TooMuchOutput { limit },
            Failed::TimedOut { limit, .. } => Self::TimedOut { limit },
            Failed::Cancelled { .. } => Self::Cancelled,
            Failed::Io { doing, source } => Self::Io { doing, source },
        }
    }
}
