//! Packet sockets on one link, for protocols that must work before the link has an address: DHCP of clients, and ARP.
//! See packet(7).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::netns::Netns;
use crate::{Error, Result};

/// ETH_P_IP.
const IPV4: u16 = 0x0800;
/// ETH_P_ARP.
const ARP: u16 = 0x0806;
/// Longest hardware address in `struct sockaddr_ll`.
const LONGEST_ADDRESS: usize = 8;

/// What a socket hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// IPv4 packets with UDP datagrams to port 68.
    Dhcp,
    /// ARP.
    Arp,
}

/// A packet socket. Packets are those of the network layer, without the link's header.
#[derive(Debug)]
pub struct PacketSocket {
    descriptor: OwnedFd,
    link: u32,
    protocol: u16,
}

/// A packet that came in: how long it is, and the hardware address of who sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Bytes in the buffer.
    pub length: usize,
    /// Hardware address of the sender.
    pub sender: Vec<u8>,
}

impl PacketSocket {
    /// Open a socket on a link of a namespace; it stays there wherever the thread goes. Closing it takes the kernel up to
    /// 16 ms.
    pub fn open(namespace: &Netns, link: u32, protocol: Protocol) -> Result<Self> {
        let (number, filter) = match protocol {
            Protocol::Dhcp => (IPV4, Some(dhcp_filter())),
            Protocol::Arp => (ARP, None),
        };
        let made = namespace.enter(|| -> io::Result<OwnedFd> {
            // Protocol 0: hears nothing until it is bound, when the filter is there.
            // SAFETY: socket(2) takes no pointers.
            let descriptor = unsafe {
                libc::socket(libc::AF_PACKET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0)
            };
            if descriptor < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: the descriptor is new, so nobody else owns it.
            let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
            if let Some(mut filter) = filter {
                attach(&descriptor, &mut filter)?;
            }
            bind(&descriptor, link, number)?;
            Ok(descriptor)
        })?;
        let descriptor =
            made.map_err(|error| Error::io(format_args!("open a packet socket on link with index {link}"), &error))?;
        Ok(Self { descriptor, link, protocol: number })
    }

    /// Send a packet to a hardware address.
    pub fn send(&self, packet: &[u8], target: &[u8]) -> Result<()> {
        let address = address(self.link, self.protocol, target);
        loop {
            // SAFETY: both pointers come with the length of what they point to, and live through the call.
            let sent = unsafe {
                libc::sendto(
                    self.descriptor.as_raw_fd(),
                    packet.as_ptr().cast(),
                    packet.len(),
                    0,
                    std::ptr::from_ref(&address).cast(),
                    size_of::<libc::sockaddr_ll>() as libc::socklen_t,
                )
            };
            if sent >= 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(Error::io(format_args!("send a packet on link with index {}", self.link), &error));
            }
        }
    }

    /// The next packet, cut to the buffer; none within the time.
    pub fn receive(&self, buffer: &mut [u8], within: Duration) -> Result<Option<Arrival>> {
        let fault = |error: io::Error| Error::io(format_args!("hear on link with index {}", self.link), &error);
        let deadline = Instant::now() + within;
        loop {
            if let Some(arrival) = self.take(buffer).map_err(fault)? {
                return Ok(Some(arrival));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let left =
                Timespec { tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() };
            match poll(&mut [PollFd::new(&self.descriptor, PollFlags::IN)], Some(&left)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(fault(errno.into())),
            }
        }
    }

    fn take(&self, buffer: &mut [u8]) -> io::Result<Option<Arrival>> {
        let mut from = address(0, 0, &[]);
        let mut length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: the buffer comes with its length; `from` is a sockaddr_ll, and `length` says how large it is.
        let received = unsafe {
            libc::recvfrom(
                self.descriptor.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                0,
                std::ptr::from_mut(&mut from).cast(),
                &mut length,
            )
        };
        match usize::try_from(received) {
            Ok(length) => {
                let count = usize::from(from.sll_halen).min(LONGEST_ADDRESS);
                let sender = from.sll_addr.into_iter().take(count).collect();
                Ok(Some(Arrival { length, sender }))
            }
            Err(_) => match io::Error::last_os_error() {
                error if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(None),
                error => Err(error),
            },
        }
    }
}

fn address(link: u32, protocol: u16, hardware: &[u8]) -> libc::sockaddr_ll {
    let mut bytes = [0; LONGEST_ADDRESS];
    bytes.iter_mut().zip(hardware).for_each(|(place, byte)| *place = *byte);
    libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: protocol.to_be(),
        sll_ifindex: link.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: hardware.len().min(LONGEST_ADDRESS) as u8,
        sll_addr: bytes,
    }
}

fn bind(descriptor: &OwnedFd, link: u32, protocol: u16) -> io::Result<()> {
    let address = address(link, protocol, &[]);
    // SAFETY: the pointer comes with the length of what it points to, and lives through the call.
    let bound = unsafe {
        libc::bind(
            descriptor.as_raw_fd(),
            std::ptr::from_ref(&address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    if bound < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Let the kernel drop all but unfragmented UDP datagrams to port 68, so that the process is not woken for the rest.
fn dhcp_filter() -> [libc::sock_filter; 9] {
    let step = |code: u16, jt: u8, jf: u8, k: u32| libc::sock_filter { code, jt, jf, k };
    // Classic BPF, offsets from the IPv4 header.
    [
        step(0x30, 0, 0, 9),      // protocol
        step(0x15, 0, 6, 17),     // UDP, else drop
        step(0x28, 0, 0, 6),      // flags and fragment offset
        step(0x45, 4, 0, 0x1fff), // a later fragment: drop
        step(0xb1, 0, 0, 0),      // length of the header
        step(0x48, 0, 0, 2),      // destination port
        step(0x15, 0, 1, 68),     // that of clients, else drop
        step(0x06, 0, 0, 0xffff), // take the whole packet
        step(0x06, 0, 0, 0),      // drop
    ]
}

fn attach(descriptor: &OwnedFd, filter: &mut [libc::sock_filter]) -> io::Result<()> {
    let program =
        libc::sock_fprog { len: u16::try_from(filter.len()).unwrap_or_default(), filter: filter.as_mut_ptr() };
    // SAFETY: the option takes a sock_fprog, which points to `len` instructions; the kernel copies them during the call.
    let set = unsafe {
        libc::setsockopt(
            descriptor.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            std::ptr::from_ref(&program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    if set < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
