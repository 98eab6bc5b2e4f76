//! firewalld: sources of its zones, asked for over D-Bus.
//!
//! No D-Bus crate fits here: zbus brings an executor and its threads, libdbus is C with a build of its own, and rustbus
//! (last release 2023) brings old versions of what this crate has already. Four method calls with texts as arguments
//! need little of the protocol, so that little is here: `message` writes and reads messages, `bus` talks to the daemon.

mod bus;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod message;

use ipnet::IpNet;

use crate::{Error, ErrorKind, Result};
use bus::{Bus, Failed, Method};

/// The bus itself.
const BUS: Method<'static> =
    Method { destination: "org.freedesktop.DBus", path: "/org/freedesktop/DBus", interface: "org.freedesktop.DBus" };
/// The name that firewalld owns.
const NAME: &str = "org.fedoraproject.FirewallD1";
/// Its zones.
const ZONES: Method<'static> =
    Method { destination: NAME, path: "/org/fedoraproject/FirewallD1", interface: "org.fedoraproject.FirewallD1.zone" };

/// Whether firewalld runs: somebody owns its name on the system bus. It is not started.
pub fn available() -> bool {
    let Ok(mut bus) = Bus::connect() else { return false };
    let answer = bus.call(&BUS, "NameHasOwner", &[NAME]);
    answer.is_ok_and(|answer| answer.boolean().unwrap_or(false))
}

/// Make packets from a network belong to a zone, until firewalld is reloaded. Nothing is done where they do.
/// `AlreadyExists` where they belong to another zone.
pub fn add_source(zone: &str, source: IpNet) -> Result<()> {
    match ask("addSource", zone, source) {
        Err(Failed::Said(words)) if words.contains("ZONE_ALREADY_SET") || words.contains("ALREADY_ENABLED") => Ok(()),
        other => finish("add", zone, source, other).map(drop),
    }
}

/// Take a network out of a zone. Nothing is done where it is not in it.
pub fn remove_source(zone: &str, source: IpNet) -> Result<()> {
    match ask("removeSource", zone, source) {
        Err(Failed::Said(words))
            if ["UNKNOWN_SOURCE", "NOT_ENABLED", "ZONE_CONFLICT"].iter().any(|code| words.contains(code)) =>
        {
            Ok(())
        }
        other => finish("remove", zone, source, other).map(drop),
    }
}

/// Whether a network is in a zone.
pub fn has_source(zone: &str, source: IpNet) -> Result<bool> {
    let answer = finish("look up", zone, source, ask("querySource", zone, source))?;
    answer.boolean().ok_or_else(|| {
        let message = format!("firewalld: look up source {source} in zone {zone:?}: the answer is no boolean");
        Error::new(ErrorKind::Io, message)
    })
}

fn ask(member: &str, zone: &str, source: IpNet) -> std::result::Result<message::Answer, Failed> {
    Bus::connect().map_err(Failed::Broken)?.call(&ZONES, member, &[zone, &source.to_string()])
}

/// The answer, or what went wrong in the words of this crate.
fn finish(
    doing: &str,
    zone: &str,
    source: IpNet,
    answer: std::result::Result<message::Answer, Failed>,
) -> Result<message::Answer> {
    let doing = format!("firewalld: {doing} source {source} in zone {zone:?}");
    answer.map_err(|failed| match failed {
        Failed::Broken(error) => Error::new(error.kind, format!("{doing}: {}", error.message)),
        Failed::Said(words) => Error::new(kind(&words), format!("{doing}: firewalld says: {words}")),
    })
}

/// Errors begin with a code of firewalld, or with the name of an error of the bus.
fn kind(words: &str) -> ErrorKind {
    let has = |any: &[&str]| any.iter().any(|part| words.contains(part));
    if has(&["INVALID_ZONE", "INVALID_ADDR", "INVALID_SOURCE", "INVALID_TYPE", "InvalidArgs"]) {
        ErrorKind::Invalid
    } else if has(&["ZONE_CONFLICT"]) {
        ErrorKind::AlreadyExists
    } else if has(&["NOT_AUTHORIZED", "AccessDenied", "NotAuthorized"]) {
        ErrorKind::Denied
    } else if has(&["ServiceUnknown", "NameHasNoOwner"]) {
        ErrorKind::Unsupported
    } else if has(&["NoReply", "Timeout"]) {
        ErrorKind::TimedOut
    } else {
        ErrorKind::Io
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_told_from_the_code() {
        assert_eq!(kind("org.fedoraproject.FirewallD1.Exception: INVALID_ZONE: nowhere"), ErrorKind::Invalid);
        assert_eq!(kind("ZONE_CONFLICT: '10.0.0.1/32' already bound to 'drop'"), ErrorKind::AlreadyExists);
        assert_eq!(kind("org.freedesktop.DBus.Error.ServiceUnknown: no such name"), ErrorKind::Unsupported);
    }
}
