//! Addresses of the contract to addresses of the standard library and back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::bindings::weir::cni::types::{IpAddress, IpFamily, IpNetwork};

impl From<IpAddr> for IpAddress {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::Ipv4(v4.to_bits()),
            IpAddr::V6(v6) => {
                let bits = v6.to_bits();
                Self::Ipv6(((bits >> 64) as u64, bits as u64))
            }
        }
    }
}

impl From<IpAddress> for IpAddr {
    fn from(address: IpAddress) -> Self {
        match address {
            IpAddress::Ipv4(bits) => Self::V4(Ipv4Addr::from_bits(bits)),
            IpAddress::Ipv6((upper, lower)) => {
                Self::V6(Ipv6Addr::from_bits((u128::from(upper) << 64) | u128::from(lower)))
            }
        }
    }
}

impl From<IpNet> for IpNetwork {
    fn from(network: IpNet) -> Self {
        Self { address: network.addr().into(), prefix_length: network.prefix_len() }
    }
}

impl From<IpNetwork> for IpNet {
    /// A prefix length that the family does not have (the host never gives one) becomes the whole address.
    fn from(network: IpNetwork) -> Self {
        let address = IpAddr::from(network.address);
        Self::new(address, network.prefix_length).unwrap_or_else(|_| Self::from(address))
    }
}

/// The family of an address.
pub fn family_of(address: IpAddr) -> IpFamily {
    if address.is_ipv4() { IpFamily::Ipv4 } else { IpFamily::Ipv6 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_way_to_the_host_and_back() {
        for text in ["0.0.0.0", "10.1.2.3", "255.255.255.255", "::", "fd00:1:2:3:4:5:6:7", "ffff::1"] {
            let address: Option<IpAddr> = text.parse().ok();
            assert_eq!(address.map(|address| IpAddr::from(IpAddress::from(address))), address, "{text}");
        }
    }

    #[test]
    fn networks_keep_their_host_bits() {
        for text in ["10.1.2.3/8", "fd00::5/64", "0.0.0.0/0"] {
            let network: Option<IpNet> = text.parse().ok();
            assert_eq!(network.map(|network| IpNet::from(IpNetwork::from(network))), network, "{text}");
        }
    }
}
