//! One run of one plugin: what the engine does for it, in whichever process.

use cni_spec::error::Error as CniError;
use cni_spec::version::LATEST;
use wasmtime::Store;
use wasmtime::component::ResourceTable;

use super::bindings::plugin::{CniError as WitError, GcRequest, Request, StatusRequest};
use super::bindings::{CniPlugin, CniPluginPre, cni};
use super::code::Code;
use super::fault::Fault;
use super::guest::Guest;
use super::run::Session;
use super::side::Side;
use super::wasi;
use crate::broker::times::{self, Phase};
use crate::broker::{Budget, Stop};
use crate::contract::{Command, Invocation};
use crate::registry::Entry;

/// What is to be run, and with what.
pub(super) struct Job<'a> {
    pub(super) session: &'a Session,
    pub(super) entry: &'a Entry,
    pub(super) command: Command,
    pub(super) config: &'a str,
    pub(super) budget: &'a Budget,
    /// Units of computing that it starts with.
    pub(super) fuel: u64,
}

/// Code that is mapped and linked.
pub(super) struct Ready {
    pub(super) store: Store<Side>,
    plugin: CniPluginPre<Side>,
}

impl Ready {
    /// Units of computing that were used.
    pub(super) fn computed(&self, job: &Job<'_>) -> u64 {
        job.fuel.saturating_sub(self.store.get_fuel().unwrap_or(0))
    }
}

impl Job<'_> {
    /// Map the code and link it; none of it runs yet.
    pub(super) fn prepare(&self, code: Code, side: Side) -> wasmtime::Result<Ready> {
        let runtime = self.session.runtime();
        let plugin = runtime.prepare(self.entry, code)?;
        let mut store = Store::new(runtime.engine(), side);
        store.limiter(Side::limiter);
        store.set_hostcall_fuel(self.budget.limits().call_bytes);
        store.set_fuel(self.fuel)?;
        Ok(Ready { store, plugin })
    }

    /// Run it.
    pub(super) fn start(&self, ready: &mut Ready) -> wasmtime::Result<Result<String, WitError>> {
        let instantiating = times::enter(Phase::Instantiate);
        let plugin = ready.plugin.instantiate(&mut ready.store);
        drop(instantiating);
        let plugin = plugin?;
        let _running = times::enter(Phase::Guest);
        call(&mut ready.store, &plugin, self.session, self.command, self.config)
    }

    /// Run code in this process.
    pub(super) fn run(&self, code: Code, guest: Guest) -> Result<Result<String, WitError>, CniError> {
        let loading = times::enter(Phase::Load);
        let prepared = self.prepare(code, Side::Local(Box::new(guest)));
        let mut ready = prepared.map_err(|e| self.fault(&Fault::from(&e), None))?;
        drop(loading);
        let outcome = self.start(&mut ready);
        self.budget.computed(ready.computed(self));
        let mut refused = None;
        if let Side::Local(guest) = ready.store.data_mut() {
            if let Some(wasi) = &guest.wasi {
                wasi::log_output(&wasi.printed(), &self.entry.name, self.budget);
            }
            refused = guest.limiter.refused();
            // What the guest's handles hold, such as locks, ends now.
            guest.table = ResourceTable::new();
        }
        if !self.session.runtime().is_lasting() {
            // The rest ends with the process. To take it apart first takes a tenth of the time.
            std::mem::forget(ready);
        }
        outcome.map_err(|e| self.fault(&Fault::from(&e), refused))
    }

    /// Why it was stopped, for the runtime.
    pub(super) fn fault(&self, fault: &Fault, refused: Option<Stop>) -> CniError {
        fault.explain(&self.entry.name, self.budget, refused)
    }
}

fn call(
    store: &mut Store<Side>,
    plugin: &CniPlugin,
    session: &Session,
    command: Command,
    config: &str,
) -> wasmtime::Result<Result<String, WitError>> {
    let exports = plugin.weir_cni_plugin();
    let invocation = session.invocation();
    let done = |outcome: Result<(), WitError>| outcome.map(|()| String::new());
    Ok(match command {
        Command::Add => exports.call_add(store, &request(invocation, config))?,
        Command::Del => done(exports.call_del(store, &request(invocation, config))?),
        Command::Check => done(exports.call_check(store, &request(invocation, config))?),
        Command::Gc => {
            let request = GcRequest {
                network: invocation.network.clone(),
                config: config.to_owned(),
                valid_attachments: invocation.valid_attachments.iter().map(attachment).collect(),
            };
            done(exports.call_gc(store, &request)?)
        }
        Command::Status => {
            let request = StatusRequest { network: invocation.network.clone(), config: config.to_owned() };
            done(exports.call_status(store, &request)?)
        }
        Command::Version => Ok(String::new()),
    })
}

fn attachment(attachment: &cni_spec::config::Attachment) -> cni::types::Attachment {
    cni::types::Attachment {
        container_id: attachment.container_id.clone(),
        interface_name: attachment.interface_name.clone(),
    }
}

fn request(invocation: &Invocation, config: &str) -> Request {
    // Every result converts to its own newest version.
    let prev_result = invocation.prev_result.as_ref().and_then(|r| r.to_json(LATEST).ok());
    Request {
        network: invocation.network.clone(),
        attachment: attachment(&invocation.attachment),
        netns_path: invocation.netns_path.clone(),
        args: invocation.args.pairs().to_vec(),
        config: config.to_owned(),
        prev_result: prev_result.map(|value| value.to_string()),
    }
}
