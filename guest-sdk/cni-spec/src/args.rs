//! CNI_ARGS: `KEY=VALUE` pairs between semicolons.

use std::{fmt, str::FromStr};

use crate::quoted::Quoted;

/// Keys that runtimes send to whole chains of plugins, whatever each one knows: a plugin that refuses them cannot be
/// used together with those that want them.
const CONVENTIONAL: [&str; 8] = [
    "IP",
    "GATEWAY",
    "MAC",
    "IgnoreUnknown",
    "K8S_POD_NAMESPACE",
    "K8S_POD_NAME",
    "K8S_POD_INFRA_CONTAINER_ID",
    "K8S_POD_UID",
];

/// The pairs of CNI_ARGS, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Args {
    pairs: Vec<(String, String)>,
}

/// What is wrong with CNI_ARGS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArgsError {
    /// A part without exactly one `=`.
    Pair(String),
    /// `IgnoreUnknown` is no boolean.
    IgnoreUnknown(String),
    /// Keys that nobody knows.
    Unknown(Vec<String>),
}

impl fmt::Display for ArgsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pair(part) => write!(f, "CNI_ARGS: {} is not of the form KEY=VALUE", Quoted(part)),
            Self::IgnoreUnknown(value) => {
                write!(f, "CNI_ARGS: IgnoreUnknown is {}; it must be 1, true, 0 or false", Quoted(value))
            }
            Self::Unknown(keys) => {
                write!(f, "CNI_ARGS: unknown keys {}; add IgnoreUnknown=1 to have them passed over", keys.join(", "))
            }
        }
    }
}

impl std::error::Error for ArgsError {}

fn parse_bool(text: &str) -> Option<bool> {
    if text == "1" || text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text == "0" || text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

impl FromStr for Args {
    type Err = ArgsError;

    /// Each part between semicolons must hold exactly one `=`, so a semicolon at the end is an error too.
    fn from_str(text: &str) -> Result<Self, ArgsError> {
        let mut args = Self::default();
        if text.is_empty() {
            return Ok(args);
        }
        for part in text.split(';') {
            match part.split_once('=') {
                Some((key, value)) if !value.contains('=') => args.pairs.push((key.to_owned(), value.to_owned())),
                _ => return Err(ArgsError::Pair(part.to_owned())),
            }
        }
        match args.get("IgnoreUnknown") {
            Some(value) if parse_bool(value).is_none() => Err(ArgsError::IgnoreUnknown(value.to_owned())),
            _ => Ok(args),
        }
    }
}

impl FromIterator<(String, String)> for Args {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self { pairs: pairs.into_iter().collect() }
    }
}

impl Args {
    /// The value of a key, in its exact spelling; the last one where it is given more than once.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.pairs.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// All pairs, in order.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// Whether `IgnoreUnknown` asks to pass over unknown keys.
    pub fn ignore_unknown(&self) -> bool {
        self.get("IgnoreUnknown").and_then(parse_bool).unwrap_or(false)
    }

    /// Refuse keys that are neither in `known` nor conventional, unless `IgnoreUnknown` is set.
    pub fn require_known(&self, known: &[&str]) -> Result<(), ArgsError> {
        if self.ignore_unknown() {
            return Ok(());
        }
        let is_known = |key: &str| known.contains(&key) || CONVENTIONAL.contains(&key);
        let unknown: Vec<_> = self.pairs.iter().map(|(key, _)| key).filter(|key| !is_known(key)).cloned().collect();
        if unknown.is_empty() { Ok(()) } else { Err(ArgsError::Unknown(unknown)) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn args(text: &str) -> Args {
        text.parse().unwrap()
    }

    #[test]
    fn each_part_holds_exactly_one_equals_sign() {
        assert!(args("").pairs().is_empty());
        assert_eq!(args("A=1;B=").get("B"), Some(""));
        assert_eq!(args("=x").get(""), Some("x"));
        for bad in ["A", "A=1;", ";A=1", "A=1;;B=2", "A=1=2", ";"] {
            assert!(matches!(bad.parse::<Args>(), Err(ArgsError::Pair(_))), "{bad:?}");
        }
    }

    #[test]
    fn the_last_of_equal_keys_wins_and_case_matters() {
        let args = args("IP=1;IP=2;ip=3");
        assert_eq!((args.get("IP"), args.get("ip"), args.get("Ip")), (Some("2"), Some("3"), None));
    }

    #[test]
    fn unknown_keys_are_refused_unless_told_otherwise() {
        assert_eq!(args("FOO=1;BAR=2").require_known(&["BAR"]), Err(ArgsError::Unknown(vec!["FOO".to_owned()])));
        assert_eq!(args("FOO=1").require_known(&["FOO"]), Ok(()));
        for yes in ["1", "true", "TRUE"] {
            assert_eq!(args(&format!("FOO=1;IgnoreUnknown={yes}")).require_known(&[]), Ok(()));
        }
        for no in ["0", "false"] {
            assert!(args(&format!("FOO=1;IgnoreUnknown={no}")).require_known(&[]).is_err());
        }
        assert_eq!("IgnoreUnknown=yes".parse::<Args>(), Err(ArgsError::IgnoreUnknown("yes".to_owned())));
    }

    #[test]
    fn conventional_keys_disturb_no_plugin() {
        let text = "MAC=0a:00:00:00:00:01;IP=10.0.0.2;GATEWAY=10.0.0.1;K8S_POD_NAME=p;K8S_POD_NAMESPACE=n;\
                    K8S_POD_UID=u;K8S_POD_INFRA_CONTAINER_ID=i";
        assert_eq!(args(text).require_known(&[]), Ok(()));
    }
}
