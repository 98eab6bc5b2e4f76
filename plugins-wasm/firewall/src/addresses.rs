//! The container's addresses.

use std::net::IpAddr;

use weir_sdk::AddResult;

/// All addresses of the result that are in a container, each once. Addresses without an interface count, because IPAM
/// plugins leave it out.
pub(crate) fn of(result: &AddResult) -> Vec<IpAddr> {
    let is_inside = |index: usize| result.interfaces.get(index).is_none_or(|interface| !interface.sandbox.is_empty());
    let mut addresses = Vec::new();
    for ip in &result.ips {
        let address = ip.address.addr();
        if ip.interface.is_none_or(is_inside) && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}
