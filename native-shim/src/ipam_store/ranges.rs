//! The order in which addresses are tried: host-local's, round robin over the ranges of a set.

use std::net::IpAddr;

use super::AddressRange;
use super::index::number;
use crate::{Error, ErrorKind, Result};

/// Numbers of addresses from the first to the last, both included.
pub(super) type Part = (u128, u128);

impl AddressRange {
    /// Whether an address lies between the first and the last.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.to_canonical().is_ipv4()
            && (number(self.first)..=number(self.last)).contains(&number(address))
    }

    /// The addresses that may be given out: the range without the excepted one.
    pub(super) fn parts(&self) -> Vec<Part> {
        self.cut(number(self.first), number(self.last))
    }

    /// A piece of the range, without the excepted address.
    fn cut(&self, first: u128, last: u128) -> Vec<Part> {
        let whole = first..=last;
        match self.except.map(number) {
            Some(except) if whole.contains(&except) => {
                [(first, except.wrapping_sub(1)), (except.wrapping_add(1), last)]
                    .into_iter()
                    .zip([except > first, except < last])
                    .filter_map(|(part, exists)| exists.then_some(part))
                    .collect()
            }
            _ if first <= last => vec![(first, last)],
            _ => Vec::new(),
        }
    }
}

/// Refuse ranges that mean nothing.
pub(super) fn check(ranges: &[AddressRange]) -> Result<()> {
    if ranges.is_empty() {
        return Err(Error::new(ErrorKind::Invalid, "no address range is given"));
    }
    for AddressRange { first, last, .. } in ranges {
        if first.to_canonical().is_ipv4() != last.to_canonical().is_ipv4() || number(*first) > number(*last) {
            return Err(Error::new(ErrorKind::Invalid, format!("there are no addresses from {first} to {last}")));
        }
    }
    Ok(())
}

/// Once round all ranges: from the address after the last one given out to itself, or from the start.
pub(super) fn lap(ranges: &[AddressRange], last_reserved: Option<IpAddr>) -> Vec<Part> {
    let place = last_reserved.and_then(|last| {
        let at = ranges.iter().position(|range| range.contains(last))?;
        Some((at, number(last)))
    });
    let Some((at, last)) = place else { return ranges.iter().flat_map(AddressRange::parts).collect() };
    let (before, from) = ranges.split_at_checked(at).unwrap_or_default();
    let Some((current, after)) = from.split_first() else { return Vec::new() };
    let mut parts = Vec::new();
    if let Some(next) = last.checked_add(1) {
        parts.extend(current.cut(next, number(current.last)));
    }
    parts.extend(after.iter().chain(before).flat_map(AddressRange::parts));
    parts.extend(current.cut(number(current.first), last));
    parts
}
