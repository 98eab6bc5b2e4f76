//! firewalld, the firewall daemon of the host: sources of its zones. Needs the interface `firewalld`.

use ipnet::IpNet;

use crate::failure::Failure;
use crate::imports::firewalld as host;

/// Whether firewalld runs. It is not started.
pub fn available() -> bool {
    host::available()
}

/// Make packets from a network belong to a zone, until firewalld is reloaded. Nothing is done where they do already.
pub fn add_source(zone: &str, source: IpNet) -> Result<(), Failure> {
    host::add_source(zone, source.into())
}

/// Take a network out of a zone. Nothing is done where it is not in it.
pub fn remove_source(zone: &str, source: IpNet) -> Result<(), Failure> {
    host::remove_source(zone, source.into())
}

/// Whether a network is in a zone.
pub fn has_source(zone: &str, source: IpNet) -> Result<bool, Failure> {
    host::has_source(zone, source.into())
}
