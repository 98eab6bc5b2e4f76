//! The DHCP daemon of a node: it gets leases for containers, keeps them alive, and gives them back.
//!
//! * [`server`] takes requests of the plugin `dhcp` from a unix socket.
//! * [`keeper`] holds all leases ([`table`], one [`record`] each, on disk in [`store`]) and starts a short thread for each one
//!   when it is due. Nothing stays open in between: an open namespace would outlive its container.
//! * [`client`] is the client's part of RFC 2131, over a [`wire`]; [`message`], [`datagram`], [`terms`] and [`names`] are what
//!   goes over it.
//! * [`interface`] changes the container's interface where the server moves it.

mod client;
mod datagram;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod interface;
mod keeper;
mod log;
mod message;
mod names;
mod random;
mod record;
mod server;
mod store;
mod table;
mod terms;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use weir_native::{Error, Result, listener, process};

/// Where the daemon keeps its leases by default. Like the containers it does not outlive the machine's next start.
pub const DEFAULT_STATE_DIRECTORY: &str = "/run/cni/dhcp";

/// How the daemon works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen, unless systemd hands a socket over.
    pub socket: PathBuf,
    /// Where to write the process ID; none: nowhere.
    pub pid_file: Option<PathBuf>,
    /// What stands before paths of the host: where it is mounted, for a daemon in a container. Empty: nothing.
    pub host_prefix: PathBuf,
    /// Where leases are kept.
    pub state_directory: PathBuf,
    /// Have servers broadcast their answers.
    pub broadcast: bool,
    /// How long one try to renew, and the wait for an ACK after an offer, may take.
    pub timeout: Duration,
    /// Longest pause between two tries.
    pub resend_max: Duration,
    /// How long to look for a server in all; a plugin that waits less long counts.
    pub resend_timeout: Duration,
}

/// Serve until the process is told to end (SIGTERM, SIGINT). Leases stay, for the next daemon.
///
/// # Errors
/// What keeps the daemon from starting.
pub fn run(settings: Settings) -> Result<()> {
    process::hold_end()?;
    let own_socket = interface::prefixed(&settings.host_prefix, &settings.socket.to_string_lossy());
    let (listener, made) = match listener::activated()? {
        Some(listener) => (listener, false),
        None => (listener::bind(&own_socket)?, true),
    };
    let pid_file = settings.pid_file.clone();
    if let Some(path) = &pid_file {
        std::fs::write(path, format!("{}\n", std::process::id()))
            .map_err(|error| Error::io(format_args!("write {}", path.display()), &error))?;
    }
    let keeper = keeper::Keeper::start(settings)?;
    let threads = |error: std::io::Error| Error::io("start a thread", &error);
    let keeping = std::sync::Arc::clone(&keeper);
    std::thread::Builder::new().name("keeper".to_owned()).spawn(move || keeping.run()).map_err(threads)?;
    std::thread::Builder::new()
        .name("server".to_owned())
        .spawn(move || server::run(&listener, &keeper))
        .map_err(threads)?;
    if made {
        log::info(format_args!("listening at {}", own_socket.display()));
    } else {
        log::info("listening at the socket of systemd");
    }
    process::wait_for_end()?;
    if made {
        let _ = std::fs::remove_file(&own_socket);
    }
    if let Some(path) = &pid_file {
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}
