//! What ADD of a network made.

use cni_spec::json;
use cni_spec::result::{AddResult, ResultError};
use cni_spec::version::Version;
use serde_json::Value;

use crate::invoke::{ExecError, excerpt};

/// The result of a network, in the network's version.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkResult {
    /// The version.
    pub version: Version,
    /// The result as a type; the same for all versions.
    pub result: AddResult,
    /// The result as the last plugin printed it, with keys that the specification does not know too.
    pub json: Value,
}

impl NetworkResult {
    /// A result of whatever version, brought to one. Where only the number differs nothing else is changed.
    ///
    /// # Errors
    /// It is no result, or has nothing that the version can express.
    pub fn from_json(mut json: Value, version: Version) -> Result<Self, ResultError> {
        match AddResult::from_json(&json, version) {
            Ok(result) => {
                if let Some(object) = json.as_object_mut() {
                    json::remove(object, "cniVersion");
                    object.insert("cniVersion".to_owned(), version.as_str().into());
                }
                Ok(Self { version, result, json })
            }
            Err(ResultError::WrongVersion { found, expected }) => {
                let result = AddResult::from_json_of_any_version(&json, version)?;
                let json = result.to_json(version).map_err(|_| ResultError::WrongVersion { found, expected })?;
                Ok(Self { version, result, json })
            }
            Err(other) => Err(other),
        }
    }

    /// What a plugin printed on ADD.
    pub(crate) fn of_plugin(output: &[u8], version: Version) -> Result<Self, ExecError> {
        let bad = |reason: String| ExecError::BadOutput { reason, output: excerpt(output) };
        if output.iter().all(u8::is_ascii_whitespace) {
            return Err(bad("it ended well, but without a result".to_owned()));
        }
        let json = json::parse(output).map_err(|error| bad(error.to_string()))?;
        if !json.is_object() {
            return Err(bad("a result is an object".to_owned()));
        }
        Self::from_json(json, version).map_err(|error| bad(error.to_string()))
    }
}
