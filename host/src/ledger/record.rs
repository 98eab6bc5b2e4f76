//! What the ledger holds: one JSON object on each line.
//!
//! A deed says what a call is about to make or change, by what it can be told from things of the same name that others
//! made: looked up to be absent before, or marked by something that only we chose. What is known only afterwards follows
//! in a line of its own.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use weir_native::attachment_state::Naming;
use weir_native::family::IpFamily;
use weir_native::link::LinkChanges;
use weir_native::netns::Netns;
use weir_native::{iptables, nftables, route, rule};

use crate::broker::objects::{NamespaceHandle, Place};

/// The only form of lines so far.
pub const VERSION: u32 = 1;

/// A line of a ledger file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Line {
    /// An ADD of a plugin begins to make something.
    Begin(Begin),
    /// It is about to do this.
    Intent {
        /// Run.
        run: String,
        /// Number within the run.
        n: u32,
        /// What.
        deed: Deed,
    },
    /// It is done, and this is known now.
    Done {
        /// Run.
        run: String,
        /// Number within the run.
        n: u32,
        /// What.
        made: Made,
    },
    /// It was not done, or it is undone.
    Void {
        /// Run.
        run: String,
        /// Number within the run.
        n: u32,
    },
    /// The ADD succeeded: its result was printed.
    End {
        /// Run.
        run: String,
    },
}

/// Whose the lines of a run are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Begin {
    /// Form of the lines.
    pub version: u32,
    /// Name of the run, by lot.
    pub run: String,
    /// The plugin that the runtime called; plugins that it called write under its name.
    pub plugin: String,
    /// Network.
    pub network: String,
    /// Container ID.
    pub container_id: String,
    /// Interface.
    pub interface_name: String,
}

/// A namespace, told from all others that exist at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Space {
    /// Whose.
    pub place: Place,
    /// Device of its file.
    pub device: u64,
    /// Inode of its file.
    pub inode: u64,
}

impl Space {
    /// The namespace of a handle.
    pub fn of(namespace: &NamespaceHandle) -> Self {
        let identity = namespace.netns.identity();
        Self { place: namespace.place, device: identity.device, inode: identity.inode }
    }

    /// Whether it is this one.
    pub fn is(&self, netns: &Netns) -> bool {
        let identity = netns.identity();
        (self.device, self.inode) == (identity.device, identity.inode)
    }
}

/// One end of a veth pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct End {
    /// Namespace.
    pub space: Space,
    /// Name; none: one by lot.
    pub name: Option<String>,
    /// Hardware address that it is made with.
    pub mac: Option<Vec<u8>>,
}

/// A rule that is found again by its comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MarkedRule {
    /// Chain.
    pub chain: String,
    /// Comment.
    pub comment: String,
    /// Rules that had the same comment before, by handle: they are not ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<u64>,
}

/// What an nftables batch creates where it is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ensured {
    /// The table.
    Table,
    /// A chain.
    Chain {
        /// Name.
        name: String,
        /// Whether it is a base chain; those are for all attachments.
        base: bool,
        /// Rules that it is created with.
        rules: usize,
    },
    /// A set or map.
    Set {
        /// Name.
        name: String,
    },
}

