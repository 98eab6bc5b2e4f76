//! What decisions need to know beyond the call itself: which links are the attachment's own, what links are called,
//! which addresses the attachment has. Shared by all plugins that run for a command.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use cni_spec::json;
use cni_spec::result::AddResult;
use ipnet::IpNet;
use serde_json::Value;
use weir_native::netns::Netns;
use weir_native::{link, route};

use super::Denial;
use crate::broker::objects::{LinkHandle, NamespaceHandle, Place};
use crate::broker::{Call, Made};
use crate::contract::Invocation;

/// Tells which links the attachment made, also in earlier commands and as other plugins.
pub trait Ownership: std::fmt::Debug + Send + Sync {
    /// Whether the attachment made a link, or moved it to where it is.
    fn owns_link(&self, place: Place, index: u32, name: &str) -> bool;
}

/// Facts of a command.
#[derive(Debug, Default)]
pub struct Facts {
    network: String,
    container_id: String,
    interface_name: String,
    container: Option<Arc<Netns>>,
    /// The container's namespace is the host's: then it is treated as the host's.
    container_is_host: bool,
    told_host_interfaces: Vec<String>,
    /// The runtime's configuration: its `ipam.type` may say which addresses the attachment has.
    config: String,
    ledger: OnceLock<Arc<dyn Ownership>>,
    host: OnceLock<Arc<Netns>>,
    learnt: Mutex<Learnt>,
}

#[derive(Debug, Default)]
struct Learnt {
    own: BTreeSet<Key>,
    returned: BTreeSet<Key>,
    names: BTreeMap<Key, String>,
    /// Addresses with the plugin that gave them; none: the runtime.
    networks: Vec<(IpNet, Option<String>)>,
    gateways: Vec<IpAddr>,
    denials: Vec<Denial>,
}

/// Namespace and interface index.
type Key = (bool, u32);

/// Denials that are kept for the final error; a plugin may be denied a million times.
const MOST_DENIALS: usize = 16;

impl Facts {
    /// The facts of a checked command.
    pub fn of(invocation: &Invocation) -> Self {
        let attachment = &invocation.attachment;
        let mut facts = Self::for_attachment(&invocation.network, &attachment.container_id, &attachment.interface_name);
        facts.container.clone_from(&invocation.netns);
        facts.container_is_host = invocation.variables.netns_override
            && invocation.netns.as_ref().is_some_and(|netns| Netns::current().is_ok_and(|own| own.is_same(netns)));
        if let Some(result) = &invocation.prev_result {
            let host_side = result.interfaces.iter().filter(|interface| interface.sandbox.is_empty());
            facts.told_host_interfaces = host_side.map(|interface| interface.name.clone()).collect();
            facts.learn_addresses(result, None);
        }
        facts.config.clone_from(&invocation.config);
        facts
    }

    /// Facts of an attachment without a container.
    pub fn for_attachment(network: &str, container_id: &str, interface_name: &str) -> Self {
        Self {
            network: network.to_owned(),
            container_id: container_id.to_owned(),
            interface_name: interface_name.to_owned(),
            ..Self::default()
        }
    }

    /// The network.
    pub fn network(&self) -> &str {
        &self.network
    }

    /// CNI_CONTAINERID; empty for GC and STATUS.
    pub fn container_id(&self) -> &str {
        &self.container_id
    }

    /// CNI_IFNAME; empty for GC and STATUS.
    pub fn interface_name(&self) -> &str {
        &self.interface_name
    }

    /// Names of the host's interfaces in prevResult. Where it has none, as in old versions: of those by which the host
    /// reaches the attachment's addresses.
    pub fn host_interfaces(&self) -> Vec<String> {
        if !self.told_host_interfaces.is_empty() {
            return self.told_host_interfaces.clone();
        }
        let Some(host) = self.host.get() else { return Vec::new() };
        let addresses: Vec<IpAddr> = self.learnt().networks.iter().map(|(network, _)| network.addr()).collect();
        let routes = addresses.iter().filter_map(|address| route::lookup(host, *address).ok()?);
        routes.filter_map(|route| Some(link::find_by_index(host, route.link?).ok()??.name)).collect()
    }

