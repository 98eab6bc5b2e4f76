//! The host as an instance sees it: in this process, or in another one.

use wasmtime::ResourceLimiter;
use wasmtime_wasi::{WasiCtxView, WasiView};

use super::guest::Guest;
use super::isolated::Remote;
use super::wasi::Wasi;

/// What the functions that a guest calls lead to.
pub(super) enum Side {
    /// The broker of this process.
    Local(Box<Guest>),
    /// That of the process which started this one.
    Remote(Box<Remote>),
}

impl Side {
    /// What is asked before the instance grows.
    pub(super) fn limiter(&mut self) -> &mut dyn ResourceLimiter {
        match self {
            Self::Local(guest) => &mut guest.limiter,
            Self::Remote(remote) => &mut **remote,
        }
    }
}

impl WasiView for Side {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (wasi, table) = match self {
            Self::Local(guest) => (&mut guest.wasi, &mut guest.table),
            Self::Remote(remote) => (&mut remote.wasi, &mut remote.table),
        };
        // Linked only where the instance was made with a context; an empty one serves every other case the same.
        wasi.get_or_insert_with(|| Wasi::new(0)).view(table)
    }
}
