//! Files of the registry are replaced by new ones, never written in place: a process that has one mapped keeps it.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::registry::RegistryError;

/// Make a directory and those above it, writable by its owner only.
pub(super) fn create_directory(path: &Path) -> Result<(), RegistryError> {
    DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(|e| RegistryError::io("create", path, e))
}

/// Put a file in place in one step.
pub(super) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), RegistryError> {
    let temporary = temporary_beside(path);
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
        file.write_all(bytes)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|e| {
        // Best effort: the error that matters is the first one.
        let _ = fs::remove_file(&temporary);
        RegistryError::io("write", path, e)
    })
}

/// Put a symbolic link in place in one step.
pub(super) fn replace_link(path: &Path, target: &str) -> Result<(), RegistryError> {
    let temporary = temporary_beside(path);
    std::os::unix::fs::symlink(target, &temporary)
        .and_then(|()| fs::rename(&temporary, path))
        .map_err(|e| RegistryError::io("link", path, e))
}

fn temporary_beside(path: &Path) -> std::path::PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}
