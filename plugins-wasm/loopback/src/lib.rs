//! The CNI plugin `loopback`: sets the loopback interface of the container up.

use weir_sdk::cni_spec::result::{Interface, IpConfig};
use weir_sdk::net::LinkAddress;
use weir_sdk::{AddResult, Context, Error, Link, Netns, Plugin, Request, Result};

weir_sdk::manifest! {
    name: "loopback",
    description: "Sets the loopback interface of the container up.",
    needs: {
        container_namespace: "the loopback interface is in the container",
        links: "set the loopback interface up and down",
        addresses: "report the addresses of the loopback interface",
    },
    asks: {
        container_links: ["lo"] => "the loopback interface, under whatever name the runtime calls",
        host_links: ["lo"] => "the same, where the runtime says that the container's namespace is its own (CNI_NETNS_OVERRIDE)",
    },
}

weir_sdk::export_plugin!(Loopback);

/// The interface, whatever CNI_IFNAME says: every namespace has exactly one.
const NAME: &str = "lo";

/// The plugin.
#[derive(Debug)]
pub struct Loopback;

impl Plugin for Loopback {
    fn add(request: &Request) -> Result<AddResult> {
        let link = find(&request.netns()?)?;
        link.set_up().context("set lo up")?;
        let addresses = link.addresses().context("list the addresses of lo")?;
        if let Some(foreign) = addresses.iter().find(|address| !address.network.addr().is_loopback()) {
            return Err(Error::internal(format!(
                "lo has the address {}, which is no loopback address",
                foreign.network
            )));
        }
        Ok(request.prev_result().cloned().unwrap_or_else(|| result(request, &addresses)))
    }

    fn del(_: &Request) -> Result<()> {
        let Some(netns) = Netns::container() else { return Ok(()) };
        match netns.link(NAME).context("find lo")? {
            Some(link) => Ok(link.set_down().context("set lo down")?),
            None => Ok(()),
        }
    }

    fn check(request: &Request) -> Result<()> {
        if find(&request.netns()?)?.info().context("look at lo")?.up {
            return Ok(());
        }
        Err(Error::internal("the loopback interface is down"))
    }
}

fn find(netns: &Netns) -> Result<Link> {
    netns.link(NAME).context("find lo")?.ok_or_else(|| Error::internal("the container has no interface lo"))
}

/// The interface with its first address of each family.
fn result(request: &Request, addresses: &[LinkAddress]) -> AddResult {
    let first = |is_ipv4: bool| addresses.iter().find(|address| address.network.addr().is_ipv4() == is_ipv4);
    let ip = |address: &LinkAddress| IpConfig { interface: Some(0), ..IpConfig::new(address.network) };
    AddResult {
        interfaces: vec![Interface {
            name: NAME.to_owned(),
            mac: "00:00:00:00:00:00".to_owned(),
            sandbox: request.netns_path.clone().unwrap_or_default(),
            ..Interface::default()
        }],
        ips: [first(true), first(false)].into_iter().flatten().map(ip).collect(),
        ..AddResult::default()
    }
}

#[cfg(test)]
mod tests;
