//! One plugin, one command: from the registry's entry to the plugin's answer.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use cni_spec::error::{Error as CniError, INTERNAL};
use cni_spec::result::AddResult;
use cni_spec::version::LATEST;
use serde_json::Value;
use wasmtime::component::ResourceTable;
use weir_native::netns::Netns;
use weir_native::watchdog::Watchdog;

use super::code::Runtime;
use super::guest::Guest;
use super::job::Job;
use super::limiter::Limiter;
use super::wasi::Wasi;
use super::{answer, isolated};
use crate::broker::policy::{Audit, Denial};
use crate::broker::times::{self, Phase};
use crate::broker::trace::{self, Level};
use crate::broker::{Broker, Budget, Facts, Limits, Policy, Share};
use crate::confinement::{self, Confined};
use crate::contract::{Command, Environment, Invocation, Setting, code};
use crate::ledger::Ledger;
use crate::registry::{Entry, Isolation, PolicyFile, Registry, RegistryError};

/// What one command shares among all plugins that run for it.
pub struct Session {
    shared: Arc<Shared>,
}

struct Shared {
    setting: Setting,
    runtime: Arc<Runtime>,
    invocation: Invocation,
    policy: PolicyFile,
    host_netns: OnceLock<Arc<Netns>>,
    facts: Arc<Facts>,
    audit: Arc<Audit>,
    started: Instant,
    ledger: Arc<Ledger>,
    confined: OnceLock<Confined>,
    entries: Mutex<Vec<Entry>>,
}

/// What a plugin answered.
#[derive(Debug)]
pub enum PluginOutcome {
    /// The result of ADD.
    Result(AddResult),
    /// Any other command succeeded.
    Done,
}

