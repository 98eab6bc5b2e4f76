//! Names and values of kernel parameters, and the operator's list of those that may be set.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use regex_lite::Regex;
use weir_sdk::{Error, Result};

/// A parameter below `net`, where `IFNAME` may stand for the interface. Two spellings of a parameter are equal.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// Path below /proc/sys with slashes.
    path: String,
    /// As the configuration spells it: what the operator's list is compared with.
    written: String,
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.path.cmp(&other.path)
    }
}

impl Key {
    /// As sysctl(8) reads names: the first separator decides; where it is a dot, a slash stands for a dot in a name.
    fn parse(written: &str) -> Result<Self> {
        let dotted = written.chars().find(|letter| matches!(letter, '.' | '/')) == Some('.');
        let swap = |letter| match letter {
            '.' => '/',
            '/' => '.',
            other => other,
        };
        let path: String = if dotted { written.chars().map(swap).collect() } else { written.to_owned() };
        let mut parts = path.split('/');
        let in_net = parts.next() == Some("net") && !path.ends_with("net");
        if !in_net || path.contains('\0') || parts.any(|part| matches!(part, "" | "." | "..")) {
            return Err(Error::invalid_config(format!(
                "sysctl {written:?} cannot be set: only parameters below net, such as net.core.somaxconn, belong to a container"
            )));
        }
        Ok(Self { path, written: written.to_owned() })
    }

    /// The path for an interface: the first `IFNAME` becomes its name, dots and all.
    pub(crate) fn for_interface(&self, name: &str) -> String {
        self.path.replacen("IFNAME", name, 1)
    }
}

/// Check the names of one map; two spellings of one parameter are as bad as a duplicate.
pub(crate) fn parse_keys(written: BTreeMap<String, String>) -> Result<BTreeMap<Key, String>> {
    let mut parsed = BTreeMap::<Key, String>::new();
    for (key, value) in written {
        let key = Key::parse(&key)?;
        if let Some((other, _)) = parsed.get_key_value(&key) {
            return Err(duplicate(&format!("{} (also as {})", key.written, other.written)));
        }
        parsed.insert(key, value);
    }
    Ok(parsed)
}

/// Whether two values are the same to the kernel, which prints tabs between numbers.
pub(crate) fn same_value(left: &str, right: &str) -> bool {
    left.split_whitespace().eq(right.split_whitespace())
}

/// Refuse parameters that match no line of the operator's list. No list: all are allowed.
pub(crate) fn check_allowed(sysctls: &BTreeMap<Key, String>, list: Option<Vec<String>>) -> Result<()> {
    let Some(list) = list else { return Ok(()) };
    if sysctls.is_empty() {
        return Ok(());
    }
    let mut allowed = Vec::new();
    for line in list.iter().map(|line| line.trim()).filter(|line| !line.is_empty()) {
        allowed.push(Regex::new(line).map_err(|error| {
            Error::invalid_config(format!("the list of allowed sysctls has the invalid line {line:?}: {error}"))
        })?);
    }
    match sysctls.keys().find(|key| !allowed.iter().any(|line| line.is_match(&key.written))) {
        None => Ok(()),
        Some(key) => Err(Error::invalid_config(format!("sysctl {} is not in the operator's list", key.written))
            .with_details("the list is /etc/cni/tuning/allowlist.conf, one regular expression per line")),
    }
}

/// A parameter was named twice: it is not clear which value was meant.
pub(crate) fn duplicate(key: &str) -> Error {
    Error::invalid_config(format!("sysctl {key} is given twice"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn keys(names: &[&str]) -> BTreeMap<Key, String> {
        parse_keys(names.iter().map(|name| ((*name).to_owned(), "1".to_owned())).collect()).unwrap()
    }

    #[test]
    fn the_first_separator_of_a_name_decides() {
        for (written, path) in [
            ("net.core.somaxconn", "net/core/somaxconn"),
            ("net/ipv4/conf/eth0.5/arp_notify", "net/ipv4/conf/eth0.5/arp_notify"),
            ("net.ipv4.conf.eth0/5.arp_notify", "net/ipv4/conf/eth0.5/arp_notify"),
            ("net.ipv4.conf.IFNAME.arp_notify", "net/ipv4/conf/a.b/arp_notify"),
            ("net/IFNAME/IFNAME", "net/a.b/IFNAME"),
        ] {
            assert_eq!(Key::parse(written).unwrap().for_interface("a.b"), path);
        }
    }

    #[test]
    fn only_parameters_below_net_can_be_set() {
        let bad = [
            "",
            ".",
            "net",
            "net.",
            "kernel.hostname",
            "/net/core/x",
            "net/../kernel/hostname",
            "net//core",
            "net/./core",
            "net.core.",
            "nets.core.x",
            "../net/core/x",
            "net/core/x\0",
        ];
        for written in bad {
            assert_eq!(Key::parse(written).map_err(|error| error.code), Err(7), "{written:?}");
        }
    }

    #[test]
    fn two_spellings_are_one_parameter() {
        let twice = ["net.core.somaxconn", "net/core/somaxconn"];
        let error = parse_keys(twice.iter().map(|key| ((*key).to_owned(), "1".to_owned())).collect()).unwrap_err();
        assert_eq!(error.code, 7);
    }

    #[test]
    fn values_are_compared_word_by_word() {
        assert!(same_value("4096\t131072\t6291456", " 4096 131072  6291456\n"));
        assert!(!same_value("1 2", "12") && !same_value("1", "1 1"));
    }

    #[test]
    fn the_list_matches_anywhere_in_the_name_as_written() {
        let list = |lines: &[&str]| Some(lines.iter().map(|line| (*line).to_owned()).collect());
        let wanted = keys(&["net.ipv4.conf.IFNAME.arp_notify"]);
        for lines in [&["arp_"][..], &["", "  ^net\\.ipv4\\.conf\\.IFNAME\\.  "], &["x", "arp_(notify|filter)$"]] {
            assert_eq!(check_allowed(&wanted, list(lines)), Ok(()), "{lines:?}");
        }
        for lines in [&[][..], &["^arp"], &["eth0"], &["net/ipv4"], &["("]] {
            assert_eq!(check_allowed(&wanted, list(lines)).map_err(|error| error.code), Err(7), "{lines:?}");
        }
        assert_eq!(check_allowed(&wanted, None), Ok(()));
        assert_eq!(check_allowed(&keys(&[]), list(&["("])), Ok(()));
    }
}
