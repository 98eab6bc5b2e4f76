//! One run of a plugin, as libcni does it.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use libcni::{Cancellation, Exec, ExecError, PluginRun};
use serde::Deserialize;
use serde_json::{Value, json};
use weir::embedding::InProcess;

/// A run that is asked for. Texts are bytes, as they need not be UTF-8.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Run {
    path: PathBuf,
    environment: Vec<(Vec<u8>, Vec<u8>)>,
    input: Vec<u8>,
    timeout_ms: u64,
    /// Call it off after this time.
    cancel_after_ms: Option<u64>,
}

impl Run {
    /// Status and output as the process of the plugin would have them, and how long it took.
    pub(crate) fn answer(&self, exec: &InProcess) -> Value {
        let stderr = Collected::default();
        let exec = exec.clone().with_stderr(stderr.clone());
        let text = |bytes: &Vec<u8>| OsString::from_vec(bytes.clone());
        let environment: Vec<_> = self.environment.iter().map(|(name, value)| (text(name), text(value))).collect();
        let cancellation = Cancellation::new().ok();
        if let (Some(time), Some(cancellation)) = (self.cancel_after_ms, cancellation.clone()) {
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(time));
                cancellation.cancel();
            });
        }
        let start = Instant::now();
        let outcome = exec.exec_plugin(&PluginRun {
            plugin_type: &self.path.file_name().unwrap_or_default().to_string_lossy(),
            path: &self.path,
            input: &self.input,
            environment: &environment,
            timeout: Duration::from_millis(self.timeout_ms),
            cancellation: cancellation.as_ref(),
        });
        let microseconds = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let (status, stdout, failure) = match outcome {
            Ok(output) => (Some(0), String::from_utf8_lossy(&output).into_owned(), String::new()),
            Err(ExecError::Plugin(error)) => (Some(1), error.to_json(None).to_string(), String::new()),
            Err(other) => (None, String::new(), format!("{other:?}")),
        };
        json!({"status": status, "stdout": stdout, "stderr": stderr.text(), "failure": failure,
            "microseconds": microseconds})
    }
}

/// What was said on standard error.
#[derive(Clone, Default)]
struct Collected(Arc<Mutex<Vec<u8>>>);

impl Collected {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Collected {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
