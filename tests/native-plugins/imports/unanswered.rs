//! What the plugins that are compared never call.

use super::{Failure, FailureKind, contract, devices::links::Link, namespaces::Netns};
use contract::types::{Attachment, IpFamily, IpNetwork};

/// The one answer.
pub(super) fn unsupported<T>(function: &str) -> Result<T, Failure> {
    Err(Failure::new(FailureKind::Unsupported, format!("{function}: not answered in the native build for comparison")))
}

macro_rules! unanswered {
    ($($interface:ident { $(fn $function:ident($($argument:ty),*) -> $answer:ty;)* })*) => {$(
        pub(crate) mod $interface {
            use super::*;
            $(pub(crate) fn $function($(_: $argument),*) -> Result<$answer, Failure> {
                unsupported(concat!(stringify!($interface), ".", stringify!($function)))
            })*
        }
    )*};
}

unanswered! {
    virtual_links {
        fn create(&Netns, &str, &contract::virtual_links::LinkKind, &contract::virtual_links::LinkOptions, Option<&Link>) -> Link;
        fn describe(&Link) -> Option<contract::virtual_links::LinkKind>;
    }
    rules {
        fn add(&Netns, &contract::rules::Rule) -> ();
        fn remove(&Netns, &contract::rules::Rule) -> ();
        fn list(&Netns, Option<IpFamily>) -> Vec<contract::rules::Rule>;
    }
    neighbors {
        fn list(&Netns, Option<u32>) -> Vec<contract::neighbors::Neighbor>;
    }
    traffic_control {
        fn shape(&Link, contract::traffic_control::TokenBucket) -> ();
        fn shaper(&Link) -> Option<contract::traffic_control::TokenBucket>;
        fn remove_shaper(&Link) -> ();
        fn redirect(&Link, &Link) -> ();
        fn redirects(&Link) -> Vec<u32>;
        fn remove_redirect(&Link) -> ();
    }
    nftables {
        fn apply(&Netns, &contract::nftables::Table, &[contract::nftables::Command]) -> ();
        fn list_rules(&Netns, &contract::nftables::Table, Option<&str>) -> Vec<contract::nftables::RuleInfo>;
        fn list_chains(&Netns, &contract::nftables::Table) -> Vec<String>;
        fn list_base_chains(&Netns, contract::nftables::Hook) -> Vec<contract::nftables::BaseChainInfo>;
        fn list_elements(&Netns, &contract::nftables::Table, &str) -> Vec<contract::nftables::Element>;
    }
    conntrack {
        fn flush(&Netns, &[contract::conntrack::FlowFilter]) -> u32;
    }
    attachment_state {
        fn load(Option<&str>) -> Option<Vec<u8>>;
        fn save(Option<&str>, &[u8]) -> ();
        fn remove(Option<&str>) -> ();
        fn retain(Option<&str>, &[Attachment]) -> Vec<Vec<u8>>;
    }
    container_state {
        fn load(&str, contract::container_state::File) -> Option<Vec<u8>>;
        fn save(&str, contract::container_state::File, &[u8]) -> ();
        fn remove(&str, contract::container_state::File) -> ();
        fn retain(&str, &[Attachment]) -> Vec<Vec<u8>>;
    }
    environment_files {
        fn load(&str) -> Vec<(String, String)>;
    }
    host_devices {
        fn find_pci(&str) -> Option<contract::host_devices::Device>;
        fn find_auxiliary(&str) -> Option<contract::host_devices::Device>;
        fn find_by_path(&str) -> Option<contract::host_devices::Device>;
    }
    dhcp {
        fn acquire(Option<&str>, &contract::dhcp::ClientOptions) -> contract::dhcp::Lease;
        fn confirm(Option<&str>) -> contract::dhcp::Lease;
        fn release(Option<&str>) -> ();
        fn retain(Option<&str>, &[Attachment]) -> Vec<Attachment>;
        fn available(Option<&str>) -> ();
    }
}

pub(crate) mod iptables {
    use super::*;
    use contract::iptables::{Chain, Command};

    pub(crate) fn save(_: &Netns, _: IpFamily, _: &str) -> Result<Vec<Chain>, Failure> {
        unsupported("iptables.save")
    }
    pub(crate) fn restore(_: &Netns, _: IpFamily, _: &str, _: &[Command]) -> Result<(), Failure> {
        unsupported("iptables.restore")
    }
    pub(crate) fn may_hold(_: &Netns, _: IpFamily, _: &str, _: &str) -> Result<bool, Failure> {
        unsupported("iptables.may-hold")
    }
    pub(crate) fn available(_: &Netns, _: IpFamily) -> bool {
        false
    }
}

pub(crate) mod firewalld {
    use super::*;

    pub(crate) fn available() -> bool {
        false
    }
    pub(crate) fn add_source(_: &str, _: IpNetwork) -> Result<(), Failure> {
        unsupported("firewalld.add-source")
    }
    pub(crate) fn remove_source(_: &str, _: IpNetwork) -> Result<(), Failure> {
        unsupported("firewalld.remove-source")
    }
    pub(crate) fn has_source(_: &str, _: IpNetwork) -> Result<bool, Failure> {
        unsupported("firewalld.has-source")
    }
}
