//! GC: addresses, masquerade and spoof checks of attachments that are no more. Veth pairs need no collecting: they vanish
//! with the container's namespace.

use weir_sdk::delegate::Delegate;
use weir_sdk::{Context, GcRequest, Netns, Result, masquerade};

use crate::config::Teardown;
use crate::spoof_check;

pub(crate) fn gc(request: &GcRequest) -> Result<()> {
    let config: Teardown = request.config()?;
    let ipam = config.ipam.as_deref().map_or(Ok(()), |ipam| Delegate::ipam(ipam).gc(&request.raw_config));
    let host = match Netns::host().context("open the host's network namespace") {
        Ok(host) => host,
        Err(failure) => return ipam.and(Err(failure.into())),
    };
    let masquerade =
        if config.masquerade { masquerade::collect_garbage(&host, request, config.masquerade_backend) } else { Ok(()) };
    let spoof_check = if config.spoof_check { spoof_check::collect_garbage(&host, request) } else { Ok(()) };
    ipam.and(masquerade).and(spoof_check)
}
