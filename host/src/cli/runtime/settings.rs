//! What all commands need to know: a flag says it, else cnitool's environment variable, else there is a default.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use libcni::{Cancellation, CniConfig, DEFAULT_CACHE_DIR};

use super::failure;
use crate::cli::duration::duration;
use crate::embedding::InProcess;

/// Environment variables, as cnitool names them.
pub(super) const CONF_DIR: &str = "NETCONFPATH";
pub(super) const PATH: &str = "CNI_PATH";
pub(super) const ARGS: &str = "CNI_ARGS";
pub(super) const CAP_ARGS: &str = "CAP_ARGS";
pub(super) const IFNAME: &str = "CNI_IFNAME";

const DEFAULT_CONF_DIR: &str = "/etc/cni/net.d";
const DEFAULT_PATH: &str = "/opt/cni/bin";
const DEFAULT_IFNAME: &str = "eth0";

/// Where things are, and how they are run and shown.
#[derive(Debug, clap::Args)]
pub(super) struct Settings {
    /// Directory of network configurations [env: NETCONFPATH] [default: /etc/cni/net.d].
    #[arg(long, value_name = "DIR")]
    conf_dir: Option<PathBuf>,
    /// Directories of plugins, with colons between them [env: CNI_PATH] [default: /opt/cni/bin].
    #[arg(long, value_name = "DIRS")]
    path: Option<OsString>,
    /// Where attachments are remembered.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_CACHE_DIR)]
    cache_dir: PathBuf,
    /// How long all that a command runs may take, for example 30s or 2m.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    /// Run Weir's plugins in this process instead of executing them.
    #[arg(long)]
    in_process: bool,
    /// With --in-process: a directory that `weir install` has filled, may be repeated [default: those of --path].
    #[arg(long, value_name = "DIR", requires = "in_process")]
    bin_dir: Vec<PathBuf>,
    /// Print JSON, also on a terminal.
    #[arg(long)]
    pub(super) json: bool,
}

impl Settings {
    pub(super) fn conf_dir(&self) -> PathBuf {
        let said = self.conf_dir.clone().or_else(|| variable(CONF_DIR).map(PathBuf::from));
        said.unwrap_or_else(|| DEFAULT_CONF_DIR.into())
    }

    pub(super) fn cache_dir(&self) -> &Path {
        &self.cache_dir
    }

    /// Directories of plugins, in order.
    pub(super) fn path(&self) -> Vec<PathBuf> {
        let said = self.path.clone().or_else(|| variable(PATH)).unwrap_or_else(|| DEFAULT_PATH.into());
        std::env::split_paths(&said).filter(|directory| !directory.as_os_str().is_empty()).collect()
    }

    /// What runs plugins and remembers attachments.
    pub(super) fn cni(&self, cancellation: Option<Cancellation>) -> anyhow::Result<CniConfig> {
        let path = self.path();
        let mut cni = CniConfig::new(path.clone()).with_cache_dir(self.cache_dir.clone());
        if let Some(timeout) = self.timeout {
            cni = cni.with_timeout(timeout);
        }
        if let Some(cancellation) = cancellation {
            cni = cni.with_cancellation(cancellation);
        }
        if self.in_process {
            cni = cni.with_exec(Arc::new(InProcess::new(self.registries(path)?)?));
        }
        Ok(cni)
    }

    /// Directories whose plugins run in this process.
    fn registries(&self, path: Vec<PathBuf>) -> anyhow::Result<Vec<PathBuf>> {
        if !self.bin_dir.is_empty() {
            return Ok(self.bin_dir.clone());
        }
        let found: Vec<PathBuf> = path.into_iter().filter(|directory| directory.join(".weir").is_dir()).collect();
        anyhow::ensure!(!found.is_empty(), "no directory of --path was filled by weir install; --bin-dir names one");
        Ok(found)
    }
}

/// What is handed on to the plugins of an attachment.
#[derive(Debug, clap::Args)]
pub(super) struct Handed {
    /// Arguments of plugins, KEY=VALUE with semicolons between them [env: CNI_ARGS].
    #[arg(long, value_name = "PAIRS")]
    args: Option<String>,
    /// Capability arguments, a JSON object; each plugin gets those that it declares [env: CAP_ARGS].
    #[arg(long, value_name = "JSON")]
    cap_args: Option<String>,
}

impl Handed {
    /// The pairs of CNI_ARGS.
    pub(super) fn args(&self) -> anyhow::Result<Vec<(String, String)>> {
        let (source, text) = said("--args", self.args.as_deref(), ARGS)?;
        pairs(&text).map_err(|part| {
            failure::arguments(format!("{source}: {part:?} is not of the form KEY=VALUE; semicolons go between pairs"))
        })
    }

    /// The capability arguments.
    pub(super) fn capability_args(&self) -> anyhow::Result<BTreeMap<String, serde_json::Value>> {
        let (source, text) = said("--cap-args", self.cap_args.as_deref(), CAP_ARGS)?;
        if text.is_empty() {
            return Ok(BTreeMap::new());
        }
        serde_json::from_str(&text).map_err(|error| {
            failure::arguments(format!("{source} is no JSON object such as {{\"mac\":\"02:00:00:00:00:01\"}}: {error}"))
        })
    }
}

/// The interface in the container.
#[derive(Debug, clap::Args)]
pub(super) struct Interface {
    /// Name of the interface in the container [env: CNI_IFNAME] [default: eth0].
    #[arg(short, long, value_name = "NAME")]
    ifname: Option<String>,
}

impl Interface {
    pub(super) fn name(&self) -> anyhow::Result<String> {
        let (source, mut name) = said("--ifname", self.ifname.as_deref(), IFNAME)?;
        if name.is_empty() {
            name = DEFAULT_IFNAME.to_owned();
        }
        cni_spec::names::interface_name(&name).map_err(|error| failure::arguments(format!("{source}: {error}")))?;
        Ok(name)
    }
}

/// What a flag or else a variable says, and which of both it was.
fn said(flag: &'static str, given: Option<&str>, name: &'static str) -> anyhow::Result<(&'static str, String)> {
    if let Some(given) = given {
        return Ok((flag, given.to_owned()));
    }
    let text = variable(name).unwrap_or_default().into_string();
    let text = text.map_err(|_| failure::arguments(format!("{name} is not UTF-8")))?;
    Ok((name, text))
}

/// An environment variable that is not empty.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| value != OsStr::new(""))
}

/// The pairs of CNI_ARGS; the part that is none.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let pair = |part: &str| match part.split_once('=') {
        Some((key, value)) if !key.is_empty() && !value.is_empty() && !value.contains('=') => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err(part.to_owned()),
    };
    text.split(';').map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_has_a_key_and_a_value() {
        assert_eq!(pairs(""), Ok(vec![]));
        assert_eq!(pairs("A=1;B=2"), Ok(vec![("A".into(), "1".into()), ("B".into(), "2".into())]));
        for (text, part) in [("A", "A"), ("A=", "A="), ("=1", "=1"), ("A=1;", ""), ("A=1;B", "B"), ("A=1=2", "A=1=2")] {
            assert_eq!(pairs(text), Err(part.to_owned()), "{text}");
        }
    }
}
