//! The container ID of a namespace that belongs to no runtime: the one that cnitool gives it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha512};

/// How much of the digest is in the name.
const DIGEST_BYTES: usize = 10;

/// An absolute path without `.`, `..` and double slashes. Nothing is looked up: the namespace of a DEL may be gone.
pub(super) fn absolute(path: &OsStr) -> std::io::Result<PathBuf> {
    let mut clean = PathBuf::from("/");
    for component in std::path::absolute(path)?.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(clean)
}

/// `cnitool-` and the beginning of the SHA-512 of the namespace's absolute path.
pub(super) fn of_namespace(absolute: &Path) -> String {
    let digest = Sha512::digest(absolute.as_os_str().as_bytes());
    let hexadecimal: String = digest.iter().take(DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect();
    format!("cnitool-{hexadecimal}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_that_of_cnitool() {
        // printf %s /var/run/netns/test | sha512sum | cut -c-20
        assert_eq!(of_namespace(Path::new("/var/run/netns/test")), "cnitool-7b8a61d5d8e94d07cbe4");
    }

    #[test]
    fn paths_are_made_absolute_as_go_does() {
        for (given, clean) in [
            ("/run/netns/a", "/run/netns/a"),
            ("//run/./netns//a/", "/run/netns/a"),
            ("/run/x/../netns/a", "/run/netns/a"),
            ("/../a", "/a"),
        ] {
            assert_eq!(absolute(OsStr::new(given)).ok().as_deref(), Some(Path::new(clean)), "{given}");
        }
        let here = std::env::current_dir().ok().map(|directory| directory.join("a"));
        assert_eq!(absolute(OsStr::new("b/../a")).ok(), here);
    }
}
