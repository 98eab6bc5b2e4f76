//! A namespace as a test sees and changes it, beside what plugins can.

use ipnet::IpNet;

use crate::bindings::weir::cni::addresses::NewAddress;
use crate::bindings::weir::cni::nftables::{BaseChain, Family, Table};
use crate::bindings::weir::cni::types::IpFamily;
use crate::net::{
    BridgeOptions, LinkAddress, LinkInfo, LinkKind, LinkOptions, Neighbor, PortOptions, PortVlan, Route, RouteFilter,
    Rule, TokenBucket,
};
use crate::testing::rules::first_rules;
use crate::testing::state::with;
use crate::testing::text;

/// A namespace of the [`World`](crate::testing::World). Functions that change it panic where the model refuses, because
/// then the test is wrong.
#[derive(Debug, Clone, Copy)]
pub struct NetnsView {
    number: usize,
}

#[allow(clippy::panic, reason = "used by tests alone, which fail by panicking")]
fn must<T>(result: Result<T, crate::Failure>) -> T {
    match result {
        Ok(value) => value,
        Err(failure) => panic!("the model refused: {}", failure.message),
    }
}

impl NetnsView {
    pub(crate) fn new(number: usize) -> Self {
        Self { number }
    }

    fn id(&self, name: &str) -> Option<u64> {
        with(|state| state.link_by_name(self.number, name))
    }

    fn must_id(&self, name: &str) -> u64 {
        must(
            self.id(name).ok_or_else(|| crate::Failure::new(crate::FailureKind::NotFound, format!("no link {name:?}"))),
        )
    }

    /// Names of all links but `lo`.
    pub fn link_names(&self) -> Vec<String> {
        self.links().into_iter().filter(|info| !info.loopback).map(|info| info.name).collect()
    }

    /// All links.
    pub fn links(&self) -> Vec<LinkInfo> {
        with(|state| {
            let links = state.links_of(self.number);
            links.into_iter().filter_map(|id| state.link_info(id).ok()).map(LinkInfo::from).collect()
        })
    }

    /// A link by name.
    pub fn link(&self, name: &str) -> Option<LinkInfo> {
        let id = self.id(name)?;
        with(|state| state.link_info(id).ok()).map(LinkInfo::from)
    }

    /// Make a link of any kind, down.
    pub fn add_link(&self, name: &str, kind: &str) -> &Self {
        with(|state| must(state.create_device(self.number, name, kind)));
        self
    }

    /// Make a virtual link, up. The link below it is in the same namespace.
    pub fn add_virtual_link(&self, name: &str, kind: &LinkKind, lower: Option<&str>) -> &Self {
        let lower = lower.map(|lower| self.must_id(lower));
        let options = LinkOptions { up: true, ..LinkOptions::default() };
        with(|state| must(state.create_virtual_link(self.number, name, kind, &options, lower)));
        self
    }

    /// The kind of a link with its options.
    pub fn link_kind(&self, name: &str) -> Option<LinkKind> {
        let id = self.id(name)?;
        with(|state| state.link_kind(id).ok()).flatten()
    }

    /// Make a bridge, up.
    pub fn add_bridge(&self, name: &str, options: BridgeOptions) -> &Self {
        with(|state| {
            let id = must(state.create_bridge(self.number, name, options));
            state.set_up(id, true);
        });
        self
    }

    /// Change a link as `ip link set` would.
    pub fn update_link(&self, name: &str, changes: &crate::net::LinkChanges) -> &Self {
        let id = self.must_id(name);
        with(|state| must(state.update_link(id, changes)));
        self
    }

    /// Delete a link.
    pub fn delete_link(&self, name: &str) -> &Self {
        let id = self.must_id(name);
        with(|state| must(state.delete_link(id)));
        self
    }

