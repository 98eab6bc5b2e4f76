//! Host side of the contract, generated from `guest-sdk/wit`.
#![allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes_without_reason,
    reason = "generated from the contract"
)]

macro_rules! contract {
    ($($derive:tt)*) => {
        wasmtime::component::bindgen!({
            path: "../guest-sdk/wit",
            world: "cni-plugin",
            imports: { default: trappable },
            with: {
                "weir:cni/namespaces.netns": crate::sandbox::handles::NamespaceHandle,
                "weir:cni/links.link": crate::sandbox::handles::LinkHandle,
                "weir:cni/ipam-store.store": crate::sandbox::handles::StoreHandle,
            },
            additional_derives: [$($derive)*],
            require_store_data_send: false,
        });
    };
}

#[cfg(not(feature = "fuzzing"))]
contract!(Hash, serde::Serialize, serde::Deserialize);
#[cfg(feature = "fuzzing")]
contract!(Hash, serde::Serialize, serde::Deserialize, arbitrary::Arbitrary);

pub use self::weir::cni;
pub use exports::weir::cni::plugin;
