//! One run of a plugin by the execution contract of the CNI specification.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::container::Container;
use crate::embedding::{Embedding, Limits};
use crate::programs::Programs;
use crate::record::Calls;

/// A plugin about to be run. Starts with a complete environment; tests take from it and add to it.
#[derive(Debug, Clone)]
pub struct Call {
    calls: Calls,
    embedding: Option<Arc<Embedding>>,
    limits: Limits,
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
    input: Vec<u8>,
}

/// What a plugin answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Exit status; none: a signal ended it.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// How long the caller waited.
    pub took: Duration,
}

/// A CNI error object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CniError {
    /// The code of the specification.
    pub code: i64,
    /// Short text.
    pub msg: String,
    /// Long text.
    pub details: String,
    /// The version that it is in; empty where the plugin gives none.
    pub version: String,
}

impl Call {
    /// A command to a plugin, for container ID `none` in a namespace that does not exist, interface `eth0`.
    pub fn new(programs: &Programs, plugin: &str, command: &str) -> Result<Self> {
        let (calls, program) = (programs.calls.clone(), programs.find(plugin)?);
        let (embedding, limits) = (programs.embedding.clone(), Limits::default());
        let (arguments, environment, input) = (Vec::new(), BTreeMap::new(), Vec::new());
        let mut call = Self { calls, embedding, limits, program, arguments, environment, input };
        // Programs that the native plugins start.
        call = call.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin").env("CNI_COMMAND", command);
        call = call.env("CNI_CONTAINERID", "none").env("CNI_NETNS", "/run/netns/none");
        Ok(call.env("CNI_IFNAME", "eth0").env("CNI_PATH", programs.cni_path()))
    }

    /// Served by `weir exec` with these options, instead of by the link that a runtime calls.
    pub fn exec(mut self, options: &[&str]) -> Result<Self> {
        let (directory, plugin) = (self.program.parent(), self.program.file_name());
        let (directory, plugin) = directory.zip(plugin).context("a plugin has no directory")?;
        let mut arguments: Vec<OsString> = vec!["exec".into(), "--bin-dir".into(), directory.into()];
        arguments.extend(options.iter().map(OsString::from));
        arguments.push(plugin.into());
        // What `weir install` put beside the plugins.
        self.program = directory.join(".weir/bin/weir");
        self.arguments = arguments;
        Ok(self)
    }

    /// For this container.
    pub fn container(self, container: &Container) -> Self {
        self.env("CNI_CONTAINERID", container.id.as_str()).env("CNI_NETNS", container.path.as_os_str())
    }

    /// For another interface than `eth0`.
    pub fn interface(self, name: &str) -> Self {
        self.env("CNI_IFNAME", name)
    }

    /// Set a variable.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Take a variable away.
    pub fn unset(mut self, name: &str) -> Self {
        self.environment.remove(OsStr::from_bytes(name.as_bytes()));
        self
    }

    /// The network configuration.
    pub fn config(self, config: &Value) -> Self {
        self.input(config.to_string())
    }

    /// What comes on standard input, if it is no JSON.
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// In a process that runs plugins in itself: for how long, and until when it is wanted.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Run it in the namespaces of this thread.
    pub fn run(&self) -> Result<Answer> {
        let Some(embedding) = &self.embedding else { return self.run_with(|_| Ok(())) };
        let answer = embedding.run(&self.program, &self.environment, &self.input, self.limits)?;
        self.count(answer.status == Some(0));
        Ok(answer)
    }

    /// Run it, and end it after this time by SIGKILL, if it has not ended by itself.
    pub fn run_and_kill(&self, after: Duration) -> Result<Answer> {
        self.run_with(|child| {
            std::thread::sleep(after);
            child.kill().context("kill it")
        })
    }

    fn run_with(&self, meanwhile: impl FnOnce(&mut Child) -> Result<()>) -> Result<Answer> {
        let start = Instant::now();
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear().envs(&self.environment);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("run {}", self.program.display()))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A plugin may end without reading.
            let _ = stdin.write_all(&self.input);
        }
        meanwhile(&mut child)?;
        let output = child.wait_with_output()?;
        let took = start.elapsed();
        self.count(output.status.success());
        Ok(Answer {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).context("standard output is not UTF-8")?,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            took,
        })
    }

    fn count(&self, succeeded: bool) {
        if let Some(command) = self.environment.get(OsStr::new("CNI_COMMAND")) {
            let command = command.to_string_lossy();
            self.calls.count(&self.program, &command, succeeded);
            // The interface plugin has passed the command on.
            let config: Value = serde_json::from_slice(&self.input).unwrap_or_default();
            let ipam =
                config.pointer("/ipam/type").and_then(Value::as_str).map(|ipam| self.program.with_file_name(ipam));
            if let Some(ipam) = ipam.filter(|ipam| *ipam != self.program && succeeded && command != "VERSION") {
                self.calls.count(&ipam, &command, true);
            }
        }
    }

    /// Run it; it must succeed. The result, or null where nothing was printed.
    pub fn ok(&self) -> Result<Value> {
        self.run()?.ok().with_context(|| self.describe())
    }

    /// Run it; it must refuse. The error.
    pub fn error(&self) -> Result<CniError> {
        self.run()?.error().with_context(|| self.describe())
    }

    /// The call as one would type it.
    pub fn describe(&self) -> String {
        let environment: Vec<_> = self
            .environment
            .iter()
            .filter(|(name, _)| name.as_bytes().starts_with(b"CNI_"))
            .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
            .collect();
        let input = String::from_utf8_lossy(&self.input);
        format!("{} {} <<< {input}", environment.join(" "), self.program.display())
    }
}

impl Answer {
    /// The result of a success.
    pub fn ok(&self) -> Result<Value> {
        ensure!(self.status == Some(0), "it failed: {self:?}");
        if self.stdout.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&self.stdout).with_context(|| format!("not one JSON document: {}", self.stdout))
    }

    /// The error of a refusal: exit status 1, and exactly one error object.
    pub fn error(&self) -> Result<CniError> {
        ensure!(self.status == Some(1), "exit status is not 1: {self:?}");
        let value: Value =
            serde_json::from_str(&self.stdout).with_context(|| format!("not one JSON object: {self:?}"))?;
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(code) = value.get("code").and_then(Value::as_i64) else { bail!("no error code: {self:?}") };
        ensure!(code != 0 && !text("msg").is_empty(), "no error object: {self:?}");
        Ok(CniError { code, msg: text("msg"), details: text("details"), version: text("cniVersion") })
    }
}
