//! A directory of plugins that record their runs, a cache, and answers.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libcni::{CniConfig, NetworkConfigList, PluginConfig, RawExec, RuntimeConf};
use serde_json::{Value, json};

/// Every plugin is a link to this. Its answer is a piece of shell: the file `answers/<type>-<command>`.
const RECORDER: &str = r#"#!/bin/sh
lab=$(dirname "$(dirname "$0")")
type=${0##*/}
run=$lab/runs/$(printf %03d $(ls "$lab/runs" | wc -l))-$type-$CNI_COMMAND
mkdir "$run"
env >"$run/environment"
cat >"$run/stdin"
if [ -e "$lab/answers/$type-$CNI_COMMAND" ]; then . "$lab/answers/$type-$CNI_COMMAND"; exit; fi
case $CNI_COMMAND in
ADD) echo "{\"cniVersion\":\"1.0.0\",\"interfaces\":[{\"name\":\"$type\"}]}" ;;
VERSION) echo '{"cniVersion":"1.1.0","supportedVersions":["0.4.0","1.0.0","1.1.0"]}' ;;
esac
"#;

/// One run of a plugin.
#[derive(Debug)]
pub(crate) struct Run {
    /// As in `bridge ADD`.
    pub(crate) what: String,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) stdin: String,
}

impl Run {
    pub(crate) fn config(&self) -> Value {
        serde_json::from_str(&self.stdin).unwrap()
    }
}

pub(crate) struct Lab {
    directory: tempfile::TempDir,
}

impl Lab {
    /// With plugins of these types.
    pub(crate) fn new(types: &[&str]) -> Self {
        let lab = Self { directory: tempfile::tempdir().unwrap() };
        for directory in ["bin", "runs", "answers"] {
            fs::create_dir(lab.path(directory)).unwrap();
        }
        // Another process writes the file: were it this one, a child forked meanwhile by another test would hold it open
        // for writing, and running it would fail with ETXTBSY.
        let mut writer = Command::new("sh")
            .args(["-c", "cat >\"$0\"; chmod 755 \"$0\""])
            .arg(lab.path("recorder"))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        writer.stdin.take().unwrap().write_all(RECORDER.as_bytes()).unwrap();
        assert!(writer.wait().unwrap().success());
        types.iter().for_each(|plugin_type| lab.install(plugin_type));
        lab
    }

    pub(crate) fn install(&self, plugin_type: &str) {
        std::os::unix::fs::symlink(self.path("recorder"), self.path("bin").join(plugin_type)).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What a plugin does on a command, instead of what it does by itself. In it, `$lab` is this directory.
    pub(crate) fn answer(&self, plugin_type: &str, command: &str, shell: &str) {
        fs::write(self.path("answers").join(format!("{plugin_type}-{command}")), shell).unwrap();
    }

    /// A plugin fails with an error object.
    pub(crate) fn fail(&self, plugin_type: &str, command: &str, code: u32, msg: &str) {
        let error = json!({"cniVersion": "1.0.0", "code": code, "msg": msg});
        self.answer(plugin_type, command, &format!("echo '{error}'; exit 1"));
    }

    /// A plugin does again what it does by itself.
    pub(crate) fn recover(&self, plugin_type: &str, command: &str) {
        fs::remove_file(self.path("answers").join(format!("{plugin_type}-{command}"))).unwrap();
    }

    pub(crate) fn cni(&self) -> CniConfig {
        CniConfig::new(vec![self.path("bin")])
            .with_cache_dir(self.path("cache"))
            .with_exec(std::sync::Arc::new(RawExec::new().with_stderr(std::io::sink())))
    }

    /// All runs since the last call, in order.
    pub(crate) fn runs(&self) -> Vec<Run> {
        let mut directories: Vec<_> = fs::read_dir(self.path("runs")).unwrap().map(|run| run.unwrap().path()).collect();
        directories.sort();
        let runs = directories.iter().map(|directory| read_run(directory)).collect();
        directories.iter().for_each(|directory| fs::remove_dir_all(directory).unwrap());
        runs
    }

    /// What ran since the last call, as in `bridge ADD`.
    pub(crate) fn ran(&self) -> Vec<String> {
        self.runs().into_iter().map(|run| run.what).collect()
    }

    /// Number of entries in the cache.
    pub(crate) fn remembered(&self) -> usize {
        fs::read_dir(self.path("cache/results")).map_or(0, Iterator::count)
    }
}

fn read_run(directory: &Path) -> Run {
    let name = directory.file_name().unwrap().to_str().unwrap();
    let (_, what) = name.split_once('-').unwrap();
    // Who is killed at the beginning has written nothing down.
    let written = |file: &str| fs::read_to_string(directory.join(file)).unwrap_or_default();
    let environment = written("environment");
    Run {
        what: what.replacen('-', " ", 1),
        environment: environment
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        stdin: written("stdin"),
    }
}

/// A list of plugins of these types.
pub(crate) fn list(version: &str, types: &[&str]) -> NetworkConfigList {
    let plugins: Vec<_> = types.iter().map(|plugin_type| json!({"type": plugin_type})).collect();
    list_of(&json!({"cniVersion": version, "name": "blue", "plugins": plugins}))
}

pub(crate) fn list_of(list: &Value) -> NetworkConfigList {
    libcni::network_conf_from_bytes(list.to_string().as_bytes()).unwrap()
}

pub(crate) fn single_of(conf: &Value) -> PluginConfig {
    libcni::network_plugin_conf_from_bytes(conf.to_string().as_bytes()).unwrap()
}

pub(crate) fn rt(container_id: &str) -> RuntimeConf {
    RuntimeConf {
        container_id: container_id.to_owned(),
        net_ns: "/run/netns/one".to_owned(),
        if_name: "eth0".to_owned(),
        ..RuntimeConf::default()
    }
}
