//! The functions of the contract, answered by the shim without a host in between: no check, no count, no record. For the
//! comparison of `make bench` alone (see `tests/native-plugins`); what is never called there says `unsupported`.

mod addressing;
mod convert;
mod devices;
mod unanswered;

use std::sync::{Arc, OnceLock};

use weir_native::attachment::Attachment;
use weir_native::netns::Netns as NativeNetns;

use crate::bindings::weir::cni as contract;
use crate::failure::{Failure, FailureKind};
use contract::delegate::{Command, DelegateError};

pub(crate) use addressing::{addresses, ipam_store, resolver, routes};
pub(crate) use devices::{bridges, links, sysctls};
pub(crate) use unanswered::{
    attachment_state, conntrack, container_state, dhcp, environment_files, firewalld, host_devices, iptables,
    neighbors, nftables, rules, traffic_control, virtual_links,
};

/// The command that this process serves.
#[derive(Debug)]
pub struct Session {
    /// Network name.
    pub network: String,
    /// Container ID and interface name.
    pub attachment: Attachment,
    /// The container's namespace.
    pub container: Option<Arc<NativeNetns>>,
    /// Runs another plugin.
    pub delegate: fn(Command, &str, &str) -> Result<String, DelegateError>,
}

static SESSION: OnceLock<Session> = OnceLock::new();
static HOST: OnceLock<Arc<NativeNetns>> = OnceLock::new();

/// Serve this command; once in a process.
pub fn begin(session: Session) {
    let _ = SESSION.set(session);
}

/// The host's namespace, where a plugin has opened it.
pub fn host() -> Option<&'static Arc<NativeNetns>> {
    HOST.get()
}

/// Network and attachment of the command.
pub fn attachment() -> Option<(String, Attachment)> {
    SESSION.get().map(|session| (session.network.clone(), session.attachment.clone()))
}

fn session() -> Result<&'static Session, Failure> {
    SESSION.get().ok_or_else(|| Failure::new(FailureKind::Invalid, "no command was begun"))
}

pub(crate) mod namespaces {
    use super::*;

    #[derive(Debug)]
    pub(crate) struct Netns(pub(super) Arc<NativeNetns>);
}

pub(crate) mod container_namespace {
    use super::*;

    pub(crate) fn open() -> Option<namespaces::Netns> {
        session().ok()?.container.clone().map(namespaces::Netns)
    }
}

pub(crate) mod host_namespace {
    use super::*;

    pub(crate) fn open() -> Result<namespaces::Netns, Failure> {
        if HOST.get().is_none() {
            let _ = HOST.set(Arc::new(NativeNetns::current()?));
        }
        let missing = || Failure::new(FailureKind::Io, "no namespace of the host");
        HOST.get().cloned().map(namespaces::Netns).ok_or_else(missing)
    }
}

pub(crate) mod log {
    use super::*;

    pub(crate) fn write(level: contract::log::Level, message: &str) {
        if level != contract::log::Level::Debug {
            eprintln!("{level:?}: {message}");
        }
    }
}

pub(crate) mod clock {
    use std::time::{Duration, Instant};

    pub(crate) fn now() -> u64 {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        u64::try_from(START.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn sleep(milliseconds: u32) {
        std::thread::sleep(Duration::from_millis(milliseconds.into()));
    }
}

pub(crate) mod delegate {
    use super::*;

    pub(crate) fn call(command: Command, plugin_type: &str, config: &str) -> Result<String, DelegateError> {
        let session = session().map_err(|failure| DelegateError {
            code: failure.code(),
            msg: failure.message,
            details: String::new(),
        })?;
        (session.delegate)(command, plugin_type, config)
    }
}
