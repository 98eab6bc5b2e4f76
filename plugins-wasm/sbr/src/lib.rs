//! The CNI plugin `sbr`, source based routing: what a container sends from an address of its interface is routed by a
//! table of that address, so that answers leave by the interface that the request came in on.
//!
//! It comes after a plugin that makes the interface. There is no lock: the kernel orders rules by age, and of two
//! containers' interfaces that chose the same table at the same time the younger one takes another.

mod add;
mod addresses;
mod check;
mod config;
mod del;
mod main_table;
mod rules;
mod table;

use weir_sdk::{AddResult, Error, Plugin, Request, Result, StatusRequest, warn};

use config::Config;

weir_sdk::manifest! {
    name: "sbr",
    description: "Routes what a container sends by the address that it sends from.",
    needs: {
        container_namespace: "rules and routes are the container's",
        links: "find the interface whose addresses and routes this is about",
        addresses: "find addresses that the runtime does not tell any more, for DEL",
        routes: "copies routes of the interface to the tables of its addresses, and takes them out of the main table",
        rules: "sends packets to the table of the address that they come from",
        log: "tells what was passed over, and what DEL could not remove",
    },
}

weir_sdk::export_plugin!(Sbr);

/// The plugin.
#[derive(Debug)]
pub struct Sbr;

impl Plugin for Sbr {
    fn add(request: &Request) -> Result<AddResult> {
        let config = Config::load(request.config()?)?;
        let result = request.require_prev_result()?;
        if result.ips.is_empty() {
            return Err(Error::invalid_config(format!(
                "prevResult has no address, so there is nothing to route by: {} needs ipam in a plugin before sbr",
                request.interface_name
            )));
        }
        let sources = addresses::of_attachment(result, &request.interface_name);
        if sources.is_empty() {
            warn!("sbr: prevResult has no address on {}, so nothing is routed", request.interface_name);
            return Ok(result.clone());
        }
        add::run(request, &config, &sources)?;
        Ok(result.clone())
    }

    fn del(request: &Request) -> Result<()> {
        // A configuration that ADD would refuse must not keep DEL from cleaning up.
        let table = request.config().ok().and_then(|raw| Config::load(raw).ok()).and_then(|config| config.table);
        del::run(request, table)
    }

    fn check(request: &Request) -> Result<()> {
        let config = Config::load(request.config()?)?;
        let sources = addresses::of_attachment(request.require_prev_result()?, &request.interface_name);
        check::run(request, &config, &sources)
    }

    fn status(request: &StatusRequest) -> Result<()> {
        Config::load(request.config()?).map(drop)
    }
}

#[cfg(test)]
mod tests;
