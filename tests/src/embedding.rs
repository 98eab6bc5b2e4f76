//! A process that runs plugins in itself (`tests/embedding`), in the namespaces of a test.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::cni::Answer;
use crate::harness::skip;
use crate::host::Host;
use crate::programs::dist;

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long one run may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Then it is stopped.
    pub timeout: Duration,
    /// It is called off after this time.
    pub cancel_after: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(120), cancel_after: None }
    }
}

/// The process. It ends with this.
#[derive(Debug)]
pub struct Embedding {
    child: Child,
    socket: PathBuf,
}

impl Embedding {
    /// One that trusts the plugins of these directories.
    pub fn start<'a>(host: &Host, directories: impl Iterator<Item = &'a PathBuf>) -> Result<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let program = dist().join("embedding/weir-embedding");
        if !program.exists() {
            return Err(skip(format!("{} is missing (`make build-embedding`)", program.display())));
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let socket = host.directory("")?.join(format!("embedding{number}"));
        let mut command = Command::new(&program);
        command.arg(&socket).args(directories);
        let child = command.spawn().with_context(|| format!("run {}", program.display()))?;
        let mut embedding = Self { child, socket };
        let start = Instant::now();
        while UnixStream::connect(&embedding.socket).is_err() {
            if let Some(status) = embedding.child.try_wait()? {
                bail!("it has ended: {status}");
            }
            ensure!(start.elapsed() < PATIENCE, "it does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(embedding)
    }

    /// Its process ID.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Run a plugin as a runtime would.
    pub fn run(
        &self,
        program: &Path,
        environment: &BTreeMap<OsString, OsString>,
        input: &[u8],
        limits: Limits,
    ) -> Result<Answer> {
        let environment: Vec<_> =
            environment.iter().map(|(name, value)| json!([name.as_bytes(), value.as_bytes()])).collect();
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let answer = self.ask(&json!({"run": {
            "path": program, "environment": environment, "input": input, "timeoutMs": milliseconds(limits.timeout),
            "cancelAfterMs": limits.cancel_after.map(milliseconds),
        }}))?;
        let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let status = answer.get("status").and_then(Value::as_i64).and_then(|status| i32::try_from(status).ok());
        let took = answer.get("microseconds").and_then(Value::as_u64).context("no time")?;
        // Why there is no status, where there is none.
        let stderr = format!("{}{}", text("stderr"), text("failure"));
        Ok(Answer { status, stdout: text("stdout"), stderr, took: Duration::from_micros(took) })
    }

    /// Ask for something else.
    pub fn ask(&self, request: &Value) -> Result<Value> {
        let mut stream = UnixStream::connect(&self.socket).context("ask the process that runs plugins in itself")?;
        stream.write_all(format!("{request}\n").as_bytes())?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("an answer: {line:?}"))
    }
}

impl Drop for Embedding {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}
