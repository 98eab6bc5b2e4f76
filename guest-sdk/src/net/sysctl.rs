//! Kernel parameters of a namespace. Needs the interface `sysctls`.

use crate::failure::Failure;
use crate::imports::sysctls;
use crate::net::{IpFamily, Netns};

impl Netns {
    /// Read a parameter. The key is the path below `/proc/sys` with slashes: `net/ipv4/conf/eth0/arp_notify`.
    pub fn sysctl(&self, key: &str) -> Result<String, Failure> {
        sysctls::get(&self.raw, key)
    }

    /// Write a parameter.
    pub fn set_sysctl(&self, key: &str, value: &str) -> Result<(), Failure> {
        sysctls::set(&self.raw, key, value)
    }

    /// Write a parameter unless it has this value already. Returns whether it was written.
    pub fn ensure_sysctl(&self, key: &str, value: &str) -> Result<bool, Failure> {
        let differs = self.sysctl(key)? != value;
        if differs {
            self.set_sysctl(key, value)?;
        }
        Ok(differs)
    }

    /// Let this namespace forward packets of a family between its links.
    pub fn enable_forwarding(&self, family: IpFamily) -> Result<(), Failure> {
        let key = match family {
            IpFamily::Ipv4 => "net/ipv4/ip_forward",
            IpFamily::Ipv6 => "net/ipv6/conf/all/forwarding",
        };
        self.ensure_sysctl(key, "1").map(drop)
    }
}

/// The operator's list of sysctls that configurations may set, one regular expression per line. None: all are allowed.
pub fn allow_list() -> Result<Option<Vec<String>>, Failure> {
    sysctls::allow_list()
}
