//! The lab: private networks on the real kernel, in which the built programs run as their users run them.
//!
//! Every test gets a thread with a network namespace and a mount namespace of its own ("the host"), makes containers
//! in it, runs plugins by the execution contract, sends packets, and compares what is there before and after. Nothing
//! of this reaches the network or the files of the machine; everything is gone with the thread.

pub mod chain;
pub mod cni;
pub mod configs;
pub mod container;
pub mod containerd;
pub mod dhcp;
pub mod embedding;
pub mod harness;
pub mod host;
pub mod lifecycle;
pub mod operator;
pub mod podman;
pub mod privileges;
pub mod programs;
pub mod record;
pub mod residue;
pub mod rootfs;
pub mod runtime;
pub mod sctp;
pub mod snapshot;
pub mod sweep;
pub mod traffic;

pub use chain::Chain;
pub use cni::{Answer, Call, CniError};
pub use container::Container;
pub use embedding::Embedding;
pub use harness::{Test, run, skip, test};
pub use host::Host;
pub use lifecycle::Lifecycle;
pub use operator::Operator;
pub use programs::Programs;
pub use snapshot::Snapshot;
