//! Runs on record, below the directory of remembered attachments: what a `weir run` that is killed leaves is found by it.
//!
//! A file for each run, made before anything is attached, and locked (flock(2)) for as long as the run lives. One that is
//! not locked belongs to a run that has been killed.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;

/// Below the directory of remembered attachments.
const DIRECTORY: &str = "weir-run";
/// A record holds configurations; nobody writes such large ones.
const LARGEST: u64 = 16 << 20;

/// What is attached, or about to be.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli::runtime) struct Attachment {
    pub(in crate::cli::runtime) network: String,
    pub(in crate::cli::runtime) if_name: String,
    /// The network's configuration, as it was.
    pub(in crate::cli::runtime) config: String,
    #[serde(default)]
    pub(in crate::cli::runtime) args: Vec<(String, String)>,
    #[serde(default)]
    pub(in crate::cli::runtime) capability_args: BTreeMap<String, Value>,
}

/// A run.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli::runtime) struct Run {
    pub(in crate::cli::runtime) container_id: String,
    /// In the order in which they are attached.
    pub(in crate::cli::runtime) attachments: Vec<Attachment>,
}

/// The file of a run, locked.
#[derive(Debug)]
pub(in crate::cli::runtime) struct Record {
    path: PathBuf,
    _locked: File,
}

/// All records.
#[derive(Debug, Default)]
pub(in crate::cli::runtime) struct Records {
    /// Runs that live.
    pub(in crate::cli::runtime) alive: Vec<Run>,
    /// Runs that were killed; nobody else works on them now.
    pub(in crate::cli::runtime) abandoned: Vec<(Record, Run)>,
    /// Files that say nothing, and why.
    pub(in crate::cli::runtime) damaged: Vec<(PathBuf, String)>,
}

impl Record {
    /// Put a run on record.
    pub(super) fn create(cache_dir: &Path, run: &Run) -> anyhow::Result<Self> {
        let directory = cache_dir.join(DIRECTORY);
        let doing = || format!("write down what is attached, in {}", directory.display());
        DirBuilder::new().recursive(true).mode(0o700).create(&directory).with_context(doing)?;
        let path = directory.join(format!("{}.json", run.container_id));
        loop {
            let mut options = OpenOptions::new();
            let opened = options.write(true).create_new(true).mode(0o600).open(&path);
            if opened.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::AlreadyExists) {
                bail!("the container ID {} is in use already: {} is there", run.container_id, path.display());
            }
            let mut file = opened.with_context(doing)?;
            file.lock().with_context(doing)?;
            // Who looks for abandoned records may have been quicker, and has taken the empty file away.
            if file.metadata().with_context(doing)?.nlink() == 0 {
                continue;
            }
            file.write_all(&serde_json::to_vec(run)?).with_context(doing)?;
            file.sync_all().with_context(doing)?;
            return Ok(Self { path, _locked: file });
        }
    }

    /// Where the run may keep its resolv.conf.
    pub(super) fn resolv_conf(&self) -> PathBuf {
        self.path.with_extension("resolv.conf")
    }

    /// Everything is detached.
    pub(in crate::cli::runtime) fn remove(self) -> anyhow::Result<()> {
        let _ = std::fs::remove_file(self.resolv_conf());
        std::fs::remove_file(&self.path).with_context(|| format!("remove {}", self.path.display()))
    }

    pub(in crate::cli::runtime) fn path(&self) -> &Path {
        &self.path
    }
}

impl Records {
    /// Look through them. None where there is no directory.
    pub(in crate::cli::runtime) fn read(cache_dir: &Path) -> anyhow::Result<Self> {
        let directory = cache_dir.join(DIRECTORY);
        let doing = || format!("look for runs that were killed, in {}", directory.display());
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error).with_context(doing),
        };
        let mut records = Self::default();
        for entry in entries {
            let path = entry.with_context(doing)?.path();
            if path.extension().is_some_and(|extension| extension == "json")
                && let Err(error) = records.look_at(&path)
            {
                records.damaged.push((path, format!("{error:#}")));
            }
        }
        Ok(records)
    }

    fn look_at(&mut self, path: &Path) -> anyhow::Result<()> {
        let mut file = match OpenOptions::new().read(true).custom_flags(weir_native::process::OPEN_NO_FOLLOW).open(path)
        {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if !file.metadata()?.is_file() {
            bail!("it is no regular file");
        }
        let is_alive = match file.try_lock() {
            Ok(()) => false,
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Error(error)) => return Err(error.into()),
        };
        // It ended, or another command has taken it away, in the meantime.
        if file.metadata()?.nlink() == 0 {
            return Ok(());
        }
        let mut text = Vec::new();
        file.rewind()?;
        (&mut file).take(LARGEST).read_to_end(&mut text)?;
        if text.is_empty() {
            // Killed before it said what it is about to do, so it did nothing; or it is about to say it.
            return if is_alive { Ok(()) } else { Ok(std::fs::remove_file(path)?) };
        }
        let run = match serde_json::from_slice(&text) {
            Ok(run) => run,
            // In the middle of being written.
            Err(_) if is_alive => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if is_alive {
            self.alive.push(run);
        } else {
            self.abandoned.push((Record { path: path.to_owned(), _locked: file }, run));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: &str) -> Run {
        let attachment = Attachment {
            network: "blue".into(),
            if_name: "eth0".into(),
            config: "{}".into(),
            args: vec![("A".into(), "1".into())],
            capability_args: BTreeMap::new(),
        };
        Run { container_id: id.into(), attachments: vec![attachment] }
    }

    #[test]
    fn a_run_is_alive_while_its_record_is_held_and_abandoned_afterwards() -> anyhow::Result<()> {
        let directory = tempfile::tempdir()?;
        assert!(Records::read(directory.path())?.alive.is_empty());
        let record = Record::create(directory.path(), &run("a"))?;
        let seen = Records::read(directory.path())?;
        assert_eq!((seen.alive, seen.abandoned.len()), (vec![run("a")], 0));
        drop(record);
        let seen = Records::read(directory.path())?;
        assert_eq!(seen.alive, vec![]);
        // Who has found it holds it: nobody else works on it.
        assert!(Records::read(directory.path())?.abandoned.is_empty());
        let Some((record, found)) = seen.abandoned.into_iter().next() else { bail!("it was not found") };
        assert_eq!(found, run("a"));
        record.remove()?;
        assert_eq!(std::fs::read_dir(directory.path().join(DIRECTORY))?.count(), 0);
        Ok(())
    }

    #[test]
    fn empty_records_go_and_damaged_ones_are_told() -> anyhow::Result<()> {
        let directory = tempfile::tempdir()?;
        let records = directory.path().join(DIRECTORY);
        std::fs::create_dir(&records)?;
        std::fs::write(records.join("empty.json"), "")?;
        std::fs::write(records.join("text.json"), "{\"containerId\": 5")?;
        std::fs::create_dir(records.join("directory.json"))?;
        std::os::unix::fs::symlink("text.json", records.join("link.json"))?;
        std::fs::write(records.join("a.resolv.conf"), "nameserver 1.1.1.1")?;
        let mut seen = Records::read(directory.path())?.damaged;
        seen.sort();
        let names: Vec<_> = seen.iter().filter_map(|(path, _)| path.file_stem()?.to_str()).collect();
        assert_eq!(names, ["directory", "link", "text"]);
        assert!(!records.join("empty.json").exists());
        Ok(())
    }
}
