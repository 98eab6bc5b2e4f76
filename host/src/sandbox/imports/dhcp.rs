//! `dhcp`.

use std::hash::Hash;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use weir_native::dhcp::protocol::{self, Owner};
use weir_native::dhcp::{DEFAULT_SOCKET, Daemon};
use weir_native::{Error, ErrorKind, Result};

use super::convert;
use super::ipam::absolute;
use crate::broker::weigh::weigh;
use crate::broker::{Call, Function};
use crate::sandbox::Guest;
use crate::sandbox::bindings::cni::dhcp::{self, Attachment, ClientOptions, Lease, LeaseRoute};
use crate::sandbox::bindings::cni::types::IpNetwork;
use crate::sandbox::guest::Answer;

/// What the daemon answers from its memory comes at once, and a release waits for one packet at most.
const SHORT: Duration = Duration::from_secs(10);
/// What the daemon's answer may need on its way, of the time that it is given.
const MARGIN: Duration = Duration::from_millis(500);

impl dhcp::Host for Guest {
    fn acquire(&mut self, socket: Option<String>, options: ClientOptions) -> Answer<Lease> {
        let socket = valid!(self, Function::DhcpAcquire, path(socket));
        self.exchange(weigh(&options))?;
        let patience = self.broker.time_left();
        let (owner, session) = (self.owner(), self.session.clone());
        let call = Call::DhcpAcquire { socket: &socket };
        let lease = self.with_daemon(call, &socket, patience, |daemon| {
            let netns = session.container_netns().zip(session.invocation().netns_path.as_deref());
            let Some((netns, path)) = netns else {
                let message = "a lease is got through the container's network namespace, and there is none";
                return Err(Error::new(ErrorKind::NotFound, message));
            };
            let path = std::path::absolute(path).map_err(|error| Error::io("find the network namespace", &error))?;
            daemon.acquire(protocol::Acquire {
                owner,
                netns: path.to_string_lossy().into_owned(),
                identity: netns.identity().into(),
                options: options_in(options),
                patience: u64::try_from(patience.saturating_sub(MARGIN).as_millis()).unwrap_or(u64::MAX),
            })
        })?;
        Ok(lease.map(lease_out))
    }

    fn confirm(&mut self, socket: Option<String>) -> Answer<Lease> {
        let owner = self.owner();
        let socket = valid!(self, Function::DhcpConfirm, path(socket));
        let lease =
            self.with_daemon(Call::DhcpConfirm { socket: &socket }, &socket, SHORT, |daemon| daemon.confirm(owner))?;
        Ok(lease.map(lease_out))
    }

    fn release(&mut self, socket: Option<String>) -> Answer<()> {
        let owner = self.owner();
        let socket = valid!(self, Function::DhcpRelease, path(socket));
        self.with_daemon(Call::DhcpRelease { socket: &socket }, &socket, SHORT, |daemon| daemon.release(owner))
    }

    fn retain(&mut self, socket: Option<String>, valid: Vec<Attachment>) -> Answer<Vec<Attachment>> {
        let session = self.session.clone();
        let socket = valid!(self, Function::DhcpRetain, path(socket));
        self.admit_list(valid.len())?;
        let patience = self.broker.time_left();
        let valid: Vec<_> = valid.into_iter().map(convert::attachment).collect();
        valid!(self, Function::DhcpRetain, self.spares_all_in_use(&valid));
        self.with_daemon(Call::DhcpRetain { socket: &socket, valid: &valid }, &socket, patience, |daemon| {
            let network = session.network();
            let valid = valid.iter().map(|one| Owner::new(network, one)).collect();
            let released = daemon.retain(network, valid)?.into_iter();
            Ok(released
                .map(|owner| Attachment { container_id: owner.container_id, interface_name: owner.interface_name })
                .collect())
        })
    }

    fn available(&mut self, socket: Option<String>) -> Answer<()> {
        let socket = valid!(self, Function::DhcpAvailable, path(socket));
        self.with_daemon(Call::DhcpAvailable { socket: &socket }, &socket, SHORT, |daemon| daemon.ping())
    }
}

impl Guest {
    fn owner(&self) -> Owner {
        Owner::new(self.session.network(), &self.session.attachment())
    }

    fn with_daemon<T: Hash>(
        &mut self,
        call: Call<'_>,
        socket: &Path,
        patience: Duration,
        act: impl FnOnce(&Daemon<'_>) -> Result<T>,
    ) -> Answer<T> {
        let patience = patience.min(self.broker.time_left());
        self.call(call, || act(&Daemon::new(socket, patience)))
    }
}

fn path(socket: Option<String>) -> Result<PathBuf> {
    socket.map_or_else(|| Ok(PathBuf::from(DEFAULT_SOCKET)), |path| absolute(&path))
}

fn options_in(options: ClientOptions) -> protocol::ClientOptions {
    let provide = options.provide.into_iter();
    protocol::ClientOptions {
        provide: provide.map(|option| protocol::ProvidedOption { code: option.code, value: option.value }).collect(),
        request: options.request,
        priority: options.priority,
    }
}

fn lease_out(lease: protocol::Lease) -> Lease {
    let addresses =
        |list: Vec<std::net::Ipv4Addr>| list.into_iter().map(|one| convert::address_out(one.into())).collect();
    let network = |net: ipnet::Ipv4Net| -> IpNetwork { convert::network_out(net.into()) };
    let route = |route: protocol::LeaseRoute| LeaseRoute {
        destination: network(route.destination),
        gateway: route.gateway.map(|gateway| convert::address_out(IpAddr::V4(gateway))),
    };
    Lease {
        address: network(lease.address),
        routers: addresses(lease.routers),
        routes: lease.routes.into_iter().map(route).collect(),
        name_servers: addresses(lease.name_servers),
        domain: lease.domain,
        search: lease.search,
        seconds_left: lease.seconds_left,
    }
}
