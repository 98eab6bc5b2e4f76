//! Who owns which address: elements of the sets `owners4` and `owners6` of the table `inet cni_firewall`.
//!
//! No packet is compared with them. DEL without a result and GC learn from them what to take away, of every backend: rules
//! of iptables, kept as the reference plugin writes them, and sources of firewalld do not say whose they are.

use std::collections::BTreeSet;
use std::net::IpAddr;

use weir_sdk::convert::family_of;
use weir_sdk::naming::hash;
use weir_sdk::net::IpFamily;
use weir_sdk::net::nftables::{Batch, DataType, Element, ElementData, Set, SetData, Table, Value};
use weir_sdk::{Context, Failure, GcRequest, Netns, Request, Result};

use crate::FAMILIES;

/// Digits of the hashes in comments.
const DIGITS: usize = 16;
/// Stands before all comments of this plugin.
const START: &str = "firewall ";
/// Length of what identifies an attachment in a comment.
const MARK_LENGTH: usize = START.len() + 2 * DIGITS + 1;
/// Stands before the name of a zone.
const ZONE: &str = " zone=";

/// The table for everything that this plugin keeps in nftables.
pub(crate) fn table() -> Table {
    Table::inet("cni_firewall")
}

fn set(family: IpFamily) -> (&'static str, DataType) {
    match family {
        IpFamily::Ipv4 => ("owners4", DataType::Ipv4Address),
        IpFamily::Ipv6 => ("owners6", DataType::Ipv6Address),
    }
}

fn network_mark(network: &str) -> String {
    format!("{START}{}-", hash(network, DIGITS))
}

fn attachment_mark(network: &str, container_id: &str, interface_name: &str) -> String {
    format!("{}{}", network_mark(network), hash(&format!("{interface_name}:{container_id}"), DIGITS))
}

/// What all comments of an attachment begin with.
pub(crate) fn mark(request: &Request) -> String {
    attachment_mark(&request.network, &request.container_id, &request.interface_name)
}

/// A comment of an attachment: mark, then words for people.
pub(crate) fn comment(request: &Request) -> String {
    let Request { network, container_id, interface_name, .. } = request;
    format!("{}, net: {network}, if: {interface_name}, id: {container_id}", mark(request))
}

/// Tells comments of attachments of a network that are no more.
#[derive(Debug)]
pub(crate) struct Garbage {
    network: String,
    valid: BTreeSet<String>,
}

impl Garbage {
    pub(crate) fn of(request: &GcRequest) -> Self {
        // Not collected: that would sort, and sorting is much code.
        let mut valid = BTreeSet::new();
        for attachment in &request.valid_attachments {
            valid.insert(attachment_mark(&request.network, &attachment.container_id, &attachment.interface_name));
        }
        Self { network: network_mark(&request.network), valid }
    }

    pub(crate) fn is(&self, comment: &str) -> bool {
        comment.starts_with(&self.network) && !self.valid.contains(comment.get(..MARK_LENGTH).unwrap_or_default())
    }
}

/// An address with its owner.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) address: IpAddr,
    element: Element,
}

impl Entry {
    /// The zone of firewalld in which the address is.
    pub(crate) fn zone(&self) -> Option<&str> {
        let (_, rest) = self.element.comment.split_once(ZONE)?;
        rest.split(',').next()
    }
}

/// All addresses with their owners.
#[derive(Debug)]
pub(crate) struct Owners(Vec<Entry>);

impl Owners {
    /// Ask the kernel. Nothing where it has no nftables.
    pub(crate) fn load(host: &Netns) -> Result<Self> {
        let mut entries = Vec::new();
        for family in FAMILIES {
            let elements = host.nft_elements(&table(), set(family).0).context("list who owns addresses")?;
            for element in elements {
                if let Some(Value::Address(address)) = element.key.first() {
                    entries.push(Entry { address: (*address).into(), element });
                }
            }
        }
        Ok(Self(entries))
    }

    /// Whether an address is recorded as that of an attachment.
    pub(crate) fn owns(&self, request: &Request, address: IpAddr) -> bool {
        let mark = mark(request);
        self.0.iter().any(|entry| entry.address == address && entry.element.comment.starts_with(&mark))
    }

    /// Those with such a comment, and the others.
    pub(crate) fn split(self, wanted: impl Fn(&str) -> bool) -> (Vec<Entry>, Vec<Entry>) {
        self.0.into_iter().partition(|entry| wanted(&entry.element.comment))
    }
}

/// Write down whose addresses these are.
pub(crate) fn record(
    host: &Netns,
    request: &Request,
    addresses: &[IpAddr],
    zone: Option<&str>,
) -> std::result::Result<(), Failure> {
    if addresses.is_empty() {
        return Ok(());
    }
    let Request { network, container_id, interface_name, .. } = request;
    let zone = zone.map(|zone| format!("{ZONE}{zone}")).unwrap_or_default();
    let comment = format!("{}{zone}, net: {network}, if: {interface_name}, id: {container_id}", mark(request));
    let comment = weir_sdk::net::nftables::cut_comment(&comment);
    // An address may have two owners for a while: the number tells their elements apart.
    let number = u32::from_str_radix(&hash(&mark(request), 8), 16).unwrap_or_default();
    let mut batch = Batch::new(table()).ensure_table();
    for family in FAMILIES {
        let (name, address_type) = set(family);
        let own = addresses.iter().filter(|address| family_of(**address) == family);
        let elements: Vec<_> = own
            .map(|address| Element {
                key: vec![Value::from(*address), Value::Number(number)],
                data: ElementData::None,
                comment: comment.to_owned(),
            })
            .collect();
        if !elements.is_empty() {
            let key = vec![address_type, DataType::Mark];
            let set = Set { name: name.to_owned(), key, data: SetData::None, interval: false };
            batch = batch.ensure_set(set).add_elements(name, elements);
        }
    }
    batch.apply(host)
}

/// Strike entries out.
pub(crate) fn forget(host: &Netns, entries: &[Entry]) -> std::result::Result<(), Failure> {
    let mut outcome = Ok(());
    for family in FAMILIES {
        let own = entries.iter().filter(|entry| family_of(entry.address) == family);
        // One by one: another command may be striking out some of them.
        for entry in own {
            let batch = Batch::new(table()).delete_elements(set(family).0, vec![entry.element.clone()]);
            outcome = outcome.and(match batch.apply(host) {
                Err(failure) if failure.is_not_found() => Ok(()),
                other => other,
            });
        }
    }
    outcome
}
