//! A connection to the D-Bus system bus: open it, prove who we are, call a method and wait for the answer.

use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::{Duration, Instant};

use super::message::{self, Answer, Reply};
use crate::{Error, ErrorKind, Result, watchdog};

/// Where the system bus is unless the environment says otherwise.
const DEFAULT_PATHS: [&str; 2] = ["/run/dbus/system_bus_socket", "/var/run/dbus/system_bus_socket"];
/// Names the bus: `unix:path=...`, several parted by semicolons.
const VARIABLE: &str = "DBUS_SYSTEM_BUS_ADDRESS";
/// For everything together. firewalld takes part of a second for a change.
const TIMEOUT: Duration = Duration::from_secs(20);
/// A line of the authentication is far shorter.
const LINE_MAX: usize = 1024;

/// Whom a call is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Method<'a> {
    pub(super) destination: &'a str,
    pub(super) path: &'a str,
    pub(super) interface: &'a str,
}

/// A call without a result.
#[derive(Debug)]
pub(super) enum Failed {
    /// The bus could not be asked.
    Broken(Error),
    /// The other side refused: name of the error and its text.
    Said(String),
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Bus {
    stream: UnixStream,
    serial: u32,
    deadline: Instant,
}

fn broken(doing: &str, error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => late(),
        _ => Error::io(format!("{doing} the D-Bus system bus"), error),
    }
}

fn late() -> Error {
    let message = format!("the D-Bus system bus did not answer within {} s", TIMEOUT.as_secs());
    Error::new(ErrorKind::TimedOut, message)
}

impl Bus {
    /// Connect and authenticate. `Unsupported` where there is no system bus.
    pub(super) fn connect() -> Result<Self> {
        let deadline = Instant::now() + watchdog::within(TIMEOUT);
        let mut bus = Self { stream: open()?, serial: 0, deadline };
        bus.authenticate()?;
        Ok(bus)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.set_write_timeout(Some(self.left()?)).map_err(|error| broken("write to", &error))?;
        self.stream.write_all(bytes).map_err(|error| broken("write to", &error))
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<()> {
        self.stream.set_read_timeout(Some(self.left()?)).map_err(|error| broken("read from", &error))?;
        self.stream.read_exact(buffer).map_err(|error| broken("read from", &error))
    }

    fn left(&self) -> Result<Duration> {
        match self.deadline.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(late()),
            left => Ok(left),
        }
    }

    /// EXTERNAL: the kernel tells the bus who is at this end; then the greeting that must be the first call.
    fn authenticate(&mut self) -> Result<()> {
        let user = rustix::process::geteuid().as_raw().to_string();
        let user: String = user.bytes().map(|digit| format!("{digit:02x}")).collect();
        self.send(format!("\0AUTH EXTERNAL {user}\r\n").as_bytes())?;
        let answer = self.line()?;
        if !answer.starts_with("OK ") {
            let message = format!("the D-Bus system bus refuses this user: {answer}");
            return Err(Error::new(ErrorKind::Denied, message));
        }
        self.send(b"BEGIN\r\n")?;
        match self.call(&super::BUS, "Hello", &[]) {
            Ok(_) => Ok(()),
            Err(Failed::Broken(error)) => Err(error),
            Err(Failed::Said(words)) => {
                Err(Error::new(ErrorKind::Denied, format!("the D-Bus system bus refuses this process: {words}")))
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            if line.len() > LINE_MAX {
                return Err(Error::new(ErrorKind::Io, "the D-Bus system bus speaks another protocol"));
            }
            let mut byte = [0];
            self.receive(&mut byte)?;
            line.extend(byte);
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// Call a method with texts as arguments. Nobody is started for it.
    pub(super) fn call(
        &mut self,
        method: &Method<'_>,
        member: &str,
        arguments: &[&str],
    ) -> std::result::Result<Answer, Failed> {
        self.serial += 1;
        let call = message::call(self.serial, method, member, arguments).map_err(Failed::Broken)?;
        self.send(&call).map_err(Failed::Broken)?;
        loop {
            match self.reply().map_err(Failed::Broken)? {
                Reply::Result { to, answer } if to == self.serial => return Ok(answer),
                Reply::Error { to, words } if to == self.serial => return Err(Failed::Said(words)),
                // Signals, such as that of the name that the bus gave us.
                _ => {}
            }
        }
    }

    fn reply(&mut self) -> Result<Reply> {
        let mut start = [0; message::START];
        self.receive(&mut start)?;
        let mut whole = start.to_vec();
        whole.resize(message::length(&start)?, 0);
        self.receive(whole.get_mut(message::START..).unwrap_or_default())?;
        message::parse(&whole)
    }
}

/// Connect to the first address at which somebody answers.
fn open() -> Result<UnixStream> {
    let mut failure = None;
    let mut keep = |what: String, error: &std::io::Error| {
        failure = Some(Error::new(
            ErrorKind::Unsupported,
            format!("the D-Bus system bus at {what} cannot be reached: {error}; is dbus running?"),
        ));
    };
    let named = std::env::var(VARIABLE).ok().filter(|addresses| !addresses.is_empty());
    let Some(named) = named else {
        for path in DEFAULT_PATHS {
            match UnixStream::connect(path) {
                Ok(stream) => return Ok(stream),
                Err(error) => keep(path.to_owned(), &error),
            }
        }
        return Err(failure.unwrap_or_else(nowhere));
    };
    for address in named.split(';') {
        let connected = match socket_address(address) {
            Some(Ok(address)) => UnixStream::connect_addr(&address),
            Some(Err(error)) => Err(error),
            None => continue,
        };
        match connected {
            Ok(stream) => return Ok(stream),
            Err(error) => keep(address.to_owned(), &error),
        }
    }
    Err(failure.unwrap_or_else(nowhere))
}

fn nowhere() -> Error {
    let message = format!("{VARIABLE} names no address that begins with unix:path= or unix:abstract=");
    Error::new(ErrorKind::Invalid, message)
}

/// The socket of an address; none where it is of another transport.
fn socket_address(address: &str) -> Option<std::io::Result<SocketAddr>> {
    let parts = address.strip_prefix("unix:")?.split(',');
    parts.filter_map(|part| part.split_once('=')).find_map(|(key, value)| match key {
        "path" => Some(SocketAddr::from_pathname(unescaped(value))),
        "abstract" => Some(SocketAddr::from_abstract_name(unescaped(value))),
        _ => None,
    })
}

/// `%2f` stands for a slash, and so on.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match digits {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(part.get(2..).unwrap_or_default().as_bytes());
            }
            None => {
                bytes.push(b'%');
                bytes.extend_from_slice(part.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_sockets_are_understood_and_others_passed_over() {
        let path = |address| socket_address(address).unwrap().unwrap().as_pathname().map(ToOwned::to_owned);
        assert_eq!(path("unix:path=/run/a%20bus,guid=00"), Some("/run/a bus".into()));
        let abstract_name = socket_address("unix:abstract=/tmp/x").unwrap().unwrap();
        assert_eq!(abstract_name.as_abstract_name(), Some(b"/tmp/x".as_slice()));
        assert!(socket_address("tcp:host=localhost,port=1").is_none());
    }
}
