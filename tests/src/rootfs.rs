//! A root file system for containers of real runtimes: busybox and nothing else.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use anyhow::{Context, Result};

use crate::harness::require_program;

/// Make a root file system in a directory.
pub fn make(directory: &Path) -> Result<()> {
    require_program("busybox", "busybox-static")?;
    for name in ["bin", "etc", "proc", "sys", "dev", "run", "tmp", "www"] {
        std::fs::create_dir_all(directory.join(name))?;
    }
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].iter().find(|path| Path::new(path).exists());
    let target = directory.join("bin/busybox");
    std::fs::copy(busybox.context("busybox is in none of the usual directories")?, &target)?;
    std::fs::set_permissions(&target, PermissionsExt::from_mode(0o755))?;
    for applet in ["sh", "ip", "ping", "httpd", "wget", "sleep", "cat", "hostname"] {
        symlink("busybox", directory.join("bin").join(applet))?;
    }
    std::fs::write(directory.join("etc/passwd"), "root:x:0:0:root:/:/bin/sh\n")?;
    std::fs::write(directory.join("www/index.html"), "a page from the container\n")?;
    Ok(())
}
