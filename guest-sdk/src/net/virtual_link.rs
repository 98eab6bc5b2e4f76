//! Macvlan, ipvlan, vlan, dummy, ifb, vrf and tap links. Needs the interface `virtual-links`.

use std::fmt;

use crate::failure::Failure;
use crate::imports::virtual_links;
use crate::net::{IpvlanMode, Link, LinkKind, LinkOptions, MacvlanMode, Netns};

impl Netns {
    /// Make a link here under this name, also where the link below it is in another namespace. Macvlan, ipvlan and vlan
    /// need one below, the others have none. Nothing is left after a failure.
    pub fn create_virtual_link(
        &self,
        name: &str,
        kind: &LinkKind,
        options: &LinkOptions,
        lower: Option<&Link>,
    ) -> Result<Link, Failure> {
        let lower = lower.map(|lower| &lower.raw);
        Ok(Link::from_raw(virtual_links::create(&self.raw, name, kind, options, lower)?))
    }
}

impl Link {
    /// The kind of this link with its options as the kernel has them; none for other kinds.
    pub fn kind(&self) -> Result<Option<LinkKind>, Failure> {
        virtual_links::describe(&self.raw)
    }
}

impl LinkKind {
    /// What the kernel calls the kind (IFLA_INFO_KIND), as in [`LinkInfo::kind`](crate::net::LinkInfo::kind).
    pub fn name(&self) -> &'static str {
        match self {
            Self::Macvlan(_) => "macvlan",
            Self::Ipvlan(_) => "ipvlan",
            Self::Vlan(_) => "vlan",
            Self::Dummy => "dummy",
            Self::Ifb => "ifb",
            Self::Vrf(_) => "vrf",
            Self::Tap(_) => "tun",
        }
    }
}

impl Default for LinkOptions {
    /// Everything by the kernel, down.
    fn default() -> Self {
        Self { mtu: None, mac: None, up: false, alias: None }
    }
}

impl Default for crate::net::TapOptions {
    /// One queue, for whoever has CAP_NET_ADMIN.
    fn default() -> Self {
        Self { multi_queue: false, owner: None, group: None, selinux_context: None }
    }
}

impl fmt::Display for MacvlanMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bridge => "bridge",
            Self::Private => "private",
            Self::Vepa => "vepa",
            Self::Passthru => "passthru",
            Self::Source => "source",
        })
    }
}

impl fmt::Display for IpvlanMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::L2 => "l2",
            Self::L3 => "l3",
            Self::L3s => "l3s",
        })
    }
}
