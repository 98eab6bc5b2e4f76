//! The unruly plugin in a bin directory of its own, with limits that can be set anew for each call.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use weir_tests::{Answer, Call, CniError, Container, Host, Programs, programs};

/// The plugin installed for one test.
pub(crate) struct Lab {
    directory: PathBuf,
    container: Container,
    programs: Programs,
}

/// Installed once for all tests; each takes copies.
static INSTALLED: OnceLock<std::result::Result<tempfile::TempDir, String>> = OnceLock::new();

fn install() -> Result<tempfile::TempDir> {
    let (directory, dist) = (tempfile::tempdir()?, programs::dist());
    let installed = Command::new(dist.join("bin/weir"))
        .args(["install", "--grant-requested", "--bin-dir"])
        .arg(directory.path())
        .arg(dist.join("guests/unruly.wasm"))
        .output()?;
    ensure!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    Ok(directory)
}

impl Lab {
    pub(crate) fn new(host: &Host) -> Result<Self> {
        let installed = INSTALLED.get_or_init(|| install().map_err(|error| format!("{error:#}")));
        let from = installed.as_ref().map_err(|error| anyhow!("{error}"))?.path();
        let directory = host.directory("bin")?;
        std::fs::copy(from.join("weir-cni"), directory.join("weir-cni"))?;
        std::os::unix::fs::symlink("weir-cni", directory.join("unruly"))?;
        for part in [".weir/plugins", ".weir/compiled"] {
            copy_all(&from.join(part), &directory.join(part))?;
        }
        let programs = Programs::of(&directory);
        Ok(Self { directory, container: host.container("c1")?, programs })
    }

    /// Grant these limits, and the defaults for all others.
    pub(crate) fn limit(&self, limits: &Value) -> Result<()> {
        let path = self.directory.join(".weir/plugins/unruly.json");
        let mut entry: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
        let grants = entry.get_mut("grants").and_then(Value::as_object_mut).context("an entry without grants")?;
        grants.insert("limits".into(), limits.clone());
        Ok(std::fs::write(&path, entry.to_string())?)
    }

    /// ADD, about to be called.
    pub(crate) fn prepare(&self, command: &str, config: &Value) -> Result<Call> {
        let call = Call::new(&self.programs, "unruly", command)?.container(&self.container).config(config);
        Ok(if command == "GC" { call.unset("CNI_CONTAINERID").unset("CNI_NETNS").unset("CNI_IFNAME") } else { call })
    }

    /// ADD with a deed.
    pub(crate) fn call(&self, deed: &str, count: u64) -> Result<Call> {
        let config = json!({"cniVersion": "1.1.0", "name": "net", "type": "unruly", "deed": deed, "count": count});
        self.prepare("ADD", &config)
    }

    /// ADD with a deed under one limit.
    pub(crate) fn run(&self, key: &str, limit: u64, deed: &str, count: u64) -> Result<Answer> {
        self.limit(&json!({ key: limit }))?;
        self.call(deed, count)?.run()
    }

    /// The deed is within the limit.
    pub(crate) fn passes(&self, key: &str, limit: u64, deed: &str, count: u64) -> Result<()> {
        let answer = self.run(key, limit, deed, count)?;
        ensure!(answer.status == Some(0), "{deed} {count} with {key} {limit}: {answer:?}");
        Ok(())
    }

    /// The deed is not: it is stopped with an error that names the limit, its value, and how to raise it.
    pub(crate) fn fails(&self, key: &str, limit: u64, deed: &str, count: u64) -> Result<CniError> {
        let error = self.run(key, limit, deed, count)?.error().context(format!("{deed} {count}, {key} {limit}"))?;
        ensure!(error.code == 102, "{error:?}");
        let named = format!("limit {key} of plugin unruly is {limit};");
        ensure!(error.details.contains(&named) && error.details.contains("weir grant unruly"), "{error:?}");
        Ok(error)
    }

    /// What needs exactly `limit` passes with it and with more, and not with less.
    pub(crate) fn exact(&self, key: &str, limit: u64, deed: &str, count: u64) -> Result<()> {
        self.passes(key, limit.saturating_add(1), deed, count)?;
        self.passes(key, limit, deed, count)?;
        self.fails(key, limit.saturating_sub(1), deed, count)?;
        Ok(())
    }

    /// The least limit up to `most` with which the deed passes; checked at, above and below.
    pub(crate) fn threshold(&self, key: &str, most: u64, deed: &str, count: u64) -> Result<u64> {
        let (mut fails, mut passes) = (0, most);
        while passes - fails > 1 {
            let middle = fails + (passes - fails) / 2;
            if self.run(key, middle, deed, count)?.status == Some(0) { passes = middle } else { fails = middle }
        }
        ensure!(passes < most, "{deed} {count} does not pass with {key} below {most}");
        self.exact(key, passes, deed, count)?;
        Ok(passes)
    }
}

fn copy_all(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
