//! DEL: everything is tried, whatever is missing, and the first error is returned.

use weir_sdk::attach::{self, veth};
use weir_sdk::masquerade::Masquerade;
use weir_sdk::{Context, IpNet, Netns, Request, Result};

use crate::config::Teardown;

pub(crate) fn del(request: &Request) -> Result<()> {
    let host = Netns::host().context("open the host's network namespace");
    // Before the pair goes: a DHCP lease can only be given back through it.
    let addresses = attach::release(request);
    let pair = veth::delete_pair(request, host.as_ref().ok(), |_| false);
    let config: Teardown = request.config()?;
    let rules = match host {
        Ok(host) if config.masquerade => {
            let known = request.prev_result().map(|result| result.ips.as_slice()).unwrap_or_default();
            let known: Vec<IpNet> = known.iter().map(|ip| ip.address).collect();
            Masquerade::of(request).remove(&host, config.masquerade_backend(), &known)
        }
        Ok(_) => Ok(()),
        Err(failure) => Err(failure.into()),
    };
    pair.and(addresses).and(rules)
}
