//! DEL: everything is tried, whatever is missing, and the first error is returned.

use weir_sdk::delegate::Delegate;
use weir_sdk::masquerade::Masquerade;
use weir_sdk::{Context, Error, IpNet, Netns, Request, Result};

use crate::config::Teardown;
use crate::spoof_check::SpoofCheck;

pub(crate) fn del(request: &Request) -> Result<()> {
    let config: Teardown = request.config()?;
    let host = Netns::host().context("open the host's network namespace");
    let link = delete_link(request, &config, host.as_ref().ok());
    let ipam = config.ipam.as_deref().map_or(Ok(()), |ipam| Delegate::ipam(ipam).del(&request.raw_config));
    let host = match host {
        Ok(host) => host,
        Err(failure) => return link.and(ipam).and(Err(failure.into())),
    };
    if config.spoof_check
        && let Err(error) = SpoofCheck::of(&request.attachment()).remove(&host)
    {
        // Without its interface the rule matches nothing.
        weir_sdk::error!("{}", error.msg);
    }
    let masquerade = if config.masquerade {
        let addresses = addresses(request);
        Masquerade::of(request).remove(&host, config.masquerade_backend, &addresses)
    } else {
        Ok(())
    };
    link.and(ipam).and(masquerade)
}

/// Delete the pair by its end in the container, or else by its end on the host.
fn delete_link(request: &Request, config: &Teardown, host: Option<&Netns>) -> Result<()> {
    let name = &request.interface_name;
    let doing = || format!("delete {name}");
    if let Some(container) = Netns::container()
        && let Some(link) = container.link(name).with_context(doing)?
    {
        link.delete_if_exists().with_context(doing)?;
        return Ok(());
    }
    match host {
        Some(host) => delete_port(request, config, host),
        None => Ok(()),
    }
}

/// The runtime gave no namespace, but the pair may live: the previous result knows the port. A name alone proves nothing,
/// as names are given again, so kind and hardware address must fit too.
fn delete_port(request: &Request, config: &Teardown, host: &Netns) -> Result<()> {
    let Some(result) = request.prev_result() else { return Ok(()) };
    let own_bridge = |name: &str| name == config.bridge || name.starts_with(&format!("{}.", config.bridge));
    let ports = result.interfaces.iter().filter(|port| port.sandbox.is_empty() && !own_bridge(&port.name));
    for port in ports.filter(|port| !port.mac.is_empty()) {
        let doing = || format!("delete {}", port.name);
        let Some(link) = host.link(&port.name).with_context(doing)? else { continue };
        let info = match link.info() {
            Ok(info) => info,
            Err(failure) if failure.is_not_found() => continue,
            Err(failure) => return Err(Error::from(failure)).with_context(doing),
        };
        if info.is("veth") && info.mac.to_string() == port.mac.to_ascii_lowercase() {
            link.delete_if_exists().with_context(doing)?;
        }
    }
    Ok(())
}

fn addresses(request: &Request) -> Vec<IpNet> {
    request.prev_result().map(|result| result.ips.iter().map(|ip| ip.address).collect()).unwrap_or_default()
}
