//! VERSION.

use cni_spec::json;
use cni_spec::version::{LATEST, Version};
use serde::Deserialize;

use super::Operation;
use crate::error::Error;
use crate::invoke::{ExecError, excerpt};

/// What a plugin says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionInfo {
    /// The version of its answer.
    pub cni_version: String,
    /// What it supports. Versions that this library does not know are among them as they are written.
    pub supported_versions: Vec<String>,
}

impl VersionInfo {
    /// Whether the plugin supports a version.
    pub fn supports(&self, version: Version) -> bool {
        self.supported_versions.iter().any(|supported| supported == version.as_str())
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    cni_version: String,
    supported_versions: Vec<String>,
}

/// What plugins say that are older than the command.
const UNKNOWN: &str = "unknown CNI_COMMAND: VERSION";

pub(super) fn get(operation: &Operation<'_>, plugin_type: &str) -> Result<VersionInfo, Error> {
    let path = operation.find(plugin_type)?;
    let input = format!("{{\"cniVersion\":\"{LATEST}\"}}");
    match operation.exec(plugin_type, path, input.as_bytes()) {
        Ok(output) => decode(&output).map_err(|source| operation.failed(plugin_type, source)),
        Err(Error::Plugin { source: ExecError::Plugin(error), .. }) if error.msg == UNKNOWN => {
            Ok(info(Version::V0_1_0.as_str(), &[Version::V0_1_0]))
        }
        Err(other) => Err(other),
    }
}

fn decode(output: &[u8]) -> Result<VersionInfo, ExecError> {
    let bad = |reason: String| ExecError::BadOutput { reason, output: excerpt(output) };
    let Answer { cni_version, supported_versions } =
        json::from_slice(output).map_err(|error| bad(error.to_string()))?;
    if cni_version.is_empty() {
        return Err(bad("cniVersion is missing".to_owned()));
    }
    if !supported_versions.is_empty() {
        return Ok(VersionInfo { cni_version, supported_versions });
    }
    // 0.2.0 did not ask for the list.
    if cni_version == Version::V0_2_0.as_str() {
        return Ok(info(&cni_version, &[Version::V0_1_0, Version::V0_2_0]));
    }
    Err(bad("supportedVersions is missing".to_owned()))
}

fn info(cni_version: &str, supported: &[Version]) -> VersionInfo {
    let supported_versions = supported.iter().map(ToString::to_string).collect();
    VersionInfo { cni_version: cni_version.to_owned(), supported_versions }
}
