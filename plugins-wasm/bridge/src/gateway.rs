//! The host as the container's gateway: which addresses, and where they go.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use weir_sdk::cni_spec::result::{Interface, Route};
use weir_sdk::net::{IpFamily, LinkAddress, NewAddress, PortOptions};
use weir_sdk::{AddResult, Context, Error, FailureKind, IpNet, Link, Netns, Result};

use crate::config::Config;
use crate::port::Pair;
use crate::switch::Switch;

const MAIN_TABLE: u32 = 254;
const SCOPE_LINK: u8 = 253;
/// How often to look again where other ADDs change the same bridge.
const ATTEMPTS: usize = 3;

/// Fill in what the IPAM plugin left open: gateways, and default routes through them.
pub(crate) fn complete(result: &mut AddResult, config: &Config) -> Result<()> {
    if !config.gateway {
        return Ok(());
    }
    for ip in &mut result.ips {
        let gateway = match ip.gateway {
            Some(gateway) => gateway,
            None => first_of(ip.address)?,
        };
        ip.gateway = Some(gateway);
        if !config.default_gateway {
            continue;
        }
        let default = weir_sdk::net::Route::default_via(gateway).destination;
        let is_default =
            |route: &&mut Route| route.dst == default && route.table.is_none_or(|table| table == MAIN_TABLE);
        let mut found = false;
        for route in result.routes.iter_mut().filter(is_default) {
            // A route without gateway gets the one that it would fall back to, and is then the default route wanted.
            route.gw.get_or_insert(gateway);
            found = true;
        }
        if !found {
            result.routes.push(Route::new(default, Some(gateway)));
        }
    }
    Ok(())
}

/// The first address of a subnet.
fn first_of(address: IpNet) -> Result<IpAddr> {
    let first: Option<IpAddr> = match address.network() {
        IpAddr::V4(network) => network.to_bits().checked_add(1).map(|bits| Ipv4Addr::from_bits(bits).into()),
        IpAddr::V6(network) => network.to_bits().checked_add(1).map(|bits| Ipv6Addr::from_bits(bits).into()),
    };
    first.ok_or_else(|| Error::invalid_config(format!("the subnet of {address} has no room for a gateway")))
}

/// Give the host the addresses of the gateways, and let it forward. Returns the interface that the gateway has of its own:
/// with an access VLAN the bridge cannot have the address itself.
pub(crate) fn serve(host: &Netns, switch: &Switch, config: &Config, result: &AddResult) -> Result<Option<Interface>> {
    let mut wanted: Vec<IpNet> = Vec::with_capacity(result.ips.len());
    for ip in &result.ips {
        let Some(gateway) = ip.gateway else { continue };
        let network = IpNet::new(gateway, ip.address.prefix_len()).map_err(|_| {
            Error::invalid_config(format!("the gateway {gateway} is of another family than {}", ip.address))
        })?;
        if !wanted.contains(&network) {
            wanted.push(network);
        }
    }
    let own = match config.vlans.access {
        None => {
            ensure_addresses(&switch.link, &switch.info.name, &wanted, config, &|| switch.fix_mac())?;
            None
        }
        Some(vlan) => {
            let name = vlan_name(&switch.info.name, vlan);
            let link = vlan_interface(host, switch, config, &name)?;
            ensure_addresses(&link, &name, &wanted, config, &|| Ok(()))?;
            let mac = link.info().with_context(|| format!("look at {name}"))?.mac.to_string();
            Some(Interface { name, mac, ..Interface::default() })
        }
    };
    for (family, is_ipv4) in [(IpFamily::Ipv4, true), (IpFamily::Ipv6, false)] {
        if wanted.iter().any(|network| network.addr().is_ipv4() == is_ipv4) {
            host.enable_forwarding(family).context("enable forwarding")?;
        }
    }
    Ok(own)
}

/// Put addresses on a link that may have others. `prepare` runs before it changes, so that whoever finds the addresses finds
/// what it did, too.
fn ensure_addresses(
    link: &Link,
    name: &str,
    wanted: &[IpNet],
    config: &Config,
    prepare: &dyn Fn() -> Result<()>,
) -> Result<()> {
    let doing = || format!("give {name} the address of the gateway");
    let mut attempt = 0;
    loop {
        attempt += 1;
        let present = link.addresses().with_context(doing)?;
        let missing: Vec<_> =
            wanted.iter().filter(|wanted| !present.iter().any(|have| have.network == **wanted)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let conflicts: Vec<IpNet> =
            present.iter().filter(|have| conflicts(have, wanted, &missing)).map(|have| have.network).collect();
        if let (Some(other), false) = (conflicts.first(), config.force_address) {
            return Err(Error::invalid_config(format!(
                "{}: it has {other} already; set forceAddress to have that replaced",
                doing()
            )));
        }
        prepare()?;
        if !conflicts.is_empty() {
            link.remove_addresses(&conflicts).with_context(|| format!("remove the old address of {name}"))?;
        }
        // Detection would keep the gateway from answering for a second or two.
        let no_dad = !config.detect_duplicates;
        let new: Vec<_> = missing.into_iter().map(|network| NewAddress { no_dad, ..(*network).into() }).collect();
        match link.add_addresses(&new) {
            Ok(()) => return Ok(()),
            // Another ADD was faster; maybe it added only some.
            Err(failure) if failure.kind == FailureKind::AlreadyExists && attempt < ATTEMPTS => {}
            Err(failure) => return Err(failure.within(&doing()).into()),
        }
    }
}

/// Whether an address stands in the way of the missing ones: any other IPv4 address does, of IPv6 those of the same subnet.
/// The link-local address that the kernel gives is no conflict.
fn conflicts(have: &LinkAddress, wanted: &[IpNet], missing: &[&IpNet]) -> bool {
    let address = have.network;
    if wanted.contains(&address) {
        return false;
    }
    missing.iter().any(|missing| match (address, missing) {
        (IpNet::V4(_), IpNet::V4(_)) => true,
        (IpNet::V6(_), IpNet::V6(_)) => {
            have.scope != SCOPE_LINK && (address.contains(&missing.addr()) || missing.contains(&address.addr()))
        }
        _ => false,
    })
}

/// Name of the interface that the gateway has of its own in a VLAN.
pub(crate) fn vlan_name(bridge: &str, vlan: u16) -> String {
    format!("{bridge}.{vlan}")
}

/// The interface `<bridge>.<vlan>`: one end of a veth pair whose other end is a port in the VLAN. All containers of the VLAN
/// share it, so it is never removed.
fn vlan_interface(host: &Netns, switch: &Switch, config: &Config, name: &str) -> Result<Link> {
    if let Some(link) = host.link(name).with_context(|| format!("find {name}"))? {
        return Ok(link);
    }
    let pair = Pair::create(host, name, None, Some(switch.info.mtu), host)?;
    let finish = || {
        pair.attach(host, switch, PortOptions::default(), &config.vlans.of_gateway())?;
        Ok(pair.inner.set_up().with_context(|| format!("set {name} up"))?)
    };
    if let Err(error) = finish() {
        // Half done it would be taken for complete by the next ADD.
        if let Err(failure) = pair.inner.delete_if_exists() {
            weir_sdk::error!("remove {name} again: {}", failure.message);
        }
        return Err(error);
    }
    Ok(pair.inner)
}
