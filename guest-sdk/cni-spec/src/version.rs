//! The versions of the specification.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::quoted::Quoted;

/// A version of the CNI specification. Later versions are greater.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(non_camel_case_types, reason = "the dots of a version number have no other spelling in an identifier")]
pub enum Version {
    /// 0.1.0; also what a configuration without `cniVersion` means.
    #[default]
    V0_1_0,
    /// 0.2.0: brought VERSION.
    V0_2_0,
    /// 0.3.0: brought lists of plugins and results with interfaces.
    V0_3_0,
    /// 0.3.1: corrected the text of 0.3.0.
    V0_3_1,
    /// 0.4.0: brought CHECK, and `prevResult` for DEL.
    V0_4_0,
    /// 1.0.0: dropped the `version` of an address.
    V1_0_0,
    /// 1.1.0: brought GC and STATUS.
    V1_1_0,
}

/// The newest version.
pub const LATEST: Version = Version::V1_1_0;

/// All versions, oldest first.
pub const ALL: [Version; 7] = [
    Version::V0_1_0,
    Version::V0_2_0,
    Version::V0_3_0,
    Version::V0_3_1,
    Version::V0_4_0,
    Version::V1_0_0,
    Version::V1_1_0,
];

impl Version {
    /// The version as it is written in `cniVersion`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_3_0 => "0.3.0",
            Self::V0_3_1 => "0.3.1",
            Self::V0_4_0 => "0.4.0",
            Self::V1_0_0 => "1.0.0",
            Self::V1_1_0 => "1.1.0",
        }
    }

    /// Whether this version has CHECK.
    pub fn supports_check(self) -> bool {
        self >= Self::V0_4_0
    }

    /// Whether this version has GC and STATUS.
    pub fn supports_gc_and_status(self) -> bool {
        self >= Self::V1_1_0
    }
}

/// A text that names no known version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownVersion(pub String);

impl fmt::Display for UnknownVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cniVersion {} is not known; known are", Quoted(&self.0))?;
        for (index, version) in ALL.iter().enumerate() {
            write!(f, "{} {version}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownVersion {}

impl FromStr for Version {
    type Err = UnknownVersion;

    /// The text must be exactly that of a known version; no text at all means 0.1.0.
    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        if text.is_empty() {
            return Ok(Self::V0_1_0);
        }
        ALL.into_iter().find(|version| version.as_str() == text).ok_or_else(|| UnknownVersion(text.to_owned()))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn every_version_reads_back_as_itself() {
        for version in ALL {
            assert_eq!(version.to_string().parse(), Ok(version));
            assert_eq!(serde_json::to_value(version).unwrap(), version.as_str());
            assert_eq!(serde_json::from_value::<Version>(version.as_str().into()).unwrap(), version);
        }
    }

    #[test]
    fn no_text_means_the_first_version() {
        assert_eq!("".parse(), Ok(Version::V0_1_0));
    }

    #[test]
    fn only_literal_texts_are_versions() {
        for text in ["1.0", "1", "v1.0.0", " 1.0.0", "1.0.0 ", "1.2.0", "01.0.0", "0.4", "latest"] {
            assert_eq!(text.parse::<Version>(), Err(UnknownVersion(text.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn versions_are_ordered_by_age() {
        assert!(ALL.is_sorted());
        assert_eq!(ALL.last(), Some(&LATEST));
        assert!(!Version::V0_3_1.supports_check() && Version::V0_4_0.supports_check());
        assert!(!Version::V1_0_0.supports_gc_and_status() && Version::V1_1_0.supports_gc_and_status());
    }
}
