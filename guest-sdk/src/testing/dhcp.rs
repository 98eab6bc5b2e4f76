//! The model's DHCP daemon, and what tests do with it.

use std::collections::BTreeMap;

use crate::bindings::weir::cni::dhcp::{ClientOptions, Lease, LeaseRoute};
use crate::plugin::Attachment;
use crate::testing::World;
use crate::testing::state::with;

/// The daemon: where it listens, what its server gives, and who has a lease.
#[derive(Debug, Clone)]
pub(crate) struct Dhcp {
    pub(crate) socket: String,
    pub(crate) offer: Option<Lease>,
    pub(crate) leases: BTreeMap<(String, Attachment), Lease>,
    pub(crate) asked: Vec<ClientOptions>,
}

impl World {
    /// A DHCP daemon listens at this path; no server answers it yet.
    pub fn dhcp_daemon(&self, socket: &str) -> &Self {
        let socket = socket.to_owned();
        with(|state| {
            state.dhcp = Some(Dhcp { socket, offer: None, leases: BTreeMap::new(), asked: Vec::new() });
        });
        self
    }

    /// From now on the server gives this lease, also to those who have one.
    pub fn dhcp_offer(&self, lease: &crate::dhcp::Lease) -> &Self {
        let lease = to_contract(lease);
        with(|state| {
            if let Some(daemon) = &mut state.dhcp {
                daemon.leases.values_mut().for_each(|held| *held = lease.clone());
                daemon.offer = Some(lease);
            }
        });
        self
    }

    /// The DHCP daemon ends.
    pub fn without_dhcp_daemon(&self) -> &Self {
        with(|state| state.dhcp = None);
        self
    }

    /// Who has a lease in a network.
    pub fn dhcp_leases(&self, network: &str) -> Vec<Attachment> {
        with(|state| {
            let leases = state.dhcp.iter().flat_map(|daemon| daemon.leases.keys());
            leases.filter(|(of, _)| of == network).map(|(_, owner)| owner.clone()).collect()
        })
    }

    /// What plugins had the daemon say to the server: options sent, options asked for, metric.
    pub fn dhcp_asked(&self) -> Vec<crate::dhcp::ClientOptions> {
        let asked = with(|state| state.dhcp.as_ref().map(|daemon| daemon.asked.clone()).unwrap_or_default());
        asked
            .into_iter()
            .map(|options| crate::dhcp::ClientOptions {
                provide: options.provide.into_iter().map(|option| (option.code, option.value)).collect(),
                request: options.request,
                priority: options.priority,
            })
            .collect()
    }
}

fn to_contract(lease: &crate::dhcp::Lease) -> Lease {
    let route = |route: &crate::dhcp::LeaseRoute| LeaseRoute {
        destination: route.destination.into(),
        gateway: route.gateway.map(Into::into),
    };
    Lease {
        address: lease.address.into(),
        routers: lease.routers.iter().map(|address| (*address).into()).collect(),
        routes: lease.routes.iter().map(route).collect(),
        name_servers: lease.name_servers.iter().map(|address| (*address).into()).collect(),
        domain: lease.domain.clone(),
        search: lease.search.clone(),
        seconds_left: lease.seconds_left,
    }
}
