//! UDP datagrams in IPv4 packets, as a client sends and hears them before it has an address.

use std::net::Ipv4Addr;

/// Port of DHCP clients.
const CLIENT: u16 = 68;
/// Port of DHCP servers.
const SERVER: u16 = 67;
/// IPPROTO_UDP.
const UDP: u8 = 17;

/// A packet from client to server.
pub(crate) fn build(source: Ipv4Addr, target: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let length = |more: usize| u16::try_from(payload.len().saturating_add(more)).unwrap_or(u16::MAX).to_be_bytes();
    let mut header = Vec::with_capacity(payload.len().saturating_add(28));
    header.extend([0x45, 0]);
    header.extend(length(28));
    // Identification 0, not to be fragmented, 64 hops.
    header.extend([0, 0, 0x40, 0, 64, UDP, 0, 0]);
    header.extend(source.octets());
    header.extend(target.octets());
    let sum = checksum(&[&header]);
    if let Some(place) = header.get_mut(10..12) {
        place.copy_from_slice(&sum.to_be_bytes());
    }
    let mut datagram = Vec::with_capacity(8);
    datagram.extend(CLIENT.to_be_bytes());
    datagram.extend(SERVER.to_be_bytes());
    datagram.extend(length(8));
    let sum = checksum(&[&source.octets(), &target.octets(), &[0, UDP], &length(8), &datagram, &[0, 0], payload]);
    // Zero would mean: none.
    datagram.extend(if sum == 0 { 0xffff } else { sum }.to_be_bytes());
    header.extend(datagram);
    header.extend(payload);
    header
}

/// The payload of a packet from server to client; none where it is another packet.
///
/// The checksum of the datagram is not looked at: between namespaces of one machine it is not filled in.
pub(crate) fn payload(packet: &[u8]) -> Option<&[u8]> {
    let first = *packet.first()?;
    let header = usize::from(first & 0x0f).checked_mul(4).filter(|length| *length >= 20)?;
    let whole: usize = u16::from_be_bytes(packet.get(2..4)?.try_into().ok()?).into();
    if first >> 4 != 4 || packet.get(9) != Some(&UDP) {
        return None;
    }
    // Short frames are filled up.
    let datagram = packet.get(header..whole)?;
    let field = |from: usize| -> Option<u16> {
        Some(u16::from_be_bytes(datagram.get(from..from.checked_add(2)?)?.try_into().ok()?))
    };
    if field(2)? != CLIENT {
        return None;
    }
    datagram.get(8..usize::from(field(4)?))
}

/// The checksum of the internet protocols over parts of which all but the last have an even length (RFC 1071).
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for part in parts {
        for pair in part.chunks(2) {
            let high = pair.first().copied().unwrap_or_default();
            let low = pair.get(1).copied().unwrap_or_default();
            sum = sum.wrapping_add(u16::from_be_bytes([high, low]).into());
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standards() {
        // The example of RFC 1071, section 3.
        assert_eq!(checksum(&[&[0x00, 0x01, 0xf2, 0x03], &[0xf4, 0xf5, 0xf6, 0xf7]]), !0xddf2);
        let packet = build([10, 0, 0, 2].into(), [10, 0, 0, 1].into(), b"odd");
        assert_eq!(checksum(&[&packet[..20]]), 0, "a header with its sum adds up to nothing");
        let pseudo = [&packet[12..20], &[0, UDP, 0, 11], &packet[20..]].concat();
        assert_eq!(checksum(&[&pseudo]), 0);
    }

    #[test]
    fn answers_are_taken_out_and_other_packets_are_not() {
        let mut packet = build([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), b"hello");
        assert_eq!(payload(&packet), None, "it goes to a server");
        packet[23] = 68;
        assert_eq!(payload(&packet), Some(&b"hello"[..]));
        packet.extend([0; 20]);
        assert_eq!(payload(&packet), Some(&b"hello"[..]), "with padding");
        for length in 0..33 {
            assert_eq!(payload(&packet[..length]), None, "{length}");
        }
        for (place, byte) in [(0, 0x65), (0, 0x4f), (9, 6), (25, 200), (25, 3)] {
            let mut bad = packet.clone();
            bad[place] = byte;
            assert_eq!(payload(&bad), None, "{place}");
        }
    }
}
