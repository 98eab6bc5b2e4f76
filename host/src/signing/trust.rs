//! The directory of trusted keys: files `NAME.pub`. Taking a file away is how a key is revoked.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::SigningError;
use super::key::PublicKey;
use super::signature::Signature;
use crate::registry::{RegistryError, Signer};

/// The keys of a trust directory.
#[derive(Debug, Clone)]
pub struct TrustDirectory {
    path: PathBuf,
    keys: Vec<(String, PublicKey)>,
}

impl TrustDirectory {
    /// Read a directory of trusted keys; one that does not exist holds none. Every key in it must be in order: one that
    /// is not would otherwise be passed over in silence.
    ///
    /// # Errors
    /// Where the directory or a key in it could have been changed by somebody else, or is no key.
    pub fn open(path: &Path) -> Result<Self, SigningError> {
        let mut keys = Vec::new();
        if check_directory(path)? {
            let io = |e| SigningError::File(RegistryError::io("read", path, e));
            for item in std::fs::read_dir(path).map_err(io)? {
                let file = item.map_err(io)?.path();
                if file.extension().is_some_and(|extension| extension == "pub") {
                    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                    keys.push((name, PublicKey::read(&file)?));
                }
            }
        }
        keys.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Self { path: path.to_owned(), keys })
    }

    /// Whether no key is trusted.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whose signature this is.
    ///
    /// # Errors
    /// Where its key is not trusted, or it does not fit the component.
    pub fn signer_of(&self, signature: &Signature, component: &[u8]) -> Result<Signer, SigningError> {
        let mut fault = None;
        // An ID is 64 bits only: whichever key has it must verify.
        for (name, key) in self.keys.iter().filter(|(_, key)| key.id() == signature.key_id()) {
            match signature.verify(key, component) {
                Ok(()) => return Ok(Signer { key_id: key.id().to_owned(), name: name.clone() }),
                Err(error) => fault = Some(error),
            }
        }
        Err(fault.unwrap_or_else(|| SigningError::UnknownKey {
            key: signature.key_id().to_owned(),
            directory: self.path.display().to_string(),
        }))
    }
}

/// Whether the directory exists; an error where somebody else could put a key there.
fn check_directory(path: &Path) -> Result<bool, SigningError> {
    let metadata = match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        other => other.map_err(|e| SigningError::File(RegistryError::io("look at", path, e)))?,
    };
    let refuse = |path: &Path, reason: String| {
        Err(SigningError::damaged(path, format!("{reason}: keys in {} are not trusted", path.display())))
    };
    if !metadata.is_dir() {
        return refuse(path, "it is no directory (links are not followed)".to_owned());
    }
    let me = weir_native::process::effective_user();
    if metadata.uid() != 0 && metadata.uid() != me {
        return refuse(path, format!("it belongs to user {}, not to root", metadata.uid()));
    }
    // Whoever may write a directory above can put another one in its place, unless it is sticky as /tmp is.
    let whole = path.canonicalize().map_err(|e| SigningError::File(RegistryError::io("look at", path, e)))?;
    for directory in whole.ancestors() {
        let mode = std::fs::metadata(directory)
            .map_err(|e| SigningError::File(RegistryError::io("look at", directory, e)))?
            .mode();
        let is_sticky = mode & 0o1000 != 0 && directory != whole;
        if mode & 0o022 != 0 && !is_sticky {
            return refuse(directory, format!("mode {:04o} lets others write it", mode & 0o7777));
        }
    }
    Ok(true)
}
