//! Network namespaces and what is in them: links, addresses, bridges, routes, kernel parameters, packet filters.
//!
//! Everything starts at [`Netns::container`] and, for plugins that may, [`Netns::host`].

mod bridge;
pub mod conntrack;
pub mod firewalld;
pub mod iptables;
mod link;
mod neighbor;
mod netns;
pub mod nftables;
mod route;
mod rule;
mod sysctl;
mod traffic_control;
mod virtual_link;

pub use crate::bindings::weir::cni::bridges::{BridgeOptions, PortOptions, PortVlan};
pub use crate::bindings::weir::cni::links::{LinkChanges, OperationalState, VethEnd};
pub use crate::bindings::weir::cni::routes::Conflict;
pub use crate::bindings::weir::cni::rules::PacketMark;
pub use crate::bindings::weir::cni::traffic_control::TokenBucket;
pub use crate::bindings::weir::cni::types::IpFamily;
pub use crate::bindings::weir::cni::virtual_links::{
    IpvlanMode, LinkKind, LinkOptions, MacvlanMode, MacvlanOptions, TapOptions,
};
pub use link::{Link, LinkAddress, LinkInfo, NewAddress};
pub use neighbor::Neighbor;
pub use netns::Netns;
#[cfg(all(not(target_arch = "wasm32"), not(feature = "native")))]
pub(crate) use route::route_to_host;
pub use route::{Route, RouteFilter};
pub use rule::Rule;
#[cfg(all(not(target_arch = "wasm32"), not(feature = "native")))]
pub(crate) use rule::to_host as rule_to_host;
pub use sysctl::allow_list as sysctl_allow_list;
