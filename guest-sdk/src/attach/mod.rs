//! The link that an interface plugin makes in the container, from ADD to DEL: what every such plugin does around it.
//!
//! A plugin says how its link is made and what the link must be; the rest is here. [`add`], [`del`] and [`check`] do all of
//! it for a plugin with one link; the others are the parts of it, for plugins that do more. After a failed ADD link and
//! addresses are gone again; DEL works without the namespace, and gives the addresses back whatever else fails.
//!
//! Needs `container-namespace`, `links`, `addresses`, `routes`, `sysctls`, `delegate` and `log`.

mod check;
pub mod lower;
mod teardown;
pub mod veth;

use cni_spec::error::Error;
use cni_spec::quoted::Quoted;
use cni_spec::result::{AddResult, Dns, Interface};
use serde::Deserialize;

use crate::delegate::Delegate;
use crate::failure::Context;
use crate::interface::{self, DuplicateDetection, Target};
use crate::net::{Link, LinkInfo, Netns};
use crate::plugin::{Request, Result};

pub use check::{check, check_told, require_mac, told};
pub use teardown::{collect_garbage, del, delete_link, release, status};

/// The key `ipam`, as far as an interface plugin reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Ipam {
    r#type: String,
}

impl Ipam {
    /// The IPAM plugin; none where the configuration names none.
    pub fn plugin(&self) -> Option<Delegate<'_>> {
        Some(self.r#type.as_str()).filter(|kind| !kind.is_empty()).map(Delegate::ipam)
    }

    /// The IPAM plugin, where the plugin cannot do without. Error 7 where there is none.
    pub fn require(&self) -> Result<Delegate<'_>> {
        self.plugin().ok_or_else(|| Error::invalid_config("ipam.type is missing: this plugin needs an IPAM plugin"))
    }
}

/// What becomes of the link once it is made.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// Who gives the addresses; none: the link is set up without.
    pub ipam: Option<Delegate<'a>>,
    /// The configuration's DNS settings. They replace those of the IPAM plugin unless they are empty.
    pub dns: &'a Dns,
    /// What becomes of duplicate address detection (IPv6).
    pub detection: DuplicateDetection,
}

/// ADD: make the link in the container, give it addresses and routes, and set it up. The result has the link as its only
/// interface. `make` must leave nothing where it fails.
pub fn add(request: &Request, settings: &Settings<'_>, make: impl FnOnce(&Netns) -> Result<Link>) -> Result<AddResult> {
    with_link(request, make, |target, info| finish(request, settings, target, info))
}

/// Make the link in the container and do something with it. It goes again where that fails. `make` must leave nothing where
/// it fails.
pub fn with_link<T>(
    request: &Request,
    make: impl FnOnce(&Netns) -> Result<Link>,
    action: impl FnOnce(&Target<'_>, &LinkInfo) -> Result<T>,
) -> Result<T> {
    let container = request.netns()?;
    let link = make(&container)?;
    undo_on_error(look(request, &container, &link, action), || delete(&link, &request.interface_name))
}

/// The part of [`add`] that comes after the link is made. The caller takes the link away where this fails; the addresses are
/// given back here.
pub fn complete(request: &Request, settings: &Settings<'_>, container: &Netns, link: &Link) -> Result<AddResult> {
    look(request, container, link, |target, info| finish(request, settings, target, info))
}

fn look<T>(
    request: &Request,
    netns: &Netns,
    link: &Link,
    action: impl FnOnce(&Target<'_>, &LinkInfo) -> Result<T>,
) -> Result<T> {
    let name = &request.interface_name;
    let info = link.info().with_context(|| format!("look at {name}"))?;
    action(&Target { netns, link, index: info.index, name }, &info)
}

fn finish(request: &Request, settings: &Settings<'_>, target: &Target<'_>, info: &LinkInfo) -> Result<AddResult> {
    let mut result = match settings.ipam {
        Some(ipam) => with_addresses(request, ipam, |leased| apply(request, target, info, settings.detection, leased))?,
        None => {
            target.link.set_up().with_context(|| format!("set {} up", target.name))?;
            AddResult { interfaces: vec![interface_of(request, info)], ..AddResult::default() }
        }
    };
    prefer_dns(&mut result, settings.dns);
    Ok(result)
}

/// Put addresses and routes on a link and set it up; they may come from an IPAM plugin or from the plugin before. The result
/// has the link as its only interface.
pub fn apply(
    request: &Request,
    target: &Target<'_>,
    info: &LinkInfo,
    detection: DuplicateDetection,
    mut addresses: AddResult,
) -> Result<AddResult> {
    addresses.interfaces = vec![interface_of(request, info)];
    addresses.ips.iter_mut().for_each(|ip| ip.interface = Some(0));
    notify_neighbours(target, &addresses);
    interface::configure(target, &addresses, detection)?;
    if detection == DuplicateDetection::Wait && addresses.ips.iter().any(|ip| ip.address.addr().is_ipv6()) {
        interface::settle(target)?;
    }
    Ok(addresses)
}

/// Get addresses from the IPAM plugin and do something with them. They are given back where anything fails, also the IPAM
/// plugin itself: even an ADD that fails must be followed by DEL.
pub fn with_addresses<T>(
    request: &Request,
    ipam: Delegate<'_>,
    action: impl FnOnce(AddResult) -> Result<T>,
) -> Result<T> {
    let outcome = ipam.add(&request.raw_config).and_then(|leased| {
        if leased.ips.is_empty() {
            let name = Quoted(ipam.plugin_type());
            return Err(Error::internal(format!("the IPAM plugin {name} returned no address")));
        }
        action(leased)
    });
    undo_on_error(outcome, || ipam.del(&request.raw_config))
}

/// After an error, undo what was made before. That goes on whatever fails; what is left is left to DEL.
pub fn undo_on_error<T>(outcome: Result<T>, undo: impl FnOnce() -> Result<()>) -> Result<T> {
    if outcome.is_err()
        && let Err(error) = undo()
    {
        crate::error!("undo the failed ADD: {}", error.msg);
    }
    outcome
}

/// Let the kernel tell the neighbours when the link comes up with its addresses: they may have the address in mind with the
/// MAC of somebody who had it before. Kernels without IPv6 lack one of the settings.
pub fn notify_neighbours(target: &Target<'_>, addresses: &AddResult) {
    for (is_ipv4, family, setting) in [(true, "ipv4", "arp_notify"), (false, "ipv6", "ndisc_notify")] {
        if !addresses.ips.iter().any(|ip| ip.address.addr().is_ipv4() == is_ipv4) {
            continue;
        }
        let key = format!("net/{family}/conf/{}/{setting}", target.name);
        if let Err(failure) = target.netns.set_sysctl(&key, "1") {
            crate::debug!("{}", failure.message);
        }
    }
}

/// The container's interface, as results have it.
pub fn interface_of(request: &Request, info: &LinkInfo) -> Interface {
    Interface {
        name: info.name.clone(),
        mac: info.mac.to_string(),
        sandbox: request.netns_path.clone().unwrap_or_default(),
        ..Interface::default()
    }
}

/// The configuration's own DNS settings replace others, where there are any.
pub fn prefer_dns(result: &mut AddResult, own: &Dns) {
    if !own.is_empty() {
        result.dns = own.clone();
    }
}

fn delete(link: &Link, name: &str) -> Result<()> {
    Ok(link.delete_if_exists().map(drop).with_context(|| format!("delete {name}"))?)
}

#[cfg(test)]
mod tests;
