//! What plugin and daemon say to each other: one request and one answer per connection of a unix socket, each one JSON
//! document on one line.

use std::io::{self, BufRead, Read, Write};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::attachment::Attachment;
use crate::netns::NetnsIdentity;
use crate::{Error, ErrorKind};

/// Version of this protocol. Plugin and daemon come from one installation, so there is no negotiation.
pub const VERSION: u32 = 1;
/// Longest line. The longest real one is a GC with some thousand attachments.
pub const LONGEST_LINE: u64 = 1 << 20;

/// A document with the version that it is in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Envelope<T> {
    version: u32,
    body: T,
}

/// What a plugin asks of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Request {
    /// Get a lease, or tell of the one that the attachment has.
    Acquire(Acquire),
    /// Tell of the lease that the attachment has.
    Confirm {
        /// Whose.
        owner: Owner,
    },
    /// Give the lease back. None there is no failure.
    Release {
        /// Whose.
        owner: Owner,
    },
    /// Give back all leases of a network but these.
    Retain {
        /// The network.
        network: String,
        /// Attachments in use.
        valid: Vec<Owner>,
    },
    /// Say that you are there.
    Ping,
}

/// An attachment of a network.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// Network name.
    pub network: String,
    /// CNI_CONTAINERID.
    pub container_id: String,
    /// CNI_IFNAME.
    pub interface_name: String,
}

impl Owner {
    /// An attachment of a network.
    pub fn new(network: &str, attachment: &Attachment) -> Self {
        Self {
            network: network.to_owned(),
            container_id: attachment.container_id.clone(),
            interface_name: attachment.interface_name.clone(),
        }
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of container {} in network {}", self.interface_name, self.container_id, self.network)
    }
}

/// What is needed to get a lease.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Acquire {
    /// For whom.
    pub owner: Owner,
    /// Path of the container's network namespace.
    pub netns: String,
    /// Which namespace the plugin found there, so that the daemon does not take another for it.
    pub identity: Identity,
    /// What to send to the server, and what to ask for.
    pub options: ClientOptions,
    /// How long the plugin waits for the answer, in milliseconds.
    pub patience: u64,
}

/// What a namespace is told apart by, as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// Device of the namespace file system.
    pub device: u64,
    /// Inode.
    pub inode: u64,
}

impl From<NetnsIdentity> for Identity {
    fn from(identity: NetnsIdentity) -> Self {
        Self { device: identity.device, inode: identity.inode }
    }
}

/// Options of a client, RFC 2132.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientOptions {
    /// Options to send.
    pub provide: Vec<ProvidedOption>,
    /// Numbers of the options to ask for.
    pub request: Vec<u8>,
    /// Metric of the routes, where the daemon has to replace them; 0: the kernel's default.
    pub priority: u32,
}

/// An option to send.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProvidedOption {
    /// Its number.
    pub code: u8,
    /// Its value.
    pub value: Vec<u8>,
}

/// What a server gave.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// Address with the subnet's prefix length.
    pub address: Ipv4Net,
    /// Routers, best first.
    pub routers: Vec<Ipv4Addr>,
    /// Routes: the classless ones; where there are none, the static ones and the default route.
    pub routes: Vec<LeaseRoute>,
    /// Name servers, best first.
    pub name_servers: Vec<Ipv4Addr>,
    /// Domain name; empty: none.
    pub domain: String,
    /// Domains to search.
    pub search: Vec<String>,
    /// Seconds until the lease ends, unless it is renewed; none: never.
    pub seconds_left: Option<u64>,
}

/// A route that a server gave.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LeaseRoute {
    /// Destination.
    pub destination: Ipv4Net,
    /// Next hop; none: on the link.
    pub gateway: Option<Ipv4Addr>,
}

/// What the daemon answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The attachment's lease.
    Lease(Lease),
    /// Leases given back.
    Released(Vec<Owner>),
    /// The daemon is there.
    Ready,
    /// It did not work.
    Failed {
        /// Kind of the failure.
        kind: Kind,
        /// What failed, for people.
        message: String,
    },
}

