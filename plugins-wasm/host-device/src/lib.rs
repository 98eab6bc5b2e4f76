//! The CNI plugin `host-device`: moves a device of the host into the container, and back.
//!
//! While the container has the device, its alias is the name that it has on the host; so each of this and the native plugin
//! can bring back what the other moved. A device with a driver for userspace networking (DPDK) stays where it is: only
//! addresses are given out for it.

mod config;
mod find;
mod saved;
mod transfer;

use weir_sdk::attach::{self, Settings};
use weir_sdk::interface::DuplicateDetection;
use weir_sdk::{AddResult, Context, GcRequest, Netns, Plugin, Request, Result, StatusRequest, debug};

use config::Config;
use find::Found;
use saved::Saved;

weir_sdk::manifest! {
    name: "host-device",
    description: "Moves a device of the host into the container, and back.",
    needs: {
        container_namespace: "the device is moved into the container",
        host_namespace: "the device comes from the host and goes back to it",
        host_devices: "find the device by PCI address, device path or auxiliary name, and its driver",
        links: "find, move and rename the device, and set it up",
        addresses: "give the device its addresses, and the host's back where ADD fails",
        routes: "give the container its routes",
        sysctls: "enable IPv6 on the device",
        delegate: "ask the IPAM plugin for addresses",
        attachment_state: "keep the name and the alias that the device has on the host",
        log: "tell what went wrong where the command goes on",
    },
    asks: {
        lower_links: ["${device}"] => "the device, where the configuration gives its name",
        lower_links: ["*"] =>
            "the device, where the configuration gives its place in the device tree: nobody knows the name before",
        container_sysctls: ["net/ipv6/conf/lo/disable_ipv6"] => "IPv6 addresses need IPv6 on lo too",
        directories: ["/run/cni/host-device"] => "the name and the alias that the device has on the host",
        delegates: ["${ipam.type}"] => "the IPAM plugin that the configuration names",
    },
}

weir_sdk::export_plugin!(HostDevice);

/// The plugin.
#[derive(Debug)]
pub struct HostDevice;

impl Plugin for HostDevice {
    fn add(request: &Request) -> Result<AddResult> {
        let config = Config::load(request)?;
        let (host, container) = (host()?, request.netns()?);
        let Found::Link(device) = find::device(&config, &host)? else { return add_userspace(request, &config) };
        let saved = Saved::of(request, &device.info);
        saved.save()?;
        let moved = transfer::to_container(&host, &device, &container, request);
        let outcome = moved.and_then(|moved| {
            let detection = DuplicateDetection::Wait;
            let settings = Settings { ipam: config.ipam.plugin(), dns: &config.dns, detection };
            attach::undo_on_error(attach::complete(request, &settings, &container, &moved), || {
                let link = transfer::to_host(moved, &host, &saved)?;
                device.put_back_as_it_was(&link)
            })
        });
        attach::undo_on_error(outcome, Saved::remove)
    }

    fn del(request: &Request) -> Result<()> {
        let addresses = attach::release(request);
        let device = take_back(request);
        device.and(addresses)
    }

    fn check(request: &Request) -> Result<()> {
        let config = Config::load(request)?;
        if find::is_userspace(&config)? {
            return config.ipam.plugin().map_or(Ok(()), |ipam| ipam.check(&request.raw_config));
        }
        attach::check(request, config.ipam.plugin(), |_, _| Ok(()))
    }

    fn gc(request: &GcRequest) -> Result<()> {
        let addresses = attach::collect_garbage(request);
        addresses.and(collect_devices(request))
    }

    fn status(request: &StatusRequest) -> Result<()> {
        // Which device it will be, a runtime may say later; and that another container has it is no fault of the node.
        request.config::<config::Document>()?;
        attach::status(request)
    }
}

/// There is no interface for the addresses: the application configures the device by itself.
fn add_userspace(request: &Request, config: &Config) -> Result<AddResult> {
    let mut result = match config.ipam.plugin() {
        Some(ipam) => attach::with_addresses(request, ipam, Ok)?,
        None => AddResult::default(),
    };
    result.interfaces = Vec::new();
    result.ips.iter_mut().for_each(|ip| ip.interface = None);
    attach::prefer_dns(&mut result, &config.dns);
    Ok(result)
}

/// DEL: the device goes back to the host, if it is in the container; otherwise the kernel may have brought it back already,
/// under its name in the container. Where its names cannot be read the device goes back all the same, and the next DEL gives
/// it its alias.
fn take_back(request: &Request) -> Result<()> {
    let saved = Saved::load();
    let host = host()?;
    let name = &request.interface_name;
    if let Some(container) = Netns::container()
        && let Some(link) = container.link(name).with_context(|| format!("find {name} in the container"))?
    {
        // With a driver for userspace nothing was moved, so an interface of this name is somebody else's.
        let is_userspace = || Config::load(request).and_then(|config| find::is_userspace(&config)).unwrap_or(false);
        let guess = || if is_userspace() { None } else { Saved::guess(request, &link) };
        let names = match &saved {
            Ok(Some(saved)) => Some(saved.clone()),
            Ok(None) => guess(),
            Err(_) => guess().map(Saved::marked),
        };
        match names {
            Some(names) => {
                transfer::to_host(link, &host, &names)?;
            }
            None => {
                debug!("{name} in the container is no device of the host");
                return saved.map(drop);
            }
        }
    } else if let Some(saved) = saved.clone()?.or_else(|| Saved::of_configuration(&request.raw_config)) {
        transfer::recover(&host, &saved)?;
    }
    saved?;
    Saved::remove()
}

/// GC: devices whose container is gone, and which the kernel brought back under their name in the container.
fn collect_devices(request: &GcRequest) -> Result<()> {
    let host = host()?;
    let mut outcome = Ok(());
    for saved in Saved::collect(request)?.into_iter().chain(Saved::of_configuration(&request.raw_config)) {
        outcome = outcome.and(transfer::recover(&host, &saved));
    }
    outcome
}

fn host() -> Result<Netns> {
    Ok(Netns::host().context("open the host's network namespace")?)
}

#[cfg(test)]
mod tests;
