//! The addresses of the container that ports are sent on to.

use weir_sdk::{AddResult, IpNet};

/// The first IPv4 and the first IPv6 address of the attachment's interface, with their subnets. Addresses without an
/// interface count, because IPAM plugins leave it out.
pub(crate) fn container_addresses(result: &AddResult, interface_name: &str) -> Vec<IpNet> {
    let is_own = |index: usize| {
        let interface = result.interfaces.get(index);
        interface.is_none_or(|interface| interface.name == interface_name && !interface.sandbox.is_empty())
    };
    let own = || result.ips.iter().filter(|ip| ip.interface.is_none_or(is_own)).map(|ip| ip.address);
    let first = |is_ipv4: bool| own().find(|network| network.addr().is_ipv4() == is_ipv4);
    [first(true), first(false)].into_iter().flatten().collect()
}
