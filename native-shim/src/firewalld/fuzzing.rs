//! Messages of the bus, for the fuzz targets.

use super::message;

/// Read a message as it would be read from the socket.
pub(crate) fn message(bytes: &[u8]) {
    if let Some(start) = bytes.first_chunk::<{ message::START }>() {
        drop(message::length(start));
    }
    if let Ok(message::Reply::Result { answer, .. }) = message::parse(bytes) {
        let _ = answer.boolean();
    }
}
