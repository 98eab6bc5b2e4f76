//! Signatures of components: Ed25519 over a digest of the file, verified offline when a plugin is installed.
//!
//! `weir-cni` does no cryptography: the entry records whose signature was verified, and the policy of the directory is
//! compared with that. Keys that are trusted are files of a directory that only root may write.

mod key;
mod signature;
mod trust;

pub use key::{KeyFiles, PublicKey, SecretKey};
pub use signature::{Signature, path_beside};
pub use trust::TrustDirectory;

use crate::registry::RegistryError;

/// Where trusted keys are by default.
pub const TRUST_DIRECTORY: &str = "/etc/weir/trusted-keys";

/// What can be wrong with a key or a signature.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// A file cannot be read or is not trusted.
    #[error(transparent)]
    File(#[from] RegistryError),
    /// A file is not what it should be.
    #[error("{path}: {reason}")]
    Damaged {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The kernel gave no random bytes.
    #[error("{0}")]
    Random(String),
    /// There is no signature.
    #[error("{component} is not signed: there is no {signature}")]
    NotSigned {
        /// The component.
        component: String,
        /// Where the signature should be.
        signature: String,
    },
    /// A key that nobody trusts.
    #[error("the signature is of key {key}, which is not in {directory}")]
    UnknownKey {
        /// ID of the key.
        key: String,
        /// Where trusted keys are.
        directory: String,
    },
    /// The key is another one than that of the signature.
    #[error("the signature is of key {signed}, not of key {expected}")]
    OtherKey {
        /// ID of the key that signed.
        signed: String,
        /// ID of the key that was given.
        expected: String,
    },
    /// The signature does not fit.
    #[error(
        "the signature of key {key} does not fit: the file was changed after it was signed, or the signature is another file's"
    )]
    DoesNotFit {
        /// ID of the key.
        key: String,
    },
}

impl SigningError {
    fn damaged(path: &std::path::Path, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.display().to_string(), reason: reason.into() }
    }
}

/// The one algorithm. Another word in a file is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Algorithm {
    #[serde(rename = "ed25519")]
    Ed25519,
}

/// The one version of all files.
const VERSION: u32 = 1;

fn check_version(version: u32) -> Result<(), String> {
    if version == VERSION { Ok(()) } else { Err(format!("version {version}, this program knows {VERSION}")) }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes of a text in lower-case hexadecimal.
fn bytes_of<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; LENGTH];
    let pairs = text.as_bytes().chunks_exact(2);
    if !pairs.remainder().is_empty() || pairs.len() != LENGTH {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}
