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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_keys_and_large_numbers_stay_where_the_layout_stays() {
        let printed = json!({"CNIVersion": "1.0.0", "vendor": {"id": u64::MAX}});
        let result = NetworkResult::from_json(printed, Version::V1_1_0).unwrap();
        assert_eq!(result.json, json!({"cniVersion": "1.1.0", "vendor": {"id": u64::MAX}}));
    }

    #[test]
    fn another_layout_is_converted_where_it_can_be() {
        let printed = json!({"cniVersion": "0.2.0", "ip4": {"ip": "10.0.0.2/24"}});
        let result = NetworkResult::from_json(printed, Version::V1_0_0).unwrap();
        assert_eq!(result.json, json!({"cniVersion": "1.0.0", "ips": [{"address": "10.0.0.2/24"}]}));
        let without_address = json!({"cniVersion": "1.0.0", "interfaces": [{"name": "eth0"}]});
        let error = NetworkResult::from_json(without_address, Version::V0_2_0).unwrap_err();
        assert!(matches!(error, ResultError::WrongVersion { found: Version::V1_0_0, expected: Version::V0_2_0 }));
    }

    #[test]
    fn what_is_no_result_is_refused() {
        for bad in [json!(null), json!([]), json!({"cniVersion": "9.9.9"}), json!({"cniVersion": 1}), json!({"ips": 1})]
        {
            assert!(NetworkResult::from_json(bad.clone(), Version::V1_0_0).is_err(), "{bad}");
        }
    }
}
