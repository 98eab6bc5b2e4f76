//! An operator at the command line of `weir`: directories of one test, networks written into them, a plugin that writes
//! down how it is called.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::host::Host;
use crate::programs::{Programs, dist};

/// Writes down its environment and its input, and answers what lies beside it: `add.json`, `fail-COMMAND`. With
/// `slow-COMMAND` it takes a minute.
const RECORDER: &str = r#"#!/bin/sh
here=${0%/*}
type=${0##*/}
input=$(cat)
number=$(ls "$here/calls" | wc -l)
printf '%s\n%s' "$type;$CNI_COMMAND;$CNI_CONTAINERID;$CNI_NETNS;$CNI_IFNAME;$CNI_PATH;$CNI_ARGS" "$input" \
    >"$here/calls/.new" && mv "$here/calls/.new" "$here/calls/$(printf %04d "$number")"
if [ -e "$here/slow-$CNI_COMMAND" ]; then sleep 60; fi
if [ -e "$here/fail-$CNI_COMMAND" ]; then cat "$here/fail-$CNI_COMMAND"; exit 1; fi
case $CNI_COMMAND in
    VERSION) echo '{"cniVersion": "1.1.0", "supportedVersions": ["0.3.1", "0.4.0", "1.0.0", "1.1.0"]}' ;;
    ADD) cat "$here/add.json" ;;
esac
"#;

/// An operator.
#[derive(Debug)]
pub struct Operator {
    /// Everything of this operator is below.
    pub root: PathBuf,
    /// Where Weir's plugins are, and then the recorder.
    pub path: String,
    environment: Vec<(OsString, OsString)>,
}

/// One call of the recorder.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// By which name it was called.
    pub plugin: String,
    /// CNI_COMMAND.
    pub command: String,
    /// CNI_CONTAINERID.
    pub container_id: String,
    /// CNI_NETNS.
    pub netns: String,
    /// CNI_IFNAME.
    pub ifname: String,
    /// CNI_PATH.
    pub path: String,
    /// CNI_ARGS.
    pub args: String,
    /// Standard input; null where there was none.
    pub input: Value,
}

impl Operator {
    /// With directories for networks (`net.d`), the recorder (`bin`), and remembered attachments (`cache`).
    pub fn new(host: &Host, name: &str) -> Result<Self> {
        let root = host.directory(name)?;
        for directory in ["net.d", "bin", "bin/calls", "cache"] {
            fs::create_dir(root.join(directory))?;
        }
        let recorder = root.join("bin/recorder");
        fs::write(&recorder, RECORDER)?;
        fs::set_permissions(&recorder, fs::Permissions::from_mode(0o755))?;
        fs::write(root.join("bin/add.json"), r#"{"cniVersion": "1.1.0", "ips": [{"address": "192.0.2.7/24"}]}"#)?;
        let path = format!("{}:{}", Programs::weir()?.cni_path(), root.join("bin").display());
        Ok(Self { root, path, environment: Vec::new() })
    }

    /// Write a network of these plugins.
    pub fn network(&self, name: &str, plugins: &[Value]) -> Result<()> {
        self.network_with(name, json!({}), plugins)
    }

    /// With these keys.
    pub fn network_with(&self, name: &str, keys: Value, plugins: &[Value]) -> Result<()> {
        let list = crate::configs::with(&json!({"cniVersion": "1.1.0", "name": name, "plugins": plugins}), keys);
        self.file(&format!("net.d/10-{name}.conflist"), &list.to_string())
    }

    /// Write a file below the root.
    pub fn file(&self, name: &str, text: &str) -> Result<()> {
        let path = self.root.join(name);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    }

    /// A path below the root.
    pub fn at(&self, name: &str) -> String {
        self.root.join(name).display().to_string()
    }

    /// With a variable in all calls.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// `weir` with these arguments, and nothing else said.
    pub fn bare(&self, arguments: &[&str]) -> Command {
        // Who started the tests may ignore signals (nohup, a shell's background jobs), and weir would respect that.
        let mut command = Command::new("env");
        command
            .arg("--default-signal")
            .arg(dist().join("bin/weir"))
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// `weir COMMAND` in the operator's directories.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let (command, rest) = arguments.split_at(if arguments.first() == Some(&"network") { 2 } else { 1 });
        let (conf, cache) = (self.at("net.d"), self.at("cache"));
        let said = ["--conf-dir", &conf, "--path", &self.path, "--cache-dir", &cache];
        self.bare(&[command, &said, rest].concat())
    }

    /// Run `weir` to its end.
    pub fn weir(&self, arguments: &[&str]) -> Result<Output> {
        Ok(self.command(arguments).output()?)
    }

    /// With this on standard input.
    pub fn weir_with(&self, arguments: &[&str], input: &str) -> Result<Output> {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // It may end without reading.
            let _ = stdin.write_all(input.as_bytes());
        }
        Ok(child.wait_with_output()?)
    }

    /// It must succeed; the JSON document that it prints.
    pub fn done(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.weir(arguments)?;
        ensure!(output.status.success(), "weir {arguments:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).with_context(|| format!("weir {arguments:?}: {}", said(&output)))
    }

    /// It must end with this status; what it prints on both outputs.
    pub fn fails(&self, arguments: &[&str], status: i32) -> Result<String> {
        let output = self.weir(arguments)?;
        ensure!(output.status.code() == Some(status), "weir {arguments:?}: {:?}: {}", output.status, said(&output));
        Ok(said(&output))
    }

    /// Start it.
    pub fn start(&self, arguments: &[&str]) -> Result<Child> {
        Ok(self.command(arguments).spawn()?)
    }

    /// The calls of the recorder since the last time.
    pub fn calls(&self) -> Result<Vec<Recorded>> {
        let directory = self.root.join("bin/calls");
        let mut files: Vec<_> = fs::read_dir(&directory)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        files.sort();
        let calls = files.iter().map(|file| parse(&fs::read_to_string(file)?)).collect::<Result<_>>()?;
        files.iter().try_for_each(fs::remove_file)?;
        Ok(calls)
    }

    /// The commands that the recorder was called with since the last time.
    pub fn commands(&self) -> Result<Vec<String>> {
        Ok(self.calls()?.into_iter().map(|call| call.command).collect())
    }

    /// Whether nothing is remembered.
    pub fn remembers_nothing(&self) -> Result<()> {
        for directory in ["cache/results", "cache/weir-run"] {
            let Ok(entries) = fs::read_dir(self.root.join(directory)) else { continue };
            let names: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
            ensure!(names.is_empty(), "{directory} has {names:?}");
        }
        Ok(())
    }
}

/// Both outputs.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn parse(text: &str) -> Result<Recorded> {
    let (line, input) = text.split_once('\n').context("half a record")?;
    // CNI_ARGS has semicolons too.
    let mut fields = line.splitn(7, ';').map(str::to_owned);
    let mut next = || fields.next().with_context(|| format!("half a record: {line}"));
    Ok(Recorded {
        plugin: next()?,
        command: next()?,
        container_id: next()?,
        netns: next()?,
        ifname: next()?,
        path: next()?,
        args: next()?,
        input: serde_json::from_str(input).unwrap_or(Value::Null),
    })
}

/// The file of a network in the operator's directory.
pub fn network_file(operator: &Operator, name: &str) -> PathBuf {
    Path::new(&operator.root).join(format!("net.d/10-{name}.conflist"))
}
