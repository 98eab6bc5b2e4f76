//! The model's store of addresses given out.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::bindings::weir::cni::ipam_store::{AddressRange, Lease};
use crate::bindings::weir::cni::types::Attachment as AttachmentRecord;
use crate::export::AttachmentExt;
use crate::failure::{Failure, FailureKind};
use crate::plugin::Attachment;

/// The addresses of one network.
#[derive(Debug, Clone, Default)]
pub(crate) struct StoreState {
    leases: BTreeMap<IpAddr, Attachment>,
    last: BTreeMap<u32, IpAddr>,
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The address with these bits, of the family of `like`.
fn address(number: u128, like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::from_bits(u32::try_from(number).unwrap_or(u32::MAX)).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(number).into(),
    }
}

fn contains(range: &AddressRange, wanted: IpAddr) -> bool {
    let (first, last) = (IpAddr::from(range.first), IpAddr::from(range.last));
    first.is_ipv4() == wanted.is_ipv4() && (bits(first)..=bits(last)).contains(&bits(wanted))
}

impl StoreState {
    pub(crate) fn allocate(
        &mut self,
        owner: Attachment,
        range_set: u32,
        ranges: &[AddressRange],
    ) -> Result<IpAddr, Failure> {
        if let Some((held, _)) = self
            .leases
            .iter()
            .find(|(held, holder)| **holder == owner && ranges.iter().any(|range| contains(range, **held)))
        {
            return Err(Failure::new(FailureKind::AlreadyExists, format!("the attachment holds {held} already")));
        }
        let start = self.last.get(&range_set).copied();
        let position = start.and_then(|last| ranges.iter().position(|range| contains(range, last))).unwrap_or(0);
        let whole = |range: &AddressRange| {
            (IpAddr::from(range.first), bits(range.first.into()), bits(range.last.into()), *range)
        };
        let mut laps: Vec<(IpAddr, u128, u128, AddressRange)> = Vec::new();
        laps.extend(ranges.iter().skip(position).map(whole));
        if let (Some(last), Some((_, begin, ..))) = (start, laps.first_mut())
            && ranges.iter().any(|range| contains(range, last))
        {
            *begin = bits(last).saturating_add(1);
        }
        laps.extend(ranges.iter().take(position.saturating_add(1)).map(whole));
        for (like, begin, end, range) in laps {
            for number in begin..=end {
                let candidate = address(number, like);
                if range.except.map(IpAddr::from) != Some(candidate) && !self.leases.contains_key(&candidate) {
                    self.leases.insert(candidate, owner);
                    self.last.insert(range_set, candidate);
                    return Ok(candidate);
                }
            }
        }
        Err(Failure::new(FailureKind::Exhausted, format!("range set {range_set} has no free address")))
    }

    pub(crate) fn reserve(&mut self, owner: Attachment, range_set: u32, wanted: IpAddr) -> Result<(), Failure> {
        if self.leases.contains_key(&wanted) {
            return Err(Failure::new(FailureKind::Busy, format!("{wanted} is given out already")));
        }
        self.leases.insert(wanted, owner);
        self.last.insert(range_set, wanted);
        Ok(())
    }

    pub(crate) fn release(&mut self, goes: impl Fn(IpAddr, &Attachment) -> bool) -> Vec<(IpAddr, Attachment)> {
        let gone: Vec<_> = self
            .leases
            .iter()
            .filter(|(address, holder)| goes(**address, holder))
            .map(|(address, holder)| (*address, holder.clone()))
            .collect();
        gone.iter().for_each(|(address, _)| drop(self.leases.remove(address)));
        gone
    }

    pub(crate) fn find(&self, owner: &Attachment) -> Vec<IpAddr> {
        self.leases.iter().filter(|(_, holder)| *holder == owner).map(|(address, _)| *address).collect()
    }

    pub(crate) fn list(&self) -> Vec<Lease> {
        let lease =
            |(address, owner): (&IpAddr, &Attachment)| Lease { address: (*address).into(), owner: owner.to_record() };
        self.leases.iter().map(lease).collect()
    }

    pub(crate) fn retain(&mut self, valid: &[AttachmentRecord]) -> Vec<Lease> {
        let stays = |holder: &Attachment| {
            valid.iter().any(|valid| {
                valid.container_id == holder.container_id
                    && (holder.interface_name.is_empty() || valid.interface_name == holder.interface_name)
            })
        };
        let gone = self.release(|_, holder| !stays(holder));
        gone.into_iter().map(|(address, owner)| Lease { address: address.into(), owner: owner.to_record() }).collect()
    }

    pub(crate) fn count_free(&self, ranges: &[AddressRange]) -> u64 {
        let free = |range: &AddressRange| {
            let (first, last) = (IpAddr::from(range.first), IpAddr::from(range.last));
            let size = bits(last).saturating_sub(bits(first)).saturating_add(1);
            let reserved = range.except.is_some_and(|except| contains(range, except.into()));
            let except = range.except.map(IpAddr::from);
            let used = self.leases.keys().filter(|held| contains(range, **held) && Some(**held) != except).count();
            size.saturating_sub(u128::from(reserved)).saturating_sub(used as u128)
        };
        u64::try_from(ranges.iter().map(free).fold(0, u128::saturating_add)).unwrap_or(u64::MAX)
    }

    /// Give an address to somebody without asking.
    pub(crate) fn insert(&mut self, address: IpAddr, owner: Attachment) {
        self.leases.insert(address, owner);
    }
}
