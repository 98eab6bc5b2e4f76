//! Packets: servers that tell a caller which address they see, clients, and ping.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use nix::sched::{CloneFlags, setns};

use crate::container::Container;
use crate::host::run;

const TIMEOUT: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(5);

/// A TCP and UDP server inside a namespace. It answers everybody with the address that it sees them at. Ends when
/// dropped.
#[derive(Debug)]
pub struct Server {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serve a port of all addresses inside a container.
    pub fn start(container: &Container, port: u16) -> Result<Self> {
        Self::start_in(container.handle()?, port)
    }

    /// Serve a port of all addresses of the host.
    pub fn start_on_host(port: u16) -> Result<Self> {
        Self::start_in(File::open("/proc/thread-self/ns/net")?, port)
    }

    fn start_in(namespace: File, port: u16) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (ready, started) = std::sync::mpsc::channel();
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let sockets = (|| -> Result<_> {
                setns(namespace, CloneFlags::CLONE_NEWNET)?;
                let everywhere = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
                let (tcp, udp) = (TcpListener::bind(everywhere)?, UdpSocket::bind(everywhere)?);
                tcp.set_nonblocking(true)?;
                udp.set_nonblocking(true)?;
                Ok((tcp, udp))
            })();
            let sockets = match sockets {
                Ok(sockets) => sockets,
                Err(error) => return drop(ready.send(Err(error))),
            };
            let _ = ready.send(Ok(()));
            while !stopped.load(Ordering::Relaxed) {
                answer(&sockets.0, &sockets.1);
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

fn answer(tcp: &TcpListener, udp: &UdpSocket) {
    while let Ok((mut stream, peer)) = tcp.accept() {
        let _ = stream.write_all(peer.ip().to_canonical().to_string().as_bytes());
    }
    let mut buffer = [0; 64];
    while let Ok((_, peer)) = udp.recv_from(&mut buffer) {
        let _ = udp.send_to(peer.ip().to_canonical().to_string().as_bytes(), peer);
    }
}

/// Connect from this thread's namespace; the address that the server sees.
pub fn tcp_here(address: &str, port: u16) -> Result<IpAddr> {
    let target = SocketAddr::new(address.parse()?, port);
    let mut stream = TcpStream::connect_timeout(&target, TIMEOUT).with_context(|| format!("connect to {target}"))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut text = String::new();
    stream.read_to_string(&mut text).with_context(|| format!("read from {target}"))?;
    Ok(text.parse()?)
}

/// Connect from inside a container; the address that the server sees.
pub fn tcp(container: &Container, address: &str, port: u16) -> Result<IpAddr> {
    container.enter(|| tcp_here(address, port)).with_context(|| format!("TCP from {}", container.id))
}

/// Send a datagram from this thread's namespace; the address that the server sees.
pub fn udp_here(address: &str, port: u16) -> Result<IpAddr> {
    let target = SocketAddr::new(address.parse()?, port);
    let any: SocketAddr = if target.is_ipv4() { "0.0.0.0:0".parse()? } else { "[::]:0".parse()? };
    let socket = UdpSocket::bind(any)?;
    socket.connect(target)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.send(b"hello").with_context(|| format!("send to {target}"))?;
    let mut buffer = [0; 64];
    let count = socket.recv(&mut buffer).with_context(|| format!("no answer from {target}"))?;
    Ok(String::from_utf8_lossy(buffer.get(..count).unwrap_or_default()).parse()?)
}

/// Send a datagram from inside a container; the address that the server sees.
pub fn udp(container: &Container, address: &str, port: u16) -> Result<IpAddr> {
    container.enter(|| udp_here(address, port)).with_context(|| format!("UDP from {}", container.id))
}

/// Ping from inside a container, for as long as a link needs to get ready.
pub fn ping(container: &Container, address: &str) -> Result<()> {
    container.enter(|| ping_here(address)).with_context(|| format!("ping from {}", container.id))
}

/// Ping from this thread's namespace.
pub fn ping_here(address: &str) -> Result<()> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let answer = run("ping", ["-n", "-c", "1", "-W", "1", address]);
        match answer {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// No packet comes through.
pub fn assert_silent(container: &Container, address: &str) -> Result<()> {
    let answer = container.run("ping", ["-n", "-c", "1", "-W", "1", address]);
    ensure!(answer.is_err(), "{} reaches {address}, and must not", container.id);
    Ok(())
}

/// Fetch a page over HTTP from this thread's namespace, for as long as a server needs to get ready.
pub fn fetch_here(address: &str, port: u16) -> Result<String> {
    let target = SocketAddr::new(address.parse()?, port);
    let deadline = Instant::now() + 2 * TIMEOUT;
    let attempt = || -> Result<String> {
        let mut stream =
            TcpStream::connect_timeout(&target, TIMEOUT).with_context(|| format!("connect to {target}"))?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text).with_context(|| format!("read from {target}"))?;
        Ok(text)
    };
    loop {
        match attempt() {
            Ok(page) => return Ok(page),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}
