//! nftables as structure: the words of `weir:cni/nftables`, one to one.

use std::net::IpAddr;

use ipnet::IpNet;

/// Family of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Family {
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// IPv4 and IPv6.
    Inet,
    /// Frames that pass a bridge.
    Bridge,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// Its family.
    pub family: Family,
    /// Its name.
    pub name: String,
}

/// Kind of a base chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChainType {
    /// Decides on packets.
    Filter,
    /// Sees the first packet of a connection and translates addresses.
    Nat,
    /// Re-routes local packets whose header or mark changed.
    Route,
}

/// Where a base chain stands in the packet's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hook {
    /// Before routing.
    Prerouting,
    /// To this host.
    Input,
    /// Through this host.
    Forward,
    /// From this host.
    Output,
    /// After routing.
    Postrouting,
}

/// What a base chain does with packets that no rule decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Let pass.
    Accept,
    /// Drop.
    Drop,
}

/// What makes a chain a base chain.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BaseChain {
    /// Its kind.
    pub chain_type: ChainType,
    /// Its hook.
    pub hook: Hook,
    /// Its place among the chains of the hook: dstnat is -100, filter 0, srcnat 100.
    pub priority: i32,
    /// Its policy.
    pub policy: Policy,
}

/// A base chain that the kernel has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BaseChainInfo {
    /// Its table.
    pub table: Table,
    /// Its name.
    pub name: String,
    /// What makes it one.
    pub base: BaseChain,
}

/// A field of a packet or of its meta data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// IPv4 source address.
    IpSource,
    /// IPv4 destination address.
    IpDestination,
    /// IPv6 source address.
    Ip6Source,
    /// IPv6 destination address.
    Ip6Destination,
    /// Transport protocol number (`meta l4proto`).
    TransportProtocol,
    /// Source port of TCP, UDP or SCTP.
    SourcePort,
    /// Destination port of TCP, UDP or SCTP.
    DestinationPort,
    /// Name of the interface the packet came in by (`iifname`).
    InputInterface,
    /// Name of the interface the packet leaves by (`oifname`).
    OutputInterface,
    /// Packet mark.
    Mark,
    /// Network protocol in an inet table: 2 IPv4, 10 IPv6 (`meta nfproto`).
    NetworkProtocol,
    /// Ethernet source address.
    EtherSource,
    /// Ethernet destination address.
    EtherDestination,
    /// Kind of the destination address as the routing table sees it: 2 local, 3 broadcast, 5 multicast
    /// (`fib daddr type`).
    DestinationAddressType,
    /// Connection tracking state bits: 1 invalid, 2 established, 4 related, 8 new, 64 untracked.
    ConnectionState,
    /// Connection tracking status bits: 16 source translated, 32 destination translated.
    ConnectionStatus,
}

/// A value to compare a field with, or part of the key of an element.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Value {
    /// An address.
    Address(IpAddr),
    /// All addresses of a prefix (host bits are ignored).
    Network(IpNet),
    /// A number: protocol, port, mark, address type, state.
    Number(u32),
    /// Numbers from the first to the last, both included.
    NumberRange(u32, u32),
    /// Addresses from the first to the last, both included.
    AddressRange(IpAddr, IpAddr),
    /// An interface name; a star at the end stands for any rest.
    Name(String),
    /// A hardware address.
    Mac(Vec<u8>),
    /// Some of these bits are set.
    AnyBit(u32),
    /// After masking the field with the first number the second is left.
    Masked(u32, u32),
}

/// How a match compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// Equal, or in the set, range or prefix.
    Equal,
    /// Not so.
    NotEqual,
}

/// A condition on a field.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldMatch {
    /// The field.
    pub field: Field,
    /// How.
    pub comparison: Comparison,
    /// One value, or several of which any may match.
    pub values: Vec<Value>,
}

/// A condition or a map lookup on a named set: the fields together are its key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SetMatch {
    /// The fields, in the order of the key.
    pub fields: Vec<Field>,
    /// In the set, or not in it. Ignored by lookups.
    pub comparison: Comparison,
    /// Name of the set or map, in the same table.
    pub set: String,
}

/// New destination of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Destination {
    /// Address.
    pub address: IpAddr,
    /// Port; none: as it was.
    pub port: Option<u16>,
}

