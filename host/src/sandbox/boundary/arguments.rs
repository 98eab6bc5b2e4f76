//! Arguments: words that mean something beside any other text, handles that are there and that are not. Each says besides
//! whether the grants of the target have it, by a rule of its own, so that the policy is not held against itself.

use std::path::{Component, Path, PathBuf};

use arbitrary::{Arbitrary, Result};
use wasmtime::component::Resource;

use super::{
    CHAIN, DELEGATE, DIRECTORY, FILE, HOST_LINK, INTERFACE, NETWORK, OTHER_CONTAINER_LINK, OTHER_DIRECTORY,
    OTHER_HOST_LINK, Player, SYSCTL, TABLE, ZONE, config,
};
use crate::sandbox::handles::{LinkHandle, NamespaceHandle, StoreHandle};

const WORDS: &[&str] = &[
    INTERFACE,
    HOST_LINK,
    OTHER_HOST_LINK,
    OTHER_CONTAINER_LINK,
    DIRECTORY,
    OTHER_DIRECTORY,
    FILE,
    SYSCTL,
    TABLE,
    CHAIN,
    ZONE,
    DELEGATE,
    NETWORK,
    "container",
    "lo",
    "",
    ".",
    "..",
    "/",
    "../uplink",
    "weir0/..",
    "a name that is far too long",
    "weir\0",
    "weir0\n",
    "*",
    "${ifname}",
    "${ipam.type}",
    "/fuzz/state/../other",
    "/fuzz//state/./",
    "/fuzz/states",
    "fuzz/state",
    "/run/cni/fuzz",
    "/etc/passwd",
    "/proc/self/mem",
    "net/ipv4/conf/weir0/forwarding",
    "net/ipv4/conf/eth0/forwarding",
    "net/ipv4/conf/uplink/forwarding",
    "net/../kernel/core_pattern",
    "kernel/core_pattern",
    "net.ipv4.ip_forward",
    "nat",
    "filter",
    "mangle",
    "POSTROUTING",
    "public",
    "static",
    "../host-local",
    "0000:00:01.0",
    "1",
];

/// Bytes that may become a handle: more than there ever are.
const MOST_HANDLES: u32 = 20;

impl<'a> Player<'a> {
    pub(super) fn any<T: Arbitrary<'a>>(&mut self) -> Result<T> {
        self.data.arbitrary()
    }

    pub(super) fn text(&mut self) -> Result<String> {
        let choice = usize::from(self.any::<u8>()?);
        match WORDS.get(choice) {
            Some(word) => Ok((*word).to_owned()),
            None => self.any(),
        }
    }

    pub(super) fn maybe_text(&mut self) -> Result<Option<String>> {
        if self.any()? { self.text().map(Some) } else { Ok(None) }
    }

    pub(super) fn namespace(&mut self) -> Result<Resource<NamespaceHandle>> {
        self.handle()
    }

    /// A link to look at.
    pub(super) fn link(&mut self) -> Result<Resource<LinkHandle>> {
        self.handle()
    }

    /// A link to change.
    pub(super) fn changed_link(&mut self) -> Result<Resource<LinkHandle>> {
        let link = self.handle()?;
        if self.is_foreign(&link) {
            self.forbid("a link of the host");
        }
        Ok(link)
    }

    pub(super) fn store(&mut self) -> Result<Resource<StoreHandle>> {
        let store = self.handle()?;
        if self.is_other_store(&store) {
            self.forbid("a store of others");
        }
        Ok(store)
    }

    fn handle<T: 'static>(&mut self) -> Result<Resource<T>> {
        Ok(Resource::new_borrow(u32::from(self.any::<u8>()?) % MOST_HANDLES))
    }

    /// A handle that is given back.
    pub(super) fn owned<T: 'static>(&mut self) -> Result<Resource<T>> {
        Ok(Resource::new_own(u32::from(self.any::<u8>()?) % MOST_HANDLES))
    }

    /// The name of a link that is to be made, or of a bridge.
    pub(super) fn new_name(&mut self, namespace: &Resource<NamespaceHandle>) -> Result<String> {
        let name = self.text()?;
        if self.is_host(namespace) && name != HOST_LINK {
            self.forbid("the name of a link of the host");
        }
        Ok(name)
    }

    pub(super) fn directory(&mut self) -> Result<String> {
        let text = self.text()?;
        self.path(&text, DIRECTORY);
        Ok(text)
    }

    /// A directory, or the one that is meant where none is named.
    pub(super) fn maybe_directory(&mut self) -> Result<Option<String>> {
        if self.any()? {
            return self.directory().map(Some);
        }
        self.forbid("the usual directory");
        Ok(None)
    }

    pub(super) fn file(&mut self) -> Result<String> {
        let text = self.text()?;
        self.path(&text, FILE);
        Ok(text)
    }

    fn path(&mut self, text: &str, granted: &str) {
        let path = Path::new(text);
        let climbs = path.components().any(|part| part == Component::ParentDir);
        if climbs || path.components().collect::<PathBuf>() != Path::new(granted) {
            self.forbid(text);
        }
    }

    /// A key of a kernel parameter that is to be set.
    pub(super) fn parameter(&mut self, namespace: &Resource<NamespaceHandle>) -> Result<String> {
        let key = self.text()?;
        let is_net = Path::new(&key).components().all(|part| matches!(part, Component::Normal(_)));
        if self.is_host(namespace) && key != SYSCTL && !key.contains(HOST_LINK) || !is_net || !key.starts_with("net/") {
            self.forbid(&key);
        }
        Ok(key)
    }

    /// Only this word is granted.
    pub(super) fn word(&mut self, granted: &str) -> Result<String> {
        let text = self.text()?;
        if text != granted {
            self.forbid(&text);
        }
        Ok(text)
    }

    /// The configuration of a plugin that is called.
    pub(super) fn config(&mut self) -> Result<String> {
        match self.any::<u8>()? % 4 {
            0 => self.text(),
            1 => {
                let text = config("other");
                self.forbid("the configuration of another network");
                Ok(text)
            }
            _ => Ok(config(NETWORK)),
        }
    }

    pub(super) fn forbid(&mut self, what: &str) {
        self.forbidden = Some(format!("{what:?}"));
    }
}
