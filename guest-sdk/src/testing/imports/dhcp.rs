//! The DHCP daemon of the contract, on the in-memory model: it gives every attachment what the test said.

use crate::bindings::weir::cni::dhcp::{ClientOptions, Lease};
use crate::bindings::weir::cni::types::Attachment as Record;
use crate::export::AttachmentExt;
use crate::failure::{Failure, FailureKind};
use crate::plugin::Attachment;
use crate::testing::dhcp::Dhcp;
use crate::testing::state::{State, with};

fn daemon<'s>(state: &'s mut State, name: &str, socket: Option<&str>) -> Result<&'s mut Dhcp, Failure> {
    let socket = socket.unwrap_or("/run/cni/dhcp.sock");
    state.call(name, socket)?;
    let daemon = state.dhcp.as_mut().filter(|daemon| daemon.socket == socket);
    daemon.ok_or_else(|| Failure::new(FailureKind::NotFound, format!("no DHCP daemon listens at {socket}")))
}

pub(crate) fn acquire(socket: Option<&str>, options: &ClientOptions) -> Result<Lease, Failure> {
    with(|state| {
        let owner = (state.network.clone(), state.attachment.clone());
        let daemon = daemon(state, "dhcp.acquire", socket)?;
        daemon.asked.push(options.clone());
        let Some(lease) = daemon.offer.clone() else {
            return Err(Failure::new(FailureKind::TimedOut, "no DHCP server answered"));
        };
        daemon.leases.insert(owner, lease.clone());
        Ok(lease)
    })
}
pub(crate) fn confirm(socket: Option<&str>) -> Result<Lease, Failure> {
    with(|state| {
        let owner = (state.network.clone(), state.attachment.clone());
        let daemon = daemon(state, "dhcp.confirm", socket)?;
        daemon.leases.get(&owner).cloned().ok_or_else(|| Failure::new(FailureKind::NotFound, "there is no lease"))
    })
}
pub(crate) fn release(socket: Option<&str>) -> Result<(), Failure> {
    with(|state| {
        let owner = (state.network.clone(), state.attachment.clone());
        daemon(state, "dhcp.release", socket)?.leases.remove(&owner);
        Ok(())
    })
}
pub(crate) fn retain(socket: Option<&str>, valid: &[Record]) -> Result<Vec<Record>, Failure> {
    with(|state| {
        let network = state.network.clone();
        let valid: Vec<_> = valid.iter().cloned().map(Attachment::from_record).collect();
        let daemon = daemon(state, "dhcp.retain", socket)?;
        let mut released = Vec::new();
        daemon.leases.retain(|(of, owner), _| {
            let stays = *of != network || valid.contains(owner);
            if !stays {
                released.push(owner.to_record());
            }
            stays
        });
        Ok(released)
    })
}
pub(crate) fn available(socket: Option<&str>) -> Result<(), Failure> {
    with(|state| daemon(state, "dhcp.available", socket).map(drop))
}
