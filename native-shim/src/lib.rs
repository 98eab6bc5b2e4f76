//! The kernel, the disk and other processes, as Weir uses them. Mechanism only: no policy, no WebAssembly.
//!
//! Each module below stands for one interface of the contract (`guest-sdk/wit`) and offers its operations on real
//! objects. All `unsafe` code and all raw system calls of the project are in this crate.

pub mod error;
pub mod family;

pub use error::{Error, ErrorKind, Result};

// Namespaces and rtnetlink.
pub mod address;
mod announce;
pub mod background;
pub mod bridge;
pub mod journal;
pub mod kernel;
pub mod link;
pub mod neighbor;
pub mod netns;
pub mod packet_socket;
pub mod route;
pub(crate) mod rtnetlink;
pub mod rule;
pub mod sysctl;
pub mod traffic_control;
pub mod virtual_link;

// Firewall.
pub mod conntrack;
pub mod firewalld;
pub mod iptables;
mod netfilter;
pub mod nftables;

// Files and processes.
pub mod allocator;
pub mod attachment;
pub mod attachment_state;
pub mod clock;
pub mod closed_pipe;
pub mod confinement;
pub mod dhcp;
pub mod end_signals;
pub mod environment_file;
pub mod exec;
pub mod foreground;
pub mod host_device;
pub mod hosted;
pub mod ipam_store;
pub mod isolation;
pub mod listener;
pub mod mapping;
#[cfg(all(target_arch = "x86_64", target_env = "musl"))]
mod memory_copy;
pub mod process;
pub mod random;
pub mod resolver;
mod small_file;
pub mod watchdog;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;

// The host keeps these in tables that must be able to cross threads: caches inside them use Mutex or OnceLock.
const _: () = {
    const fn crosses_threads<T: Send + Sync>() {}
    crosses_threads::<netns::Netns>();
    crosses_threads::<ipam_store::Store>();
};
