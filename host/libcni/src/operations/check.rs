//! CHECK.

use super::{Network, Operation, cached, stdin::Injected};
use crate::cni::{CniConfig, Command};
use crate::error::Error;
use crate::runtime_conf::RuntimeConf;

pub(super) fn check(cni: &CniConfig, network: Network<'_>, rt: &RuntimeConf) -> Result<(), Error> {
    rt.check_names()?;
    if !network.version.supports_check() {
        let (network, version) = (network.name.to_owned(), network.version);
        return Err(Error::NotSupported { command: Command::Check, network, version });
    }
    if network.disable_check {
        return Ok(());
    }
    let Some(result) = cached::result(cni, network, rt)? else {
        return Err(Error::NotAttached {
            network: network.name.to_owned(),
            container_id: rt.container_id.clone(),
            if_name: rt.if_name.clone(),
        });
    };
    let operation = Operation::start(cni, Command::Check, Some(rt));
    let injected = Injected {
        prev_result: Some(&result.json),
        capability_args: Some(&rt.capability_args),
        ..Injected::of(&network)
    };
    for plugin in network.plugins {
        operation.run(plugin, &injected)?;
    }
    Ok(())
}
