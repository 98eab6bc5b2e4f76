//! STATUS.

use super::{Network, Operation, stdin::Injected};
use crate::cni::{CniConfig, Command};
use crate::error::Error;

pub(super) fn status(cni: &CniConfig, network: Network<'_>) -> Result<(), Error> {
    if !network.version.supports_gc_and_status() {
        return Ok(());
    }
    let operation = Operation::start(cni, Command::Status, None);
    for plugin in network.plugins {
        operation.run(plugin, &Injected::of(&network))?;
    }
    Ok(())
}
