//! The manifest: what a plugin is called and what it asks of the operator, inside the component itself.
//!
//! The document is written at compile time into the custom section `weir:manifest`:
//! `{"manifestVersion":2,"name":..,"description":..,"version":..,"cniVersions":[..],"needs":[{"interface":..,"reason":..},..],
//! "asks":[{"key":..,"values":[..],"reason":..},..],"limits":[{"limit":..,"value":..,"reason":..},..]}`.

pub mod asks;
mod document;
pub mod interfaces;
pub mod limits;

use document::write;

/// Name of the custom section.
pub const SECTION: &str = "weir:manifest";

/// All versions of the CNI specification, as `cniVersions` has them.
pub const ALL_CNI_VERSIONS: &[&str] = &["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/// What the macro was given.
#[derive(Debug, Clone, Copy)]
pub struct Manifest<'a> {
    /// Plugin type, as configurations name it.
    pub name: &'a str,
    /// One sentence.
    pub description: &'a str,
    /// Version of the plugin.
    pub version: &'a str,
    /// Supported versions of the CNI specification.
    pub cni_versions: &'a [&'a str],
    /// Interfaces and why they are needed.
    pub needs: &'a [(&'a str, &'a str)],
    /// Objects that calls may touch: what kind of, which, and why.
    pub asks: &'a [(&'a str, &'a [&'a str], &'a str)],
    /// Limits that are too low, what they should be, and why.
    pub limits: &'a [(&'a str, u64, &'a str)],
}

/// What was given, or else the default. For the macro.
#[doc(hidden)]
pub const fn given_or<T: Copy>(given: &[T], default: T) -> T {
    match given {
        [first, ..] => *first,
        [] => default,
    }
}

/// Length of the document in bytes.
pub const fn length(manifest: &Manifest<'_>) -> usize {
    write::<0>(manifest).length
}

/// The document. `N` must be its [`length`].
pub const fn render<const N: usize>(manifest: &Manifest<'_>) -> [u8; N] {
    assert!(length(manifest) == N, "the buffer must have the length of the document");
    write::<N>(manifest).buffer
}

