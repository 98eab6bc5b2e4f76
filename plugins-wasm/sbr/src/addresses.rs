//! The addresses of the attachment: what is routed by.

use std::net::IpAddr;

use weir_sdk::{AddResult, IpNet};

/// An address of the interface.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Source {
    /// Address and subnet.
    pub(crate) network: IpNet,
    /// Gateway of the subnet.
    pub(crate) gateway: Option<IpAddr>,
}

impl Source {
    pub(crate) fn address(&self) -> IpAddr {
        self.network.addr()
    }

    /// Whether the subnet holds nobody else, so that there is no route to it.
    pub(crate) fn is_alone(&self) -> bool {
        self.network.prefix_len() == self.network.max_prefix_len()
    }
}

/// The addresses of a result that are on this interface. Those without an interface count: it is the only one then.
pub(crate) fn of_attachment(result: &AddResult, interface_name: &str) -> Vec<Source> {
    let is_own = |index: usize| {
        let interface = result.interfaces.get(index);
        interface.is_none_or(|interface| interface.name == interface_name && !interface.sandbox.is_empty())
    };
    let own = result.ips.iter().filter(|ip| ip.interface.is_none_or(is_own));
    own.map(|ip| Source { network: ip.address, gateway: ip.gateway }).collect()
}
