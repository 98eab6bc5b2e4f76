//! The CNI plugin `tuning`: kernel parameters of the container, and properties of its interface.
//!
//! It comes after a plugin that makes the interface. ADD writes down what was before; DEL restores it.

mod config;
mod duplicates;
mod saved;
mod sysctl;

use weir_sdk::net::LinkChanges;
use weir_sdk::{
    AddResult, Context, Error, GcRequest, Link, Netns, Plugin, Request, Result, StatusRequest, error, net, warn,
};

use config::{Config, Directory, Wanted};
use saved::Saved;

weir_sdk::manifest! {
    name: "tuning",
    description: "Sets kernel parameters of the container and properties of its interface.",
    needs: {
        container_namespace: "what is tuned is in the container",
        links: "sets MAC address, MTU, queue length, promiscuous and all-multicast mode",
        sysctls: "sets the parameters that the configuration names, within the operator's list",
        attachment_state: "keeps the values from before, for DEL",
        log: "tells what could not be restored",
    },
    asks: {
        container_sysctls: ["net/*"] => "the configuration names them, and the operator's list limits them",
        directories: ["/run/cni/tuning", "${dataDir}"] => "values from before",
    },
}

/// The plugin.
#[derive(Debug)]
pub struct Tuning;

weir_sdk::export_plugin!(Tuning);

impl Plugin for Tuning {
    fn add(request: &Request) -> Result<AddResult> {
        let config = Config::load(request)?;
        sysctl::check_allowed(&config.sysctls, net::sysctl_allow_list()?)?;
        let mut result = request.require_prev_result()?.clone();
        let netns = container()?;
        let link = netns.link(&request.interface_name)?;

        let directory = config.directory.path();
        let earlier = Saved::load(directory).unwrap_or_else(|error| {
            warn!("values saved by an earlier plugin are lost: {error}");
            None
        });
        let before = Saved::read(&config, &netns, link.as_ref(), request)?;
        let document = before.clone().under(earlier.clone());
        if !document.is_empty() {
            document.save(directory)?;
        }
        if let Err(error) = apply(&config, &netns, link.as_ref(), request) {
            before.restore(&netns, &request.interface_name);
            if let Err(error) = Saved::put_back(earlier, directory) {
                error!("{error}");
            }
            return Err(error);
        }
        update_result(&mut result, &config.wanted, &request.interface_name);
        Ok(result)
    }

    fn del(request: &Request) -> Result<()> {
        // Only the directory is read: a configuration that became invalid must not hinder DEL.
        let directory = request.config::<Directory>()?;
        match (Saved::load(directory.path()), Netns::container()) {
            (Ok(Some(saved)), Some(netns)) => saved.restore(&netns, &request.interface_name),
            (Ok(_), _) => {}
            (Err(error), _) => error!("what {} was before cannot be restored: {error}", request.interface_name),
        }
        if let Err(error) = Saved::put_back(None, directory.path()) {
            error!("{error}");
        }
        Ok(())
    }

    fn check(request: &Request) -> Result<()> {
        let config = Config::load(request)?;
        request.require_prev_result()?;
        let netns = container()?;
        for (key, wanted) in &config.sysctls {
            let path = key.for_interface(&request.interface_name);
            let found = netns.sysctl(&path)?;
            if !sysctl::same_value(&found, wanted) {
                return Err(Error::internal(format!("sysctl {path} is {found:?}, but {wanted:?} was configured")));
            }
        }
        let link = netns.link(&request.interface_name)?.ok_or_else(|| no_link(request))?;
        config.wanted.compare(&link.info()?)
    }

    fn gc(request: &GcRequest) -> Result<()> {
        Saved::collect_garbage(request, request.config::<Directory>()?.path())
    }

    fn status(request: &StatusRequest) -> Result<()> {
        let config = Config::load_for_status(request)?;
        sysctl::check_allowed(&config.sysctls, net::sysctl_allow_list()?)
    }
}

fn container() -> Result<Netns> {
    Netns::container().ok_or_else(|| Error::unknown_container("the container's network namespace is gone"))
}

fn no_link(request: &Request) -> Error {
    Error::internal(format!("the container has no interface {}", request.interface_name))
}

fn apply(config: &Config, netns: &Netns, link: Option<&Link>, request: &Request) -> Result<()> {
    for (key, value) in &config.sysctls {
        let path = key.for_interface(&request.interface_name);
        netns.set_sysctl(&path, value).with_context(|| format!("set sysctl {path} to {value:?}"))?;
    }
    let changes = config.wanted.changes();
    if changes != LinkChanges::default() {
        let link = link.ok_or_else(|| no_link(request))?;
        link.update(&changes).with_context(|| format!("change interface {}", request.interface_name))?;
    }
    Ok(())
}

/// The result says what the interface now is.
fn update_result(result: &mut AddResult, wanted: &Wanted, name: &str) {
    for interface in result.interfaces.iter_mut().filter(|interface| interface.name == name) {
        if interface.sandbox.is_empty() {
            // An interface of the host with the same name.
            continue;
        }
        if let Some(mac) = &wanted.mac {
            interface.mac = mac.to_string();
        }
        if let Some(mtu) = wanted.mtu {
            interface.mtu = mtu;
        }
    }
}

#[cfg(test)]
mod tests;