    /// Addresses of a link, without those of scope link.
    pub fn addresses(&self, link: &str) -> Vec<IpNet> {
        self.all_addresses(link)
            .into_iter()
            .filter(|address| address.scope != 253)
            .map(|address| address.network)
            .collect()
    }

    /// Addresses of a link with what is known of them.
    pub fn all_addresses(&self, link: &str) -> Vec<LinkAddress> {
        let Some(id) = self.id(link) else { return Vec::new() };
        let list = with(|state| state.list_addresses(id)).unwrap_or_default();
        list.into_iter()
            .map(|address| LinkAddress {
                network: address.network.into(),
                scope: address.scope,
                tentative: address.tentative,
                dad_failed: address.dad_failed,
            })
            .collect()
    }

    /// Add an address to a link.
    pub fn add_address(&self, link: &str, network: IpNet) -> &Self {
        let id = self.must_id(link);
        let new = NewAddress { network: network.into(), no_dad: true, no_prefix_route: false };
        with(|state| must(state.add_address(id, &new)));
        self
    }

    /// Remove an address from a link.
    pub fn remove_address(&self, link: &str, network: IpNet) -> &Self {
        let id = self.must_id(link);
        with(|state| must(state.remove_address(id, network)));
        self
    }

    /// Routes of the main table, without those to link-local prefixes.
    pub fn routes(&self) -> Vec<Route> {
        let all =
            with(|state| state.list_routes(self.number, crate::bindings::weir::cni::routes::RouteFilter::default()));
        let link_local = |route: &Route| route.destination.to_string() == "fe80::/64";
        all.into_iter().map(Route::from).filter(|route| !link_local(route)).collect()
    }

    /// Routes of a table.
    pub fn routes_in(&self, table: u32) -> Vec<Route> {
        let filter = RouteFilter { table: Some(table), ..RouteFilter::default() };
        let filter = crate::bindings::weir::cni::routes::RouteFilter {
            family: filter.family,
            link: filter.link,
            table: filter.table,
        };
        with(|state| state.list_routes(self.number, filter)).into_iter().map(Route::from).collect()
    }

    /// Remove routes that match in all given fields.
    pub fn remove_routes(&self, old: &Route) -> &Self {
        let old = crate::net::route_to_host(old);
        with(|state| state.remove_route(self.number, &old));
        self
    }

    /// Policy routing rules of both families, without those that every namespace has.
    pub fn rules(&self) -> Vec<Rule> {
        let first = first_rules();
        let all = with(|state| state.list_rules(self.number, None));
        all.into_iter().filter(|rule| !first.contains(rule)).map(Rule::from).collect()
    }

    /// Add a policy routing rule.
    pub fn add_rule(&self, rule: &Rule) -> &Self {
        let rule = crate::net::rule_to_host(rule);
        with(|state| must(state.add_rule(self.number, &rule)));
        self
    }

    /// Add a neighbour to the table.
    pub fn add_neighbor(&self, entry: &Neighbor) -> &Self {
        let entry = crate::bindings::weir::cni::neighbors::Neighbor {
            link: entry.link,
            address: entry.address.into(),
            mac: entry.mac.clone().into(),
            permanent: entry.permanent,
            proxy: entry.proxy,
        };
        with(|state| state.namespace(self.number).neighbors.push(entry));
        self
    }

    /// A kernel parameter; none where it does not exist.
    pub fn sysctl(&self, key: &str) -> Option<String> {
        with(|state| state.get_sysctl(self.number, key).ok())
    }

    /// Set a kernel parameter, known to the model or not.
    pub fn set_sysctl(&self, key: &str, value: &str) -> &Self {
        with(|state| state.namespace(self.number).sysctls.insert(key.to_owned(), value.to_owned()));
        self
    }

    /// What a port of a bridge does.
    pub fn port_options(&self, link: &str) -> Option<PortOptions> {
        let id = self.id(link)?;
        with(|state| state.port_options(id).ok()).flatten()
    }

