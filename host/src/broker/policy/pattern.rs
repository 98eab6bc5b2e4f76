//! Patterns: how a grant names objects.
//!
//! A pattern is a literal, with at most one `*` at its end that stands for any rest. `${key}` in it stands for what the
//! network configuration has under that key (`${ipam.dataDir}` for one inside another), and `${ifname}`,
//! `${network}`, `${plugin}` for what they say. A key that is not there matches nothing.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How a grant names objects. Holds only text that parsed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(String);

/// What placeholders stand for.
pub trait Expand {
    /// All values of a placeholder; empty where it stands for nothing.
    fn expand(&self, key: &str) -> Vec<String>;
}

/// A part of a pattern.
enum Part<'a> {
    Literal(&'a str),
    Placeholder(&'a str),
    AnyRest,
}

impl Pattern {
    /// Whether a value fits.
    pub fn matches(&self, value: &str, names: &dyn Expand) -> bool {
        fits(&self.0, value, names)
    }

    /// Whether everything that the other pattern can match is matched by this one too, whatever a configuration says.
    pub fn covers(&self, other: &Self) -> bool {
        match self.0.strip_suffix('*') {
            Some(start) => other.0.starts_with(start),
            None => self.0 == other.0,
        }
    }

    /// Whether it names any object at all.
    pub fn is_anything(&self) -> bool {
        self.0 == "*"
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The keys of the configuration, and other names, that it holds.
    pub fn placeholders(&self) -> Vec<&str> {
        let mut found = Vec::new();
        let mut rest = self.0.as_str();
        while let Some((part, after)) = next_part(rest) {
            if let Part::Placeholder(key) = part {
                found.push(key);
            }
            rest = after;
        }
        found
    }
}

/// The first part of a checked pattern and what follows it; none at its end.
fn next_part(text: &str) -> Option<(Part<'_>, &str)> {
    if let Some(inner) = text.strip_prefix("${") {
        let (key, rest) = inner.split_once('}').unwrap_or((inner, ""));
        return Some((Part::Placeholder(key), rest));
    }
    match text.find("${").or_else(|| text.strip_suffix('*').map(str::len)) {
        _ if text.is_empty() => None,
        Some(0) => Some((Part::AnyRest, "")),
        Some(end) => text.split_at_checked(end).map(|(literal, rest)| (Part::Literal(literal), rest)),
        None => Some((Part::Literal(text), "")),
    }
}

fn fits(pattern: &str, value: &str, names: &dyn Expand) -> bool {
    match next_part(pattern) {
        None => value.is_empty(),
        Some((Part::AnyRest, _)) => true,
        Some((Part::Literal(literal), rest)) => value.strip_prefix(literal).is_some_and(|left| fits(rest, left, names)),
        Some((Part::Placeholder(key), rest)) => names
            .expand(key)
            .iter()
            .filter(|known| is_plain(known))
            .any(|known| value.strip_prefix(known.as_str()).is_some_and(|left| fits(rest, left, names))),
    }
}

/// A value that a configuration may put into a pattern: not empty, and nothing that patterns or people read otherwise.
fn is_plain(value: &str) -> bool {
    !value.is_empty() && !value.contains(|c: char| c.is_control() || matches!(c, '*' | '$' | '{' | '}'))
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no pattern: {why}")]
pub struct PatternError {
    text: String,
    why: &'static str,
}

/// A configuration names what it wants by a few keys.
const MOST_PLACEHOLDERS: usize = 4;
const LONGEST: usize = 4096;

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        match fault(text) {
            None => Ok(Self(text.to_owned())),
            Some(why) => Err(PatternError { text: text.chars().take(LONGEST).collect(), why }),
        }
    }
}

fn fault(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("it is empty");
    }
    if text.len() > LONGEST {
        return Some("it is too long");
    }
    if text.chars().any(char::is_control) {
        return Some("it holds a control character");
    }
    let mut placeholders = 0_usize;
    let mut rest = text.strip_suffix('*').unwrap_or(text);
    while let Some(at) = rest.find(['*', '$', '{', '}']) {
        let Some((_, found)) = rest.split_at_checked(at) else { return Some("it is damaged") };
        if found.starts_with('*') {
            return Some("`*` stands for any rest, so it can only be the last character");
        }
        let Some((key, after)) = found.strip_prefix("${").and_then(|inner| inner.split_once('}')) else {
            return Some("`$`, `{` and `}` only write placeholders like ${key}");
        };
        let is_word = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        };
        if !key.split('.').all(is_word) {
            return Some(
                "a placeholder holds a key of the configuration: letters, digits, `_`, `-`, with dots between",
            );
        }
        placeholders = placeholders.saturating_add(1);
        rest = after;
    }
    (placeholders > MOST_PLACEHOLDERS).then_some("it holds too many placeholders")
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    struct Names;

    impl Expand for Names {
        fn expand(&self, key: &str) -> Vec<String> {
            let values: &[&str] = match key {
                "bridge" => &["cni5"],
                "many" => &["a", "b", ""],
                "evil" => &["*", "${bridge}", "x\n"],
                "ipam.dataDir" => &["/d"],
                _ => &[],
            };
            values.iter().map(|&value| value.to_owned()).collect()
        }
    }

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    #[test]
    fn what_fits_and_what_does_not() {
        for (text, fitting, other) in [
            ("cni0", &["cni0"][..], &["cni01", "cni", "", "Cni0"][..]),
            ("cni*", &["cni", "cni0", "cni/x"], &["cn", "xcni"]),
            ("*", &["", "x"], &[]),
            ("${bridge}", &["cni5"], &["cni0", "${bridge}", "", "cni55"]),
            ("${bridge}.*", &["cni5.", "cni5.100"], &["cni5", "cni6.1"]),
            ("v${many}w", &["vaw", "vbw"], &["vw", "vabw"]),
            ("${evil}", &[], &["*", "x", "cni5", "x\n", "${bridge}"]),
            ("${evil}*", &[], &["*", "", "anything"]),
            ("${missing}*", &[], &["", "x"]),
            ("${ipam.dataDir}/*", &["/d/", "/d/x"], &["/d", "/dd/x"]),
            ("${bridge}${bridge}", &["cni5cni5"], &["cni5"]),
        ] {
            for value in fitting {
                assert!(pattern(text).matches(value, &Names), "{text} {value}");
            }
            for value in other {
                assert!(!pattern(text).matches(value, &Names), "{text} {value}");
            }
        }
    }

    #[test]
    fn what_is_no_pattern_is_an_error() {
        let long = "x".repeat(5000);
        for text in
            ["", "a*b", "**", "$", "$x", "${", "${}", "${a", "${a.}", "${a b}", "}", "${a*}", "a\nb", "${${a}}", &long]
        {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
            assert!(serde_json::from_value::<Pattern>(serde_json::json!(text)).is_err(), "{text}");
        }
        assert!("${a}${a}${a}${a}${a}".parse::<Pattern>().is_err());
    }

    #[test]
    fn a_pattern_covers_itself_and_what_it_cuts_short() {
        for (wide, narrow) in [
            ("*", "x"),
            ("*", "${bridge}*"),
            ("cni*", "cni0"),
            ("cni*", "cni*"),
            ("a${b}*", "a${b}c"),
            ("x", "x"),
            ("${b}", "${b}"),
        ] {
            assert!(pattern(wide).covers(&pattern(narrow)), "{wide} {narrow}");
        }
        for (wide, narrow) in
            [("x", "x*"), ("cni*", "cn*"), ("${bridge}", "cni5"), ("cni5", "${bridge}"), ("${a}", "${a}*")]
        {
            assert!(!pattern(wide).covers(&pattern(narrow)), "{wide} {narrow}");
        }
    }

    #[test]
    fn placeholders_are_told() {
        assert_eq!(pattern("a${b}c${d.e}*").placeholders(), ["b", "d.e"]);
        assert!(pattern("*").placeholders().is_empty());
    }
}
