//! DHCP for tests: the daemon under test, dnsmasq as a server of the real world, and a server that does as it is told.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use crate::harness::require_program;
use crate::host::Host;
use crate::programs::dist;

/// Where daemon and servers write what they do.
const DIRECTORY: &str = "/run/test/dhcp";
/// How long a test waits for something to happen.
const PATIENCE: Duration = Duration::from_secs(15);
/// The bridge on which the servers are; the plugin `bridge` takes it by its default name.
pub const BRIDGE: &str = "cni0";
/// The servers' address on it.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 60, 0, 1);

/// Make the bridge, with the servers' address.
pub fn bridge(host: &Host) -> Result<()> {
    std::fs::create_dir_all(DIRECTORY)?;
    // A bridge without a hardware address of its own takes over that of a port, and renewals would go nowhere.
    host.run("ip", ["link", "add", BRIDGE, "address", "02:00:00:60:00:01", "type", "bridge"])?;
    host.run("ip", ["address", "add", "10.60.0.1/24", "dev", BRIDGE])?;
    host.run("ip", ["link", "set", BRIDGE, "up"])?;
    Ok(())
}

/// Wait until something holds.
pub fn wait_for(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !holds()? {
        ensure!(Instant::now() < deadline, "{what}: not within {} s", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// A program in the background, with its log. Killed when dropped.
#[derive(Debug)]
pub struct Background {
    child: Child,
    log: PathBuf,
}

impl Background {
    fn start(name: &str, command: &mut Command) -> Result<Self> {
        std::fs::create_dir_all(DIRECTORY)?;
        let log = Path::new(DIRECTORY).join(name).with_extension("log");
        let file = File::options().create(true).append(true).open(&log)?;
        command.stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("start {name}"))?;
        Ok(Self { child, log })
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Wait until it has written a text so many times.
    pub fn await_log(&self, text: &str, times: usize) -> Result<()> {
        let written = || Ok(self.log().matches(text).count() >= times);
        wait_for(&format!("{times} times {text:?} in the log"), written).with_context(|| self.log())
    }

    /// How many threads it has, and how many open files.
    pub fn weight(&self) -> Result<(usize, usize)> {
        let count = |what: &str| -> Result<usize> {
            Ok(std::fs::read_dir(format!("/proc/{}/{what}", self.child.id()))?.count())
        };
        Ok((count("task")?, count("fd")?))
    }

    /// End it at once, without a chance to clean up.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// End it as systemd would. Whether it ended well.
    pub fn terminate(&mut self) -> Result<bool> {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id())?);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM)?;
        Ok(self.child.wait()?.success())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Start `weir dhcp-daemon` and wait until it listens.
pub fn daemon(arguments: &[&str]) -> Result<Background> {
    let weir = dist().join("bin/weir");
    // Daemons of one test share a log.
    let before = std::fs::read_to_string(Path::new(DIRECTORY).join("daemon.log")).unwrap_or_default();
    let mut command = Command::new(weir);
    command.arg("dhcp-daemon").args(arguments).stdin(Stdio::null());
    let running = Background::start("daemon", &mut command)?;
    running.await_log("listening at", before.matches("listening at").count() + 1)?;
    Ok(running)
}

/// Start the daemon with a socket that was opened for it, as systemd does.
pub fn activated_daemon(socket: std::os::unix::net::UnixListener) -> Result<Background> {
    let weir = dist().join("bin/weir");
    let script = r#"exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" dhcp-daemon"#;
    let socket = std::os::fd::OwnedFd::from(socket);
    let running = Background::start("activated", Command::new("sh").args(["-c", script]).arg(weir).stdin(socket))?;
    running.await_log("listening at", 1)?;
    Ok(running)
}

/// Files of the daemon's leases.
pub fn records() -> Result<usize> {
    let Ok(entries) = std::fs::read_dir("/run/cni/dhcp") else { return Ok(0) };
    Ok(entries.count())
}

/// Start dnsmasq on the bridge, with addresses from a range.
pub fn dnsmasq(range: &str, arguments: &[&str]) -> Result<Background> {
    require_program("dnsmasq", "dnsmasq-base")?;
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("dnsmasq");
    command.env("PATH", format!("{path}:/usr/sbin:/sbin")).stdin(Stdio::null());
    command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--log-facility=-", "--log-dhcp", "--port=0"]);
    command.args(["--no-ping", "--user=root", "--group=", "--bind-interfaces", "--pid-file="]);
    command.args(["--dhcp-leasefile=/run/test/dhcp/leases", "--interface=cni0", "--except-interface=lo"]);
    command.arg(format!("--dhcp-range={range},255.255.255.0,2m")).args(arguments);
    const BOUND: &str = "sockets bound exclusively to interface cni0";
    let before = std::fs::read_to_string(Path::new(DIRECTORY).join("dnsmasq.log")).unwrap_or_default();
    let running = Background::start("dnsmasq", &mut command)?;
    running.await_log(BOUND, before.matches(BOUND).count() + 1)?;
    Ok(running)
}

/// What a client said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Message type, option 53: 1 discover, 3 request, 4 decline, 7 release.
    pub kind: u8,
    /// It wants answers to be broadcast.
    pub broadcast: bool,
    /// The address that it says it has.
    pub client: Ipv4Addr,
    /// Its options.
    pub options: Vec<(u8, Vec<u8>)>,
}

impl Said {
    /// An option's value.
    pub fn option(&self, code: u8) -> Option<&[u8]> {
        self.options.iter().find(|(other, _)| *other == code).map(|(_, value)| value.as_slice())
    }
}

/// What a server answers: message type (2 offer, 5 ACK, 6 NAK), address, options.
pub type Answer = Option<(u8, Ipv4Addr, Vec<(u8, Vec<u8>)>)>;

/// A server that does as it is told, on the bridge. Ends when dropped.
pub struct Scripted {
    stop: Arc<AtomicBool>,
    said: Arc<Mutex<Vec<Said>>>,
    thread: Option<JoinHandle<()>>,
}

impl Scripted {
    /// Answer each message by a function.
    pub fn start(answer: impl Fn(&Said) -> Answer + Send + 'static) -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 67))?;
        socket.set_broadcast(true)?;
        socket.set_read_timeout(Some(Duration::from_millis(20)))?;
        let (stop, said) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (stopped, heard) = (Arc::clone(&stop), Arc::clone(&said));
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while !stopped.load(Ordering::Relaxed) {
                let Ok(length) = socket.recv(&mut buffer) else { continue };
                let bytes = buffer.get(..length).unwrap_or_default();
                let Some(message) = read(bytes) else { continue };
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(message.clone());
                let Some(answer) = answer(&message).and_then(|answer| write(bytes, answer)) else { continue };
                // All on the link hear it, whatever address they have.
                let _ = socket.send_to(&answer, SocketAddr::from(([10, 60, 0, 255], 68)));
            }
        });
        Ok(Self { stop, said, thread: Some(thread) })
    }

    /// What clients said so far.
    pub fn said(&self) -> Vec<Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Wait until clients have said something that fits, so many times.
    pub fn await_said(&self, what: &str, times: usize, fits: impl Fn(&Said) -> bool) -> Result<()> {
        wait_for(what, || Ok(self.said().iter().filter(|said| fits(said)).count() >= times))
            .with_context(|| format!("{:?}", self.said()))
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Options that go with every address: mask, server, router, and times (T1, T2, end) in seconds.
pub fn terms(times: [u32; 3]) -> Vec<(u8, Vec<u8>)> {
    let [renew, rebind, end] = times.map(|seconds| seconds.to_be_bytes().to_vec());
    let server = SERVER.octets().to_vec();
    vec![(1, vec![255, 255, 255, 0]), (54, server.clone()), (3, server), (58, renew), (59, rebind), (51, end)]
}

/// A server's usual answers: one address for all, on these terms.
pub fn grant(said: &Said, address: Ipv4Addr, times: [u32; 3]) -> Answer {
    match said.kind {
        1 => Some((2, address, terms(times))),
        3 => Some((5, address, terms(times))),
        _ => None,
    }
}

fn read(bytes: &[u8]) -> Option<Said> {
    let mut options = Vec::new();
    let mut rest = bytes.get(240..)?;
    while let [code, length, after @ ..] = rest {
        let (value, next) = after.split_at_checked((*length).into())?;
        options.push((*code, value.to_vec()));
        rest = next;
        if rest.first() == Some(&255) {
            break;
        }
    }
    let kind = *options.iter().find(|(code, _)| *code == 53)?.1.first()?;
    let client = Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(12..16)?).ok()?);
    Some(Said { kind, broadcast: bytes.get(10)? & 0x80 != 0, client, options })
}

fn write(request: &[u8], (kind, address, options): (u8, Ipv4Addr, Vec<(u8, Vec<u8>)>)) -> Option<Vec<u8>> {
    // Transaction, flags and hardware address are the client's.
    let mut bytes = request.get(..240)?.to_vec();
    *bytes.first_mut()? = 2;
    bytes.get_mut(16..20)?.copy_from_slice(&address.octets());
    bytes.extend([53, 1, kind]);
    for (code, value) in options {
        bytes.extend([code, u8::try_from(value.len()).ok()?]);
        bytes.extend(value);
    }
    bytes.push(255);
    Some(bytes)
}

/// The one address of a result.
pub fn address(result: &serde_json::Value) -> Result<String> {
    let address = result.pointer("/ips/0/address").and_then(serde_json::Value::as_str);
    address.map(str::to_owned).ok_or_else(|| anyhow!("no address in {result}"))
}