/// Sets bits of the packet mark: mark = (mark and not mask) or value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MarkChange {
    /// Bits to clear first.
    pub mask: u32,
    /// Bits to set.
    pub value: u32,
}

/// What happens to a packet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// Let pass this chain's hook.
    Accept,
    /// Drop.
    Drop,
    /// Go on after the rule that jumped here.
    Return,
    /// Go to a chain and come back.
    Jump(String),
    /// Go to a chain, and from there on to where this chain would return.
    Goto(String),
}

/// One part of a rule; the parts hold or act from first to last.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Statement {
    /// Go on only where a field matches.
    MatchField(FieldMatch),
    /// Go on only where the fields are in a named set.
    MatchSet(SetMatch),
    /// Count packets and bytes.
    Counter,
    /// Change the packet mark.
    SetMark(MarkChange),
    /// Translate the destination.
    DestinationNat(Destination),
    /// Translate the destination to what a map holds for these fields. The map's data is an address, or an
    /// address and a port.
    DestinationNatByMap(SetMatch),
    /// Translate the source to the address of the outgoing interface.
    Masquerade,
    /// Decide.
    Verdict(Verdict),
    /// Decide by a verdict map.
    VerdictByMap(SetMatch),
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rule {
    /// Its parts.
    pub statements: Vec<Statement>,
    /// Comment, 0 to 127 bytes; empty: none. Rules are found again by it.
    pub comment: String,
}

/// A rule that the kernel has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RuleInfo {
    /// Chain.
    pub chain: String,
    /// Handle, unique in the table.
    pub handle: u64,
    /// Comment; empty: none.
    pub comment: String,
}

/// Kind of data in the key or the data of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataType {
    /// IPv4 address.
    Ipv4Address,
    /// IPv6 address.
    Ipv6Address,
    /// Transport protocol number.
    TransportProtocol,
    /// Port number.
    Port,
    /// Packet mark.
    Mark,
    /// Interface name.
    InterfaceName,
    /// Ethernet address.
    EtherAddress,
}

/// What a set maps its keys to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SetData {
    /// Nothing: a plain set.
    None,
    /// A verdict: a verdict map.
    Verdict,
    /// A value of these types together: a map.
    Values(Vec<DataType>),
}

/// A named set or map.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// Types of the key, in order.
    pub key: Vec<DataType>,
    /// What the keys map to.
    pub data: SetData,
    /// Elements may be prefixes and ranges. Only for keys of one type.
    pub interval: bool,
}

/// What an element maps to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ElementData {
    /// Nothing.
    None,
    /// A verdict.
    Verdict(Verdict),
    /// Values.
    Values(Vec<Value>),
}

/// An element of a set or map.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Element {
    /// Its key, in the order of the set's key types.
    pub key: Vec<Value>,
    /// What it maps to.
    pub data: ElementData,
    /// Comment, 0 to 127 bytes; empty: none.
    pub comment: String,
}

/// A chain that should exist.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EnsuredChain {
    /// Its name.
    pub name: String,
    /// Its hook; none: a chain that others jump to.
    pub base: Option<BaseChain>,
    /// Rules that it is created with. Not looked at where the chain exists.
    pub rules: Vec<Rule>,
}

/// A rule to add.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NewRule {
    /// Chain.
    pub chain: String,
    /// At the beginning of the chain instead of at its end.
    pub first: bool,
    /// The rule.
    pub rule: Rule,
}

/// A step of a batch. All steps work on the table that the batch names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Command {
    /// Create the table where it is missing.
    EnsureTable,
    /// Create a chain with its rules where it is missing.
    EnsureChain(EnsuredChain),
    /// Create a set or map where it is missing.
    EnsureSet(Set),
    /// Add a rule.
    AddRule(NewRule),
    /// Add elements to a set or map: name of the set, elements. One that exists with other data is a failure.
    AddElements(String, Vec<Element>),
    /// Delete rules: chain, handles.
    DeleteRules(String, Vec<u64>),
    /// Delete elements of a set or map by their keys: name of the set, elements.
    DeleteElements(String, Vec<Element>),
    /// Delete all rules of a chain.
    FlushChain(String),
    /// Delete a chain with its rules. `Busy` where another chain jumps to it.
    DeleteChain(String),
    /// Delete a set or map.
    DeleteSet(String),
    /// Delete the table and all in it.
    DeleteTable,
}
