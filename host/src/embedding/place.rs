//! Where a plugin that was found runs: in this process, or in one of its own.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::EmbeddingError;
use crate::registry::{Isolation, PolicyFile, Registry};
use crate::sandbox::engine::ENGINE_KEY;

/// The name of the host binary that the links to plugins lead to.
const HOST: &str = "weir-cni";

/// Where a plugin runs.
#[derive(Debug)]
pub(super) enum Place {
    /// In this process: a plugin of a registry, by its name there.
    Here(Registry, String),
    /// In a process of its own.
    Process,
}

/// Directories whose plugins the caller trusts to run in this process, without links in their paths.
#[derive(Debug, Clone)]
pub(super) struct Trusted(Vec<PathBuf>);

impl Trusted {
    pub(super) fn new(bin_dirs: impl Iterator<Item = PathBuf>) -> Result<Self, EmbeddingError> {
        let real = |directory: PathBuf| {
            let directory =
                std::fs::canonicalize(&directory).map_err(|source| EmbeddingError::Io { directory, source })?;
            check(&directory)?;
            Ok(directory)
        };
        bin_dirs.map(real).collect::<Result<_, _>>().map(Self)
    }

    /// Where the plugin at a path runs. As when it is executed, links lead to the host binary, whose directory is the
    /// registry, and the last part of the path is the plugin's name.
    pub(super) fn place(&self, path: &Path) -> Place {
        self.registry_of(path).map_or(Place::Process, |(registry, name)| Place::Here(registry, name))
    }

    fn registry_of(&self, path: &Path) -> Option<(Registry, String)> {
        let name = path.file_name()?.to_str()?;
        let host = std::fs::canonicalize(path).ok()?;
        let directory = host.parent()?;
        if host.file_name()? != HOST || name == HOST || !self.0.iter().any(|trusted| trusted == directory) {
            return None;
        }
        // Who may write there may have changed since.
        check(directory).ok()?;
        let registry = Registry::new(directory);
        (!needs_process(&registry, name)).then(|| (registry, name.to_owned()))
    }
}

/// Whether a plugin has to have a process. Where that cannot be told, the command itself says what is wrong.
fn needs_process(registry: &Registry, name: &str) -> bool {
    if PolicyFile::of(registry).is_ok_and(|policy| demands_process(&policy)) {
        return true;
    }
    let Ok(entry) = registry.entry(name) else { return false };
    // Waits of WASI cannot be interrupted from outside, and have threads that would stay.
    let waits_by_itself = entry.wasi;
    // Installed by another version of Weir, which is the one that can run it.
    let is_foreign = entry.compiled.as_ref().is_some_and(|code| code.engine != ENGINE_KEY);
    waits_by_itself || is_foreign
}

/// Whether the operator wants plugins to be apart from the process that called them.
fn demands_process(policy: &PolicyFile) -> bool {
    match policy.isolation {
        Isolation::Engine => false,
        Isolation::Process => true,
    }
}

/// Whether nobody but root, and the user that runs, can change what is installed in a directory.
fn check(directory: &Path) -> Result<(), EmbeddingError> {
    let refuse = |reason: String| Err(EmbeddingError::NotTrusted { directory: directory.to_owned(), reason });
    let registry = Registry::new(directory);
    if !registry.plugins_dir().is_dir() {
        return refuse("no plugin is installed there; `weir install --bin-dir` does that".to_owned());
    }
    let me = weir_native::process::effective_user();
    for path in [directory.to_owned(), registry.root(), registry.plugins_dir()] {
        let metadata =
            std::fs::metadata(&path).map_err(|source| EmbeddingError::Io { directory: path.clone(), source })?;
        if metadata.uid() != 0 && metadata.uid() != me {
            return refuse(format!("{} belongs to user {}, not to root", path.display(), metadata.uid()));
        }
        if metadata.mode() & 0o022 != 0 {
            return refuse(format!("mode {:04o} lets others write in {}", metadata.mode() & 0o7777, path.display()));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// A directory as `weir install` makes it, with a link for a plugin `p` that has no entry.
    fn installed() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join(".weir/plugins")).unwrap();
        for part in ["", ".weir", ".weir/plugins"] {
            std::fs::set_permissions(directory.path().join(part), Permissions::from_mode(0o755)).unwrap();
        }
        std::fs::write(directory.path().join(HOST), "").unwrap();
        symlink(HOST, directory.path().join("p")).unwrap();
        directory
    }

    fn trusted(directory: &Path) -> Result<Trusted, EmbeddingError> {
        Trusted::new([directory.to_owned()].into_iter())
    }

    #[test]
    fn links_to_the_host_binary_of_a_trusted_directory_are_served_here() {
        let (ours, other) = (installed(), installed());
        let trusted = trusted(ours.path()).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let far = elsewhere.path().join("q");
        symlink(ours.path().join("p"), &far).unwrap();
        assert!(matches!(trusted.place(&ours.path().join("p")), Place::Here(_, name) if name == "p"));
        // By way of several links, under another name: as argv[0] says.
        assert!(matches!(trusted.place(&far), Place::Here(registry, name)
            if name == "q" && registry.bin_dir() == std::fs::canonicalize(ours.path()).unwrap()));
        std::fs::write(ours.path().join("native"), "").unwrap();
        let executed =
            [ours.path().join("native"), ours.path().join(HOST), ours.path().join("absent"), other.path().join("p")];
        for path in executed {
            assert!(matches!(trusted.place(&path), Place::Process), "{}", path.display());
        }
    }

    #[test]
    fn directories_that_others_can_write_in_are_not_trusted() {
        assert!(matches!(trusted(Path::new("/nowhere")), Err(EmbeddingError::Io { .. })));
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(trusted(empty.path()), Err(EmbeddingError::NotTrusted { .. })));
        for part in ["", ".weir", ".weir/plugins"] {
            let directory = installed();
            let before = trusted(directory.path()).unwrap();
            std::fs::set_permissions(directory.path().join(part), Permissions::from_mode(0o775)).unwrap();
            assert!(matches!(trusted(directory.path()), Err(EmbeddingError::NotTrusted { .. })), "{part:?}");
            assert!(matches!(before.place(&directory.path().join("p")), Place::Process), "{part:?}");
        }
    }
}
