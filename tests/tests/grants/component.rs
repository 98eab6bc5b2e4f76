//! Components that hold nothing but a manifest, and a directory to install them in.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use nix::pty::openpty;
use serde_json::{Value, json};
use weir_tests::{Host, programs};

/// A manifest of version 2 that asks for objects: key, values, reason.
pub(crate) fn manifest(name: &str, version: &str, asks: &[(&str, &[&str], &str)]) -> Value {
    let ask = |(key, values, reason): &(&str, &[&str], &str)| json!({"key": key, "values": values, "reason": reason});
    json!({
        "manifestVersion": 2, "name": name, "description": "Is looked at.", "version": version,
        "cniVersions": ["1.0.0"], "needs": [], "asks": asks.iter().map(ask).collect::<Vec<_>>(),
    })
}

/// A component without code.
fn component(manifest: &Value) -> Vec<u8> {
    let (name, text) = ("weir:manifest", manifest.to_string());
    let mut section = vec![u8::try_from(name.len()).unwrap()];
    section.extend(name.bytes());
    section.extend(text.bytes());
    let mut bytes = b"\0asm\x0d\0\x01\0\0".to_vec();
    bytes.extend(leb128(section.len()));
    bytes.extend(section);
    bytes
}

fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A bin directory, and a place for files.
pub(crate) struct Place {
    pub(crate) bin: PathBuf,
    files: PathBuf,
}

impl Place {
    pub(crate) fn new(host: &Host) -> Result<Self> {
        Ok(Self { bin: host.directory("bin")?, files: host.directory("files")? })
    }

    /// Write a component with a manifest.
    pub(crate) fn write(&self, manifest: &Value) -> Result<String> {
        let name = format!("{}-{}.wasm", manifest["name"].as_str().unwrap(), manifest["version"].as_str().unwrap());
        self.file(&name, &component(manifest))
    }

    pub(crate) fn file(&self, name: &str, content: &[u8]) -> Result<String> {
        let path = self.files.join(name);
        fs::write(&path, content)?;
        Ok(path.display().to_string())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(programs::dist().join("bin/weir"));
        command.args(arguments).arg("--bin-dir").arg(&self.bin);
        command
    }

    /// Run `weir` without a terminal.
    pub(crate) fn weir(&self, arguments: &[&str]) -> Result<Output> {
        Ok(self.command(arguments).stdin(Stdio::null()).output()?)
    }

    /// Run `weir`, which must succeed. Returns what it printed, standard error last.
    pub(crate) fn must(&self, arguments: &[&str]) -> Result<String> {
        let output = self.weir(arguments)?;
        ensure!(output.status.success(), "weir {arguments:?}: {}", said(&output));
        Ok(said(&output))
    }

    /// Run `weir`, which must fail and say certain things.
    pub(crate) fn fails(&self, arguments: &[&str], words: &[&str]) -> Result<()> {
        let output = self.weir(arguments)?;
        ensure!(output.status.code() == Some(1), "weir {arguments:?} ended with {}", output.status);
        let said = said(&output);
        for word in words {
            ensure!(said.contains(word), "weir {arguments:?} does not say {word:?}: {said}");
        }
        Ok(())
    }

    /// Run `weir` on a terminal on which somebody types.
    pub(crate) fn on_terminal(&self, arguments: &[&str], typed: &str) -> Result<Output> {
        let terminal = openpty(None, None).context("open a terminal")?;
        let mut keyboard = File::from(terminal.master);
        let mut command = self.command(arguments);
        command.stdin(terminal.slave).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn()?;
        // Ends this process' copy of the terminal's other side.
        drop(command);
        keyboard.write_all(typed.as_bytes())?;
        let output = child.wait_with_output()?;
        // What the terminal echoed; closed by now.
        let _ = keyboard.read(&mut [0; 4096]);
        Ok(output)
    }

    /// What a plugin was granted, as `weir grant --show` prints it.
    pub(crate) fn granted(&self, plugin: &str) -> Result<Value> {
        let output = self.weir(&["grant", plugin, "--show"])?;
        ensure!(output.status.success(), "{}", said(&output));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    pub(crate) fn entry_path(&self, plugin: &str) -> PathBuf {
        self.bin.join(format!(".weir/plugins/{plugin}.json"))
    }

    pub(crate) fn is_installed(&self, plugin: &str) -> bool {
        self.entry_path(plugin).exists()
    }
}

/// Both streams.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A bundled component.
pub(crate) fn bundled(name: &str) -> String {
    path(&programs::dist().join(format!("plugins/{name}.wasm")))
}

fn path(path: &Path) -> String {
    path.display().to_string()
}
