//! A runtime's part, played by the commands of `weir`: `weir add`, `check`, `del`, `gc`, with directories of its own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::container::Container;
use crate::host::Host;
use crate::programs::{Programs, dist};

/// Networks, a cache, and where the plugins are.
#[derive(Debug, Clone)]
pub struct Runtime {
    /// Configurations of networks.
    pub conf_dir: PathBuf,
    /// What is remembered of attachments.
    pub cache_dir: PathBuf,
    /// The value of CNI_PATH.
    pub path: String,
    /// CAP_ARGS of all commands.
    pub capabilities: Value,
}

impl Runtime {
    /// With directories of this test's.
    pub fn new(host: &Host, programs: &Programs) -> Result<Self> {
        let (conf_dir, cache_dir) = (host.directory("net.d")?, Path::new("/run/test/cache").to_owned());
        Ok(Self { conf_dir, cache_dir, path: programs.cni_path(), capabilities: json!({}) })
    }

    /// Configure a network.
    pub fn network(&self, name: &str, version: &str, plugins: &[Value]) -> Result<()> {
        let list = json!({"cniVersion": version, "name": name, "plugins": plugins});
        Ok(std::fs::write(self.conf_dir.join(format!("{name}.conflist")), list.to_string())?)
    }

    /// A command that prints JSON, not yet run.
    pub fn command(&self, verb: &str, arguments: &[&OsStr]) -> Command {
        let mut command = Command::new(dist().join("bin/weir"));
        command.arg(verb).args(arguments).env_clear().env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
        command.env("NETCONFPATH", &self.conf_dir).env("CNI_PATH", &self.path);
        command.env("CAP_ARGS", self.capabilities.to_string());
        command.arg("--cache-dir").arg(&self.cache_dir).arg("--json");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// One of `add`, `check`, `del`, not yet run.
    pub fn attachment(&self, verb: &str, network: &str, container: &Container) -> Command {
        let mut command = self.command(verb, &[network.as_ref(), container.path.as_os_str()]);
        command.args(["--container-id", &container.id]);
        command
    }

    /// Run one of `add`, `check`, `del`; what it printed.
    pub fn run(&self, verb: &str, network: &str, container: &Container) -> Result<Value> {
        succeed(&mut self.attachment(verb, network, container))
            .with_context(|| format!("weir {verb} {network} {}", container.id))
    }

    /// GC: what is not in the list goes; with an empty list, all.
    pub fn gc(&self, network: &str, valid: &[&str]) -> Result<Value> {
        succeed(&mut self.gc_command(network, valid)?).with_context(|| format!("weir gc {network}"))
    }

    /// [`Self::gc`], not yet run.
    pub fn gc_command(&self, network: &str, valid: &[&str]) -> Result<Command> {
        if valid.is_empty() {
            return Ok(self.command("gc", &[network.as_ref(), "--all".as_ref()]));
        }
        let list = self.conf_dir.with_file_name("valid-attachments");
        let lines: String = valid.iter().map(|attachment| format!("{attachment}\n")).collect();
        std::fs::write(&list, lines)?;
        Ok(self.command("gc", &[network.as_ref(), "--valid-from".as_ref(), list.as_os_str()]))
    }

    /// The names of the files in the cache.
    pub fn cached(&self) -> Result<Vec<String>> {
        let Ok(entries) = std::fs::read_dir(self.cache_dir.join("results")) else { return Ok(Vec::new()) };
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let mut names = names.collect::<Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }
}

/// Run a command that must succeed; the JSON document that it printed, or null.
pub fn succeed(command: &mut Command) -> Result<Value> {
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    ensure!(output.status.success(), "{}", words(&output));
    if output.stdout.trim_ascii().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("not one JSON document: {}", words(&output)))
}

/// How a command ended, to be read.
pub fn words(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    format!("{}: {} {}", output.status, text(&output.stderr), text(&output.stdout))
}
