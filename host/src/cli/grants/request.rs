//! What a manifest asks for as a list, and in words on which an operator can decide.

use std::fmt::Write;

use crate::registry::keys;
use crate::registry::{Grants, Manifest};

use super::edit;

/// One thing that a plugin asks for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(in crate::cli) struct Item {
    /// Key of the grant.
    pub(in crate::cli) key: String,
    /// The value; for limits `NAME=VALUE`.
    pub(in crate::cli) value: String,
    /// Why.
    pub(in crate::cli) reason: String,
}

impl Item {
    /// Whether this takes in another one.
    fn includes(&self, other: &Self) -> bool {
        self.key == other.key && includes(&self.key, &self.value, &other.value)
    }
}

/// Whether one value of a key takes in another one.
pub(in crate::cli) fn includes(key: &str, wide: &str, narrow: &str) -> bool {
    if wide == narrow {
        return true;
    }
    if key == "limits" {
        let read =
            |text: &str| text.split_once('=').and_then(|(name, n)| Some((name.to_owned(), n.parse::<u64>().ok()?)));
        return match (read(wide), read(narrow)) {
            (Some((wide_name, wide)), Some((name, narrow))) => wide_name == name && wide >= narrow,
            _ => false,
        };
    }
    let alone = |value: &str| Grants::parse(edit::fragment(key, value).as_bytes());
    // Native delegates are left out of what is compared with a request.
    key != "nativeDelegates"
        && matches!((alone(wide), alone(narrow)), (Ok(wide), Ok(narrow)) if narrow.surplus_over(&wide).is_empty())
}

/// All that a manifest asks for.
pub(in crate::cli) fn items(manifest: &Manifest) -> Vec<Item> {
    let item = |key: &str, value: String, reason: &str| Item { key: key.to_owned(), value, reason: reason.to_owned() };
    let needs = manifest.needs.iter().map(|need| item("interfaces", need.interface.clone(), &need.reason));
    let asks = manifest
        .asks
        .iter()
        .flat_map(|ask| ask.values.iter().map(move |value| item(&ask.key, value.clone(), &ask.reason)));
    let limits =
        manifest.limits.iter().map(|limit| item("limits", format!("{}={}", limit.limit, limit.value), &limit.reason));
    needs.chain(asks).chain(limits).collect()
}

/// How one request differs from another.
#[derive(Debug, Default, serde::Serialize)]
pub(in crate::cli) struct Difference {
    /// What only the new one asks for.
    pub(in crate::cli) more: Vec<Item>,
    /// What only the old one asks for.
    pub(in crate::cli) less: Vec<Item>,
    /// What both ask for.
    pub(in crate::cli) same: Vec<Item>,
}

/// Compare two requests.
pub(in crate::cli) fn compare(old: &[Item], new: &[Item]) -> Difference {
    let is_in = |item: &Item, others: &[Item]| others.iter().any(|other| other.includes(item));
    let (same, more) = new.iter().cloned().partition(|item| is_in(item, old));
    let less = old.iter().filter(|item| !is_in(item, new)).cloned().collect();
    Difference { more, less, same }
}

/// Compare what was granted with what is asked for now.
pub(in crate::cli) fn beyond(granted: &Grants, asked: &[Item]) -> Vec<Item> {
    let granted = edit::document(granted);
    let is_granted =
        |item: &Item| edit::values(&granted, &item.key).iter().any(|value| includes(&item.key, value, &item.value));
    asked.iter().filter(|item| !is_granted(item)).cloned().collect()
}

/// The words of a key: what a plugin may do that was granted its values.
pub(in crate::cli) fn words(key: &str) -> &str {
    match key {
        "limits" => "use more than plugins usually may",
        other => keys::find(other).map_or(other, |key| key.words),
    }
}

/// Keys in the order in which they are shown.
pub(in crate::cli) fn keys_in_order() -> impl Iterator<Item = &'static str> {
    keys::KEYS.iter().map(|key| key.name).chain(["limits"])
}

/// Items in words, by key, with the reason for each and what to beware of.
pub(in crate::cli) fn describe(items: &[Item]) -> String {
    let width = items.iter().map(|item| item.value.chars().count()).max().unwrap_or(0).min(32);
    let mut text = String::new();
    for key in keys_in_order() {
        let of_key: Vec<&Item> = items.iter().filter(|item| item.key == key).collect();
        if of_key.is_empty() {
            continue;
        }
        let _ = writeln!(text, "  {}:", words(key));
        for item in of_key {
            let _ = writeln!(text, "    {:<width$}  {}", item.value, item.reason);
            if let Some(warning) = warning(item) {
                let _ = writeln!(text, "    {:<width$}  WARNING: {warning}", "");
            }
        }
    }
    if items.iter().any(|item| item.value.contains("${")) {
        text.push_str("  ${...} stands for what a network's configuration says under that key.\n");
    }
    text
}

/// What to beware of before granting an item.
pub(in crate::cli) fn warning(item: &Item) -> Option<&'static str> {
    keys::find(&item.key).and_then(|key| key.warning(&item.value))
}

/// Warnings about what a grant holds, one line each.
pub(in crate::cli) fn warnings(grants: &Grants) -> Vec<String> {
    let document = edit::document(grants);
    let mut lines = Vec::new();
    for key in keys::KEYS {
        for value in edit::values(&document, key.name) {
            if let Some(warning) = key.warning(&value) {
                lines.push(format!("{} {value:?}: {warning}", key.name));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(key: &str, value: &str) -> Item {
        Item { key: key.to_owned(), value: value.to_owned(), reason: "r".to_owned() }
    }

    #[test]
    fn wider_is_more_and_narrower_is_not() {
        let old = [item("hostLinks", "cni*"), item("hostRoutes", "10.0.0.0/8"), item("limits", "fuel=5")];
        let new = [item("hostLinks", "cni0"), item("lowerLinks", "cni0"), item("limits", "fuel=6")];
        let difference = compare(&old, &new);
        assert_eq!(difference.more, [item("lowerLinks", "cni0"), item("limits", "fuel=6")]);
        assert_eq!(difference.same, [item("hostLinks", "cni0")]);
        let less = [item("hostLinks", "cni*"), item("hostRoutes", "10.0.0.0/8")];
        assert_eq!(difference.less, less);
        assert!(compare(&old, &old).more.is_empty());
    }

    #[test]
    fn what_is_dangerous_is_warned_of() {
        for (key, value) in [
            ("hostLinks", "*"),
            ("lowerLinks", "*"),
            ("hostRoutes", "0.0.0.0/0"),
            ("nativeDelegates", "whereabouts"),
            ("nftables", "inet *"),
            ("delegates", "*"),
            ("files", "/*"),
        ] {
            assert!(describe(&[item(key, value)]).contains("WARNING"), "{key} {value}");
        }
        for (key, value) in [("hostLinks", "cni0"), ("hostLinks", "cni*"), ("linkKinds", "veth")] {
            assert!(!describe(&[item(key, value)]).contains("WARNING"), "{key} {value}");
        }
    }
}
