//! What the kernel and other services answer.

/// A datagram of rtnetlink.
pub(crate) fn netlink(bytes: &[u8]) {
    weir_native::fuzzing::route_datagram(bytes);
}

/// A datagram of nfnetlink.
pub(crate) fn netfilter(bytes: &[u8]) {
    weir_native::fuzzing::netfilter_datagram(bytes);
}

/// iptables-save, resolv.conf, files of assignments.
pub(crate) fn texts(bytes: &[u8]) {
    weir_native::fuzzing::text(&String::from_utf8_lossy(bytes));
}

/// A message on the system bus.
pub(crate) fn dbus(bytes: &[u8]) {
    weir_native::fuzzing::bus_message(bytes);
}

/// The first byte chooses: a packet, the message in one, a document of the daemon.
pub(crate) fn dhcp(bytes: &[u8]) {
    match bytes.split_first() {
        Some((0, packet)) => weir_dhcp::fuzzing::packet(packet),
        Some((1, document)) => weir_dhcp::fuzzing::document(document),
        Some((_, message)) => weir_dhcp::fuzzing::message(message),
        None => {}
    }
}