/// Writes the manifest of a plugin into its component, and gives its text as the constant `MANIFEST` of the module
/// where it is called.
///
/// ```
/// weir_sdk::manifest! {
///     name: "example",
///     description: "Sets links up.",
///     needs: {
///         container_namespace: "the link is in the container",
///         links: "sets the link \"up\"",
///         virtual_links: "makes the link",
///     },
///     asks: {
///         link_kinds: ["dummy"] => "the link that the container gets",
///         container_sysctls: ["net/ipv6/conf/${ifname}/*"] => "its settings, which the configuration names",
///     },
/// }
///
/// assert!(MANIFEST.contains(r#"{"interface":"links","reason":"sets the link \"up\""}"#));
/// assert!(MANIFEST.contains(r#"{"key":"linkKinds","values":["dummy"],"reason":"the link that the container gets"}"#));
/// ```
///
/// `version` (the crate's where it is left out) and `cni_versions` (all of them) stand before `needs`; `asks` and
/// `limits: { memory_bytes: 256 << 20 => "why" }` may follow it. An interface, a word or a limit that no host has is a
/// compile error:
///
/// ```compile_fail
/// weir_sdk::manifest! { name: "example", description: "", needs: { disks: "curious" } }
/// ```
///
/// ```compile_fail
/// weir_sdk::manifest! { name: "example", description: "", needs: {}, asks: { host_disks: ["*"] => "curious" } }
/// ```
#[macro_export]
macro_rules! manifest {
    (
        name: $name:expr, description: $description:expr, $(version: $version:expr,)? $(cni_versions: $versions:expr,)?
        needs: { $($interface:ident : $reason:expr),* $(,)? }
        $(, asks: { $($ask:ident : [$($value:expr),* $(,)?] => $ask_reason:expr),* $(,)? })?
        $(, limits: { $($limit:ident : $number:expr => $limit_reason:expr),* $(,)? })? $(,)?
    ) => {
        /// The manifest (JSON), as the component holds it.
        pub const MANIFEST: &str = {
            const SOURCE: $crate::manifest::Manifest<'static> = $crate::manifest::Manifest {
                name: $name,
                description: $description,
                version: $crate::manifest::given_or(&[$($version)?], ::core::env!("CARGO_PKG_VERSION")),
                cni_versions: $crate::manifest::given_or(&[$($versions)?], $crate::manifest::ALL_CNI_VERSIONS),
                needs: &[$(($crate::manifest::interfaces::$interface, $reason)),*],
                asks: &[$($(($crate::manifest::asks::$ask, &[$($value),*], $ask_reason)),*)?],
                limits: &[$($(($crate::manifest::limits::$limit, $number, $limit_reason)),*)?],
            };
            const BYTES: [u8; $crate::manifest::length(&SOURCE)] = $crate::manifest::render(&SOURCE);
            match ::core::str::from_utf8(&BYTES) {
                Ok(text) => text,
                Err(_) => ::core::panic!("the manifest is made of valid texts"),
            }
        };

        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, reason = "a custom section can only be made so; it is data, never loaded")]
        const _: () = {
            #[used]
            #[unsafe(link_section = "weir:manifest")]
            static SECTION: [u8; MANIFEST.len()] = {
                let mut bytes = [0; MANIFEST.len()];
                bytes.copy_from_slice(MANIFEST.as_bytes());
                bytes
            };
        };
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use cni_spec::version;

    mod plugin {
        #![allow(unreachable_pub, reason = "the macro is meant for the root of a crate")]
        crate::manifest! {
            name: "test",
            description: "Says \"hello\" \\ and\ngoes.",
            version: "1.2.3",
            cni_versions: &["0.4.0", "1.1.0"],
            needs: { host_namespace: "why not", links: "" },
            asks: {
                host_links: ["cni0", "${bridge}"] => "the \"bridge\"",
                host_links: ["veth*"] => "",
                link_kinds: [] => "none",
            },
            limits: { memory_bytes: 256 << 20 => "large", fuel: 0 => "" },
        }
    }

    mod modest {
        #![allow(unreachable_pub, reason = "the macro is meant for the root of a crate")]
        crate::manifest! { name: "modest", description: "Needs nothing.", needs: {} }
    }

    #[test]
    fn the_manifest_is_json_with_every_text_as_it_was_given() {
        let document: serde_json::Value = serde_json::from_str(plugin::MANIFEST).unwrap_or_default();
        assert_eq!(
            document,
            serde_json::json!({
                "manifestVersion": 2,
                "name": "test",
                "description": "Says \"hello\" \\ and\ngoes.",
                "version": "1.2.3",
                "cniVersions": ["0.4.0", "1.1.0"],
                "needs": [
                    {"interface": "host-namespace", "reason": "why not"},
                    {"interface": "links", "reason": ""},
                ],
                "asks": [
                    {"key": "hostLinks", "values": ["cni0", "${bridge}"], "reason": "the \"bridge\""},
                    {"key": "hostLinks", "values": ["veth*"], "reason": ""},
                    {"key": "linkKinds", "values": [], "reason": "none"},
                ],
                "limits": [
                    {"limit": "memoryBytes", "value": 268_435_456, "reason": "large"},
                    {"limit": "fuel", "value": 0, "reason": ""},
                ],
            })
        );
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let document: serde_json::Value = serde_json::from_str(modest::MANIFEST).unwrap_or_default();
        assert_eq!(
            document,
            serde_json::json!({
                "manifestVersion": 2,
                "name": "modest",
                "description": "Needs nothing.",
                "version": env!("CARGO_PKG_VERSION"),
                "cniVersions": ALL_CNI_VERSIONS,
                "needs": [], "asks": [], "limits": [],
            })
        );
    }

    #[test]
    fn all_versions_are_those_of_the_specification() {
        assert!(ALL_CNI_VERSIONS.iter().copied().eq(version::ALL.iter().map(|version| version.as_str())));
    }
}
