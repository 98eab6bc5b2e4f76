//! What the kernel can be asked instead of the iptables programs: a question takes a hundredth of a program's start.

use std::path::Path;

use crate::Result;
use crate::family::IpFamily;
use crate::netns::Netns;
use crate::nftables::{self, Family, Table};

/// The program behind all names of the variant that keeps its rules in nf_tables.
const OVER_NF_TABLES: &str = "xtables-nft-multi";

/// Whether a program keeps its rules in nf_tables. False says nothing.
pub(super) fn over_nf_tables(program: &Path) -> bool {
    program.canonicalize().is_ok_and(|path| path.ends_with(OVER_NF_TABLES))
}

/// Whether nf_tables has a table of this name. `Unsupported` where the kernel has no nf_tables.
pub(super) fn has_table(namespace: &Netns, family: IpFamily, name: &str) -> Result<bool> {
    let family = match family {
        IpFamily::Ipv4 => Family::Ip,
        IpFamily::Ipv6 => Family::Ip6,
    };
    nftables::has_table(namespace, &Table { family, name: name.to_owned() })
}
