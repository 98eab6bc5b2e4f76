//! The contract's interfaces, one file for each theme: unpack handles, pass the broker, convert what comes back.
//! No decision is made here.

/// What a conversion gave, or the answer to a call whose arguments make no sense.
macro_rules! valid {
    ($guest:expr, $function:expr, $converted:expr) => {
        match $converted {
            Ok(value) => value,
            Err(error) => return $guest.invalid($function, error),
        }
    };
}

mod addresses;
mod basics;
mod bridges;
mod convert;
mod delegate;
mod dhcp;
mod firewall;
mod host_devices;
mod ipam;
mod links;
mod neighbors;
mod nftables_convert;
mod routes;
mod rules;
mod state;
mod sysctls;
mod traffic_control;
mod virtual_links;

use wasmtime::component::{HasSelf, Linker};

use super::bindings::cni;
use super::side::Side;
use super::wasi;

/// Link what a component imports and was granted, and nothing else. The word lists of the contract (`types`,
/// `namespaces`) hold no authority.
///
/// # Errors
/// The name of the interface that does not exist in this contract.
pub(super) fn link(linker: &mut Linker<Side>, interfaces: &[String], with_wasi: bool) -> wasmtime::Result<()> {
    macro_rules! add {
        ($interface:ident) => {
            cni::$interface::add_to_linker::<Side, HasSelf<Side>>(linker, |side| side)?
        };
    }
    add!(types);
    add!(namespaces);
    for interface in interfaces {
        match interface.as_str() {
            "container-namespace" => add!(container_namespace),
            "host-namespace" => add!(host_namespace),
            "log" => add!(log),
            "clock" => add!(clock),
            "links" => add!(links),
            "bridges" => add!(bridges),
            "addresses" => add!(addresses),
            "virtual-links" => add!(virtual_links),
            "routes" => add!(routes),
            "rules" => add!(rules),
            "neighbors" => add!(neighbors),
            "sysctls" => add!(sysctls),
            "traffic-control" => add!(traffic_control),
            "nftables" => add!(nftables),
            "iptables" => add!(iptables),
            "conntrack" => add!(conntrack),
            "firewalld" => add!(firewalld),
            "ipam-store" => add!(ipam_store),
            "resolver" => add!(resolver),
            "attachment-state" => add!(attachment_state),
            "container-state" => add!(container_state),
            "environment-files" => add!(environment_files),
            "host-devices" => add!(host_devices),
            "delegate" => add!(delegate),
            "dhcp" => add!(dhcp),
            other => return Err(wasmtime::format_err!("no interface {other:?} in this contract")),
        }
    }
    if with_wasi {
        wasi::add_to_linker(linker)?;
    }
    Ok(())
}
