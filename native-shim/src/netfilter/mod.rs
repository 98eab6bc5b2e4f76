//! Messages of NETLINK_NETFILTER, shared by nftables and conntrack.

pub(crate) mod attributes;
mod channel;
mod message;

pub(crate) use channel::{BatchFault, Channel, with_channel};
#[cfg(feature = "fuzzing")]
pub(crate) use message::{Content, received};
pub(crate) use message::{Refusal, Request, flags};
