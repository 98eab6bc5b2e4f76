//! What is said of links: their state, changes to it, links to be made.

/// RFC 2863 operational state, IFLA_OPERSTATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OperationalState {
    /// The driver does not tell.
    #[default]
    Unknown,
    /// The device is not there.
    NotPresent,
    /// Down.
    Down,
    /// A link below is down.
    LowerLayerDown,
    /// In a test mode.
    Testing,
    /// Waits for something outside, for instance authentication.
    Dormant,
    /// Passes packets.
    Up,
}

/// What the kernel says of a link now.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct LinkInfo {
    /// Interface index, unique in its namespace.
    pub index: u32,
    /// Interface name.
    pub name: String,
    /// Kind as in IFLA_INFO_KIND ("veth", "bridge", "macvlan"); none for hardware and loopback.
    pub kind: Option<String>,
    /// True for the loopback interface.
    pub loopback: bool,
    /// Hardware address; empty where the link has none.
    pub mac: Vec<u8>,
    /// MTU in bytes.
    pub mtu: u32,
    /// Administrative state (IFF_UP).
    pub up: bool,
    /// Operational state.
    pub operational_state: OperationalState,
    /// The link below or the cable is there (IFF_LOWER_UP).
    pub carrier: bool,
    /// Index of the link that this one is a port or slave of (IFLA_MASTER).
    pub controller: Option<u32>,
    /// Index of the link below or of the veth peer (IFLA_LINK); it may lie in another namespace.
    pub lower: Option<u32>,
    /// Promiscuous mode asked for by an administrator (IFF_PROMISC).
    pub promiscuous: bool,
    /// All-multicast mode asked for by an administrator (IFF_ALLMULTI).
    pub all_multicast: bool,
    /// Length of the transmit queue in packets.
    pub tx_queue_length: u32,
    /// Free text (IFLA_IFALIAS).
    pub alias: Option<String>,
}

/// Changes to make together, in one request to the kernel. A field that is none stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct LinkChanges {
    /// Administrative state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up: Option<bool>,
    /// A new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// MTU in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Hardware address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<Vec<u8>>,
    /// Promiscuous mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promiscuous: Option<bool>,
    /// All-multicast mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_multicast: Option<bool>,
    /// Length of the transmit queue in packets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_queue_length: Option<u32>,
    /// Free text; empty removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
}

/// One end of a veth pair that is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct VethEnd {
    /// Name; none: `veth` and eight random hexadecimal digits, tried again where taken.
    pub name: Option<String>,
    /// Hardware address; none: the kernel chooses.
    pub mac: Option<Vec<u8>>,
    /// MTU in bytes; none: the kernel's default.
    pub mtu: Option<u32>,
}

/// A link that was made just now.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CreatedLink {
    /// Interface index.
    pub index: u32,
    /// Interface name.
    pub name: String,
}
