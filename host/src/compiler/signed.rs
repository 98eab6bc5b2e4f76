//! Whose signature a component has: looked at before it is installed, kept beside it, and looked at again on demand.

use std::path::{Path, PathBuf};

use super::files;
use super::install::InstallError;
use crate::registry::{Entry, PolicyFile, Registry, RegistryError, Signer, VerifiedFile};
use crate::signing::{Signature, SigningError, TrustDirectory, path_beside};

/// How signatures are looked at when installing.
#[derive(Debug, Clone)]
pub struct SignatureOptions {
    /// Where trusted keys are.
    pub trust_directory: PathBuf,
    /// Refuse what no trusted key has signed, whatever the policy says.
    pub require: bool,
}

/// What a look at a component's signature has found.
#[derive(Debug)]
pub(super) struct Found {
    /// Whose it is; none where there is none that counts.
    pub(super) signer: Option<Signer>,
    /// What to tell the operator.
    pub(super) note: String,
    signature: Option<Signature>,
}

/// Look at the signature beside a component. One that is demanded must be of a trusted key. One that is not demanded
/// may be of a key that nobody trusts, and then counts as none; but where a trusted key's does not fit, somebody has changed
/// the file.
pub(super) fn look(
    registry: &Registry,
    options: &SignatureOptions,
    component: &Path,
    bytes: &[u8],
    plugin: &str,
) -> Result<Found, InstallError> {
    let policy = PolicyFile::of(registry)?;
    let demanded = options.require || policy.demands_signature(plugin);
    let path = path_beside(component);
    let refused = |source| InstallError::Signature { component: component.display().to_string(), source };
    let Some(signature) = Signature::read(&path).map_err(refused)? else {
        if demanded {
            return Err(refused(SigningError::NotSigned {
                component: component.display().to_string(),
                signature: path.display().to_string(),
            }));
        }
        return Ok(Found { signer: None, note: "not signed".to_owned(), signature: None });
    };
    let trusted = TrustDirectory::open(&options.trust_directory).map_err(refused)?;
    match trusted.signer_of(&signature, bytes) {
        Ok(signer) => {
            policy.admits_signer(plugin, Some(&signer)).map_err(|reason| RegistryError::NotAdmitted {
                policy: registry.policy_path().display().to_string(),
                reason,
            })?;
            let note = format!("signed by {} (key {})", signer.name, signer.key_id);
            Ok(Found { signer: Some(signer), note, signature: Some(signature) })
        }
        Err(error @ SigningError::UnknownKey { .. }) if !demanded => {
            Ok(Found { signer: None, note: format!("counts as not signed: {error}"), signature: None })
        }
        Err(error) => Err(refused(error)),
    }
}

impl Found {
    /// Keep the signature beside the installed component.
    pub(super) fn keep(&self, registry: &Registry, digest: &str) -> Result<(), InstallError> {
        let Some(signature) = &self.signature else { return Ok(()) };
        let path = path_beside(&registry.component_path(digest));
        let text =
            signature.text().map_err(|reason| RegistryError::Damaged { path: path.display().to_string(), reason })?;
        Ok(files::replace(&path, text.as_bytes(), 0o644)?)
    }
}

/// Look again at the signature of an installed component: none where it has none and needs none.
///
/// # Errors
/// Where the component was altered, its key is no longer trusted, or the policy demands another signature.
pub fn verify_installed(
    registry: &Registry,
    entry: &Entry,
    trusted: &TrustDirectory,
) -> Result<Option<Signer>, InstallError> {
    let path = registry.component_path(&entry.component);
    let bytes = VerifiedFile::open(&path)?.read()?;
    if super::install::sha256(&bytes) != entry.component {
        return Err(RegistryError::not_trusted(&path, "its content is not what was installed (digest differs)").into());
    }
    PolicyFile::of(registry)?.admit(registry, entry)?;
    let Some(recorded) = &entry.signer else { return Ok(None) };
    let refused = |source| InstallError::Signature { component: entry.name.clone(), source };
    let beside = path_beside(&path);
    let signature = Signature::read(&beside).map_err(refused)?.ok_or_else(|| {
        refused(SigningError::NotSigned { component: entry.name.clone(), signature: beside.display().to_string() })
    })?;
    if signature.key_id() != recorded.key_id {
        let (signed, expected) = (signature.key_id().to_owned(), recorded.key_id.clone());
        return Err(refused(SigningError::OtherKey { signed, expected }));
    }
    trusted.signer_of(&signature, &bytes).map(Some).map_err(refused)
}

/// Whether a version is older than another, where both are numbers with dots between them, as far as that goes.
pub(super) fn is_older(version: &str, than: &str) -> bool {
    fn numbers(version: &str) -> Option<Vec<u64>> {
        // What stands behind a hyphen or a plus sign does not decide.
        let core = version.trim_start_matches('v').split(['-', '+']).next()?;
        core.split('.').map(|part| part.parse().ok()).collect()
    }
    numbers(version).zip(numbers(than)).is_some_and(|(version, than)| version < than)
}

#[cfg(test)]
mod tests {
    use super::is_older;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (version, than) in [("1.9.0", "1.10.0"), ("0.1.0", "0.1.1"), ("v1.0.0", "1.0.1-rc1"), ("1", "1.1")] {
            assert!(is_older(version, than) && !is_older(than, version), "{version} {than}");
        }
        for (version, other) in [("1.0.0", "1.0.0"), ("snapshot", "1.0.0"), ("1.0.0", "")] {
            assert!(!is_older(version, other) && !is_older(other, version), "{version} {other}");
        }
    }
}
