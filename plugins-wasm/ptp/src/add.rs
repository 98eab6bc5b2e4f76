//! ADD: a veth pair, the gateways' addresses on the host's end, and routes on both sides.
//!
//! A veth is no point-to-point link, so the container would ask for the MAC of every address of its subnet, and nobody would
//! answer. Therefore it has a route to the gateway alone, and one to the rest of the subnet through the gateway.

use std::net::IpAddr;

use weir_sdk::attach::{self, undo_on_error};
use weir_sdk::cni_spec::result::{Interface, IpConfig};
use weir_sdk::interface::{self, DuplicateDetection, PrefixRoutes, Target};
use weir_sdk::masquerade::{Backend, Masquerade};
use weir_sdk::net::{Conflict, IpFamily, LinkInfo, NewAddress, Route, VethEnd};
use weir_sdk::{AddResult, Context, Error, IpNet, Link, Netns, Request, Result};

use crate::config::Config;

/// Index of the container's interface in the result: after the host's end.
const CONTAINER: usize = 1;
const SCOPE_LINK: u8 = 253;
const SCOPE_HOST: u8 = 254;

pub(crate) fn add(request: &Request) -> Result<AddResult> {
    let config = Config::load(request.config()?)?;
    let container = request.netns()?;
    let host = Netns::host().context("open the host's network namespace")?;
    let name = &request.interface_name;
    let end = VethEnd { name: Some(name.clone()), mtu: config.mtu, ..VethEnd::default() };
    let peer = VethEnd { mtu: config.mtu, ..VethEnd::default() };
    let (inner, outer) =
        container.create_veth(&end, &host, &peer).with_context(|| format!("make the veth pair {name}"))?;
    let add = Add { request, config: &config, container: &container, host: &host, inner: &inner, outer: &outer };
    let outcome =
        config.ipam.require().and_then(|ipam| attach::with_addresses(request, ipam, |result| add.run(result)));
    undo_on_error(outcome, || {
        outer.delete_if_exists().with_context(|| format!("delete the veth pair {name}"))?;
        Ok(())
    })
}

struct Add<'a> {
    request: &'a Request,
    config: &'a Config,
    container: &'a Netns,
    host: &'a Netns,
    inner: &'a Link,
    outer: &'a Link,
}

impl Add<'_> {
    fn run(&self, mut result: AddResult) -> Result<AddResult> {
        let name = &self.request.interface_name;
        let inner = self.inner.info().with_context(|| format!("look at {name}"))?;
        let outer = self.look_outer()?;
        result.ips.iter_mut().for_each(|ip| ip.interface = Some(CONTAINER));
        result.interfaces = vec![Interface::default(), attach::interface_of(self.request, &inner)];
        let hops = hops(&result.ips)?;
        self.serve(&outer, &hops)?;
        let target = Target { netns: self.container, link: self.inner, index: inner.index, name };
        attach::notify_neighbours(&target, &result);
        // Nobody but the host is on this link, so there are no duplicates to be found.
        interface::assign(&target, &result, DuplicateDetection::Skip, PrefixRoutes::Omit)?;
        let doing = || format!("add routes to the gateways of {name}");
        self.container.add_routes(&routes_by_gateway(&hops, inner.index), Conflict::Refuse).with_context(doing)?;
        interface::add_routes(&target, &result)?;
        // Services of the host may have given its end another MAC meanwhile.
        let outer = self.look_outer()?;
        if let Some(interface) = result.interfaces.first_mut() {
            *interface = Interface { name: outer.name, mac: outer.mac.to_string(), ..Interface::default() };
        }
        attach::prefer_dns(&mut result, &self.config.dns);
        self.masquerade(&result)?;
        Ok(result)
    }

    fn look_outer(&self) -> Result<LinkInfo> {
        let doing = || format!("look at the host's end of {}", self.request.interface_name);
        Ok(self.outer.info().with_context(doing)?)
    }

    /// Let the host be the container's gateway.
    fn serve(&self, outer: &LinkInfo, hops: &[Hop]) -> Result<()> {
        for (family, is_ipv4) in [(IpFamily::Ipv4, true), (IpFamily::Ipv6, false)] {
            if hops.iter().any(|hop| hop.gateway.is_ipv4() == is_ipv4) {
                self.host.enable_forwarding(family).context("enable forwarding")?;
            }
        }
        let key = format!("net/ipv6/conf/{}/accept_ra", outer.name);
        if let Err(failure) = self.host.set_sysctl(&key, "0") {
            // Kernels without IPv6 do not have it.
            weir_sdk::debug!("{}", failure.message);
        }
        self.outer.set_up().with_context(|| format!("set {} up", outer.name))?;
        let mut gateways: Vec<NewAddress> = Vec::with_capacity(hops.len());
        for hop in hops {
            let new = NewAddress { no_dad: true, ..IpNet::from(hop.gateway).into() };
            if !gateways.contains(&new) {
                gateways.push(new);
            }
        }
        let doing = || format!("give {} the addresses of the gateways", outer.name);
        self.outer.add_addresses(&gateways).with_context(doing)?;
        let to_container = |hop: &Hop| Route {
            link: Some(outer.index),
            scope: Some(SCOPE_HOST),
            ..Route::to(hop.address.addr().into())
        };
        let routes: Vec<_> = hops.iter().map(to_container).collect();
        let doing = || format!("add routes to the container by {}", outer.name);
        Ok(self.host.add_routes(&routes, Conflict::Refuse).with_context(doing)?)
    }

    fn masquerade(&self, result: &AddResult) -> Result<()> {
        if !self.config.masquerade {
            return Ok(());
        }
        let backend = self.config.masquerade_backend.unwrap_or_else(|| Backend::detect(self.host));
        let addresses: Vec<IpNet> = result.ips.iter().map(|ip| ip.address).collect();
        let rules = Masquerade::of(self.request);
        undo_on_error(rules.add(self.host, backend, &addresses), || {
            rules.remove(self.host, self.config.masquerade_backend, &addresses)
        })
    }
}

/// An address of the container and the gateway by which it reaches everything.
struct Hop {
    address: IpNet,
    gateway: IpAddr,
}

fn hops(ips: &[IpConfig]) -> Result<Vec<Hop>> {
    let hop = |ip: &IpConfig| match ip.gateway {
        Some(gateway) if gateway.is_ipv4() == ip.address.addr().is_ipv4() => Ok(Hop { address: ip.address, gateway }),
        Some(gateway) => Err(Error::invalid_config(format!(
            "the gateway {gateway} is of another family than the address {}",
            ip.address
        ))),
        None => Err(Error::invalid_config(format!(
            "the IPAM plugin gave no gateway for {}; ptp needs one for each address",
            ip.address
        ))),
    };
    ips.iter().map(hop).collect()
}

/// To each gateway directly, and to each subnet by its gateway. Where two addresses share a gateway or a subnet, one route
/// does.
fn routes_by_gateway(hops: &[Hop], link: u32) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::with_capacity(2 * hops.len());
    let mut add = |route: Route| {
        if !routes.iter().any(|have| have.destination == route.destination) {
            routes.push(route);
        }
    };
    for Hop { address, gateway } in hops {
        let source = Some(address.addr());
        add(Route { link: Some(link), scope: Some(SCOPE_LINK), source, ..Route::to((*gateway).into()) });
    }
    for Hop { address, gateway } in hops {
        // An address with the whole prefix is no subnet.
        if address.prefix_len() < address.max_prefix_len() {
            let source = Some(address.addr());
            add(Route { link: Some(link), gateway: Some(*gateway), source, ..Route::to(address.trunc()) });
        }
    }
    routes
}
