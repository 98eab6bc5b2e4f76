//! The error object that a plugin prints, with the codes of the specification.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    args::ArgsError,
    config::ConfigError,
    json::DecodeError,
    names::{NameError, NameKind},
    result::{ConversionError, ResultError},
    version::{UnknownVersion, Version},
};

/// The version of the configuration is not supported, or the command does not exist in it.
pub const INCOMPATIBLE_VERSION: u32 = 1;
/// A field of the configuration is not supported.
pub const UNSUPPORTED_FIELD: u32 = 2;
/// The container is unknown or gone; the runtime need not clean up.
pub const UNKNOWN_CONTAINER: u32 = 3;
/// An environment variable (CNI_*) is missing or wrong.
pub const INVALID_ENVIRONMENT: u32 = 4;
/// The network configuration could not be read.
pub const IO_FAILURE: u32 = 5;
/// Something was not JSON, or a value was of the wrong type.
pub const DECODE_FAILURE: u32 = 6;
/// The network configuration makes no sense.
pub const INVALID_CONFIG: u32 = 7;
/// The container's network namespace is the plugin's own. Not in the specification; used by all Go plugins.
pub const SAME_NETNS: u32 = 8;
/// The runtime should try again later.
pub const TRY_AGAIN_LATER: u32 = 11;
/// STATUS: the plugin cannot serve ADD now.
pub const NOT_AVAILABLE: u32 = 50;
/// STATUS: as 50, and existing containers may have limited connectivity.
pub const LIMITED_CONNECTIVITY: u32 = 51;
/// Everything else. Not in the specification; used by all Go plugins.
pub const INTERNAL: u32 = 999;

/// An error as the runtime sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Error {
    /// What kind of error: the constants of this module; 100 and above are the plugin's own.
    pub code: u32,
    /// Short text.
    pub msg: String,
    /// Long text; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub details: String,
}

impl Error {
    /// An error with its code and text.
    pub fn new(code: u32, msg: impl Into<String>) -> Self {
        Self { code, msg: msg.into(), details: String::new() }
    }

    /// The same error with a long text.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }

    /// [`INCOMPATIBLE_VERSION`]
    pub fn incompatible_version(msg: impl Into<String>) -> Self {
        Self::new(INCOMPATIBLE_VERSION, msg)
    }

    /// [`UNSUPPORTED_FIELD`]
    pub fn unsupported_field(msg: impl Into<String>) -> Self {
        Self::new(UNSUPPORTED_FIELD, msg)
    }

    /// [`UNKNOWN_CONTAINER`]
    pub fn unknown_container(msg: impl Into<String>) -> Self {
        Self::new(UNKNOWN_CONTAINER, msg)
    }

    /// [`INVALID_ENVIRONMENT`]
    pub fn invalid_environment(msg: impl Into<String>) -> Self {
        Self::new(INVALID_ENVIRONMENT, msg)
    }

    /// [`IO_FAILURE`]
    pub fn io_failure(msg: impl Into<String>) -> Self {
        Self::new(IO_FAILURE, msg)
    }

    /// [`DECODE_FAILURE`]
    pub fn decode_failure(msg: impl Into<String>) -> Self {
        Self::new(DECODE_FAILURE, msg)
    }

    /// [`INVALID_CONFIG`]
    pub fn invalid_config(msg: impl Into<String>) -> Self {
        Self::new(INVALID_CONFIG, msg)
    }

    /// [`TRY_AGAIN_LATER`]
    pub fn try_again_later(msg: impl Into<String>) -> Self {
        Self::new(TRY_AGAIN_LATER, msg)
    }

    /// [`NOT_AVAILABLE`]
    pub fn not_available(msg: impl Into<String>) -> Self {
        Self::new(NOT_AVAILABLE, msg)
    }

    /// [`INTERNAL`]
    pub fn internal(msg: impl Into<String>) -> Self {
        Self::new(INTERNAL, msg)
    }

    /// The object to print. `version` is that of the configuration, where it could be read.
    pub fn to_json(&self, version: Option<Version>) -> Value {
        let mut object = Map::new();
        if let Some(version) = version {
            object.insert("cniVersion".to_owned(), version.as_str().into());
        }
        object.insert("code".to_owned(), self.code.into());
        object.insert("msg".to_owned(), self.msg.as_str().into());
        if !self.details.is_empty() {
            object.insert("details".to_owned(), self.details.as_str().into());
        }
        Value::Object(object)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.msg)?;
        if !self.details.is_empty() {
            write!(f, "; {}", self.details)?;
        }
        write!(f, " (code {})", self.code)
    }
}

impl std::error::Error for Error {}

impl From<UnknownVersion> for Error {
    fn from(error: UnknownVersion) -> Self {
        Self::incompatible_version("incompatible CNI version").with_details(error.to_string())
    }
}

impl From<NameError> for Error {
    fn from(error: NameError) -> Self {
        let code = match error.kind {
            NameKind::ContainerId | NameKind::InterfaceName => INVALID_ENVIRONMENT,
            NameKind::NetworkName | NameKind::PluginType => INVALID_CONFIG,
        };
        Self::new(code, error.to_string())
    }
}

impl From<ArgsError> for Error {
    fn from(error: ArgsError) -> Self {
        Self::invalid_environment(error.to_string())
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::decode_failure(error.to_string())
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Decode(error) => {
                Self::decode_failure("the network configuration cannot be read").with_details(error.to_string())
            }
            ConfigError::MissingName => Self::invalid_config(error.to_string()),
            ConfigError::Name(error) => error.into(),
            ConfigError::Version(error) => error.into(),
        }
    }
}

impl From<ResultError> for Error {
    fn from(error: ResultError) -> Self {
        match error {
            ResultError::Decode(error) => error.into(),
            ResultError::UnknownVersion(error) => error.into(),
            ResultError::WrongVersion { .. } | ResultError::WrongFamily { .. } => {
                Self::invalid_config(error.to_string())
            }
        }
    }
}

impl From<ConversionError> for Error {
    fn from(error: ConversionError) -> Self {
        Self::incompatible_version(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use serde_json::json;

    use super::*;

    #[test]
    fn the_object_has_the_version_and_no_empty_details() {
        let error = Error::invalid_config("no");
        assert_eq!(error.to_json(None), json!({"code": 7, "msg": "no"}));
        assert_eq!(
            error.with_details("why").to_json(Some(Version::V0_4_0)),
            json!({"cniVersion": "0.4.0", "code": 7, "msg": "no", "details": "why"})
        );
    }

    #[test]
    fn an_error_of_another_plugin_can_be_read() {
        let error: Error =
            serde_json::from_value(json!({"cniVersion": "1.0.0", "code": 100, "msg": "x", "extra": 1})).unwrap();
        assert_eq!(error, Error::new(100, "x"));
    }

    #[test]
    fn names_map_to_the_place_they_come_from() {
        let code = |error: NameError| Error::from(error).code;
        assert_eq!(code(crate::names::container_id("/").unwrap_err()), INVALID_ENVIRONMENT);
        assert_eq!(code(crate::names::interface_name("/").unwrap_err()), INVALID_ENVIRONMENT);
        assert_eq!(code(crate::names::network_name("/").unwrap_err()), INVALID_CONFIG);
        assert_eq!(code(crate::names::plugin_type("/").unwrap_err()), INVALID_CONFIG);
    }
}
