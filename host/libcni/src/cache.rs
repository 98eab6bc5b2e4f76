//! What is attached, remembered between the calls of a runtime: files as Go's libcni writes them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where Go's libcni keeps its cache.
pub const DEFAULT_CACHE_DIR: &str = "/var/lib/cni";

const KIND: &str = "cniCacheV1";

/// A cache in a directory.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: PathBuf,
}

/// What is remembered of an attachment. Without a result it is one that ADD has begun and not ended.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs, reason = "as in NetworkAttachment")]
pub struct CacheEntry {
    pub network: String,
    pub container_id: String,
    pub if_name: String,
    pub net_ns: String,
    pub config: Vec<u8>,
    pub cni_args: Vec<(String, String)>,
    pub capability_args: BTreeMap<String, Value>,
    pub result: Option<Value>,
}

/// A file of the cache that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedEntry {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// Why the cache could not be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// An entry that cannot be read.
    #[error("the cached attachment {} cannot be read: {}", .0.path.display(), .0.reason)]
    Damaged(DamagedEntry),
    /// A file or directory could not be written or removed.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    kind: String,
    container_id: String,
    config: String,
    if_name: String,
    network_name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    netns: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cni_args: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    capability_args: BTreeMap<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
}

impl Cache {
    /// The cache in `dir`; it is made when something is written.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    fn results(&self) -> PathBuf {
        self.dir.join("results")
    }

    pub(crate) fn path(&self, network: &str, container_id: &str, if_name: &str) -> PathBuf {
        self.results().join(format!("{network}-{container_id}-{if_name}"))
    }

    /// Remember an attachment.
    pub fn write(&self, entry: &CacheEntry) -> Result<(), CacheError> {
        let path = self.path(&entry.network, &entry.container_id, &entry.if_name);
        let io = |source| CacheError::Io { doing: "write", path: path.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(self.results()).map_err(io)?;
        let entry = entry.clone();
        let document = Document {
            kind: KIND.to_owned(),
            container_id: entry.container_id,
            config: STANDARD.encode(entry.config),
            if_name: entry.if_name,
            network_name: entry.network,
            netns: entry.net_ns,
            cni_args: entry.cni_args,
            capability_args: entry.capability_args,
            result: entry.result,
        };
        let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        serde_json::to_writer(file.map_err(io)?, &document).map_err(|error| io(error.into()))
    }

    /// What is remembered of an attachment.
    pub fn read(&self, network: &str, container_id: &str, if_name: &str) -> Result<Option<CacheEntry>, CacheError> {
        let path = self.path(network, container_id, if_name);
        if !fs::exists(&path).unwrap_or(true) {
            return Ok(None);
        }
        read(&path).map(Some).map_err(|reason| CacheError::Damaged(DamagedEntry { path, reason }))
    }

    /// Forget an attachment; it need not be known.
    pub fn remove(&self, network: &str, container_id: &str, if_name: &str) -> Result<(), CacheError> {
        let path = self.path(network, container_id, if_name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                Err(CacheError::Io { doing: "remove", path, source })
            }
            _ => Ok(()),
        }
    }

    /// All that is remembered, and what cannot be read.
    pub fn entries(&self) -> Result<(Vec<CacheEntry>, Vec<DamagedEntry>), CacheError> {
        let dir = self.results();
        let io = |source| CacheError::Io { doing: "read", path: dir.clone(), source };
        let (mut entries, mut damaged) = (Vec::new(), Vec::new());
        let files = match fs::read_dir(&dir) {
            Ok(files) => files,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok((entries, damaged)),
            Err(error) => return Err(io(error)),
        };
        for file in files {
            let path = file.map_err(io)?.path();
            match read(&path) {
                Ok(entry) => entries.push(entry),
                Err(reason) => damaged.push(DamagedEntry { path, reason }),
            }
        }
        Ok((entries, damaged))
    }
}

fn read(path: &Path) -> Result<CacheEntry, String> {
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let document: Document = cni_spec::json::from_slice(&text).map_err(|error| error.to_string())?;
    if document.kind != KIND {
        return Err(format!("its kind is {}", document.kind));
    }
    Ok(CacheEntry {
        network: document.network_name,
        container_id: document.container_id,
        if_name: document.if_name,
        net_ns: document.netns,
        config: STANDARD.decode(document.config).map_err(|error| error.to_string())?,
        cni_args: document.cni_args,
        capability_args: document.capability_args,
        result: document.result,
    })
}
