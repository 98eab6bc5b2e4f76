//! Unit tests of plugins as native code, against an in-memory host: no root, no kernel.
//!
//! On every target but WebAssembly the imports of the contract act on a model of a host and one container. It does what
//! kernels do as far as plugins see it: taken names fail, the ends of a veth pair vanish together, links take their
//! addresses and routes along, prefixes bring routes, gateways must be reachable, nftables batches happen as a whole.
//! There is one model for each thread; [`World::new`] makes it anew.
//!
//! [`World::fail_nth`] makes any host call fail, and [`fail_each`] all of them in turn, which shows that a plugin cleans up
//! after every failure:
//!
//! ```
//! # use weir_sdk::{AddResult, Netns, Plugin, Request, Result, net::BridgeOptions, testing::fail_each};
//! # struct Example;
//! # impl Plugin for Example {
//! #     fn add(_: &Request) -> Result<AddResult> {
//! #         let link = Netns::host()?.create_bridge("br0", BridgeOptions::default())?;
//! #         if let Err(failure) = link.set_up() {
//! #             link.delete()?;
//! #             return Err(failure.into());
//! #         }
//! #         Ok(AddResult::default())
//! #     }
//! #     fn del(_: &Request) -> Result<()> { Ok(()) }
//! #     fn check(_: &Request) -> Result<()> { Ok(()) }
//! # }
//! # const CONFIG: &str = r#"{"name": "net"}"#;
//! let calls = fail_each::<Example>(CONFIG, |_| {}, |world, call| {
//!     assert_eq!(world.host().link("br0"), None, "{call}");
//! });
//! assert_eq!(calls, 3);
//! ```

pub(crate) mod dhcp;
mod documents;
mod faults;
pub(crate) mod imports;
mod iptables;
mod links;
mod nftables;
mod routes;
mod rules;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod text;
mod traffic_control;
mod view;
mod virtual_links;
mod world;

pub use faults::fail_each;
pub use view::NetnsView;
pub use world::{World, with_prev_result};

use std::rc::Rc;

use crate::plugin::{Attachment, Result};

pub use crate::bindings::weir::cni::delegate::Command;

/// What a scripted plugin was called with.
#[derive(Debug, Clone)]
pub struct DelegateCall {
    /// What was asked.
    pub command: Command,
    /// The network configuration.
    pub config: String,
    /// The attachment of the command.
    pub attachment: Attachment,
}

pub(crate) type DelegateScript = Rc<dyn Fn(&DelegateCall) -> Result<String>>;
