//! The CNI plugin `tap`: gives the container an interface whose other end is a program, such as a virtual machine.

mod config;

use weir_sdk::attach::{self, Settings};
use weir_sdk::interface::{DuplicateDetection, Target};
use weir_sdk::net::{Link, LinkInfo, LinkKind};
use weir_sdk::{AddResult, Context, Error, GcRequest, Netns, Plugin, Request, Result, StatusRequest};

use config::Config;

weir_sdk::manifest! {
    name: "tap",
    description: "Gives the container an interface whose other end is a program, such as a virtual machine.",
    needs: {
        container_namespace: "the interface is made in the container",
        links: "look at the interface, put it under a bridge, set it up, delete it",
        virtual_links: "make the interface",
        addresses: "give the interface its addresses",
        routes: "add routes through the interface",
        sysctls: "enable IPv6 where it is off, tell neighbours about the addresses",
        delegate: "ask the IPAM plugin for addresses",
        log: "tell what went wrong where the command goes on",
    },
    asks: {
        link_kinds: ["tap"] => "the container's interface",
        container_links: ["${bridge}"] => "the bridge in the container that the interface comes under",
        container_sysctls: ["net/ipv6/conf/lo/disable_ipv6"] => "IPv6 addresses need IPv6 on lo too",
        delegates: ["${ipam.type}"] => "the IPAM plugin that the configuration names",
    },
}

weir_sdk::export_plugin!(Tap);

/// The plugin.
#[derive(Debug)]
pub struct Tap;

impl Plugin for Tap {
    fn add(request: &Request) -> Result<AddResult> {
        let config = Config::load(request)?;
        // Nobody hears a probe until a program opens the interface, which it does after ADD.
        let detection = DuplicateDetection::Skip;
        let settings = Settings { ipam: config.ipam.plugin(), dns: &config.dns, detection };
        attach::add(request, &settings, |container| make(&config, container, &request.interface_name))
    }

    fn del(request: &Request) -> Result<()> {
        attach::del(request)
    }

    fn check(request: &Request) -> Result<()> {
        let config = Config::load(request)?;
        attach::check(request, config.ipam.plugin(), |target, info| look(&config, target, info))
    }

    fn gc(request: &GcRequest) -> Result<()> {
        attach::collect_garbage(request)
    }

    fn status(request: &StatusRequest) -> Result<()> {
        Config::load_for_status(request)?;
        attach::status(request)
    }
}

/// Make the link and put it under the bridge. Nothing is left after a failure.
fn make(config: &Config, container: &Netns, name: &str) -> Result<Link> {
    let bridge = config.bridge.as_deref().map(|bridge| find_bridge(container, bridge)).transpose()?;
    let link = container.create_virtual_link(name, &config.kind(), &config.options, None);
    let link = link.context("make the interface")?;
    if let Some((bridge, info)) = bridge {
        let joined = link.set_controller(Some(&bridge)).with_context(|| format!("attach {name} to {}", info.name));
        attach::undo_on_error(joined.map_err(Error::from), || {
            Ok(link.delete_if_exists().map(drop).with_context(|| format!("delete {name}"))?)
        })?;
    }
    Ok(link)
}

fn find_bridge(container: &Netns, name: &str) -> Result<(Link, LinkInfo)> {
    let doing = || format!("find the bridge {name} in the container");
    let link = container.link(name).with_context(doing)?;
    let link =
        link.ok_or_else(|| Error::invalid_config(format!("the bridge {name} does not exist in the container")))?;
    let info = link.info().with_context(doing)?;
    if !info.is("bridge") {
        return Err(Error::invalid_config(format!("{name} in the container is no bridge")));
    }
    Ok((link, info))
}

/// Whether the link is what ADD made. What the configuration does not name may be anything.
fn look(config: &Config, target: &Target<'_>, info: &LinkInfo) -> Result<()> {
    let name = target.name;
    let Some(LinkKind::Tap(found)) = target.link.kind().with_context(|| format!("look at {name}"))? else {
        return Err(Error::internal(format!("{name} is no tap interface")));
    };
    if found.multi_queue != config.tap.multi_queue {
        let queues = |several| if several { "several queues" } else { "one queue" };
        let (found, wanted) = (queues(found.multi_queue), queues(config.tap.multi_queue));
        return Err(Error::internal(format!("{name} is made for {found}, but {wanted} was configured")));
    }
    for (what, wanted, found) in [
        ("owner", config.tap.owner, found.owner),
        ("group", config.tap.group, found.group),
        ("MTU", config.options.mtu, Some(info.mtu)),
    ] {
        if wanted.is_some() && wanted != found {
            let found = found.map_or_else(|| "none".to_owned(), |found| found.to_string());
            return Err(Error::internal(format!(
                "{what} of {name} is {found}, but {} was configured",
                wanted.unwrap_or(0)
            )));
        }
    }
    if let Some(bridge) = &config.bridge {
        let (_, bridge) = find_bridge(target.netns, bridge)?;
        if info.controller != Some(bridge.index) {
            return Err(Error::internal(format!("{name} is no port of the bridge {}", bridge.name)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
