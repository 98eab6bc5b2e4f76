//! Keys and their files. A key's ID is computed from the key, so a file cannot claim another one's.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ed25519_compact::{KeyPair, Seed};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Algorithm, SigningError, VERSION, bytes_of, check_version, hexadecimal};
use crate::registry::{RegistryError, VerifiedFile};

/// A key to verify signatures with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: ed25519_compact::PublicKey,
    id: String,
}

/// A key to sign with.
pub struct SecretKey {
    pair: KeyPair,
}

/// Where `weir keygen` has put a pair of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFiles {
    /// The secret one.
    pub secret: PathBuf,
    /// The public one.
    pub public: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PublicFile {
    version: u32,
    algorithm: Algorithm,
    key_id: String,
    public_key: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SecretFile {
    version: u32,
    algorithm: Algorithm,
    key_id: String,
    secret_key: String,
}

impl PublicKey {
    fn new(key: ed25519_compact::PublicKey) -> Self {
        // The first 8 bytes: to tell keys apart. Whatever has the same ID must still verify.
        let digest = Sha256::digest(key.as_slice());
        Self { id: hexadecimal(digest.get(..8).unwrap_or_default()), key }
    }

    /// Its ID: 16 digits in hexadecimal.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Read a public key. The file must belong to root or to the user that runs, and be writable by nobody else.
    ///
    /// # Errors
    /// Where it is not trusted or not a key.
    pub fn read(path: &Path) -> Result<Self, SigningError> {
        let bytes = VerifiedFile::open(path)?.read()?;
        Self::parse(&bytes).map_err(|reason| SigningError::damaged(path, format!("no public key: {reason}")))
    }

    fn parse(text: &[u8]) -> Result<Self, String> {
        let file: PublicFile = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        check_version(file.version)?;
        let bytes = bytes_of::<32>(&file.public_key).ok_or("publicKey has not 64 digits of hexadecimal")?;
        let key = ed25519_compact::PublicKey::new(bytes);
        // Weak ones accept signatures that nobody made.
        key.validate().map_err(|e| format!("publicKey cannot be used: {e}"))?;
        let key = Self::new(key);
        if key.id != file.key_id {
            return Err(format!("keyId says {}, the key is {}", file.key_id, key.id));
        }
        Ok(key)
    }

    fn text(&self) -> Result<String, String> {
        let file = PublicFile {
            version: VERSION,
            algorithm: Algorithm::Ed25519,
            key_id: self.id.clone(),
            public_key: hexadecimal(self.key.as_slice()),
        };
        serde_json::to_string_pretty(&file).map_err(|e| e.to_string())
    }

    /// Whether this key made the signature of these bytes.
    pub(super) fn verifies(&self, bytes: &[u8], signature: &[u8; 64]) -> bool {
        self.key.verify(bytes, &ed25519_compact::Signature::new(*signature)).is_ok()
    }
}

impl SecretKey {
    /// A new key.
    ///
    /// # Errors
    /// Where the kernel gives no random bytes.
    pub fn generate() -> Result<Self, SigningError> {
        let bytes = weir_native::random::bytes::<32>().map_err(|e| SigningError::Random(e.message))?;
        Ok(Self { pair: KeyPair::from_seed(Seed::new(bytes)) })
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        PublicKey::new(self.pair.pk)
    }

    /// Read a secret key. The file must belong to root or to the user that runs, and be readable by nobody else.
    ///
    /// # Errors
    /// Where others can read it, or it is not a key.
    pub fn read(path: &Path) -> Result<Self, SigningError> {
        let file = VerifiedFile::open(path)?;
        let mode = file.mode()?;
        if mode & 0o077 != 0 {
            let reason = format!("mode {mode:04o} lets others read a secret key; `chmod 600` it, or make a new one");
            return Err(SigningError::damaged(path, reason));
        }
        Self::parse(&file.read()?).map_err(|reason| SigningError::damaged(path, format!("no secret key: {reason}")))
    }

    fn parse(text: &[u8]) -> Result<Self, String> {
        // The parser's own words could quote the secret.
        let file: SecretFile = serde_json::from_slice(text).map_err(|e| format!("line {} is wrong", e.line()))?;
        check_version(file.version)?;
        let bytes = bytes_of::<32>(&file.secret_key).ok_or("secretKey has not 64 digits of hexadecimal")?;
        let key = Self { pair: KeyPair::from_seed(Seed::new(bytes)) };
        if key.public().id != file.key_id {
            return Err(format!("keyId says {}, the key is {}", file.key_id, key.public().id));
        }
        Ok(key)
    }

    /// Write both halves: `NAME`, readable by its owner only, and `NAME.pub`. Files that are there stay.
    ///
    /// # Errors
    /// Where one is there already, or cannot be written.
    pub fn write(&self, path: &Path) -> Result<KeyFiles, SigningError> {
        let mut public = path.as_os_str().to_owned();
        public.push(".pub");
        let files = KeyFiles { secret: path.to_owned(), public: public.into() };
        let secret = SecretFile {
            version: VERSION,
            algorithm: Algorithm::Ed25519,
            key_id: self.public().id,
            secret_key: hexadecimal(self.pair.sk.seed().as_slice()),
        };
        let odd = |reason| SigningError::damaged(path, reason);
        let secret = serde_json::to_string_pretty(&secret).map_err(|e| odd(e.to_string()))?;
        create(&files.secret, 0o600, &secret)?;
        create(&files.public, 0o644, &self.public().text().map_err(odd)?)?;
        Ok(files)
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        *self.pair.sk.sign(bytes, None)
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey({})", self.public().id)
    }
}

fn create(path: &Path, mode: u32, text: &str) -> Result<(), SigningError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    };
    write().map_err(|e| SigningError::File(RegistryError::io("create", path, e)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_public_key_is_what_its_id_says() {
        let one = SecretKey::generate().unwrap().public();
        let other = SecretKey::generate().unwrap().public();
        assert_eq!(PublicKey::parse(one.text().unwrap().as_bytes()).unwrap(), one);
        let claimed = one.text().unwrap().replace(one.id(), other.id());
        assert!(PublicKey::parse(claimed.as_bytes()).unwrap_err().contains("keyId"), "{claimed}");
    }

    #[test]
    fn weak_keys_and_odd_files_are_refused() {
        // The neutral element of the curve: with it every signature of a certain form fits.
        let weak = format!("01{}", "00".repeat(31));
        let text = |key: &str, algorithm: &str| {
            format!(r#"{{"version":1,"algorithm":"{algorithm}","keyId":"0000000000000000","publicKey":"{key}"}}"#)
        };
        assert!(PublicKey::parse(text(&weak, "ed25519").as_bytes()).is_err());
        assert!(PublicKey::parse(text(&weak, "rsa").as_bytes()).is_err());
        assert!(PublicKey::parse(text("00", "ed25519").as_bytes()).is_err());
        assert!(PublicKey::parse(b"{}").is_err());
    }

    #[test]
    fn a_secret_key_is_not_shown() {
        let key = SecretKey::generate().unwrap();
        let secret = hexadecimal(key.pair.sk.seed().as_slice());
        assert!(!format!("{key:?}").contains(&secret));
        let broken = format!(r#"{{"version":1,"algorithm":"ed25519","keyId":"x","secretKey":{secret}}}"#);
        assert!(!SecretKey::parse(broken.as_bytes()).unwrap_err().contains(&secret));
    }
}