/// Something that a call makes or changes, with what it takes to undo it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the fields are named as in the contract and in rtnetlink(7)")]
pub enum Deed {
    /// A veth pair.
    Veth { container: End, host: End },
    /// Another link.
    Link { space: Space, name: String, kind: String, mac: Option<Vec<u8>> },
    /// A bridge. Shared.
    Bridge { space: Space, name: String },
    /// A link of somebody else's, taken to another namespace. `old` is how it was.
    Moved { from: Space, index: u32, to: Space, name: String, kind: Option<String>, mac: Vec<u8>, old: LinkChanges },
    /// A link of this attachment's, taken to another namespace.
    Relocated { to: Space, name: String, kind: Option<String>, mac: Vec<u8> },
    /// Properties of a link of somebody else's. Shared where the link is the host's.
    Changed { space: Space, link: u32, old: LinkChanges, new: LinkChanges },
    /// A link of somebody else's, put under a controller or released.
    Controlled { space: Space, link: u32, old: Option<u32>, new: Option<u32> },
    /// VLAN filtering of a bridge of somebody else's. Shared.
    VlanFiltering { space: Space, bridge: u32, old: bool },
    /// Addresses of a link of somebody else's. Shared where the link is a bridge.
    Addresses { space: Space, link: u32, is_bridge: bool, addresses: Vec<IpNet> },
    /// Routes that leave by a link of somebody else's.
    Routes { space: Space, routes: Vec<route::Route> },
    /// A policy routing rule. `except`: priorities of those that said the same before.
    Rule { space: Space, rule: rule::Rule, except: Vec<u32> },
    /// A kernel parameter. Shared where it is the host's.
    Sysctl { space: Space, key: String, old: String, new: String },
    /// A token bucket filter of a link of somebody else's.
    Shaper { space: Space, link: u32 },
    /// A redirect of a link of somebody else's.
    Redirect { space: Space, link: u32 },
    /// Rules and elements of a table, and what of it was created on the way.
    Nftables {
        space: Space,
        table: nftables::Table,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rules: Vec<MarkedRule>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        elements: Vec<(String, Vec<nftables::Element>)>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        ensured: Vec<(usize, Ensured)>,
    },
    /// Rules and chains of iptables: the commands that take them away again, in order.
    Iptables { space: Space, family: IpFamily, table: String, undo: Vec<iptables::Command> },
    /// A source of a zone of firewalld.
    FirewalldSource { zone: String, source: IpNet },
    /// An address of a store.
    Address { directory: PathBuf },
    /// A document.
    Document { directory: PathBuf, naming: Naming },
    /// A directory for state, made before the process gave up the right to. On record until the ADD has succeeded.
    Directory { path: PathBuf },
    /// A lease from the DHCP daemon.
    Lease { socket: PathBuf },
    /// What a native plugin did.
    Delegate { plugin: String, config: String },
}

impl Deed {
    /// Whether others may be using it by now: only the roll-back of the ADD itself undoes it, and only where nobody does.
    pub fn is_shared(&self) -> bool {
        match self {
            Self::Bridge { .. } | Self::VlanFiltering { .. } => true,
            Self::Changed { space, .. } | Self::Sysctl { space, .. } => space.place == Place::Host,
            Self::Addresses { is_bridge, .. } => *is_bridge,
            Self::Veth { .. }
            | Self::Link { .. }
            | Self::Moved { .. }
            | Self::Relocated { .. }
            | Self::Controlled { .. }
            | Self::Routes { .. }
            | Self::Rule { .. }
            | Self::Shaper { .. }
            | Self::Redirect { .. }
            | Self::Nftables { .. }
            | Self::Iptables { .. }
            | Self::FirewalldSource { .. }
            | Self::Address { .. }
            | Self::Document { .. }
            | Self::Directory { .. }
            | Self::Lease { .. }
            | Self::Delegate { .. } => false,
        }
    }
}

/// What was known only afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Made {
    /// Index of the link; where it was moved: in its new namespace.
    Link(u32),
    /// Indices of the container's and of the host's end.
    Pair(u32, u32),
    /// The address.
    Address(IpAddr),
    /// Steps that had to create something.
    Created(Vec<usize>),
}

/// A deed with what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Run.
    pub run: String,
    /// Number within the run.
    pub n: u32,
    /// What was to be done.
    pub deed: Deed,
    /// What was known afterwards; none: it may not have come to it.
    pub made: Option<Made>,
}

/// A run and whether it ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Whose it is.
    pub begin: Begin,
    /// Whether its ADD succeeded.
    pub ended: bool,
}

/// A ledger file as it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book {
    /// Runs, in order.
    pub runs: Vec<Run>,
    /// What is not undone, in order.
    pub records: Vec<Record>,
    /// Lines that are no lines of a ledger.
    pub damaged: usize,
}

