//! The host's side of one instance: its handles, its broker, its limits.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use wasmtime::component::{Resource, ResourceTable};
use weir_native::attachment::Attachment;
use weir_native::{ErrorKind, Result as NativeResult};

use super::bindings::cni::types::{Failure, FailureKind};
use super::handles::{LinkHandle, NamespaceHandle};
use super::limiter::Limiter;
use super::run::Session;
use super::wasi::Wasi;
use crate::broker::{Broker, Call, Function, Made, Quantity};
use crate::contract::Command;

/// What the functions that a guest calls work on.
pub struct Guest {
    pub(super) table: ResourceTable,
    pub(super) broker: Broker,
    pub(super) session: Arc<Session>,
    pub(super) limiter: Limiter,
    /// Present only where the component imports WASI.
    pub(super) wasi: Option<Wasi>,
}

/// What a binding returns: the outer error traps, the inner one is the guest's to handle.
pub(super) type Answer<T> = wasmtime::Result<Result<T, Failure>>;

impl Guest {
    /// Pass the broker and turn what comes back into the contract's words.
    pub(super) fn call<T: Hash>(&mut self, call: Call<'_>, act: impl FnOnce() -> NativeResult<T>) -> Answer<T> {
        self.call_making(call, act, |_| Made::Nothing)
    }

    /// The same for a call that makes something of which part is known only afterwards.
    pub(super) fn call_making<T: Hash>(
        &mut self,
        call: Call<'_>,
        act: impl FnOnce() -> NativeResult<T>,
        made: impl FnOnce(&T) -> Made,
    ) -> Answer<T> {
        Ok(self.broker.call(&call, act, made).map_err(wasmtime::Error::new)?.map_err(failure))
    }

    /// Refuse a call whose arguments make no sense.
    pub(super) fn invalid<T>(&mut self, function: Function, error: weir_native::Error) -> Answer<T> {
        self.broker.refuse(function, &error).map_err(wasmtime::Error::new)?;
        Ok(Err(failure(error)))
    }

    /// Account for data that is not part of the description of a call.
    pub(super) fn exchange(&self, bytes: u64) -> wasmtime::Result<()> {
        self.broker.budget().spend(Quantity::Bytes, bytes).map_err(wasmtime::Error::new)
    }

    /// Refuse a list of ranges or attachments that is too long.
    pub(super) fn admit_list(&self, entries: usize) -> wasmtime::Result<()> {
        let budget = self.broker.budget();
        budget.check_size("listEntries", budget.limits().list_entries, entries).map_err(wasmtime::Error::new)
    }

    /// Refuse to take back what other attachments hold, unless the runtime asks for it, and names the same ones as in use:
    /// only its GC knows which are.
    pub(super) fn spares_all_in_use(&self, valid: &[Attachment]) -> NativeResult<()> {
        let invocation = self.session.invocation();
        let denied = |why: String| Err(weir_native::Error::new(ErrorKind::Denied, why));
        if invocation.command != Command::Gc {
            let command = invocation.command;
            return denied(format!("only GC may take back what other attachments hold, and this is {command}"));
        }
        let spared: HashSet<(&str, &str)> =
            valid.iter().map(|one| (one.container_id.as_str(), one.interface_name.as_str())).collect();
        for one in &invocation.valid_attachments {
            if !spared.contains(&(one.container_id.as_str(), one.interface_name.as_str())) {
                let name = format!("{} of container {}", one.interface_name, one.container_id);
                return denied(format!("the runtime says that interface {name} is in use, so nothing of it goes"));
            }
        }
        Ok(())
    }

    /// What a link handle stands for.
    pub(super) fn link(&self, handle: &Resource<LinkHandle>) -> wasmtime::Result<LinkHandle> {
        Ok(self.table.get(handle)?.clone())
    }

    /// What a namespace handle stands for.
    pub(super) fn namespace(&self, handle: &Resource<NamespaceHandle>) -> wasmtime::Result<NamespaceHandle> {
        Ok(self.table.get(handle)?.clone())
    }

    /// A new link handle for the guest.
    pub(super) fn hand_out_link(
        &mut self,
        namespace: &NamespaceHandle,
        index: u32,
    ) -> wasmtime::Result<Resource<LinkHandle>> {
        Ok(self.table.push(LinkHandle { namespace: namespace.clone(), index })?)
    }
}

pub(super) fn failure(error: weir_native::Error) -> Failure {
    let kind = match error.kind {
        ErrorKind::NotFound => FailureKind::NotFound,
        ErrorKind::AlreadyExists => FailureKind::AlreadyExists,
        ErrorKind::Denied => FailureKind::Denied,
        ErrorKind::Invalid => FailureKind::Invalid,
        ErrorKind::Busy => FailureKind::Busy,
        ErrorKind::Unsupported => FailureKind::Unsupported,
        ErrorKind::Exhausted => FailureKind::Exhausted,
        ErrorKind::TimedOut => FailureKind::TimedOut,
        ErrorKind::Io => FailureKind::Io,
    };
    Failure { kind, message: error.message }
}
