//! The manifest: what a plugin is called and what it asks of the operator, inside the component itself.
//!
//! The document is written at compile time into the custom section `weir:manifest`:
//! `{"manifestVersion":1,"name":..,"description":..,"version":..,"cniVersions":[..],"needs":[{"interface":..,"reason":..},..]}`.

/// Name of the custom section.
pub const SECTION: &str = "weir:manifest";

/// All versions of the CNI specification, as `cniVersions` has them.
pub const ALL_CNI_VERSIONS: &[&str] = &["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/// The interfaces of the contract that a manifest may ask for, by the names that the [macro](crate::manifest!) takes.
/// Every interface that the plugin calls must be asked for, `log` and `clock` too; `types` and `namespaces` are words.
#[allow(non_upper_case_globals, reason = "named as the macro takes them")]
pub mod interfaces {
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
}

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
}

/// Text that is being written at compile time; counts only, where the buffer is too small.
struct Writer<const N: usize> {
    buffer: [u8; N],
    length: usize,
}

impl<const N: usize> Writer<N> {
    const fn byte(mut self, byte: u8) -> Self {
        if self.length < N {
            #[allow(clippy::indexing_slicing, reason = "checked above; const code has no get_mut")]
            {
                self.buffer[self.length] = byte;
            }
        }
        self.length += 1;
        self
    }

    const fn raw(mut self, text: &str) -> Self {
        let mut rest = text.as_bytes();
        while let Some((first, tail)) = rest.split_first() {
            self = self.byte(*first);
            rest = tail;
        }
        self
    }

    /// A JSON string: quotes, backslashes and control characters escaped.
    const fn string(mut self, text: &str) -> Self {
        self = self.byte(b'"');
        let mut rest = text.as_bytes();
        while let Some((first, tail)) = rest.split_first() {
            self = match *first {
                b'"' => self.raw("\\\""),
                b'\\' => self.raw("\\\\"),
                control if control < 0x20 => {
                    self.raw("\\u00").byte(hexadecimal(control >> 4)).byte(hexadecimal(control & 15))
                }
                other => self.byte(other),
            };
            rest = tail;
        }
        self.byte(b'"')
    }
}

const fn hexadecimal(digit: u8) -> u8 {
    if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }
}

const fn write<const N: usize>(manifest: &Manifest<'_>) -> Writer<N> {
    let mut out = Writer { buffer: [0; N], length: 0 };
    out = out.raw("{\"manifestVersion\":1,\"name\":").string(manifest.name);
    out = out.raw(",\"description\":").string(manifest.description);
    out = out.raw(",\"version\":").string(manifest.version);
    out = out.raw(",\"cniVersions\":[");
    let mut versions = manifest.cni_versions;
    while let Some((first, rest)) = versions.split_first() {
        out = out.string(first);
        if !rest.is_empty() {
            out = out.byte(b',');
        }
        versions = rest;
    }
    out = out.raw("],\"needs\":[");
    let mut needs = manifest.needs;
    while let Some(((interface, reason), rest)) = needs.split_first() {
        out = out.raw("{\"interface\":").string(interface).raw(",\"reason\":").string(reason).byte(b'}');
        if !rest.is_empty() {
            out = out.byte(b',');
        }
        needs = rest;
    }
    out.raw("]}")
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
///     },
/// }
///
/// assert!(MANIFEST.contains(r#"{"interface":"links","reason":"sets the link \"up\""}"#));
/// ```
///
/// `version` (the crate's where it is left out) and `cni_versions` (all of them) stand before `needs`. An interface that the contract does not
/// have is a compile error:
///
/// ```compile_fail
/// weir_sdk::manifest! { name: "example", description: "", needs: { disks: "curious" } }
/// ```
#[macro_export]
macro_rules! manifest {
    (name: $name:expr, description: $description:expr, needs: $needs:tt $(,)?) => {
        $crate::manifest! { name: $name, description: $description, version: ::core::env!("CARGO_PKG_VERSION"), needs: $needs }
    };
    (name: $name:expr, description: $description:expr, version: $version:expr, needs: $needs:tt $(,)?) => {
        $crate::manifest! {
            name: $name,
            description: $description,
            version: $version,
            cni_versions: $crate::manifest::ALL_CNI_VERSIONS,
            needs: $needs
        }
    };
    (name: $name:expr, description: $description:expr, cni_versions: $versions:expr, needs: $needs:tt $(,)?) => {
        $crate::manifest! {
            name: $name,
            description: $description,
            version: ::core::env!("CARGO_PKG_VERSION"),
            cni_versions: $versions,
            needs: $needs
        }
    };
    (
        name: $name:expr, description: $description:expr, version: $version:expr, cni_versions: $versions:expr,
        needs: { $($interface:ident : $reason:expr),* $(,)? } $(,)?
    ) => {
        /// The manifest (JSON), as the component holds it.
        pub const MANIFEST: &str = {
            const SOURCE: $crate::manifest::Manifest<'static> = $crate::manifest::Manifest {
                name: $name,
                description: $description,
                version: $version,
                cni_versions: $versions,
                needs: &[$(($crate::manifest::interfaces::$interface, $reason)),*],
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
        }
    }

    #[test]
    fn the_manifest_is_json_with_every_text_as_it_was_given() {
        let document: serde_json::Value = serde_json::from_str(plugin::MANIFEST).unwrap_or_default();
        assert_eq!(
            document,
            serde_json::json!({
                "manifestVersion": 1,
                "name": "test",
                "description": "Says \"hello\" \\ and\ngoes.",
                "version": "1.2.3",
                "cniVersions": ["0.4.0", "1.1.0"],
                "needs": [
                    {"interface": "host-namespace", "reason": "why not"},
                    {"interface": "links", "reason": ""},
                ],
            })
        );
    }

    #[test]
    fn all_versions_are_those_of_the_specification() {
        assert!(ALL_CNI_VERSIONS.iter().copied().eq(version::ALL.iter().map(|version| version.as_str())));
    }
}
