//! Write CNI plugins for Weir.

#[allow(missing_docs, unsafe_code, clippy::all, unreachable_pub, unused_qualifications, clippy::allow_attributes_without_reason, reason = "generated from the contract in wit/")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "cni-plugin",
        pub_export_macro: true,
        default_bindings_module: "weir_sdk::bindings",
        generate_all,
    });
}
