//! Kinds of links with what only each has.

/// How macvlan links on one lower link see each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MacvlanMode {
    /// They exchange frames directly.
    Bridge,
    /// They exchange none.
    Private,
    /// They exchange frames by way of a switch that sends them back.
    Vepa,
    /// One link has the lower one for itself.
    Passthru,
    /// Frames are taken from listed source addresses only.
    Source,
}

/// A macvlan link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MacvlanOptions {
    /// Mode.
    pub mode: MacvlanMode,
    /// Length of the queue of broadcast frames that the lower link is asked for; none: the kernel's default.
    pub broadcast_queue_length: Option<u32>,
}

/// At which layer an ipvlan link takes packets off its lower link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IpvlanMode {
    /// Ethernet.
    L2,
    /// IP: the lower link's namespace routes.
    L3,
    /// As `L3`, and packets pass the filters of the lower link's namespace.
    L3s,
}

/// A tap link.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct TapOptions {
    /// Several programs, or threads, may have it open.
    pub multi_queue: bool,
    /// User who may open it.
    pub owner: Option<u32>,
    /// Group whose members may open it.
    pub group: Option<u32>,
    /// SELinux context in which it is made. The kernel does not tell it.
    pub selinux_context: Option<String>,
}

/// A kind of link, with what only this kind has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LinkKind {
    /// An own hardware address on a lower link.
    Macvlan(MacvlanOptions),
    /// Own IP addresses on a lower link, with its hardware address.
    Ipvlan(IpvlanMode),
    /// The frames of a lower link that carry this VLAN ID.
    Vlan(u16),
    /// Takes packets and drops them.
    Dummy,
    /// Shapes packets that were redirected to it.
    Ifb,
    /// Links that it controls use this routing table.
    Vrf(u32),
    /// Frames to and from programs.
    Tap(TapOptions),
}

/// What every kind of link can be given when it is made.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct LinkOptions {
    /// MTU in bytes; none: the kernel's default.
    pub mtu: Option<u32>,
    /// Hardware address; none: the kernel chooses.
    pub mac: Option<Vec<u8>>,
    /// Set it up.
    pub up: bool,
    /// Free text (IFLA_IFALIAS).
    pub alias: Option<String>,
}