impl Session {
    /// A session for a checked command.
    ///
    /// # Errors
    /// Where the engine cannot be made on this machine, or the directory's policy cannot be read.
    pub fn new(setting: Setting, invocation: Invocation) -> Result<Self, CniError> {
        let runtime = setting.runtime.clone().map_or_else(|| Runtime::of_one_command().map(Arc::new), Ok)?;
        let policy =
            PolicyFile::of(&setting.registry).map_err(|e| CniError::new(code::PLUGIN_UNAVAILABLE, e.to_string()))?;
        let ledger = Arc::new(ledger_of(&invocation));
        let facts = Arc::new(Facts::of(&invocation));
        let audit = Arc::new(Audit::new(policy.audit_log.clone(), policy.audit_level, &invocation));
        facts.set_ledger(ledger.clone());
        let (host_netns, started) = (OnceLock::new(), Instant::now());
        let (confined, entries) = (OnceLock::new(), Mutex::default());
        let shared = Shared {
            setting,
            runtime,
            invocation,
            policy,
            host_netns,
            facts,
            audit,
            started,
            ledger,
            confined,
            entries,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Leave to a child process what closing the firewall's sockets waits for: 4 to 22 ms after anything was deleted.
    /// Call it last, when the answer is printed.
    pub fn finish_deletion(&self) {
        let namespaces: Vec<&Netns> =
            self.shared.host_netns.get().into_iter().chain(&self.invocation().netns).map(AsRef::as_ref).collect();
        if let Err(error) = weir_native::background::close_netfilter(&namespaces) {
            trace::line("weir-cni", Level::Debug, &error.message);
        }
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.shared.setting.registry
    }

    /// The variables of the command, as they came.
    pub(crate) fn environment(&self) -> &Environment {
        &self.shared.setting.environment
    }

    /// What the operator demands of all plugins.
    pub(crate) fn policy(&self) -> &PolicyFile {
        &self.shared.policy
    }

    /// What the attachment has made.
    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.shared.ledger
    }

    pub(crate) fn invocation(&self) -> &Invocation {
        &self.shared.invocation
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.shared.runtime
    }

    /// What decisions about host calls need to know.
    pub(crate) fn facts(&self) -> &Arc<Facts> {
        &self.shared.facts
    }

    /// The entry of a plugin; read once for a command.
    ///
    /// # Errors
    /// As [`Registry::entry`].
    pub(crate) fn entry(&self, name: &str) -> Result<Entry, RegistryError> {
        let mut entries = self.shared.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = entries.iter().find(|entry| entry.name == name) {
            return Ok(known.clone());
        }
        let entry = self.registry().entry(name)?;
        entries.push(entry.clone());
        Ok(entry)
    }

    /// Confine the process before the first plugin's code runs.
    fn confine(&self, entry: &Entry) -> Result<(), CniError> {
        if self.shared.confined.get().is_none() {
            let _confining = times::enter(Phase::Confine);
            let confined = confinement::apply(self, entry)?;
            let _ = self.shared.confined.set(confined);
        }
        Ok(())
    }

    pub(super) fn network(&self) -> &str {
        &self.shared.invocation.network
    }

    pub(super) fn attachment(&self) -> weir_native::attachment::Attachment {
        owner(&self.shared.invocation)
    }

    pub(super) fn started(&self) -> Instant {
        self.shared.started
    }

    pub(crate) fn container_netns(&self) -> Option<Arc<Netns>> {
        self.shared.invocation.netns.clone()
    }

    pub(crate) fn host_netns(&self) -> weir_native::Result<Arc<Netns>> {
        if let Some(netns) = self.shared.host_netns.get() {
            return Ok(netns.clone());
        }
        let netns = Arc::new(Netns::current()?);
        Ok(self.shared.host_netns.get_or_init(|| netns).clone())
    }
}

fn owner(invocation: &Invocation) -> weir_native::attachment::Attachment {
    let attachment = &invocation.attachment;
    weir_native::attachment::Attachment::new(&attachment.container_id, &attachment.interface_name)
}

fn ledger_of(invocation: &Invocation) -> Ledger {
    let earlier = invocation.prev_result.iter().flat_map(|result| &result.ips).map(|ip| ip.address.addr());
    Ledger::new(&invocation.network, owner(invocation), earlier.collect())
}

/// Run a plugin of the registry for the session's command, or, with a share of its caller's budget, for the one that a
/// plugin asks of it. In a process that ends with its command, the instance keeps its memory until then.
///
/// # Errors
/// The plugin's own error, or why it could not run or had to be stopped, as CNI errors.
pub fn run(
    session: &Arc<Session>,
    entry: &Entry,
    command: Command,
    config: &str,
    share: Option<Share>,
) -> Result<PluginOutcome, CniError> {
    session
        .policy()
        .admit(session.registry(), entry)
        .map_err(|e| CniError::new(code::PLUGIN_UNAVAILABLE, e.to_string()))?;
    if let Some(interface) = entry.missing_grant() {
        return Err(CniError::new(
            code::NOT_GRANTED,
            format!("plugin {} imports {interface}, which was not granted", entry.name),
        )
        .with_details(format!("install it again and grant the interface {interface:?}")));
    }
    let loading = times::enter(Phase::Load);
    let may_compile = !session.shared.confined.get().is_some_and(Confined::holds);
    let code = session.shared.runtime.code(session.registry(), entry, may_compile)?;
    session.confine(entry)?;
    let outermost = share.is_none();
    let budget = Budget::new(&entry.name, Limits::granted(&entry.grants.limits), share)
        .with_patience(session.shared.setting.patience.clone());
    let fuel = budget.fuel();
    let watchdog = watch(session, entry, &budget)?;
    let job = Job { session, entry, command, config, budget: &budget, fuel };
    let isolated = session.policy().isolation == Isolation::Process;
    let guest = guest(session, entry, config, &budget, isolated);
    drop(loading);
    let outcome = if isolated { isolated::run(&job, code, guest) } else { job.run(code, guest) };
    drop(watchdog);
    if outermost {
        session.ledger().remove_empty_directories();
    }
    let outcome = outcome.and_then(|answer| answer.map_err(|e| answer::error(&entry.name, e)));
    let answer = outcome.map_err(|error| explain(error, &session.facts().denials()))?;
    let outcome = decode(&entry.name, command, &answer, &budget)?;
    if let PluginOutcome::Result(result) = &outcome {
        answer::check_result(result, session.invocation().prev_result.as_ref())
            .map_err(|e| no_result(&entry.name, e))?;
        session.facts().learn_result(&entry.name, result);
    }
    Ok(outcome)
}

/// Say in the error of a plugin what it was denied. Where the plugin gives that as its reason, the code says so too.
fn explain(mut error: CniError, denials: &[Denial]) -> CniError {
    for denial in denials {
        let (text, advice) = (denial.to_string(), denial.advice());
        if error.msg.contains(&text) {
            error.code = code::NOT_GRANTED;
        }
        // Another call that the same line allows, or a plugin that this one called.
        if error.details.contains(&advice) {
            continue;
        }
        let is_reason = error.msg.contains(&text) || error.details.contains(&text);
        if is_reason {
            error.code = code::NOT_GRANTED;
        }
        if !error.details.is_empty() {
            error.details.push_str("; ");
        }
        error.details.push_str(&if is_reason { advice } else { format!("{text}; {advice}") });
    }
    error
}

/// What bounds a host call that does not come back, and code that computes past its time on a slow machine.
fn watch(session: &Session, entry: &Entry, budget: &Budget) -> Result<Watchdog, CniError> {
    let stop = budget.stop("wallTimeMs", budget.limits().wall_time_ms);
    let last_words =
        CniError::new(code::PLUGIN_FAILED, format!("plugin {} {stop} and could not be interrupted", entry.name))
            .with_details(format!("what it has made, the next DEL or GC of the attachment removes; {}", stop.remedy()))
            .to_json(Some(session.invocation().version));
    Watchdog::arm(budget.time_left(), format!("{last_words}\n").as_bytes())
        .map_err(|e| CniError::new(INTERNAL, "cannot limit the plugin's time").with_details(e.message))
}

pub(super) fn guest(session: &Arc<Session>, entry: &Entry, config: &str, budget: &Budget, isolated: bool) -> Guest {
    let policy = Policy::new(&entry.name, entry.grants.clone(), config, session.facts().clone())
        .with_manifest(entry.manifest.clone())
        .with_audit(session.shared.audit.clone(), &entry.component);
    let mut table = ResourceTable::new();
    table.set_max_capacity(budget.limits().handles);
    Guest {
        table,
        broker: Broker::new(policy, budget.clone())
            .with_probe(session.shared.setting.probe.clone())
            .with_ledger(session.ledger().clone()),
        session: session.clone(),
        limiter: Limiter::new(budget.clone()),
        // The child has one.
        wasi: (entry.wasi && !isolated).then(|| Wasi::new(budget.limits().output_bytes)),
    }
}

fn decode(plugin: &str, command: Command, answer: &str, budget: &Budget) -> Result<PluginOutcome, CniError> {
    if command != Command::Add {
        return Ok(PluginOutcome::Done);
    }
    let wrong = |why: String| no_result(plugin, why);
    if let Err(stop) = budget.check_size("resultBytes", budget.limits().result_bytes, answer.len()) {
        return Err(CniError::new(code::PLUGIN_FAILED, format!("plugin {plugin} {stop}")).with_details(stop.remedy()));
    }
    let value: Value = serde_json::from_str(answer).map_err(|e| wrong(e.to_string()))?;
    AddResult::from_json(&value, LATEST).map(PluginOutcome::Result).map_err(|e| wrong(e.to_string()))
}

fn no_result(plugin: &str, why: String) -> CniError {
    CniError::new(code::PLUGIN_FAILED, format!("plugin {plugin} returned no valid result")).with_details(why)
}

#[cfg(test)]
mod tests;
