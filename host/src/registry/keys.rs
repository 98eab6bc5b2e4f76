//! The words of grants, for those who read and change grants without knowing what each means.

/// A key of grants.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// As grant files and manifests have it.
    pub name: &'static str,
    /// What its values are, as operators read it.
    pub words: &'static str,
    /// Whether the `asks` of a manifest may have it. Interfaces are asked for in `needs`, and whether a delegate may be a
    /// native program is for the operator alone to say.
    pub can_be_asked_for: bool,
    /// Which values need a second look, and why.
    warning: Option<(Warned, &'static str)>,
}

/// The values of a key that are warned of.
#[derive(Debug, Clone, Copy)]
enum Warned {
    /// Each.
    All,
    /// Those that stand for everything.
    Everything,
}

impl Key {
    /// What an operator should be warned of before granting a value.
    pub fn warning(&self, value: &str) -> Option<&'static str> {
        let (warned, words) = self.warning?;
        let is_everything = value.rsplit([' ', ':']).next().is_some_and(|last| last == "*" || last == "/*");
        (matches!(warned, Warned::All) || is_everything).then_some(words)
    }
}

const fn key(name: &'static str, words: &'static str) -> Key {
    Key { name, words, can_be_asked_for: true, warning: None }
}

const fn warned(name: &'static str, words: &'static str, warned: Warned, warning: &'static str) -> Key {
    Key { name, words, can_be_asked_for: true, warning: Some((warned, warning)) }
}

/// All keys whose values are lists, in the order in which they are shown.
pub const KEYS: &[Key] = &[
    Key { name: "interfaces", words: "call these interfaces of the contract", can_be_asked_for: false, warning: None },
    key("linkKinds", "make links of these kinds"),
    warned("hostLinks", "change and delete these links of the host", Warned::Everything, "every link of the host"),
    warned(
        "lowerLinks",
        "take these links of the host into a container, or put links on them",
        Warned::Everything,
        "every link of the host, also the one that the host itself is reached by",
    ),
    key("containerLinks", "change these links of the container, besides the one that it is called for"),
    warned(
        "hostRoutes",
        "route these destinations on the host",
        Warned::All,
        "changes where the host's own packets go",
    ),
    warned(
        "hostRules",
        "add policy routing rules for these tables on the host",
        Warned::All,
        "changes where the host's own packets go",
    ),
    warned(
        "hostSysctls",
        "set these kernel parameters of the host",
        Warned::Everything,
        "parameters that concern more than this container",
    ),
    key("containerSysctls", "set these kernel parameters of the container"),
    warned("nftables", "write these nftables tables of the host", Warned::Everything, "the host's whole firewall"),
    warned("iptables", "write these iptables chains of the host", Warned::Everything, "the host's whole firewall"),
    warned(
        "firewalldZones",
        "change the sources of these zones of firewalld",
        Warned::Everything,
        "every zone, also those that trust",
    ),
    warned(
        "delegates",
        "call plugins of these types",
        Warned::Everything,
        "every plugin that is installed, with what that one was granted",
    ),
    Key {
        name: "nativeDelegates",
        words: "call native plugins of these types",
        can_be_asked_for: false,
        warning: Some((Warned::All, "a native plugin runs as root, outside of the sandbox")),
    },
    warned("directories", "keep files in these directories", Warned::Everything, "files anywhere on the host"),
    warned("files", "read these files", Warned::Everything, "files anywhere on the host"),
];

/// The key of a name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::grants;

    #[test]
    fn every_key_of_grants_has_words() {
        let mut known: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
        let mut all = grants::KEYS.to_vec();
        known.sort_unstable();
        all.sort_unstable();
        assert_eq!(known, all);
    }
}
