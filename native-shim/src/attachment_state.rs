//! One small document per attachment, kept from ADD to DEL in a directory, under the names that the reference plugins use.

use std::collections::HashSet;
use std::fs::{DirBuilder, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, fstat, openat, renameat, unlinkat};
use rustix::io::Errno;

use crate::attachment::Attachment;
use crate::{Error, ErrorKind, Result};

/// Larger documents are refused on both ways; a real one holds a few hundred bytes.
const LIMIT: usize = 16 << 20;

/// How the file of an attachment is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Naming {
    /// `<container ID>_<interface name>.json`, as tuning has it.
    Attachment,
    /// `<container ID>`, as flannel has it: one for all interfaces of a container.
    Container,
    /// `<container ID>:<interface name>`. No container ID holds a colon.
    ContainerInterface,
}

impl Naming {
    fn file_name(self, owner: &Attachment) -> Result<String> {
        owner.check()?;
        let Attachment { container_id, interface_name } = owner;
        Ok(match self {
            Self::Attachment => format!("{container_id}_{interface_name}.json"),
            Self::Container => container_id.clone(),
            Self::ContainerInterface => format!("{container_id}:{interface_name}"),
        })
    }

    /// Whether some attachment has a file of this name.
    fn fits(self, name: &str) -> bool {
        let owner = match self {
            Self::Attachment => name.strip_suffix(".json").and_then(|stem| stem.rsplit_once('_')),
            // Configurations of networks look the same; nobody wants them removed where directories are mixed up.
            Self::Container => {
                let is_config = [".conf", ".conflist", ".json"].iter().any(|end| name.ends_with(end));
                (!is_config).then_some((name, "eth0"))
            }
            Self::ContainerInterface => name.split_once(':'),
        };
        owner.is_some_and(|(id, interface)| Attachment::new(id, interface).check().is_ok())
    }
}

/// Read the document; `None` where there is none.
pub fn load(directory: &Path, naming: Naming, owner: &Attachment) -> Result<Option<Vec<u8>>> {
    let name = naming.file_name(owner)?;
    let Some(dir) = open_directory(directory)? else { return Ok(None) };
    read(directory, &dir, &name)
}

/// Remove the documents that `belongs` to, but whose attachment is not in the list, and return them. A file of
/// [`Naming::Container`] stays while any interface of the container is in the list.
pub fn retain(
    directory: &Path,
    namings: &[Naming],
    valid: &[Attachment],
    belongs: &dyn Fn(&[u8]) -> bool,
) -> Result<Vec<Vec<u8>>> {
    let Some(dir) = open_directory(directory)? else { return Ok(Vec::new()) };
    let mut spared = HashSet::with_capacity(valid.len().saturating_mul(namings.len()));
    for naming in namings {
        for owner in valid {
            spared.insert(naming.file_name(owner)?);
        }
    }
    let failed = |e: std::io::Error| Error::io(format!("list the directory {}", directory.display()), &e);
    let mut removed = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let Ok(name) = entry.map_err(failed)?.file_name().into_string() else { continue };
        if spared.contains(&name) || !namings.iter().any(|naming| naming.fits(&name)) {
            continue;
        }
        // What cannot be read is nobody's document.
        let Ok(Some(document)) = read(directory, &dir, &name) else { continue };
        if belongs(&document) {
            unlink(directory, &dir, &name)?;
            removed.push(document);
        }
    }
    Ok(removed)
}

fn read(directory: &Path, dir: &OwnedFd, name: &str) -> Result<Option<Vec<u8>>> {
    let doing = || format!("read {}/{name}", directory.display());
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(dir, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(Error::io(doing(), &errno.into())),
    };
    let stat = fstat(&file).map_err(|e| Error::io(doing(), &e.into()))?;
    if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::RegularFile {
        return Err(Error::new(ErrorKind::Invalid, format!("{}: not a regular file", doing())));
    }
    let mut document = Vec::new();
    File::from(file).take(LIMIT as u64 + 1).read_to_end(&mut document).map_err(|e| Error::io(doing(), &e))?;
    check_size(&document, &doing)?;
    Ok(Some(document))
}

/// Write the document in one step, readable by its owner only. Creates the directory where it is missing.
pub fn save(directory: &Path, naming: Naming, owner: &Attachment, document: &[u8]) -> Result<()> {
    let name = naming.file_name(owner)?;
    let doing = || format!("write {}/{name}", directory.display());
    check_size(document, &doing)?;
    let dir = match open_directory(directory)? {
        Some(dir) => dir,
        None => {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
            made.map_err(|e| Error::io(format!("create the directory {}", directory.display()), &e))?;
            open_directory(directory)?.ok_or_else(|| {
                Error::new(ErrorKind::Busy, format!("{}: somebody removes its directory; try again", doing()))
            })?
        }
    };
    // One name for all attempts: what a killed process left is replaced. A runtime never runs two operations on one
    // container at the same time. No attachment's own file starts with a dot.
    let temporary = temporary_name(&name);
    let fail = |e: std::io::Error| {
        let _ = unlinkat(&dir, &temporary, AtFlags::empty());
        Error::io(doing(), &e)
    };
    let _ = unlinkat(&dir, &temporary, AtFlags::empty());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file =
        openat(&dir, &temporary, flags, Mode::from_raw_mode(0o600)).map_err(|e| Error::io(doing(), &e.into()))?;
    File::from(file).write_all(document).map_err(fail)?;
    renameat(&dir, &temporary, &dir, &name).map_err(|e| fail(e.into()))
}

/// Remove the document. None there is no failure.
pub fn remove(directory: &Path, naming: Naming, owner: &Attachment) -> Result<()> {
    let name = naming.file_name(owner)?;
    let Some(dir) = open_directory(directory)? else { return Ok(()) };
    unlink(directory, &dir, &temporary_name(&name))?;
    unlink(directory, &dir, &name)
}

fn unlink(directory: &Path, dir: &OwnedFd, name: &str) -> Result<()> {
    match unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(Error::io(format!("remove {}/{name}", directory.display()), &errno.into())),
    }
}

fn temporary_name(name: &str) -> String {
    format!(".{name}.new")
}

fn check_size(document: &[u8], doing: &dyn Fn() -> String) -> Result<()> {
    if document.len() > LIMIT {
        return Err(Error::new(ErrorKind::Invalid, format!("{}: larger than {LIMIT} bytes", doing())));
    }
    Ok(())
}

fn open_directory(path: &Path) -> Result<Option<OwnedFd>> {
    match rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(dir) => Ok(Some(dir)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(Error::io(format!("open the directory {}", path.display()), &errno.into())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
#[path = "attachment_state_tests.rs"]
mod tests;
