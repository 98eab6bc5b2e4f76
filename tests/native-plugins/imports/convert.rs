//! The contract's records and those of the shim, as the host converts them.

use ipnet::IpNet;
use weir_native::ErrorKind;
use weir_native::link as native;

use crate::bindings::weir::cni::links::{LinkChanges, LinkInfo, OperationalState, VethEnd};
use crate::bindings::weir::cni::types::IpNetwork;
use crate::failure::{Failure, FailureKind};

impl From<weir_native::Error> for Failure {
    fn from(error: weir_native::Error) -> Self {
        let kind = match error.kind {
            ErrorKind::NotFound => FailureKind::NotFound,
            ErrorKind::AlreadyExists => FailureKind::AlreadyExists,
            ErrorKind::Denied => FailureKind::Denied,
            ErrorKind::Invalid => FailureKind::Invalid,
            ErrorKind::Busy => FailureKind::Busy,
            ErrorKind::Unsupported => FailureKind::Unsupported,
            ErrorKind::Exhausted => FailureKind::Exhausted,
            ErrorKind::TimedOut => FailureKind::TimedOut,
            ErrorKind::Io => FailureKind::Io,
        };
        Self { kind, message: error.message }
    }
}

pub(super) fn network(network: IpNetwork) -> IpNet {
    network.into()
}

pub(super) fn end(end: &VethEnd) -> native::VethEnd {
    native::VethEnd { name: end.name.clone(), mac: end.mac.clone(), mtu: end.mtu }
}

pub(super) fn changes(changes: &LinkChanges) -> native::LinkChanges {
    native::LinkChanges {
        up: changes.up,
        name: changes.name.clone(),
        mtu: changes.mtu,
        mac: changes.mac.clone(),
        promiscuous: changes.promiscuous,
        all_multicast: changes.all_multicast,
        tx_queue_length: changes.tx_queue_length,
        alias: changes.alias.clone(),
    }
}

pub(super) fn info(info: native::LinkInfo) -> LinkInfo {
    LinkInfo {
        index: info.index,
        name: info.name,
        kind: info.kind,
        loopback: info.loopback,
        mac: info.mac,
        mtu: info.mtu,
        up: info.up,
        operational_state: match info.operational_state {
            native::OperationalState::Unknown => OperationalState::Unknown,
            native::OperationalState::NotPresent => OperationalState::NotPresent,
            native::OperationalState::Down => OperationalState::Down,
            native::OperationalState::LowerLayerDown => OperationalState::LowerLayerDown,
            native::OperationalState::Testing => OperationalState::Testing,
            native::OperationalState::Dormant => OperationalState::Dormant,
            native::OperationalState::Up => OperationalState::Up,
        },
        controller: info.controller,
        lower: info.lower,
        promiscuous: info.promiscuous,
        all_multicast: info.all_multicast,
        tx_queue_length: info.tx_queue_length,
        alias: info.alias,
    }
}
