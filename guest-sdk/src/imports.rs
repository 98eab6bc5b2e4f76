//! The functions and resources of the contract: the host's own in WebAssembly, an in-memory model of a host
//! ([`testing`](crate::testing)) everywhere else, but for the comparison that `make bench` makes. Same module paths, same
//! signatures.

#[cfg(target_arch = "wasm32")]
pub(crate) use crate::bindings::weir::cni::{
    addresses, attachment_state, bridges, clock, conntrack, container_namespace, container_state, delegate, dhcp,
    environment_files, firewalld, host_devices, host_namespace, ipam_store, iptables, links, log, namespaces,
    neighbors, nftables, resolver, routes, rules, sysctls, traffic_control, virtual_links,
};

#[cfg(all(not(target_arch = "wasm32"), not(feature = "native")))]
pub(crate) use crate::testing::imports::{
    addresses, attachment_state, bridges, clock, conntrack, container_namespace, container_state, delegate, dhcp,
    environment_files, firewalld, host_devices, host_namespace, ipam_store, iptables, links, log, namespaces,
    neighbors, nftables, resolver, routes, rules, sysctls, traffic_control, virtual_links,
};

#[cfg(all(not(target_arch = "wasm32"), feature = "native"))]
pub(crate) use crate::native::{
    addresses, attachment_state, bridges, clock, conntrack, container_namespace, container_state, delegate, dhcp,
    environment_files, firewalld, host_devices, host_namespace, ipam_store, iptables, links, log, namespaces,
    neighbors, nftables, resolver, routes, rules, sysctls, traffic_control, virtual_links,
};
