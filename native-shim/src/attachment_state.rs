//! One small document per attachment, kept from ADD to DEL as `<directory>/<container ID>_<interface name>.json`.

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
const LIMIT: usize = 1 << 20;

/// Read the document; `None` where there is none.
pub fn load(directory: &Path, owner: &Attachment) -> Result<Option<Vec<u8>>> {
    let name = file_name(owner)?;
    let doing = || format!("read {}/{name}", directory.display());
    let Some(dir) = open_directory(directory)? else { return Ok(None) };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(&dir, &name, flags, Mode::empty()) {
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
pub fn save(directory: &Path, owner: &Attachment, document: &[u8]) -> Result<()> {
    let name = file_name(owner)?;
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
pub fn remove(directory: &Path, owner: &Attachment) -> Result<()> {
    let name = file_name(owner)?;
    let Some(dir) = open_directory(directory)? else { return Ok(()) };
    for name in [temporary_name(&name), name] {
        match unlinkat(&dir, &name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(Error::io(format!("remove {}/{name}", directory.display()), &errno.into())),
        }
    }
    Ok(())
}

fn file_name(owner: &Attachment) -> Result<String> {
    owner.check()?;
    Ok(format!("{}_{}.json", owner.container_id, owner.interface_name))
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
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn owner() -> Attachment {
        Attachment::new("c1", "eth0")
    }

    #[test]
    fn a_document_comes_back_and_goes_away() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("a/b");
        assert_eq!(load(&dir, &owner()).unwrap(), None);
        remove(&dir, &owner()).unwrap();
        save(&dir, &owner(), b"one").unwrap();
        save(&dir, &owner(), b"two").unwrap();
        assert_eq!(load(&dir, &owner()).unwrap().as_deref(), Some(&b"two"[..]));
        assert_eq!(load(&dir, &Attachment::new("c1", "eth1")).unwrap(), None);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(mode(&dir.join("c1_eth0.json")), 0o600);
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1, "no temporary file stays");
        remove(&dir, &owner()).unwrap();
        remove(&dir, &owner()).unwrap();
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_process_left_is_replaced() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join(".c1_eth0.json.new"), "half").unwrap();
        save(temp.path(), &owner(), b"whole").unwrap();
        assert_eq!(load(temp.path(), &owner()).unwrap().as_deref(), Some(&b"whole"[..]));
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 1);
    }

    #[test]
    fn names_cannot_leave_the_directory_and_links_are_not_followed() {
        let temp = tempfile::tempdir().unwrap();
        for (id, ifname) in [("../x", "eth0"), ("c1", "../x"), ("", "eth0"), ("c1", ""), ("a/b", "eth0"), (".", "e")] {
            let owner = Attachment::new(id, ifname);
            assert_eq!(save(temp.path(), &owner, b"x").unwrap_err().kind, ErrorKind::Invalid, "{owner:?}");
            assert_eq!(load(temp.path(), &owner).unwrap_err().kind, ErrorKind::Invalid, "{owner:?}");
        }
        let target = temp.path().join("target");
        std::fs::write(&target, "secret").unwrap();
        symlink(&target, temp.path().join("c1_eth0.json")).unwrap();
        load(temp.path(), &owner()).unwrap_err();
        save(temp.path(), &owner(), b"new").unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"secret");
        assert_eq!(load(temp.path(), &owner()).unwrap().as_deref(), Some(&b"new"[..]));
    }

    #[test]
    fn too_large_documents_are_refused() {
        let temp = tempfile::tempdir().unwrap();
        let error = save(temp.path(), &owner(), &vec![0; LIMIT + 1]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
    }
}
