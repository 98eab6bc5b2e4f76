//! The interfaces of the contract that a manifest may ask for, by the names that the [macro](crate::manifest!) takes.
//! Every interface that the plugin calls must be asked for, `log` and `clock` too; `types` and `namespaces` are words.
#![allow(non_upper_case_globals, reason = "named as the macro takes them")]

/// Addresses of links.
pub const addresses: &str = "addresses";
/// A document kept from ADD to DEL.
pub const attachment_state: &str = "attachment-state";
/// Bridges, their ports and VLANs.
pub const bridges: &str = "bridges";
/// Time.
pub const clock: &str = "clock";
/// Connection tracking.
pub const conntrack: &str = "conntrack";
/// The container's network namespace.
pub const container_namespace: &str = "container-namespace";
/// A document kept from ADD to DEL in a file of the container's.
pub const container_state: &str = "container-state";
/// Other plugins.
pub const delegate: &str = "delegate";
/// Leases of DHCP servers.
pub const dhcp: &str = "dhcp";
/// Files of `KEY=value` lines.
pub const environment_files: &str = "environment-files";
/// Sources of firewalld's zones.
pub const firewalld: &str = "firewalld";
/// Devices by their place in the device tree.
pub const host_devices: &str = "host-devices";
/// The host's network namespace.
pub const host_namespace: &str = "host-namespace";
/// Addresses given out on this node.
pub const ipam_store: &str = "ipam-store";
/// iptables.
pub const iptables: &str = "iptables";
/// Network interfaces.
pub const links: &str = "links";
/// Lines for the operator.
pub const log: &str = "log";
/// The neighbour table.
pub const neighbors: &str = "neighbors";
/// nftables.
pub const nftables: &str = "nftables";
/// The host's DNS settings.
pub const resolver: &str = "resolver";
/// Routes.
pub const routes: &str = "routes";
/// Policy routing rules.
pub const rules: &str = "rules";
/// Kernel parameters.
pub const sysctls: &str = "sysctls";
/// Shaping and redirects.
pub const traffic_control: &str = "traffic-control";
/// Macvlan, ipvlan, vlan, dummy, ifb, vrf and tap links.
pub const virtual_links: &str = "virtual-links";
