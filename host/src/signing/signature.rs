//! The signature of a component: a small file beside it. What is signed is a digest of the whole file, and with it the
//! manifest that names the plugin.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha512_256};

use super::key::{PublicKey, SecretKey};
use super::{Algorithm, SigningError, VERSION, bytes_of, check_version, hexadecimal};
use crate::registry::RegistryError;

/// Stands before the digest, so that a signature made for something else never fits.
const DOMAIN: &[u8] = b"weir component signature 1\0";
/// A signature file is some 250 bytes.
const LONGEST: u64 = 4096;

/// A signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    key_id: String,
    bytes: [u8; 64],
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SignatureFile {
    version: u32,
    algorithm: Algorithm,
    key_id: String,
    signature: String,
}

/// Where the signature of a component is: `FILE.wasm.sig` beside `FILE.wasm`.
pub fn path_beside(component: &Path) -> PathBuf {
    let mut path = component.as_os_str().to_owned();
    path.push(".sig");
    path.into()
}

fn message(component: &[u8]) -> Vec<u8> {
    [DOMAIN, Sha512_256::digest(component).as_slice()].concat()
}

impl Signature {
    /// Sign a component.
    pub fn make(key: &SecretKey, component: &[u8]) -> Self {
        Self { key_id: key.public().id().to_owned(), bytes: key.sign(&message(component)) }
    }

    /// ID of the key that made it, as it says itself.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Check that the key made this signature of this component.
    ///
    /// # Errors
    /// Where it is another key's, or does not fit.
    pub fn verify(&self, key: &PublicKey, component: &[u8]) -> Result<(), SigningError> {
        if self.key_id != key.id() {
            return Err(SigningError::OtherKey { signed: self.key_id.clone(), expected: key.id().to_owned() });
        }
        if !key.verifies(&message(component), &self.bytes) {
            return Err(SigningError::DoesNotFit { key: self.key_id.clone() });
        }
        Ok(())
    }

    /// Read a signature file; none where there is none. Nothing of it is believed before it is verified.
    ///
    /// # Errors
    /// Where it cannot be read, or is no signature.
    pub fn read(path: &Path) -> Result<Option<Self>, SigningError> {
        use std::io::Read;
        let io = |e| SigningError::File(RegistryError::io("read", path, e));
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io(e)),
        };
        let mut text = Vec::new();
        file.take(LONGEST).read_to_end(&mut text).map_err(io)?;
        Self::parse(&text).map(Some).map_err(|reason| SigningError::damaged(path, format!("no signature: {reason}")))
    }

    /// Read the text of a signature file.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let file: SignatureFile = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        check_version(file.version)?;
        if !crate::registry::Signer::is_key_id(&file.key_id) {
            return Err("keyId has not 16 digits of hexadecimal".to_owned());
        }
        let bytes = bytes_of::<64>(&file.signature).ok_or("signature has not 128 digits of hexadecimal")?;
        Ok(Self { key_id: file.key_id, bytes })
    }

    /// The text of a signature file.
    ///
    /// # Errors
    /// None in practice: it can always be written as JSON.
    pub fn text(&self) -> Result<String, String> {
        let file = SignatureFile {
            version: VERSION,
            algorithm: Algorithm::Ed25519,
            key_id: self.key_id.clone(),
            signature: hexadecimal(&self.bytes),
        };
        serde_json::to_string_pretty(&file).map(|text| text + "\n").map_err(|e| e.to_string())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_signature_fits_one_file_and_one_key() {
        let (key, other) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let signature = Signature::make(&key, b"component");
        let read = Signature::parse(signature.text().unwrap().as_bytes()).unwrap();
        assert_eq!(read, signature);
        read.verify(&key.public(), b"component").unwrap();
        assert!(matches!(read.verify(&key.public(), b"Component"), Err(SigningError::DoesNotFit { .. })));
        assert!(matches!(read.verify(&other.public(), b"component"), Err(SigningError::OtherKey { .. })));
        let claimed = Signature { key_id: other.public().id().to_owned(), bytes: signature.bytes };
        assert!(matches!(claimed.verify(&other.public(), b"component"), Err(SigningError::DoesNotFit { .. })));
    }

    #[test]
    fn each_bit_of_a_signature_counts() {
        let key = SecretKey::generate().unwrap();
        let signature = Signature::make(&key, b"component");
        for bit in 0..512 {
            let mut altered = signature.clone();
            altered.bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(altered.verify(&key.public(), b"component").is_err(), "bit {bit}");
        }
    }

    #[test]
    fn what_was_signed_for_another_purpose_does_not_fit() {
        let key = SecretKey::generate().unwrap();
        let digest = Sha512_256::digest(b"component");
        let bare = Signature { key_id: key.public().id().to_owned(), bytes: key.sign(&digest) };
        assert!(bare.verify(&key.public(), b"component").is_err());
    }

    #[test]
    fn cut_off_and_odd_files_are_no_signatures() {
        let key = SecretKey::generate().unwrap();
        let text = Signature::make(&key, b"component").text().unwrap();
        let whole = text.trim_end().len();
        for end in 0..whole {
            assert!(Signature::parse(&text.as_bytes()[..end]).is_err(), "{end} bytes");
        }
        for bad in [text.replace("ed25519", "none"), text.replace("\"version\": 1", "\"version\": 2")] {
            assert!(Signature::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Signature::parse(text.to_uppercase().as_bytes()).is_err());
    }
}
