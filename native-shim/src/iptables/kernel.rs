//! What the kernel can be asked instead of the iptables programs: a question takes a hundredth of a program's start.

use std::path::Path;

use crate::family::IpFamily;
use crate::netns::Netns;
use crate::nftables::{self, Family, Table};
use crate::{ErrorKind, Result};

/// The program behind all names of the variant that keeps its rules in nf_tables.
const OVER_NF_TABLES: &str = "xtables-nft-multi";

/// Whether a program keeps its rules in nf_tables. False says nothing.
pub(super) fn over_nf_tables(program: &Path) -> bool {
    program.canonicalize().is_ok_and(|path| path.ends_with(OVER_NF_TABLES))
}

fn table(family: IpFamily, name: &str) -> Table {
    let family = match family {
        IpFamily::Ipv4 => Family::Ip,
        IpFamily::Ipv6 => Family::Ip6,
    };
    Table { family, name: name.to_owned() }
}

/// Whether nf_tables has a table of this name. `Unsupported` where the kernel has no nf_tables.
pub(super) fn has_table(namespace: &Netns, family: IpFamily, name: &str) -> Result<bool> {
    nftables::has_table(namespace, &table(family, name))
}

/// Whether nf_tables has a chain of this name.
pub(super) fn has_chain(namespace: &Netns, family: IpFamily, name: &str, chain: &str) -> Result<bool> {
    nftables::has_chain(namespace, &table(family, name), chain)
}

/// Whether a chain may be there: in a table of nf_tables, or in one of ip_tables, of which the kernel tells only the name.
pub(super) fn may_hold(namespace: &Netns, family: IpFamily, name: &str, chain: &str) -> Result<bool> {
    match nftables::has_chain(namespace, &table(family, name), chain) {
        Ok(true) => return Ok(true),
        Ok(false) => {}
        Err(error) if error.kind == ErrorKind::Unsupported => {}
        Err(error) => return Err(error),
    }
    let list = match family {
        IpFamily::Ipv4 => "/proc/thread-self/net/ip_tables_names",
        IpFamily::Ipv6 => "/proc/thread-self/net/ip6_tables_names",
    };
    // Not there unless ip_tables is loaded.
    let tables = namespace.enter(|| std::fs::read_to_string(list))?.unwrap_or_default();
    Ok(tables.lines().any(|loaded| loaded == name))
}
