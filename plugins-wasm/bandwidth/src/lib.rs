//! The CNI plugin `bandwidth`: limits how fast a container sends and receives.
//!
//! It comes after a plugin that makes a veth pair. What the container receives leaves the host by the host's end of the
//! pair, and is shaped there. What the container sends comes in by that end, where nothing can wait; it is redirected to
//! an ifb device, which it leaves through the shaper of the container's own.

mod bucket;
mod config;
mod device;
mod veth;

use weir_sdk::cni_spec::result::Interface;
use weir_sdk::net::TokenBucket;
use weir_sdk::{
    AddResult, Context, Error, Failure, GcRequest, Link, Netns, Plugin, Request, Result, StatusRequest, error,
};

use config::{Config, Limit};
use device::Device;
use veth::Veth;

weir_sdk::manifest! {
    name: "bandwidth",
    description: "Limits how fast a container sends and receives.",
    cni_versions: &["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"],
    needs: {
        container_namespace: "find the peer of the container's interface",
        host_namespace: "what is shaped and redirected leaves and comes in by links of the host",
        links: "find the host's end of the veth pair",
        virtual_links: "make the ifb device that shapes what the container sends",
        traffic_control: "shape, and redirect what the container sends to that device",
        log: "say what could not be removed, where the command goes on",
    },
    asks: {
        link_kinds: ["ifb"] => "the device that shapes what the container sends",
        host_links: ["bwp*"] => "such devices of the reference plugin, and of containers that are gone",
    },
}

weir_sdk::export_plugin!(Bandwidth);

/// The plugin.
#[derive(Debug)]
pub struct Bandwidth;

impl Plugin for Bandwidth {
    fn add(request: &Request) -> Result<AddResult> {
        let config = Config::load(request.config()?)?;
        let mut result = request.require_prev_result()?.clone();
        if config.is_unlimited() {
            return Ok(result);
        }
        let host = Netns::host().context("open the host's namespace")?;
        let veth = Veth::of_container(request, &host, &result)?;
        if let Some(limit) = config.ingress {
            veth.link.shape(limit.bucket(veth.mtu)).context("limit what the container receives")?;
        }
        if let Some(limit) = config.egress {
            let made = limit_egress(request, &host, &veth, limit).context("limit what the container sends");
            let interface = made.inspect_err(|_| {
                if config.ingress.is_some() {
                    log_failure("remove the shaper", veth.link.remove_shaper());
                }
            })?;
            result.interfaces.push(interface);
        }
        Ok(result)
    }

    fn del(request: &Request) -> Result<()> {
        let host = Netns::host().context("open the host's namespace")?;
        let devices = Device::of_attachment(request, &host)?;
        // A configuration that became invalid must not hinder DEL, nor a veth that is gone.
        let config = request.config().and_then(Config::load).ok();
        let shaped = config.as_ref().is_some_and(|config| config.ingress.is_some());
        // An earlier DEL may have got no further than the device.
        let redirected = !devices.is_empty() || config.is_some_and(|config| config.egress.is_some());
        let mut first = Ok(());
        if shaped || redirected {
            match Veth::if_there(request, &host) {
                Ok(Some(veth)) => first = release(&veth, &devices, redirected, shaped),
                Ok(None) => {}
                Err(error) => first = Err(error),
            }
        }
        for device in devices {
            first = first.and(device.delete());
        }
        first
    }

    fn check(request: &Request) -> Result<()> {
        let config = Config::load(request.config()?)?;
        let result = request.require_prev_result()?;
        if config.is_unlimited() {
            return Ok(());
        }
        let host = Netns::host().context("open the host's namespace")?;
        let veth = Veth::of_container(request, &host, result)?;
        if let Some(limit) = config.ingress {
            check_shaper(&veth.link, &veth.name, limit, veth.mtu)?;
        }
        if let Some(limit) = config.egress {
            let device = Device::of_attachment(request, &host)?.into_iter().next();
            let device = device.ok_or_else(|| Error::internal("the ifb device of this attachment is gone"))?;
            if !device.up {
                return Err(Error::internal(format!("the ifb device {} is down", device.name)));
            }
            let targets = veth.link.redirects().context("look at what comes in from the container")?;
            if targets.is_empty() || targets.iter().any(|target| *target != device.index) {
                let name = &device.name;
                return Err(Error::internal(format!("what comes in by {} is not redirected to {name}", veth.name)));
            }
            check_shaper(&device.link, &device.name, limit, device.mtu)?;
        }
        Ok(())
    }

    fn gc(request: &GcRequest) -> Result<()> {
        let host = Netns::host().context("open the host's namespace")?;
        let mut first = Ok(());
        for device in Device::orphans(request, &host)? {
            first = first.and(device.delete());
        }
        first
    }

    fn status(request: &StatusRequest) -> Result<()> {
        Config::load(request.config()?).map(drop)
    }
}

/// Make the ifb device, shaped, and send what the container sends through it. Nothing is left after a failure.
fn limit_egress(request: &Request, host: &Netns, veth: &Veth, limit: Limit) -> Result<Interface> {
    let device = Device::create(request, host, veth.mtu)?;
    let set_up = || {
        let info = device.info()?;
        device.shape(limit.bucket(veth.mtu))?;
        // Last, so that no packet passes without its limit.
        veth.link.redirect(&device)?;
        Ok(info)
    };
    let info = set_up().map_err(|failure: Failure| {
        log_failure("remove the ifb device", device.delete_if_exists().map(drop));
        Error::from(failure)
    })?;
    Ok(Interface { name: info.name, mac: info.mac.to_string(), ..Default::default() })
}

/// Take what this plugin put on the veth off again.
fn release(veth: &Veth, devices: &[Device], redirected: bool, shaped: bool) -> Result<()> {
    let mut first = Ok(());
    if redirected {
        // Somebody else's redirect is left alone. Number 0 is a device that is gone.
        first = veth.link.redirects().and_then(|targets| {
            let ours = |target: &u32| *target == 0 || devices.iter().any(|device| device.index == *target);
            if targets.is_empty() || !targets.iter().all(ours) { Ok(()) } else { veth.link.remove_redirect() }
        });
    }
    if shaped {
        first = first.and(veth.link.remove_shaper());
    }
    // The veth may vanish at any time.
    match first {
        Err(failure) if !failure.is_not_found() => Err(failure).context("take the limits off")?,
        _ => Ok(()),
    }
}

fn check_shaper(link: &Link, name: &str, limit: Limit, mtu: u32) -> Result<()> {
    let found = link.shaper().with_context(|| format!("look at the shaper of {name}"))?;
    match found {
        Some(found) if limit.is_satisfied_by(&found, mtu) => Ok(()),
        Some(TokenBucket { rate, burst, limit: queue }) => {
            let TokenBucket { rate: wanted, burst: bucket, limit: wait } = limit.bucket(mtu);
            Err(Error::internal(format!("{name} is not shaped as configured")).with_details(format!(
                "{rate} bytes/s with bursts of {burst} and a queue of {queue} bytes, instead of {wanted}, {bucket} and {wait}"
            )))
        }
        None => Err(Error::internal(format!("{name} is not shaped, but a limit is configured"))),
    }
}

fn log_failure(doing: &str, outcome: Result<(), Failure>) {
    if let Err(failure) = outcome {
        error!("{doing}: {}", failure.message);
    }
}

#[cfg(test)]
mod tests;
