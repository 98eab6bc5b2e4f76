//! DEL: everything is tried, whatever is missing, and the first error is returned.

use weir_sdk::attach::veth;
use weir_sdk::delegate::Delegate;
use weir_sdk::masquerade::Masquerade;
use weir_sdk::{Context, IpNet, Netns, Request, Result};

use crate::config::Teardown;
use crate::spoof_check::SpoofCheck;

pub(crate) fn del(request: &Request) -> Result<()> {
    let config: Teardown = request.config()?;
    let host = Netns::host().context("open the host's network namespace");
    // Before the link goes: a DHCP lease can only be given back through it.
    let ipam = config.ipam.as_deref().map_or(Ok(()), |ipam| Delegate::ipam(ipam).del(&request.raw_config));
    let other = |name: &str| name == config.bridge || name.starts_with(&format!("{}.", config.bridge));
    let link = veth::delete_pair(request, host.as_ref().ok(), other);
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

fn addresses(request: &Request) -> Vec<IpNet> {
    request.prev_result().map(|result| result.ips.iter().map(|ip| ip.address).collect()).unwrap_or_default()
}
