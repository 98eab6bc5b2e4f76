//! Write CNI plugins for Weir.

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

pub mod clock;
pub mod convert;
pub mod delegate;
pub mod export;
pub mod failure;
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
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use cni_spec;
pub use cni_spec::error::Error;
pub use cni_spec::result::AddResult;
pub use ipnet::{IpNet, Ipv4Net, Ipv6Net};

pub use failure::{Context, Failure, FailureKind};
pub use mac::MacAddress;
pub use net::{Link, Netns};
pub use plugin::{Attachment, GcRequest, Plugin, Request, Result, StatusRequest};
