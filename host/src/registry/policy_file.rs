//! The operator's policy for a whole bin directory, `DIR/.weir/policy.json`. Without a file: the defaults.

use std::collections::BTreeMap;
use std::io;

use serde::Deserialize;

use super::entry::Signer;
use super::{Entry, Registry, RegistryError, VerifiedFile};
use crate::broker::policy::audit::{AuditLevel, AuditLog};

/// What holds for all plugins of a directory. Unknown keys are errors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PolicyFile {
    /// Install and run only plugins that a trusted key has signed.
    pub require_signatures: bool,
    /// For the plugins named here: the IDs of the keys that may have signed them. An empty list: nobody may.
    pub allowed_signers: BTreeMap<String, Vec<String>>,
    /// Where decisions about host calls are written: `off`, `journald` or an absolute path.
    pub audit_log: AuditLog,
    /// Which of them: `denied` or `all`.
    pub audit_level: AuditLevel,
    /// What becomes of a command whose process cannot be confined.
    pub confinement: Strictness,
    /// What keeps the code of plugins apart from the host.
    pub isolation: Isolation,
}

/// What stands between a plugin's code and the host's process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// The engine alone: code of plugins runs in the process that acts for them.
    #[default]
    Engine,
    /// The engine and the kernel: it runs in a child process without any rights, which can only speak with its parent.
    Process,
}

/// What becomes of a command where the kernel has a means of confinement that cannot be applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strictness {
    /// It is refused.
    #[default]
    Required,
    /// It goes on, and says so in the log.
    BestEffort,
}

impl PolicyFile {
    /// Read the policy of a directory.
    ///
    /// # Errors
    /// Where the file is not trusted or damaged.
    pub fn of(registry: &Registry) -> Result<Self, RegistryError> {
        let path = registry.policy_path();
        let file = match VerifiedFile::open(&path) {
            Err(RegistryError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            other => other?,
        };
        Self::parse(&file.read()?)
            .map_err(|reason| RegistryError::BadPolicy { path: path.display().to_string(), reason })
    }

    /// Read the text of a policy.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        // A list would be read as the values of the keys, one after the other.
        if text.trim_ascii_start().first() != Some(&b'{') {
            return Err("not a JSON object".to_owned());
        }
        let policy: Self = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        for (plugin, keys) in &policy.allowed_signers {
            cni_spec::names::plugin_type(plugin).map_err(|e| format!("allowedSigners: {e}"))?;
            if let Some(key) = keys.iter().find(|key| !Signer::is_key_id(key)) {
                return Err(format!("allowedSigners: {plugin}: {key:?} is no key ID (16 digits of 0-9 and a-f)"));
            }
        }
        Ok(policy)
    }

    /// Whether a signature is demanded of a plugin.
    pub fn demands_signature(&self, plugin: &str) -> bool {
        self.require_signatures || self.allowed_signers.contains_key(plugin)
    }

    /// Whether what signed a plugin satisfies the policy. Signatures are verified when a plugin is installed; here
    /// only what was recorded then is compared.
    ///
    /// # Errors
    /// A sentence that says what is demanded.
    pub fn admits_signer(&self, plugin: &str, signer: Option<&Signer>) -> Result<(), String> {
        match (signer, self.allowed_signers.get(plugin)) {
            (None, _) if self.demands_signature(plugin) => {
                Err(format!("plugin {plugin} is not signed, and the policy demands a signature"))
            }
            (Some(signer), Some(allowed)) if !allowed.contains(&signer.key_id) => Err(format!(
                "plugin {plugin} is signed with key {}, which the policy does not allow for it",
                signer.key_id
            )),
            _ => Ok(()),
        }
    }

    /// The same for an installed plugin, as an error of the registry.
    ///
    /// # Errors
    /// Where it is not admitted.
    pub fn admit(&self, registry: &Registry, entry: &Entry) -> Result<(), RegistryError> {
        self.admits_signer(&entry.name, entry.signer.as_ref()).map_err(|reason| RegistryError::NotAdmitted {
            policy: registry.policy_path().display().to_string(),
            reason,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn signer(key_id: &str) -> Signer {
        Signer { key_id: key_id.to_owned(), name: "distributor".to_owned() }
    }

    #[test]
    fn without_a_policy_everything_is_admitted() {
        let policy = PolicyFile::default();
        assert_eq!(policy.admits_signer("bridge", None), Ok(()));
        assert_eq!(policy.admits_signer("bridge", Some(&signer("0123456789abcdef"))), Ok(()));
    }

    #[test]
    fn a_policy_demands_signatures_of_all_or_of_some_and_by_certain_keys() {
        let policy = PolicyFile::parse(br#"{"requireSignatures": true}"#).unwrap();
        assert!(policy.admits_signer("bridge", None).unwrap_err().contains("not signed"));
        assert_eq!(policy.admits_signer("bridge", Some(&signer("0123456789abcdef"))), Ok(()));
        let policy = PolicyFile::parse(br#"{"allowedSigners": {"bridge": ["0123456789abcdef"], "tap": []}}"#).unwrap();
        assert_eq!(policy.admits_signer("loopback", None), Ok(()));
        assert!(policy.admits_signer("bridge", None).is_err());
        assert_eq!(policy.admits_signer("bridge", Some(&signer("0123456789abcdef"))), Ok(()));
        assert!(policy.admits_signer("bridge", Some(&signer("fedcba9876543210"))).is_err());
        assert!(policy.admits_signer("tap", Some(&signer("0123456789abcdef"))).is_err());
    }

    #[test]
    fn confinement_is_required_unless_the_policy_says_otherwise() {
        assert_eq!(PolicyFile::default().confinement, Strictness::Required);
        let policy = PolicyFile::parse(br#"{"confinement": "best-effort"}"#).unwrap();
        assert_eq!(policy.confinement, Strictness::BestEffort);
    }

    #[test]
    fn code_runs_in_the_process_unless_the_policy_says_otherwise() {
        assert_eq!(PolicyFile::default().isolation, Isolation::Engine);
        assert_eq!(PolicyFile::parse(br#"{"isolation": "process"}"#).unwrap().isolation, Isolation::Process);
        assert_eq!(PolicyFile::parse(br#"{"isolation": "engine"}"#).unwrap().isolation, Isolation::Engine);
    }

    #[test]
    fn unknown_keys_and_odd_values_are_errors() {
        for bad in [
            r#"{"requiresignatures": true}"#,
            r#"{"requireSignatures": "yes"}"#,
            r#"{"allowedSigners": {"bridge": ["alice"]}}"#,
            r#"{"allowedSigners": {"../bridge": []}}"#,
            r#"{"confinement": "off"}"#,
            r#"{"isolation": "none"}"#,
            r#"{"isolation": true}"#,
            "[true]",
            "",
        ] {
            assert!(PolicyFile::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