    /// Ask this ledger too. Only the first is taken.
    pub fn set_ledger(&self, ledger: Arc<dyn Ownership>) {
        let _ = self.ledger.set(ledger);
    }

    /// Names of the links that the host's default routes leave by.
    pub fn default_interfaces(&self) -> Vec<String> {
        let Some(host) = self.host.get() else { return Vec::new() };
        let Ok(routes) = route::list(host, &route::RouteFilter::default()) else { return Vec::new() };
        let defaults = routes.iter().filter(|route| route.destination.prefix_len() == 0);
        defaults.filter_map(|route| Some(link::find_by_index(host, route.link?).ok()??.name)).collect()
    }

    /// Which namespace a handle counts as.
    pub fn place(&self, namespace: &NamespaceHandle) -> Place {
        let place = if self.container_is_host { Place::Host } else { namespace.place };
        if place == Place::Host {
            self.host.get_or_init(|| namespace.netns.clone());
        }
        place
    }

    fn learnt(&self) -> MutexGuard<'_, Learnt> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, namespace: &NamespaceHandle, index: u32) -> Key {
        (self.place(namespace) == Place::Host, index)
    }

    /// Remember what a link is called.
    pub fn learn_name(&self, namespace: &NamespaceHandle, index: u32, name: &str) {
        let key = self.key(namespace, index);
        self.learnt().names.insert(key, name.to_owned());
    }

    /// What a link is called now; none where it is gone.
    ///
    /// # Errors
    /// Where the kernel does not say.
    pub fn name_of(&self, link: &LinkHandle) -> weir_native::Result<Option<String>> {
        let key = self.key(&link.namespace, link.index);
        let known = self.learnt().names.get(&key).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let found = link::find_by_index(&link.namespace.netns, link.index)?;
        if let Some(found) = &found {
            self.learn_name(&link.namespace, link.index, &found.name);
        }
        Ok(found.map(|found| found.name))
    }

    /// The index of a link by its name; none where there is no such link, or it cannot be told.
    pub fn index_of(&self, namespace: &NamespaceHandle, name: &str) -> Option<u32> {
        let is_host = self.place(namespace) == Place::Host;
        let known =
            self.learnt().names.iter().find(|(key, known)| key.0 == is_host && *known == name).map(|(key, _)| key.1);
        known.or_else(|| {
            let found = link::find(&namespace.netns, name).ok()??;
            self.learn_name(namespace, found.index, &found.name);
            (found.name == name).then_some(found.index)
        })
    }

    /// Whether this process made a link for the attachment, or moved it there.
    pub fn made(&self, link: &LinkHandle) -> bool {
        let key = self.key(&link.namespace, link.index);
        self.learnt().own.contains(&key)
    }

    /// Whether this process moved a link to the host: what it had there before can be put back.
    pub fn returned(&self, link: &LinkHandle) -> bool {
        let key = self.key(&link.namespace, link.index);
        self.learnt().returned.contains(&key)
    }

    /// Whether a link of this name is the attachment's own: CNI_IFNAME in the container, what the ledger says, and the
    /// other end of CNI_IFNAME on the host.
    pub fn owns(&self, link: &LinkHandle, name: &str) -> bool {
        let place = self.place(&link.namespace);
        if self.made(link) || (place == Place::Container && name == self.interface_name) {
            return true;
        }
        if self.ledger.get().is_some_and(|ledger| ledger.owns_link(place, link.index, name)) {
            return true;
        }
        place == Place::Host && self.is_other_end(link)
    }

    fn is_other_end(&self, link: &LinkHandle) -> bool {
        let Some(container) = self.container.as_ref().filter(|_| !self.container_is_host) else { return false };
        let Ok(Some(inner)) = link::find(container, &self.interface_name) else { return false };
        link::is_veth_pair(&link.namespace.netns, link.index, container, inner.index).unwrap_or(false)
    }

    /// Whether an address is the attachment's, as others than the asking plugin say: nobody gives himself addresses.
    pub fn has_address(&self, address: IpAddr, asking: &str) -> bool {
        let learnt = self.learnt();
        learnt.networks.iter().any(|(network, giver)| network.addr() == address && giver.as_deref() != Some(asking))
    }

    /// Whether a prefix is that of one address of the attachment, as others than the asking plugin say.
    pub fn is_own_address(&self, prefix: IpNet, asking: &str) -> bool {
        prefix.prefix_len() == prefix.max_prefix_len() && self.has_address(prefix.addr(), asking)
    }

    /// Whether a prefix lies in the subnet of an address of the attachment, or is one of its gateways.
    pub fn is_near(&self, prefix: IpNet) -> bool {
        let learnt = self.learnt();
        let is_gateway = prefix.prefix_len() == prefix.max_prefix_len() && learnt.gateways.contains(&prefix.addr());
        // A subnet of all addresses is near to nothing.
        let mut near = learnt.networks.iter().map(|(network, _)| network).filter(|network| network.prefix_len() > 0);
        is_gateway || near.any(|network| network.trunc().contains(&prefix))
    }

    /// Remember the addresses of a plugin's result, where the runtime's configuration names it as IPAM plugin; of all
    /// others only those that were leased, so that two plugins cannot make up an address of somebody else's.
    pub fn learn_result(&self, plugin: &str, result: &AddResult) {
        let config = json::parse(self.config.as_bytes()).unwrap_or_default();
        let ipam = config.as_object().and_then(|config| json::get(config, "ipam")).and_then(Value::as_object);
        if ipam.and_then(|ipam| json::get(ipam, "type")).and_then(Value::as_str) == Some(plugin) {
            return self.learn_addresses(result, Some(plugin));
        }
        let mut leased = result.clone();
        leased.ips.retain(|ip| {
            let learnt = self.learnt();
            learnt.networks.iter().any(|(network, _)| network.addr() == ip.address.addr())
        });
        self.learn_addresses(&leased, Some(plugin));
    }

    fn learn_addresses(&self, result: &AddResult, giver: Option<&str>) {
        let mut learnt = self.learnt();
        for ip in &result.ips {
            learnt.networks.push((ip.address, giver.map(str::to_owned)));
            learnt.gateways.extend(ip.gateway);
        }
    }

    /// Remember what a call has done.
    pub fn learn(&self, plugin: &str, call: &Call<'_>, made: &Made) {
        match (call, made) {
            (Call::LinksCreateVeth { container, host, .. }, Made::Pair(near, far)) => {
                let (near, far) = (self.key(container, *near), self.key(host, *far));
                self.learnt().own.extend([near, far]);
            }
            (Call::VirtualLinksCreate { namespace, .. }, Made::Link(index)) => {
                let key = self.key(namespace, *index);
                self.learnt().own.insert(key);
            }
            (Call::LinkMoveTo { link, target, .. }, Made::Link(index)) => {
                let (from, to) = (self.key(&link.namespace, link.index), self.key(target, *index));
                let mut learnt = self.learnt();
                learnt.own.remove(&from);
                learnt.names.remove(&from);
                learnt.names.remove(&to);
                learnt.own.insert(to);
                if to.0 {
                    learnt.returned.insert(to);
                }
            }
            (Call::LinkUpdate { link, changes }, _) if changes.name.is_some() => {
                let key = self.key(&link.namespace, link.index);
                self.learnt().names.remove(&key);
            }
            (Call::LinkDelete { link } | Call::BridgesDeleteUnused { bridge: link }, _) => {
                let key = self.key(&link.namespace, link.index);
                let mut learnt = self.learnt();
                learnt.own.remove(&key);
                learnt.names.remove(&key);
            }
            (_, Made::Address(address)) => {
                self.learnt().networks.push((IpNet::from(*address), Some(plugin.to_owned())));
            }
            _ => {}
        }
    }

    /// Remember a denial for the final error. False: it was known, or there are enough.
    pub fn remember(&self, denial: &Denial) -> bool {
        let mut learnt = self.learnt();
        let is_new = learnt.denials.len() < MOST_DENIALS && !learnt.denials.contains(denial);
        if is_new {
            learnt.denials.push(denial.clone());
        }
        is_new
    }

    /// All denials so far.
    pub fn denials(&self) -> Vec<Denial> {
        self.learnt().denials.clone()
    }
}
