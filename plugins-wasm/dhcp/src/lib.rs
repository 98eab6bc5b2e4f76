//! The CNI plugin `dhcp`: IPAM with addresses leased from a DHCP server.
//!
//! The daemon of this node (`weir dhcp-daemon`) talks to the server, through the container's interface, and keeps the lease
//! alive until DEL.

mod config;
mod options;

use weir_sdk::cni_spec::{Dns, IpConfig, Route};
use weir_sdk::dhcp::{Daemon, Lease};
use weir_sdk::{AddResult, Context, Error, GcRequest, Plugin, Request, Result, StatusRequest, info, warn};

use config::{Config, Socket};
use options::{DOMAIN_NAME, DOMAIN_SEARCH, NAME_SERVERS};

weir_sdk::manifest! {
    name: "dhcp",
    description: "Leases addresses from a DHCP server, through the DHCP daemon of this node.",
    needs: {
        dhcp: "gets leases from the daemon, and gives them back",
        log: "tells which leases GC gave back, and what DEL left to the daemon",
    },
    asks: {
        directories: ["/run/cni/dhcp.sock", "${ipam.daemonSocketPath}"] => "the socket of the daemon",
    },
}

weir_sdk::export_plugin!(Dhcp);

/// The plugin.
#[derive(Debug)]
pub struct Dhcp;

impl Plugin for Dhcp {
    fn add(request: &Request) -> Result<AddResult> {
        let config = Config::load(request)?;
        let daemon = Daemon::at(config.socket.path());
        let lease = daemon.acquire(&config.options).with_context(|| format!("lease for {}", name(request)))?;
        Ok(result(lease, &config))
    }

    /// A daemon that is not running forgets the lease when it starts and finds the interface gone, and the server when its
    /// time is over: no reason to keep the container from being deleted.
    fn del(request: &Request) -> Result<()> {
        // Only the path of the socket is read: options that became invalid must not keep the lease from being released.
        let socket = request.config::<Socket>()?;
        match Daemon::at(socket.path()).release() {
            Err(failure) if failure.is_not_found() => {
                warn!("the lease of {} is not released now: {}", name(request), failure.message);
                Ok(())
            }
            released => Ok(released.with_context(|| format!("release the lease of {}", name(request)))?),
        }
    }

    /// Asks for nothing: the daemon must hold the lease, and for the address that the result says.
    fn check(request: &Request) -> Result<()> {
        let config = Config::load(request)?;
        let lease =
            Daemon::at(config.socket.path()).confirm().with_context(|| format!("lease of {}", name(request)))?;
        let Some(told) = request.prev_result() else { return Ok(()) };
        if told.ips.iter().any(|ip| ip.address == lease.address) {
            return Ok(());
        }
        Err(Error::internal(format!(
            "{} holds a lease of {}, which its result does not have; the server has moved it",
            name(request),
            lease.address
        )))
    }

    fn gc(request: &GcRequest) -> Result<()> {
        let socket = request.config::<Socket>()?;
        match Daemon::at(socket.path()).retain(&request.valid_attachments) {
            Ok(released) => {
                for owner in released {
                    info!("released the lease of container {} interface {}", owner.container_id, owner.interface_name);
                }
                Ok(())
            }
            // It does the same when it starts.
            Err(failure) if failure.is_not_found() => {
                warn!("leases of network {} are not looked at: {}", request.network, failure.message);
                Ok(())
            }
            Err(failure) => Err(failure.within("release leases").into()),
        }
    }

    fn status(request: &StatusRequest) -> Result<()> {
        Config::load_for_status(request)?;
        let socket = request.config::<Socket>()?;
        Daemon::at(socket.path()).available().map_err(|failure| Error::not_available(failure.message))
    }
}

/// One address, the routes of the server, and what it says of DNS where the configuration asked for that.
fn result(lease: Lease, config: &Config) -> AddResult {
    let routes = lease.routes.iter().map(|route| Route {
        priority: config.options.priority,
        // Without a scope, interface plugins would send it through the address's gateway.
        scope: route.gateway.is_none().then_some(LINK_SCOPE),
        ..Route::new(route.destination, route.gateway)
    });
    let asked = |code: u8| config.options.request.contains(&code);
    let mut dns = Dns::default();
    if asked(NAME_SERVERS) {
        dns.nameservers = lease.name_servers.iter().map(ToString::to_string).collect();
    }
    if asked(DOMAIN_NAME) {
        dns.domain = lease.domain;
    }
    if asked(DOMAIN_SEARCH) {
        dns.search = lease.search;
    }
    let ip = IpConfig { gateway: lease.routers.first().copied(), ..IpConfig::new(lease.address) };
    AddResult { interfaces: Vec::new(), ips: vec![ip], routes: routes.collect(), dns }
}

/// RT_SCOPE_LINK.
const LINK_SCOPE: u8 = 253;

fn name(request: &Request) -> String {
    format!("container {} interface {}", request.container_id, request.interface_name)
}

#[cfg(test)]
mod tests;