    /// The token bucket filter that packets leave by a link through.
    pub fn shaper(&self, link: &str) -> Option<TokenBucket> {
        let id = self.id(link)?;
        with(|state| state.shaper(id).ok()).flatten()
    }

    /// Names of the links that what comes in by a link is redirected to; `?` for one that is gone.
    pub fn redirects(&self, link: &str) -> Vec<String> {
        let Some(id) = self.id(link) else { return Vec::new() };
        let targets = with(|state| state.redirects(id)).unwrap_or_default();
        let links = self.links();
        let name = |index: &u32| links.iter().find(|link| link.index == *index).map(|link| link.name.clone());
        targets.iter().map(|index| name(index).unwrap_or_else(|| "?".to_owned())).collect()
    }

    /// Shape a link as `tc qdisc` would.
    pub fn shape(&self, link: &str, bucket: TokenBucket) -> &Self {
        let id = self.must_id(link);
        with(|state| must(state.remove_shaper(id).and_then(|()| state.shape(id, bucket))));
        self
    }

    /// Remove the token bucket filter of a link.
    pub fn remove_shaper(&self, link: &str) -> &Self {
        let id = self.must_id(link);
        with(|state| must(state.remove_shaper(id)));
        self
    }

    /// Remove the redirect of a link.
    pub fn remove_redirect(&self, link: &str) -> &Self {
        let id = self.must_id(link);
        with(|state| must(state.remove_redirect(id)));
        self
    }

    /// VLANs of a port or bridge.
    pub fn vlans(&self, link: &str) -> Vec<PortVlan> {
        let Some(id) = self.id(link) else { return Vec::new() };
        with(|state| state.list_vlans(id)).unwrap_or_default()
    }

    /// Rules of an nftables chain, as text close to that of nft(8): `nft_rules("inet", "cni", "postrouting")`.
    pub fn nft_rules(&self, family: &str, table: &str, chain: &str) -> Vec<String> {
        with(|state| state.nft(self.number).rules(&named(family, table), chain)).iter().map(text::rule).collect()
    }

    /// Names of the chains of an nftables table.
    pub fn nft_chains(&self, family: &str, table: &str) -> Vec<String> {
        with(|state| state.nft(self.number).list_chains(&named(family, table)))
    }

    /// Where a base chain stands.
    pub fn nft_base_chain(&self, family: &str, table: &str, chain: &str) -> Option<BaseChain> {
        with(|state| state.nft(self.number).base_chain(&named(family, table), chain))
    }

    /// Elements of an nftables set or map, as text.
    pub fn nft_elements(&self, family: &str, table: &str, set: &str) -> Vec<String> {
        let elements = with(|state| state.nft(self.number).list_elements(&named(family, table), set));
        elements.iter().map(text::element).collect()
    }

    /// Rules of an iptables chain, as text; none where there is no such chain.
    pub fn iptables_rules(&self, family: IpFamily, table: &str, chain: &str) -> Option<Vec<String>> {
        let chains = with(|state| must(must(state.iptables(self.number)).save(family, table)));
        let found = chains.into_iter().find(|state| state.name == chain)?;
        Some(found.rules.iter().map(|rule| rule.words.join(" ")).collect())
    }

    /// Names of the chains of an iptables table.
    pub fn iptables_chains(&self, family: IpFamily, table: &str) -> Vec<String> {
        let chains = with(|state| must(must(state.iptables(self.number)).save(family, table)));
        chains.into_iter().map(|chain| chain.name).collect()
    }
}

#[allow(clippy::panic, reason = "used by tests alone, which fail by panicking")]
fn named(family: &str, table: &str) -> Table {
    let family = match family {
        "ip" => Family::Ip,
        "ip6" => Family::Ip6,
        "inet" => Family::Inet,
        "bridge" => Family::Bridge,
        other => panic!("nftables has no family {other:?}"),
    };
    Table { family, name: table.to_owned() }
}
