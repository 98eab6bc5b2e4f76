//! The contract's boundary under fuzzing: bytes become host calls with arguments of any kind, as if a guest had made them.
//! Bindings, handles, budget and policy are the real ones; where the kernel would be reached, a call is refused.

mod arguments;
mod functions;

use std::path::Path;
use std::sync::Arc;

use arbitrary::Unstructured;
use wasmtime::component::{Resource, ResourceTable, ResourceTableError};
use weir_native::ipam_store::Store;
use weir_native::netns::Netns;

use super::Guest;
use super::code::Runtime;
use super::handles::{LinkHandle, NamespaceHandle, Place, StoreHandle};
use super::limiter::Limiter;
use super::run::Session;
use crate::broker::fault::Probe;
use crate::broker::{Broker, Budget, Function, Limits, Policy, Quantity, Stop};
use crate::contract::{Command, Invocation, Setting, Variables};
use crate::registry::{Grants, Registry};

/// What a call may be answered with although there is no kernel.
const ANSWERED: &[Function] =
    &[Function::ContainerNamespaceOpen, Function::HostNamespaceOpen, Function::ClockNow, Function::LogWrite];
/// The most calls of one input.
const MOST_CALLS: usize = 96;
/// Calls that are allowed.
const HOST_CALLS: u64 = 64;
/// Handles that are allowed.
const HANDLES: usize = 12;
const NETWORK: &str = "net";
const INTERFACE: &str = "eth0";
/// What is granted, one of each kind, and beside each something like it that is not.
const DIRECTORY: &str = "/fuzz/state";
const OTHER_DIRECTORY: &str = "/fuzz/other";
const FILE: &str = "/fuzz/file";
const HOST_LINK: &str = "weir0";
const OTHER_HOST_LINK: &str = "uplink";
const OTHER_CONTAINER_LINK: &str = "other0";
const SYSCTL: &str = "net/ipv4/ip_forward";
const TABLE: &str = "fuzz";
const CHAIN: &str = "FUZZ";
const ZONE: &str = "trusted";
const DELEGATE: &str = "host-local";

/// What all inputs share.
pub struct Boundary {
    registry: Registry,
    runtime: Arc<Runtime>,
    netns: Arc<Netns>,
    store: Arc<Store>,
}

impl Boundary {
    /// With an empty directory to keep things in.
    ///
    /// # Errors
    /// Where there is no such directory.
    pub fn new(directory: &Path) -> Result<Self, String> {
        let netns = Netns::current().map_err(|e| e.message)?;
        let store = Store::open(directory, NETWORK).map_err(|e| e.message)?;
        let runtime = Arc::new(Runtime::of_one_command().map_err(|e| e.to_string())?);
        Ok(Self { registry: Registry::new(directory), runtime, netns: Arc::new(netns), store: Arc::new(store) })
    }

    /// Make the calls that the bytes stand for.
    ///
    /// # Errors
    /// What a call did that it must not.
    pub fn run(&self, bytes: &[u8]) -> Result<(), String> {
        let mut data = Unstructured::new(bytes);
        let withheld =
            data.arbitrary::<u8>().ok().and_then(|at| crate::broker::function::INTERFACES.get(usize::from(at)));
        let command = if data.arbitrary().unwrap_or(false) { Command::Gc } else { Command::Del };
        let probe = Arc::new(Probe::refusing_all_but(ANSWERED));
        let budget = Budget::new("fuzz", limits(), None);
        let guest = self.guest(withheld.copied(), command, &probe, &budget)?;
        let mut player = Player { guest, data, forbidden: None };
        let mut answered = 0;
        for _ in 0..MOST_CALLS {
            if player.data.is_empty() {
                break;
            }
            let before = probe.calls();
            player.forbidden = None;
            let Ok(step) = player.step() else { break };
            let function = step.function;
            if probe.calls() > before {
                if let Some(what) = &player.forbidden {
                    return Err(format!("{function:?} of {what} was let through to the kernel"));
                }
                if function.is_some_and(|function| Some(function.interface()) == withheld.copied()) {
                    return Err(format!("{function:?} was let through, and its interface is not granted"));
                }
            }
            match step.outcome {
                Ok(()) => answered += u64::from(function.is_some()),
                Err(error) if error.is::<Stop>() || error.is::<ResourceTableError>() => break,
                Err(error) => return Err(format!("{function:?} stops the guest for a reason of its own: {error:?}")),
            }
        }
        check_budget(&mut player.guest.table, &budget, answered)
    }

