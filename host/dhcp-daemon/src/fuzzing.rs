//! What reads foreign bytes, for the fuzz targets in `tests/fuzz`. No part of the interface.

use std::io::BufReader;
use std::time::Duration;

use weir_native::dhcp::protocol;

use crate::message::Message;
use crate::record::Record;
use crate::terms::Terms;
use crate::{datagram, names};

/// A packet as it comes from the wire.
pub fn packet(bytes: &[u8]) {
    if let Some(payload) = datagram::payload(bytes) {
        message(payload);
    }
}

/// A DHCP message: its options, and the terms that an ACK gives.
pub fn message(bytes: &[u8]) {
    drop(names::search_list(bytes));
    let Some(message) = Message::decode(bytes) else { return };
    let terms = Terms::read(&message, &message.hardware);
    if let Ok(terms) = &terms {
        drop(terms.lease(Some(Duration::from_secs(1))));
        drop(terms.lease(None));
    }
    drop(message.encode());
}

/// A request of a plugin, an answer of the daemon, and a lease that was saved.
pub fn document(bytes: &[u8]) {
    drop(protocol::read::<protocol::Request>(&mut BufReader::new(bytes)));
    drop(protocol::read::<protocol::Answer>(&mut BufReader::new(bytes)));
    if let Ok(mut record) = serde_json::from_slice::<Record>(bytes) {
        let now = Duration::from_secs(1 << 20);
        let _ = record.stage(now);
        record.wait_longer(now);
        let _ = record.left(now);
    }
}