impl Book {
    /// Read the lines of a file. What does not end in a line break was being written when somebody died, and had not
    /// happened.
    pub fn parse(text: &[u8]) -> Self {
        let mut book = Self::default();
        let complete = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last.saturating_add(1));
        let (lines, _torn) = text.split_at_checked(complete).unwrap_or((text, &[]));
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(line) => book.take(line),
                Err(_) => book.damaged = book.damaged.saturating_add(1),
            }
        }
        book
    }

    /// Add a line.
    pub fn take(&mut self, line: Line) {
        match line {
            Line::Begin(begin) if begin.version == VERSION => self.runs.push(Run { begin, ended: false }),
            Line::Begin(_) => self.damaged = self.damaged.saturating_add(1),
            Line::Intent { run, n, deed } => self.records.push(Record { run, n, deed, made: None }),
            Line::Done { run, n, made } => {
                for record in self.records.iter_mut().filter(|record| record.n == n && record.run == run) {
                    record.made = Some(made.clone());
                }
            }
            Line::Void { run, n } => self.records.retain(|record| record.n != n || record.run != run),
            Line::End { run } => {
                for other in self.runs.iter_mut().filter(|other| other.begin.run == run) {
                    other.ended = true;
                }
            }
        }
    }

    /// Names of the runs of a plugin; only those that did not end, or all.
    pub fn runs_of(&self, plugin: &str, only_unfinished: bool) -> Vec<String> {
        let wanted = |run: &&Run| run.begin.plugin == plugin && !(only_unfinished && run.ended);
        self.runs.iter().filter(wanted).map(|run| run.begin.run.clone()).collect()
    }

    /// Whether a link was made here, or taken to where it is.
    pub fn has_link(&self, space: &Space, index: u32) -> bool {
        self.records.iter().any(|record| links(record).into_iter().flatten().any(|link| link == (*space, index)))
    }

    /// Whether a link here is somebody else's that was taken to where it is.
    pub fn has_taken(&self, space: &Space, index: u32) -> bool {
        self.taken(space, index).is_some()
    }

    /// The record of the move that took a link here.
    pub fn taken(&self, space: &Space, index: u32) -> Option<&Record> {
        self.records.iter().find(|record| {
            matches!((&record.deed, &record.made), (Deed::Moved { to, .. }, Some(Made::Link(made))) if (*to, *made) == (*space, index))
        })
    }
}

/// The links that a record speaks of, where they were made or taken to.
fn links(record: &Record) -> [Option<(Space, u32)>; 2] {
    match (&record.deed, &record.made) {
        (Deed::Veth { container, host }, Some(Made::Pair(near, far))) => {
            [Some((container.space, *near)), Some((host.space, *far))]
        }
        (Deed::Link { space, .. } | Deed::Bridge { space, .. }, Some(Made::Link(index))) => {
            [Some((*space, *index)), None]
        }
        (Deed::Moved { to, .. } | Deed::Relocated { to, .. }, Some(Made::Link(index))) => [Some((*to, *index)), None],
        _ => [None, None],
    }
}

/// Whether a record speaks of a link at a place.
pub(super) fn is_link_at(record: &Record, place: Place, index: u32) -> bool {
    links(record).into_iter().flatten().any(|(space, made)| (space.place, made) == (place, index))
}

/// What changes would alter: the fields of `is` that they set, and set otherwise.
pub(super) fn differing(is: &LinkChanges, changes: &LinkChanges) -> LinkChanges {
    fn field<T: Clone + PartialEq>(is: &Option<T>, to: &Option<T>) -> Option<T> {
        is.clone().filter(|is| to.as_ref().is_some_and(|to| to != is))
    }
    LinkChanges {
        up: field(&is.up, &changes.up),
        name: field(&is.name, &changes.name),
        mtu: field(&is.mtu, &changes.mtu),
        mac: field(&is.mac, &changes.mac),
        promiscuous: field(&is.promiscuous, &changes.promiscuous),
        all_multicast: field(&is.all_multicast, &changes.all_multicast),
        tx_queue_length: field(&is.tx_queue_length, &changes.tx_queue_length),
        alias: field(&is.alias, &changes.alias),
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