/// Kinds of failures that cross the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// There is no such lease, link or namespace.
    NotFound,
    /// The daemon may not do it.
    Denied,
    /// The request makes no sense.
    Invalid,
    /// Too much is going on.
    Busy,
    /// No server answered in time.
    TimedOut,
    /// Everything else.
    Io,
}

impl From<Error> for Answer {
    fn from(error: Error) -> Self {
        let kind = match error.kind {
            ErrorKind::NotFound => Kind::NotFound,
            ErrorKind::Denied => Kind::Denied,
            ErrorKind::Invalid => Kind::Invalid,
            ErrorKind::Busy => Kind::Busy,
            ErrorKind::TimedOut => Kind::TimedOut,
            ErrorKind::AlreadyExists | ErrorKind::Unsupported | ErrorKind::Exhausted | ErrorKind::Io => Kind::Io,
        };
        Self::Failed { kind, message: error.message }
    }
}

impl From<Kind> for ErrorKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::NotFound => Self::NotFound,
            Kind::Denied => Self::Denied,
            Kind::Invalid => Self::Invalid,
            Kind::Busy => Self::Busy,
            Kind::TimedOut => Self::TimedOut,
            Kind::Io => Self::Io,
        }
    }
}

/// Write one document.
pub fn write<T: Serialize>(stream: &mut impl Write, body: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(&Envelope { version: VERSION, body })?;
    line.push(b'\n');
    stream.write_all(&line)?;
    stream.flush()
}

/// Read one document.
pub fn read<T: DeserializeOwned>(stream: &mut impl BufRead) -> io::Result<T> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut line = Vec::new();
    stream.take(LONGEST_LINE + 1).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if line.len() as u64 > LONGEST_LINE {
        return Err(invalid(format!("longer than {LONGEST_LINE} bytes")));
    }
    // The version first: what follows it may have changed.
    let envelope: Envelope<serde_json::Value> = serde_json::from_slice(&line)?;
    if envelope.version != VERSION {
        let other = envelope.version;
        return Err(invalid(format!("version {other} of the protocol, and not {VERSION}: plugin and daemon differ")));
    }
    Ok(serde_json::from_value(envelope.body)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn owner() -> Owner {
        Owner::new("net", &Attachment::new("c1", "eth0"))
    }

    #[test]
    fn what_is_written_is_read() {
        let acquire = Acquire {
            owner: owner(),
            netns: "/run/netns/c1".to_owned(),
            identity: Identity { device: 4, inode: u64::MAX },
            options: ClientOptions {
                provide: vec![ProvidedOption { code: 0, value: vec![0, 255] }],
                request: vec![1, 3],
                priority: 7,
            },
            patience: 1,
        };
        let valid = vec![owner()];
        let requests = [
            Request::Acquire(acquire),
            Request::Confirm { owner: owner() },
            Request::Release { owner: owner() },
            Request::Retain { network: "net".to_owned(), valid: valid.clone() },
            Request::Ping,
        ];
        for request in requests {
            let mut line = Vec::new();
            write(&mut line, &request).unwrap();
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            assert_eq!(read::<Request>(&mut line.as_slice()).unwrap(), request);
        }
        for answer in [Answer::Ready, Answer::Released(valid), Error::new(ErrorKind::Busy, "x").into()] {
            let mut line = Vec::new();
            write(&mut line, &answer).unwrap();
            assert_eq!(read::<Answer>(&mut line.as_slice()).unwrap(), answer);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in [
            "",
            "\n",
            "x\n",
            "{}\n",
            r#"{"version":1}"#,
            r#"{"version":2,"body":{"command":"ping"}}"#,
            r#"{"version":1,"body":{"command":"shell"}}"#,
            r#"{"version":1,"body":{"command":"release"}}"#,
        ] {
            assert!(read::<Request>(&mut text.as_bytes()).is_err(), "{text:?}");
        }
        let long = vec![b' '; usize::try_from(LONGEST_LINE).unwrap() + 2];
        assert!(read::<Request>(&mut long.as_slice()).unwrap_err().to_string().contains("longer"));
    }
}
