//! SCTP: a server that tells a caller which address it sees, and a client. Not every kernel has it.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, connect, listen, socket,
};

use crate::container::Container;
use crate::harness::skip;

const TIMEOUT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

/// A socket for an address's family. The test is skipped where the kernel has no SCTP.
fn open(address: IpAddr) -> Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, SockProtocol::Sctp).map_err(|errno| match errno {
        Errno::EPROTONOSUPPORT | Errno::ESOCKTNOSUPPORT => skip("this kernel has no SCTP"),
        other => anyhow!("open an SCTP socket: {other}"),
    })
}

/// Skip the test where the kernel has no SCTP.
pub fn require() -> Result<()> {
    open([0, 0, 0, 0].into()).map(drop)
}

/// A server inside a container, at one address: with several, SCTP would tell the caller all of them, past any translation.
/// Ends when dropped.
#[derive(Debug)]
pub struct Server {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serve a port of an address of a container.
    pub fn start(container: &Container, address: &str, port: u16) -> Result<Self> {
        let (namespace, at) = (container.handle()?, SocketAddr::new(address.parse()?, port));
        let stop = Arc::new(AtomicBool::new(false));
        let (ready, started) = std::sync::mpsc::channel();
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let listener = (|| -> Result<TcpListener> {
                setns(namespace, CloneFlags::CLONE_NEWNET)?;
                let socket = open(at.ip())?;
                bind(socket.as_raw_fd(), &SockaddrStorage::from(at)).with_context(|| format!("bind to {at}"))?;
                listen(&socket, Backlog::new(16)?)?;
                // What the standard library does with it is the same for all sockets of connections.
                let listener = TcpListener::from(socket);
                listener.set_nonblocking(true)?;
                Ok(listener)
            })();
            let listener = match listener {
                Ok(listener) => listener,
                Err(error) => return drop(ready.send(Err(error))),
            };
            let _ = ready.send(Ok(()));
            while !stopped.load(Ordering::Relaxed) {
                while let Ok((mut stream, peer)) = listener.accept() {
                    let _ = stream.write_all(peer.ip().to_string().as_bytes());
                }
                std::thread::sleep(PAUSE);
            }
        });
        started.recv().map_err(|_| anyhow!("the server died"))??;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Connect from this thread's namespace; the address that the server sees.
pub fn sctp_here(address: &str, port: u16) -> Result<IpAddr> {
    let target = SocketAddr::new(address.parse()?, port);
    let socket = open(target.ip())?;
    let number = socket.as_raw_fd();
    let mut stream = TcpStream::from(socket);
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    connect(number, &SockaddrStorage::from(target)).with_context(|| format!("connect to {target} by SCTP"))?;
    let mut buffer = [0; 64];
    let count = stream.read(&mut buffer).with_context(|| format!("read from {target} by SCTP"))?;
    Ok(String::from_utf8_lossy(buffer.get(..count).unwrap_or_default()).parse()?)
}

/// Connect from inside a container; the address that the server sees.
pub fn sctp(container: &Container, address: &str, port: u16) -> Result<IpAddr> {
    container.enter(|| sctp_here(address, port)).with_context(|| format!("SCTP from {}", container.id))
}
