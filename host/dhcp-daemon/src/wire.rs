//! The wire of a client: packet sockets on the container's link.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use weir_native::link::LinkInfo;
use weir_native::netns::Netns;
use weir_native::packet_socket::{PacketSocket, Protocol};
use weir_native::{Error, ErrorKind, Result, clock};

use crate::client::{Target, Wire};
use crate::datagram;
use crate::message::{LONGEST, Message};

/// How long neighbours may take to answer for an address. On one link they need a fraction of a millisecond.
const PROBE_TIME: Duration = Duration::from_millis(100);
/// A wait is cut into pieces so that a release need not wait for its end.
const LONGEST_WAIT: Duration = Duration::from_millis(200);
/// Room for a packet of any link.
const PACKET: usize = 9216;

/// A socket on one link.
pub(crate) struct LinkWire<'a> {
    netns: &'a Netns,
    link: &'a LinkInfo,
    socket: PacketSocket,
    buffer: Vec<u8>,
    /// Set by whoever wants the lease back.
    cancelled: &'a AtomicBool,
}

impl<'a> LinkWire<'a> {
    /// Open it.
    pub(crate) fn open(netns: &'a Netns, link: &'a LinkInfo, cancelled: &'a AtomicBool) -> Result<Self> {
        let socket = PacketSocket::open(netns, link.index, Protocol::Dhcp)?;
        Ok(Self { netns, link, socket, buffer: vec![0; PACKET], cancelled })
    }

    fn everybody(&self) -> Vec<u8> {
        vec![0xff; self.link.mac.len()]
    }

    fn check(&self) -> Result<()> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Busy, "the lease was given back in the meantime"));
        }
        Ok(())
    }
}

impl Wire for LinkWire<'_> {
    fn send(&mut self, message: &Message, target: &Target) -> Result<()> {
        let Some(payload) = message.encode() else {
            let text =
                format!("the options to send do not fit into a message of {LONGEST} bytes; send fewer or shorter ones");
            return Err(Error::new(ErrorKind::Invalid, text));
        };
        match target {
            Target::Everybody => {
                let packet = datagram::build(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST, &payload);
                self.socket.send(&packet, &self.everybody())
            }
            Target::Server { from, to, hardware } => self.socket.send(&datagram::build(*from, *to, &payload), hardware),
        }
    }

    fn receive(&mut self, within: Duration) -> Result<Option<(Message, Vec<u8>)>> {
        let deadline = Instant::now() + within;
        loop {
            self.check()?;
            let left = deadline.saturating_duration_since(Instant::now());
            match self.socket.receive(&mut self.buffer, left.min(LONGEST_WAIT))? {
                Some(arrival) => {
                    let packet = self.buffer.get(..arrival.length).unwrap_or_default();
                    if let Some(message) = datagram::payload(packet).and_then(Message::decode)
                        && message.hardware == self.link.mac
                    {
                        return Ok(Some((message, arrival.sender)));
                    }
                }
                None if left.is_zero() => return Ok(None),
                None => {}
            }
        }
    }

    /// An ARP probe (RFC 5227, 2.1.1), one of them.
    fn is_taken(&mut self, address: Ipv4Addr) -> Result<bool> {
        let Ok(own) = <[u8; 6]>::try_from(self.link.mac.as_slice()) else { return Ok(false) };
        let socket = PacketSocket::open(self.netns, self.link.index, Protocol::Arp)?;
        // Ethernet, IPv4, lengths of their addresses, request.
        let mut probe = vec![0, 1, 8, 0, 6, 4, 0, 1];
        probe.extend(own);
        probe.extend([0; 10]);
        probe.extend(address.octets());
        socket.send(&probe, &self.everybody())?;
        let deadline = Instant::now() + PROBE_TIME;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(arrival) = socket.receive(&mut self.buffer, left)? else { return Ok(false) };
            let packet = self.buffer.get(..arrival.length).unwrap_or_default();
            // From 8 on the sender's hardware address, from 14 on its address.
            let from = (packet.get(8..14), packet.get(14..18));
            if from.1 == Some(&address.octets()) && from.0 != Some(&own) {
                return Ok(true);
            }
        }
    }

    fn now(&self) -> Duration {
        clock::since_boot()
    }

    fn pause(&mut self, time: Duration) -> Result<()> {
        let deadline = Instant::now() + time;
        loop {
            self.check()?;
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(LONGEST_WAIT));
        }
    }
}