    fn guest(
        &self,
        withheld: Option<&str>,
        command: Command,
        probe: &Arc<Probe>,
        budget: &Budget,
    ) -> Result<Guest, String> {
        let config = config(NETWORK);
        let attachment = |text: &str| if command == Command::Gc { String::new() } else { text.to_owned() };
        let variables = Variables {
            command,
            container_id: attachment("container"),
            netns: String::new(),
            interface_name: attachment(INTERFACE),
            args: String::new(),
            path: String::new(),
            netns_override: false,
        };
        let invocation =
            Invocation::check(variables, config.as_bytes(), &cni_spec::version::ALL).map_err(|e| e.to_string())?;
        let setting =
            Setting { runtime: Some(self.runtime.clone()), ..Setting::of_process(self.registry.clone(), None) };
        let session = Arc::new(Session::new(setting, invocation).map_err(|e| e.to_string())?);
        let policy = Policy::new("fuzz", grants(withheld)?, &config, session.facts().clone());
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        self.hand_out(&mut table, &session).map_err(|e| e.to_string())?;
        Ok(Guest {
            table,
            broker: Broker::new(policy, budget.clone()).with_probe(Some(probe.clone())),
            session,
            limiter: Limiter::new(budget.clone()),
            wasi: None,
        })
    }

    /// Handles of each kind that the guest has from the start, the ones that it may use and others. The names of the links are
    /// known, so that nobody asks the kernel.
    fn hand_out(&self, table: &mut ResourceTable, session: &Session) -> Result<(), ResourceTableError> {
        let places = [Place::Container, Place::Host].map(|place| NamespaceHandle { netns: self.netns.clone(), place });
        for namespace in &places {
            table.push(namespace.clone())?;
        }
        let [container, host] = places;
        for (namespace, index, name) in [
            (&container, OWN, INTERFACE),
            (&container, OWN + 1, OTHER_CONTAINER_LINK),
            (&host, GRANTED, HOST_LINK),
            (&host, FOREIGN, OTHER_HOST_LINK),
        ] {
            session.facts().learn_name(namespace, index, name);
            table.push(LinkHandle { namespace: namespace.clone(), index })?;
        }
        for directory in [DIRECTORY, OTHER_DIRECTORY] {
            table.push(StoreHandle { store: self.store.clone(), directory: directory.into() })?;
        }
        Ok(())
    }
}

/// Indices of links that no kernel has.
const OWN: u32 = 2_000_000_001;
const GRANTED: u32 = 2_000_000_011;
const FOREIGN: u32 = 2_000_000_012;

/// Small enough for each to be hit.
fn limits() -> Limits {
    Limits {
        host_calls: HOST_CALLS,
        total_bytes: 32 << 10,
        handles: HANDLES,
        list_entries: 8,
        document_bytes: 64,
        log_lines: 0,
        ..Limits::default()
    }
}

fn config(network: &str) -> String {
    format!(r#"{{"cniVersion":"1.1.0","name":"{network}","type":"fuzz","ipam":{{"type":"{DELEGATE}"}}}}"#)
}

fn grants(withheld: Option<&str>) -> Result<Grants, String> {
    let interfaces: Vec<_> =
        crate::broker::function::INTERFACES.iter().filter(|interface| Some(**interface) != withheld).collect();
    let text = serde_json::json!({
        "interfaces": interfaces, "linkKinds": ["veth", "bridge", "dummy"], "hostLinks": [HOST_LINK],
        "hostSysctls": [SYSCTL], "nftables": [format!("inet {TABLE}")], "iptables": [format!("nat {CHAIN}")],
        "delegates": [DELEGATE], "directories": [DIRECTORY], "files": [FILE], "firewalldZones": [ZONE],
    });
    Grants::parse(text.to_string().as_bytes())
}

/// What was used is accounted for, and no more than is allowed.
fn check_budget(table: &mut ResourceTable, budget: &Budget, answered: u64) -> Result<(), String> {
    if answered > HOST_CALLS {
        return Err(format!("{answered} calls were answered, and {} are allowed", HOST_CALLS));
    }
    if budget.spend(Quantity::HostCalls, HOST_CALLS - answered + 1).is_ok() {
        return Err(format!("not all of {answered} calls were counted"));
    }
    let open = (0..=u32::from(u8::MAX)).filter(|handle| table.get_any_mut(*handle).is_ok()).count();
    if open > HANDLES {
        return Err(format!("{open} handles are open, and {} are allowed", HANDLES));
    }
    Ok(())
}

/// Makes one call after the other.
struct Player<'a> {
    guest: Guest,
    data: Unstructured<'a>,
    /// What of the call's objects is not granted.
    forbidden: Option<String>,
}

/// A call that was made.
struct Step {
    /// None where a handle was given back.
    function: Option<Function>,
    outcome: wasmtime::Result<()>,
}

impl Player<'_> {
    fn is_foreign(&self, handle: &Resource<LinkHandle>) -> bool {
        let link = self.guest.table.get(handle);
        link.is_ok_and(|link| link.namespace.place == Place::Host && link.index == FOREIGN)
    }

    fn is_other_store(&self, handle: &Resource<StoreHandle>) -> bool {
        self.guest.table.get(handle).is_ok_and(|store| store.directory == Path::new(OTHER_DIRECTORY))
    }

    fn is_host(&self, handle: &Resource<NamespaceHandle>) -> bool {
        self.guest.table.get(handle).is_ok_and(|namespace| namespace.place == Place::Host)
    }
}
