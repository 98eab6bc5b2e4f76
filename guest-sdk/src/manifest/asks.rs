//! What a manifest may ask for besides interfaces, by the names that the [macro](crate::manifest!) takes: the objects that
//! the plugin's calls may touch. A value is a literal with at most one trailing `*`, or holds `${key}`, the value of that key
//! of the configuration.
#![allow(non_upper_case_globals, reason = "named as the macro takes them")]

/// Links of the container, besides `CNI_IFNAME` and those that this attachment made, that the plugin changes.
pub const container_links: &str = "containerLinks";
/// Kernel parameters of the container that it sets.
pub const container_sysctls: &str = "containerSysctls";
/// Types of the plugins that it calls.
pub const delegates: &str = "delegates";
/// Where what it keeps may lie.
pub const directories: &str = "directories";
/// Files of the host that it reads.
pub const files: &str = "files";
/// Zones of firewalld whose sources it changes.
pub const firewalld_zones: &str = "firewalldZones";
/// Links of the host, besides those that this attachment made, that it makes, changes or deletes.
pub const host_links: &str = "hostLinks";
/// Destinations that it routes on the host, besides the addresses of the attachment.
pub const host_routes: &str = "hostRoutes";
/// Routing tables that its policy routing rules on the host lead to.
pub const host_rules: &str = "hostRules";
/// Kernel parameters of the host that it sets.
pub const host_sysctls: &str = "hostSysctls";
/// Tables and chains of iptables that it writes: `TABLE CHAIN`, or `TABLE CHAIN:jump` for jumps out of a chain of others.
pub const iptables: &str = "iptables";
/// Kinds of the links that it makes.
pub const link_kinds: &str = "linkKinds";
/// Links of the host that it moves, or stacks links on.
pub const lower_links: &str = "lowerLinks";
/// Tables of nftables that it writes: `FAMILY NAME`.
pub const nftables: &str = "nftables";
