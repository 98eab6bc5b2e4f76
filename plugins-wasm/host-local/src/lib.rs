//! The CNI plugin `host-local`: addresses from ranges, kept in files of this node.
//!
//! ADD gives one address of each range set. The files are those of the native plugin, so both can share them.

mod config;
mod range;

use std::net::IpAddr;

use weir_sdk::cni_spec::{Dns, IpConfig};
use weir_sdk::ipam_store::Store;
use weir_sdk::{AddResult, Context, Error, GcRequest, Plugin, Request, Result, StatusRequest, error, info, resolver};

use config::{Config, Directory};
use range::RangeSet;

weir_sdk::manifest! {
    name: "host-local",
    description: "Gives containers addresses from ranges, kept in files of this node.",
    needs: {
        ipam_store: "gives out and takes back the addresses of the network",
        resolver: "reads the file that resolvConf names",
        log: "tells which addresses GC released and what could not be given back",
    },
    asks: {
        directories: ["/var/lib/cni/networks", "${ipam.dataDir}"] =>
            "the addresses that are given out, in files of this node",
        files: ["${ipam.resolvConf}"] => "DNS settings for the result",
    },
}

/// The plugin.
#[derive(Debug)]
pub struct HostLocal;

weir_sdk::export_plugin!(HostLocal);

impl Plugin for HostLocal {
    fn add(request: &Request) -> Result<AddResult> {
        let config = Config::load(request)?;
        let requested = config::assign(&config.range_sets, &config.requested)?;
        let dns = load_dns(&config.resolv_conf)?;
        let store = open(&config.directory)?;
        let mut ips = Vec::new();
        for (index, (set, wanted)) in (0..).zip(config.range_sets.iter().zip(requested)) {
            match allocate(&store, index, set, wanted) {
                Ok(ip) => ips.push(ip),
                Err(error) => {
                    give_back(&store, &ips);
                    return Err(error);
                }
            }
        }
        Ok(AddResult { interfaces: Vec::new(), ips, routes: config.routes, dns })
    }

    fn del(request: &Request) -> Result<()> {
        // Only the directory is read: ranges that became invalid must not keep addresses from being released.
        let store = open(&request.config::<Directory>()?)?;
        store.release().with_context(|| format!("release the addresses of {}", name(request)))?;
        Ok(())
    }

    fn check(request: &Request) -> Result<()> {
        let config = Config::load(request)?;
        let held =
            open(&config.directory)?.find().with_context(|| format!("find the addresses of {}", name(request)))?;
        if held.is_empty() {
            return Err(Error::internal(format!("{} holds no address of network {}", name(request), request.network)));
        }
        let Some(result) = request.prev_result() else { return Ok(()) };
        let told: Vec<IpAddr> = result.ips.iter().map(|ip| ip.address.addr()).collect();
        for (index, set) in config.range_sets.iter().enumerate() {
            let of_set = |address: &&IpAddr| set.find(**address).is_some();
            if told.iter().any(|address| of_set(&address)) && !held.iter().filter(of_set).any(|ip| told.contains(ip)) {
                return Err(Error::internal(format!(
                    "{} holds none of the addresses that its result has of range set {index} ({set})",
                    name(request)
                )));
            }
        }
        Ok(())
    }

    fn gc(request: &GcRequest) -> Result<()> {
        let released = open(&request.config::<Directory>()?)?.retain(&request.valid_attachments)?;
        for lease in released {
            info!("released {} of container {}", lease.address, lease.owner.container_id);
        }
        Ok(())
    }

    fn status(request: &StatusRequest) -> Result<()> {
        let config = Config::load_for_status(request)?;
        load_dns(&config.resolv_conf).map_err(|error| Error::not_available(error.msg))?;
        let store = open(&config.directory)?;
        for (index, set) in config.range_sets.iter().enumerate() {
            if store.count_free(&set.for_store())? == 0 {
                return Err(Error::not_available(format!(
                    "network {}: no address is free in range set {index} ({set})",
                    request.network
                )));
            }
        }
        Ok(())
    }
}

fn open(directory: &Directory) -> Result<Store> {
    Ok(Store::open(directory.path()).context("open the address store")?)
}

/// One address of a set: the requested one, else the next that is free.
fn allocate(store: &Store, index: u32, set: &RangeSet, requested: Option<IpAddr>) -> Result<IpConfig> {
    let address = match requested {
        Some(address) => store.reserve(index, address).map(|()| address),
        None => store.allocate(index, &set.for_store()),
    };
    let address = address.with_context(|| format!("range set {index} ({set})"))?;
    let range = set.find(address).ok_or_else(|| {
        Error::internal(format!("the address store gave {address}, which is not in range set {index} ({set})"))
    })?;
    Ok(IpConfig { interface: None, address: range.with_prefix(address), gateway: Some(range.gateway) })
}

/// Undo what this ADD took, and nothing that an earlier one holds.
fn give_back(store: &Store, ips: &[IpConfig]) {
    for ip in ips {
        if let Err(failure) = store.release_address(ip.address.addr()) {
            error!("give back {}: {}", ip.address, failure.message);
        }
    }
}

fn load_dns(path: &str) -> Result<Dns> {
    if path.is_empty() {
        return Ok(Dns::default());
    }
    let settings = resolver::load(path).map_err(|e| Error::io_failure(format!("resolvConf: {}", e.message)))?;
    Ok(Dns {
        nameservers: settings.nameservers,
        domain: settings.domain,
        search: settings.search,
        options: settings.options,
    })
}

fn name(request: &Request) -> String {
    format!("container {} interface {}", request.container_id, request.interface_name)
}

#[cfg(test)]
mod tests;
