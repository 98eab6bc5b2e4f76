//! Which version a configuration is used in.

use cni_spec::json;
use cni_spec::version::{ALL, Version};
use serde::Deserialize;
use serde_json::Value;

use crate::config::VersionError;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Fields {
    cni_version: Option<String>,
    cni_versions: Option<Vec<String>>,
}

/// The highest version of `cniVersion` and `cniVersions` that is known; 0.1.0 where both are missing.
pub(crate) fn negotiate(configuration: &Value) -> Result<Version, VersionError> {
    let Fields { cni_version, cni_versions } = json::from_value(configuration)?;
    let Some(mut offered) = cni_versions else {
        return Ok(cni_version.unwrap_or_default().parse()?);
    };
    offered.extend(cni_version.filter(|version| !version.is_empty()));
    if offered.is_empty() {
        return Ok(Version::default());
    }
    let known = ALL.into_iter().rev().find(|version| offered.iter().any(|text| text == version.as_str()));
    known.ok_or(VersionError::NoneKnown(offered))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use serde_json::json;

    use super::*;

    #[test]
    fn the_highest_known_version_wins() {
        for (configuration, expected) in [
            (json!({}), Version::V0_1_0),
            (json!({"cniVersion": ""}), Version::V0_1_0),
            (json!({"cniVersion": "0.4.0"}), Version::V0_4_0),
            (json!({"CNIVERSION": "1.0.0"}), Version::V1_0_0),
            (json!({"cniVersion": "0.3.1", "cniVersions": ["0.4.0", "1.0.0", "0.3.0"]}), Version::V1_0_0),
            (json!({"cniVersion": "1.1.0", "cniVersions": ["0.4.0"]}), Version::V1_1_0),
            (json!({"cniVersions": ["1.0.0", "1.2.0", "7.0.0"]}), Version::V1_0_0),
            (json!({"cniVersion": "2.0.0", "cniVersions": ["0.4.0", "0.9.9"]}), Version::V0_4_0),
            (json!({"cniVersion": "0.4.0", "cniVersions": []}), Version::V0_4_0),
            (json!({"cniVersions": []}), Version::V0_1_0),
            (json!({"cniVersion": null, "cniVersions": null}), Version::V0_1_0),
        ] {
            assert_eq!(negotiate(&configuration).unwrap(), expected, "{configuration}");
        }
    }

    #[test]
    fn without_a_known_version_it_is_an_error() {
        for (configuration, words) in [
            (json!({"cniVersion": "1.2.0"}), "1.2.0"),
            (json!({"cniVersion": "1.2.0", "cniVersions": ["3.0.0"]}), "[3.0.0, 1.2.0]"),
            (json!({"cniVersion": 1}), "cniVersion"),
            (json!({"cniVersions": "1.0.0"}), "cniVersions"),
            (json!({"cniVersions": ["1.0.0", 1]}), "cniVersions[1]"),
        ] {
            let error = negotiate(&configuration).unwrap_err();
            assert!(error.to_string().contains(words), "{configuration}: {error}");
        }
    }
}
