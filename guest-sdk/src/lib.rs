//! Write CNI plugins for Weir: one portable `.wasm`, tested as native code without root or kernel.
//!
//! A plugin is a type that implements [`Plugin`], a [`manifest!`] that says which interfaces of the host it needs and why,
//! and [`export_plugin!`]. This is a whole one, with its unit test; it disables router advertisements on the container's
//! interface, and comes after a plugin that makes the interface:
//!
//! ```
//! use weir_sdk::{AddResult, Context, Error, Netns, Plugin, Request, Result};
//!
//! weir_sdk::manifest! {
//!     name: "no-ra",
//!     description: "Makes the container's interface ignore router advertisements.",
//!     needs: {
//!         container_namespace: "the interface is in the container",
//!         sysctls: "set accept_ra of the interface",
//!     },
//! }
//!
//! weir_sdk::export_plugin!(NoRa);
//!
//! struct NoRa;
//!
//! impl Plugin for NoRa {
//!     fn add(request: &Request) -> Result<AddResult> {
//!         let result = request.require_prev_result()?;
//!         request.netns()?.set_sysctl(&key(request), "0").context("ignore router advertisements")?;
//!         Ok(result.clone())
//!     }
//!
//!     fn del(_: &Request) -> Result<()> {
//!         Ok(()) // The setting goes with the interface.
//!     }
//!
//!     fn check(request: &Request) -> Result<()> {
//!         match request.netns()?.sysctl(&key(request)).context("look at accept_ra")?.as_str() {
//!             "0" => Ok(()),
//!             other => Err(Error::internal(format!("accept_ra of {} is {other}", request.interface_name))),
//!         }
//!     }
//! }
//!
//! fn key(request: &Request) -> String {
//!     format!("net/ipv6/conf/{}/accept_ra", request.interface_name)
//! }
//!
//! // In the crate this is #[cfg(test)] mod tests { #[test] fn ...
//! use weir_sdk::testing::World;
//!
//! let world = World::new();
//! world.container().add_link("eth0", "veth");
//! let config = r#"{"cniVersion": "1.1.0", "name": "net", "type": "no-ra",
//!     "prevResult": {"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": "/run/netns/c1"}]}}"#;
//! assert_eq!(world.add::<NoRa>(config)?.interfaces[0].name, "eth0");
//! assert_eq!(world.check::<NoRa>(config), Ok(()));
//! world.container().set_sysctl("net/ipv6/conf/eth0/accept_ra", "1");
//! assert!(world.check::<NoRa>(config).is_err());
//!
//! world.without_netns();
//! assert_eq!(world.add::<NoRa>(config).unwrap_err().code, 3);
//! # Ok::<(), Error>(())
//! ```
//!
//! The crate of a plugin is a `cdylib` (and `rlib`, for its tests), built with
//! `cargo build --release --target wasm32-unknown-unknown` and packed to a component.
//!
//! | to | see |
//! | --- | --- |
//! | find, make and change links, addresses, routes, sysctls | [`Netns`], [`Link`], [`net`] |
//! | filter and translate packets | [`net::nftables`], [`net::iptables`], [`masquerade`] |
//! | make the container's link: what comes around it, from ADD to DEL | [`attach`] |
//! | put an IPAM result on an interface and check it | [`mod@interface`] |
//! | call another plugin | [`delegate`] |
//! | give out addresses | [`ipam_store`] |
//! | lease addresses from DHCP servers | [`dhcp`] |
//! | keep something from ADD to DEL | [`state`] |
//! | read what another service wrote for plugins | [`environment_file`] |
//! | find a device by its place in the machine | [`host_device`] |
//! | turn a failed call into a CNI error | [`failure`] |
//! | test | [`testing`] |

#[doc(hidden)]
#[allow(
    missing_docs,
    unsafe_code,
    clippy::all,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    unreachable_pub,
    unused_qualifications,
    clippy::allow_attributes_without_reason,
    rustdoc::all,
    reason = "generated from the contract in wit/"
)]
pub mod bindings {
    //! The contract (WIT package `weir:cni`) as generated code. Plugins use the modules of this crate instead.
    wit_bindgen::generate!({
        path: "wit",
        world: "cni-plugin",
        pub_export_macro: true,
        default_bindings_module: "weir_sdk::bindings",
        generate_all,
        additional_derives: [PartialEq],
    });
}

/// A sixth of the code of the allocator that the standard library brings to this target. Plugins have one thread.
#[cfg(all(target_arch = "wasm32", target_os = "unknown", not(target_feature = "atomics")))]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

pub mod attach;
pub mod clock;
pub mod convert;
pub mod delegate;
pub mod dhcp;
pub mod environment_file;
pub mod export;
pub mod failure;
pub mod host_device;
pub(crate) mod imports;
pub mod interface;
pub mod ipam_store;
pub mod log;
pub mod mac;
pub mod manifest;
pub mod masquerade;
pub mod naming;
pub mod net;
pub mod plugin;
pub mod resolver;
pub mod state;
#[cfg(all(not(target_arch = "wasm32"), not(feature = "native")))]
pub mod testing;

// Outside this crate, as it is no part of what authors of plugins get.
#[cfg(all(not(target_arch = "wasm32"), feature = "native"))]
#[path = "../../tests/native-plugins/imports/mod.rs"]
pub mod native;

pub use cni_spec;
pub use cni_spec::error::Error;
pub use cni_spec::result::AddResult;
pub use ipnet::{IpNet, Ipv4Net, Ipv6Net};

pub use failure::{Context, Failure, FailureKind};
pub use mac::MacAddress;
pub use net::{Link, Netns};
pub use plugin::{Attachment, GcRequest, Plugin, Request, Result, StatusRequest};
