//! Objects that the scenarios are about. Nothing is touched: decisions look at values.

use std::path::PathBuf;
use std::sync::Arc;

use weir::broker::objects::{LinkHandle, NamespaceHandle, Place};
use weir::broker::policy::Facts;
use weir::broker::{Call, Made};
use weir_native::address::NewAddress;
use weir_native::conntrack::FlowFilter;
use weir_native::family::IpFamily;
use weir_native::link::{LinkChanges, VethEnd};
use weir_native::netns::Netns;
use weir_native::route::Route;
use weir_native::rule::Rule;
use weir_native::traffic_control::TokenBucket;
use weir_native::virtual_link::{LinkKind, LinkOptions};
use weir_native::{iptables, nftables};

pub(crate) const CONFIG: &str = r#"{"name": "net", "cniVersion": "1.1.0"}"#;
/// Indexes that no link has.
const FOREIGN: u32 = 2_000_000_001;
const SECOND: u32 = 2_000_000_002;
const OWN: u32 = 2_000_000_003;

pub(crate) struct Fixture {
    pub(crate) place: Place,
    pub(crate) facts: Arc<Facts>,
    pub(crate) namespace: NamespaceHandle,
    pub(crate) container: NamespaceHandle,
    /// A link of somebody else, called `foreign0`; another, called `second0`; one of the attachment.
    pub(crate) foreign: LinkHandle,
    pub(crate) second: LinkHandle,
    pub(crate) own: LinkHandle,
    pub(crate) changes: LinkChanges,
    pub(crate) unnamed: VethEnd,
    pub(crate) named: VethEnd,
    pub(crate) kind: LinkKind,
    pub(crate) options: LinkOptions,
    pub(crate) address: Vec<NewAddress>,
    pub(crate) own_address: Vec<NewAddress>,
    pub(crate) routes: Vec<Route>,
    pub(crate) default_route: Vec<Route>,
    pub(crate) own_routes: Vec<Route>,
    pub(crate) rule: Rule,
    pub(crate) bucket: TokenBucket,
    pub(crate) table: nftables::Table,
    pub(crate) nftables: Vec<nftables::Command>,
    pub(crate) iptables: Vec<iptables::Command>,
    pub(crate) filters: Vec<FlowFilter>,
    pub(crate) directory: PathBuf,
    pub(crate) file: PathBuf,
}

impl Fixture {
    pub(crate) fn new(place: Place) -> Self {
        let netns = Arc::new(Netns::current().unwrap());
        let of = |place| NamespaceHandle { netns: netns.clone(), place };
        let namespace = of(place);
        let link = |index| LinkHandle { namespace: namespace.clone(), index };
        let facts = Facts::for_attachment("net", "c1", "eth0");
        for (index, name) in [(FOREIGN, "foreign0"), (SECOND, "second0"), (OWN, "own0")] {
            facts.learn_name(&namespace, index, name);
        }
        let (kind, options) = (LinkKind::Dummy, LinkOptions::default());
        let made = Call::VirtualLinksCreate {
            namespace: &namespace,
            name: "own0",
            kind: &kind,
            options: &options,
            lower: None,
        };
        facts.learn("ipam", &made, &Made::Link(OWN));
        facts.learn("ipam", &Call::StoreOpen { directory: "/x".as_ref() }, &Made::Address("10.9.0.2".parse().unwrap()));
        let new_address =
            |network: &str| NewAddress { network: network.parse().unwrap(), no_dad: false, no_prefix_route: false };
        let route = |index, to: &str| Route { link: Some(index), ..Route::to(to.parse().unwrap()) };
        let jump = iptables::Rule { chain: "POSTROUTING".to_owned(), words: vec!["-j".to_owned(), "OWN".to_owned()] };
        Self {
            place,
            facts: Arc::new(facts),
            container: of(Place::Container),
            foreign: link(FOREIGN),
            second: link(SECOND),
            own: link(OWN),
            changes: LinkChanges { up: Some(false), ..LinkChanges::default() },
            unnamed: VethEnd::default(),
            named: VethEnd { name: Some("veth0".to_owned()), ..VethEnd::default() },
            kind,
            options,
            address: vec![new_address("198.51.100.1/24")],
            own_address: vec![new_address("10.9.0.2/32")],
            routes: vec![route(FOREIGN, "198.51.100.0/24")],
            default_route: vec![route(FOREIGN, "0.0.0.0/0")],
            own_routes: vec![route(OWN, "10.9.0.2/32")],
            rule: Rule::to_table(IpFamily::Ipv4, 100),
            bucket: TokenBucket { rate: 1, burst: 1, limit: 1 },
            table: nftables::Table { family: nftables::Family::Inet, name: "theirs".to_owned() },
            nftables: vec![nftables::Command::DeleteTable],
            iptables: vec![iptables::Command::CreateChain("OWN".to_owned()), iptables::Command::Append(jump)],
            filters: vec![FlowFilter { family: IpFamily::Ipv4, protocol: 17, destination_port: 53 }],
            directory: PathBuf::from("/var/lib/theirs"),
            file: PathBuf::from("/etc/shadow"),
            namespace,
        }
    }
}
