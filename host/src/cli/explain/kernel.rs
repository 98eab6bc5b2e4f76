//! What a plugin's interfaces need of the kernel, and whether this one has it.

use weir_native::confinement::landlock;
use weir_native::kernel::{Kernel, Part, Presence};

use crate::registry::Entry;
use crate::registry::grant_values::GrantedKind;

/// Something that an interface needs.
#[derive(Clone, Copy)]
struct Need {
    /// In words.
    what: &'static str,
    part: Part,
    /// What does not work without it.
    without: &'static str,
}

const fn need(what: &'static str, module: Option<&'static str>, symbol: &'static str, without: &'static str) -> Need {
    Need { what, part: Part { module, symbol }, without }
}

const ALL: &str = "nothing of the interface works";

/// By interface of the contract. Those that are not named need what every kernel has.
fn of_interface(interface: &str) -> &'static [Need] {
    const BRIDGES: &[Need] = &[
        need("bridges", Some("bridge"), "br_dev_newlink", ALL),
        need("VLAN filtering of bridges", None, "nbp_vlan_add", "VLANs on bridge ports"),
    ];
    const SHAPING: &[Need] = &[
        need("token bucket filter", Some("sch_tbf"), "tbf_init", "limits of bandwidth"),
        need("ingress discipline", Some("sch_ingress"), "ingress_init", "limits of what a container sends"),
        need("u32 filter", Some("cls_u32"), "u32_init", "limits of what a container sends"),
        need("redirect action", Some("act_mirred"), "tcf_mirred_init", "limits of what a container sends"),
    ];
    const RULES: &[Need] = &[need("policy routing", None, "fib_nl_newrule", ALL)];
    const CONNTRACK: &[Need] =
        &[need("connection tracking over netlink", Some("nf_conntrack_netlink"), "ctnetlink_net_init", ALL)];
    const TABLES: &[Need] = &[
        need("nf_tables", Some("nf_tables"), "nf_tables_newtable", ALL),
        need("masquerading", Some("nft_masq"), "nft_masq_init", "addresses of containers are not hidden"),
        need("address translation", Some("nft_nat"), "nft_nat_init", "ports of the host lead nowhere"),
    ];
    match interface {
        "bridges" => BRIDGES,
        "traffic-control" => SHAPING,
        "rules" => RULES,
        "nftables" => TABLES,
        "conntrack" => CONNTRACK,
        _ => &[],
    }
}

fn of_kind(kind: GrantedKind) -> Option<Need> {
    const ALL: &str = "links of the kind cannot be made";
    Some(match kind {
        GrantedKind::Veth => need("veth", Some("veth"), "veth_newlink", ALL),
        GrantedKind::Macvlan => need("macvlan", Some("macvlan"), "macvlan_common_newlink", ALL),
        GrantedKind::Ipvlan => need("ipvlan", Some("ipvlan"), "ipvlan_link_new", ALL),
        GrantedKind::Vlan => need("vlan", Some("8021q"), "register_vlan_dev", ALL),
        GrantedKind::Dummy => need("dummy", Some("dummy"), "dummy_setup", ALL),
        GrantedKind::Ifb => need("ifb", Some("ifb"), "ifb_setup", ALL),
        GrantedKind::Vrf => need("vrf", Some("vrf"), "vrf_newlink", ALL),
        GrantedKind::Tap => need("tun", Some("tun"), "tun_chr_open", ALL),
        // Its interface needs it.
        GrantedKind::Bridge => return None,
    })
}

/// Whether something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Present,
    Loadable,
    Missing,
    Unknown,
}

/// One need of the plugin.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    what: &'static str,
    /// The interface or the kind of link.
    needed_by: String,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<&'static str>,
    without: &'static str,
}

/// The kernel and what the plugin needs of it.
#[derive(Debug, serde::Serialize)]
pub(super) struct Support {
    release: String,
    needs: Vec<Line>,
    /// Version of landlock; none where the kernel has none.
    landlock: Option<u32>,
}

impl Support {
    /// What an installed plugin needs of this kernel.
    pub(super) fn of(entry: &Entry) -> Self {
        let interfaces = entry.imports.iter().flat_map(|interface| {
            of_interface(interface).iter().map(move |need| (format!("interface {interface}"), *need))
        });
        let kinds = entry.grants.link_kinds.iter();
        let kinds = kinds.filter_map(|kind| Some((format!("link kind {kind}"), of_kind(*kind)?)));
        let found: Vec<(String, Need)> = interfaces.chain(kinds).collect();
        let kernel = Kernel::read(&found.iter().map(|(_, need)| need.part).collect::<Vec<_>>());
        let needs = found.into_iter().map(|(needed_by, need)| Line {
            what: need.what,
            needed_by,
            state: match kernel.has(need.part) {
                Presence::Present => State::Present,
                Presence::Loadable => State::Loadable,
                Presence::Missing => State::Missing,
                Presence::Unknown => State::Unknown,
            },
            module: need.part.module,
            without: need.without,
        });
        Self {
            needs: needs.collect(),
            release: kernel.release().to_owned(),
            landlock: landlock::version().ok().flatten(),
        }
    }

    pub(super) fn print(&self) {
        println!("\nkernel {}", self.release);
        for line in &self.needs {
            let state = match line.state {
                State::Present => "there".to_owned(),
                State::Loadable => "loaded when needed".to_owned(),
                State::Missing => format!("MISSING: {}", line.without),
                State::Unknown => "not known: the kernel does not tell".to_owned(),
            };
            println!("  {} ({})  {state}", line.what, line.needed_by);
        }
        match self.landlock {
            Some(version) => println!("  landlock (confinement)  version {version}"),
            None => println!("  landlock (confinement)  MISSING: files stay within reach of the process"),
        }
    }
}
