//! The CNI plugin `vrf`: puts the container's interface into a VRF, a routing domain of its own.
//!
//! It comes after a plugin that makes the interface. The VRF is made where it is missing, and goes with its last
//! interface. The kernel sets a link down and up again when it comes under a VRF, and with that forgets its routes and
//! its IPv6 addresses; they are put back.

mod belongings;
mod config;
mod domain;

use weir_sdk::{AddResult, Context, Error, Link, Netns, Plugin, Request, Result, StatusRequest, error, naming};

use belongings::Belongings;
use config::Config;
use domain::{Domain, Found};

weir_sdk::manifest! {
    name: "vrf",
    description: "Puts the container's interface into a VRF.",
    // A VRF is of no use to results without interfaces.
    cni_versions: &["0.3.1", "0.4.0", "1.0.0", "1.1.0"],
    needs: {
        container_namespace: "interface and VRF are in the container",
        links: "finds the interface, puts it under the VRF, and removes a VRF that nobody uses",
        virtual_links: "makes the VRF",
        addresses: "puts the IPv6 addresses back that the kernel forgets",
        routes: "moves the interface's routes to the VRF's table",
        log: "tells what a failed ADD could not put back",
    },
    asks: {
        link_kinds: ["vrf"] => "the VRF",
        container_links: ["${vrfname}"] => "the VRF, which interfaces of the container share",
    },
}

weir_sdk::export_plugin!(Vrf);

/// The plugin.
#[derive(Debug)]
pub struct Vrf;

/// How often a VRF is made that another container's end takes away before the interface is in it.
const ATTEMPTS: u32 = 5;

impl Plugin for Vrf {
    fn add(request: &Request) -> Result<AddResult> {
        let config = Config::load(request.config()?)?;
        let result = request.require_prev_result()?;
        let netns = request.netns()?;
        let link = interface(&netns, &request.interface_name)?;
        refuse_controlled(&netns, &link, &request.interface_name)?;
        let before = Belongings::of(&netns, &link)?;
        for _ in 0..ATTEMPTS {
            let domain = Domain::ensure(&netns, &config, &workname(request))?;
            match enter(&netns, &link, &domain, &before) {
                Ok(()) => return Ok(result.clone()),
                Err(_) if domain.is_gone() => {}
                Err(error) => {
                    if domain.is_new
                        && let Err(error) = domain.remove_unused(&netns)
                    {
                        error!("vrf: clean up after a failure: {error}");
                    }
                    return Err(error);
                }
            }
        }
        Err(Error::try_again_later(format!("VRF {} is taken away again and again", config.name)))
    }

    fn del(request: &Request) -> Result<()> {
        // Without the namespace there is no VRF; without a name that ADD would have taken there never was one.
        let (Some(netns), Ok(config)) = (Netns::container(), request.config().and_then(Config::load)) else {
            return Ok(());
        };
        let Found::Domain(domain) = Domain::look_up(&netns, &config.name)? else { return Ok(()) };
        if let Some(link) = netns.link(&request.interface_name)?
            && link.info()?.controller == Some(domain.index)
        {
            link.set_controller(None).with_context(|| format!("take {} out", request.interface_name))?;
        }
        domain.remove_unused(&netns)
    }

    fn check(request: &Request) -> Result<()> {
        let config = Config::load(request.config()?)?;
        let result = request.require_prev_result()?;
        let netns = request.netns()?;
        let name = &request.interface_name;
        let link = interface(&netns, name)?.info()?;
        let domain = Domain::find(&netns, &config.name)?
            .ok_or_else(|| Error::internal(format!("there is no VRF {}", config.name)))?;
        domain.require_table(&config)?;
        if link.controller != Some(domain.index) {
            return Err(Error::internal(format!("{name} is not in VRF {}", config.name)));
        }
        belongings::check(&netns, link.index, domain.table, result, name)
    }

    fn status(request: &StatusRequest) -> Result<()> {
        Config::load(request.config()?).map(drop)
    }
}

fn interface(netns: &Netns, name: &str) -> Result<Link> {
    netns.link(name)?.ok_or_else(|| Error::internal(format!("the container has no interface {name}")))
}

/// An interface that is a port of a bridge, or in a VRF already, has its place.
fn refuse_controlled(netns: &Netns, link: &Link, name: &str) -> Result<()> {
    let Some(controller) = link.info()?.controller else { return Ok(()) };
    let other = netns.link_by_index(controller)?.map(|link| link.info()).transpose()?;
    let other = other.map_or_else(|| format!("the link with index {controller}"), |info| info.name);
    Err(Error::internal(format!("{name} is controlled by {other} already: remove it from there first")))
}

/// What a VRF is called until it is sure that it can stay.
fn workname(request: &Request) -> String {
    let attachment = format!("{}/{}", request.container_id, request.interface_name);
    format!("vrf-{}", naming::hash(&attachment, 8))
}

/// Put the interface into the VRF with all that it has. After a failure it is out again, as it was.
fn enter(netns: &Netns, link: &Link, domain: &Domain, before: &Belongings) -> Result<()> {
    let moved = || -> Result<()> {
        let name = &domain.name;
        link.set_controller(Some(&domain.link)).with_context(|| format!("put the interface into VRF {name}"))?;
        before.put_back(netns, link, domain.table)?;
        // DEL of the interface that was the last one in it may not have seen this one coming.
        if link.info()?.controller != Some(domain.index) {
            return Err(Error::try_again_later(format!("VRF {name} was deleted by somebody else")));
        }
        Ok(())
    };
    let outcome = moved();
    if outcome.is_err() {
        let released = link.set_controller(None).context("take the interface out").map_err(Error::from);
        if let Err(error) = released.and_then(|()| before.put_back(netns, link, belongings::MAIN)) {
            error!("vrf: clean up after a failure: {error}");
        }
    }
    outcome
}

#[cfg(test)]
mod tests;
