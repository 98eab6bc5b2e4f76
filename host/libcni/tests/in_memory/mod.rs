//! Plugins that are only written down.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test fails by panicking, and is a crate of its own")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use libcni::{Exec, ExecError, PluginRun};
use serde_json::Value;

/// What every plugin answers to ADD.
pub const RESULT: &str = r#"{"cniVersion":"1.1.0","ips":[{"address":"10.1.0.2/16"}]}"#;

/// Runs nothing, writes down what it was asked for, and has a result for every ADD.
#[derive(Default)]
pub struct Recorder {
    runs: Mutex<Vec<Run>>,
}

#[derive(Debug)]
pub struct Run {
    pub command: String,
    pub plugin: String,
    pub container_id: String,
    pub input: Value,
}

impl Exec for Recorder {
    fn find_in_path(&self, plugin_type: &str, _: &[PathBuf]) -> Result<PathBuf, ExecError> {
        Ok(Path::new("/nowhere").join(plugin_type))
    }

    fn exec_plugin(&self, run: &PluginRun<'_>) -> Result<Vec<u8>, ExecError> {
        let variable = |name: &str| {
            let found = run.environment.iter().find(|(key, _)| key == OsStr::new(name));
            found.map(|(_, value)| value.to_string_lossy().into_owned()).unwrap_or_default()
        };
        self.runs.lock().unwrap().push(Run {
            command: variable("CNI_COMMAND"),
            plugin: run.plugin_type.to_owned(),
            container_id: variable("CNI_CONTAINERID"),
            input: serde_json::from_slice(run.input).unwrap(),
        });
        let answer = if variable("CNI_COMMAND") == "ADD" { RESULT } else { "" };
        Ok(answer.into())
    }
}

impl Recorder {
    /// What was asked for since the last time.
    pub fn take(&self) -> Vec<Run> {
        std::mem::take(&mut *self.runs.lock().unwrap())
    }
}
