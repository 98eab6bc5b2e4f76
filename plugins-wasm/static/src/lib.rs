//! The CNI plugin `static`: IPAM with addresses that the configuration names. It touches nothing.

mod config;

use weir_sdk::cni_spec::result::IpConfig;
use weir_sdk::{AddResult, Error, Plugin, Request, Result};

use config::Ipam;

weir_sdk::manifest! {
    name: "static",
    description: "Gives out the addresses, routes and DNS settings that the configuration names.",
    needs: {},
}

weir_sdk::export_plugin!(Static);

/// The plugin.
#[derive(Debug)]
pub struct Static;

impl Plugin for Static {
    fn add(request: &Request) -> Result<AddResult> {
        let ipam = Ipam::load(request)?;
        Ok(AddResult { interfaces: Vec::new(), ips: ipam.ips, routes: ipam.routes, dns: ipam.dns })
    }

    /// Nothing was taken, so nothing is given back; the configuration is not even read.
    fn del(_: &Request) -> Result<()> {
        Ok(())
    }

    /// Addresses that the result does not have are passed over, as a chain may have changed them; a gateway that differs
    /// is an error.
    fn check(request: &Request) -> Result<()> {
        let ipam = Ipam::load(request)?;
        let result = request.require_prev_result()?;
        let gateway = |ip: &IpConfig| ip.gateway.map_or_else(|| "no gateway".to_owned(), |gateway| gateway.to_string());
        for wanted in &ipam.ips {
            let differs = |found: &&IpConfig| found.address == wanted.address && found.gateway != wanted.gateway;
            // A gateway that an interface plugin filled in is not ours to judge.
            if let Some(found) = result.ips.iter().find(differs).filter(|_| wanted.gateway.is_some()) {
                return Err(Error::internal(format!(
                    "address {} has {}, but should have {}",
                    wanted.address,
                    gateway(found),
                    gateway(wanted)
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
