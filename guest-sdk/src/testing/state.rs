//! The in-memory host behind the imports: one for each thread, so that tests run in parallel.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::IpAddr;
use std::rc::Rc;

use ipnet::IpNet;

use crate::bindings::weir::cni::conntrack::FlowFilter;
use crate::bindings::weir::cni::host_devices::Device as HostDevice;
use crate::bindings::weir::cni::log::Level;
use crate::bindings::weir::cni::neighbors::Neighbor;
use crate::bindings::weir::cni::resolver::Settings;
use crate::bindings::weir::cni::rules::Rule;
use crate::failure::{Failure, FailureKind};
use crate::plugin::Attachment;
use crate::testing::dhcp::Dhcp;
use crate::testing::iptables::Iptables;
use crate::testing::links::Device;
use crate::testing::nftables::Nftables;
use crate::testing::routes::RouteEntry;
use crate::testing::rules::first_rules;
use crate::testing::store::StoreState;
use crate::testing::{Command, DelegateCall, DelegateScript};

/// Number of the host's namespace.
pub(crate) const HOST: usize = 0;
/// Number of the container's namespace.
pub(crate) const CONTAINER: usize = 1;

thread_local! {
    static STATE: RefCell<State> = RefCell::new(State::new());
}

/// Work on this thread's host.
pub(crate) fn with<R>(work: impl FnOnce(&mut State) -> R) -> R {
    STATE.with(|state| work(&mut state.borrow_mut()))
}

/// What is in one namespace, links aside.
#[derive(Default)]
pub(crate) struct Namespace {
    pub(crate) next_index: u32,
    pub(crate) routes: Vec<RouteEntry>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) neighbors: Vec<Neighbor>,
    pub(crate) sysctls: BTreeMap<String, String>,
    pub(crate) nftables: Nftables,
    pub(crate) iptables: Iptables,
}

/// A fault that a test asked for.
pub(crate) enum Fault {
    /// The nth call from now on, of whatever kind.
    Nth(usize, FailureKind),
    /// The nth call of this name from now on.
    Call(String, usize, FailureKind),
    /// Every call of this name.
    Always(String, FailureKind),
}

/// The whole host.
pub(crate) struct State {
    pub(crate) container_open: bool,
    pub(crate) namespaces: [Namespace; 2],
    pub(crate) devices: BTreeMap<u64, Device>,
    pub(crate) next_device: u64,
    pub(crate) vlan_filtering_supported: bool,
    pub(crate) missing_kinds: Vec<String>,
    pub(crate) selinux: bool,
    pub(crate) duplicates: Vec<IpAddr>,
    pub(crate) announced: Vec<IpAddr>,
    pub(crate) flushed_flows: Vec<FlowFilter>,
    /// Sources of firewalld's zones; none where it does not run.
    pub(crate) firewalld: Option<Vec<(String, IpNet)>>,
    pub(crate) network: String,
    pub(crate) attachment: Attachment,
    pub(crate) stores: BTreeMap<(String, String), StoreState>,
    pub(crate) documents: BTreeMap<String, Vec<u8>>,
    pub(crate) environment_files: BTreeMap<String, Vec<(String, String)>>,
    pub(crate) host_devices: BTreeMap<String, HostDevice>,
    pub(crate) resolv_conf: BTreeMap<String, Settings>,
    pub(crate) dhcp: Option<Dhcp>,
    pub(crate) allow_list: Option<Vec<String>>,
    pub(crate) iptables_installed: bool,
    pub(crate) delegates: BTreeMap<String, DelegateScript>,
    pub(crate) delegate_calls: Vec<(String, Command)>,
    pub(crate) log: Vec<(Level, String)>,
    pub(crate) clock: u64,
    pub(crate) calls: Vec<String>,
    pub(crate) faults: Vec<Fault>,
}

impl State {
    /// A host and a container, each with its loopback interface: up on the host, down in the container.
    pub(crate) fn new() -> Self {
        let mut state = Self {
            container_open: true,
            namespaces: [Namespace::default(), Namespace::default()],
            devices: BTreeMap::new(),
            next_device: 1,
            vlan_filtering_supported: true,
            missing_kinds: Vec::new(),
            selinux: false,
            duplicates: Vec::new(),
            announced: Vec::new(),
            flushed_flows: Vec::new(),
            firewalld: None,
            network: String::new(),
            attachment: Attachment { container_id: String::new(), interface_name: String::new() },
            stores: BTreeMap::new(),
            documents: BTreeMap::new(),
            environment_files: BTreeMap::new(),
            host_devices: BTreeMap::new(),
            resolv_conf: BTreeMap::new(),
            dhcp: None,
            allow_list: None,
            iptables_installed: true,
            delegates: BTreeMap::new(),
            delegate_calls: Vec::new(),
            log: Vec::new(),
            clock: 0,
            calls: Vec::new(),
            faults: Vec::new(),
        };
        for number in [HOST, CONTAINER] {
            state.namespace(number).rules = first_rules();
            let id = state.insert_device(number, "lo", None, vec![0; 6]);
            if let Some(device) = state.devices.get_mut(&id) {
                device.loopback = true;
                device.mtu = 65536;
            }
            if number == HOST {
                state.set_up(id, true);
            }
        }
        state
    }

    /// Note a call that cannot fail.
    pub(crate) fn record(&mut self, name: &str, detail: impl Display) {
        self.calls.push(format!("{name} {detail}").trim_end().to_owned());
    }

    /// Note a call, and fail where a test asked for it.
    pub(crate) fn call(&mut self, name: &str, detail: impl Display) -> Result<(), Failure> {
        self.record(name, detail);
        let mut hit = None;
        self.faults.retain_mut(|fault| {
            let (counter, kind) = match fault {
                Fault::Always(wanted, kind) => {
                    if wanted == name {
                        hit = Some(*kind);
                    }
                    return true;
                }
                Fault::Call(wanted, ..) if wanted != name => return true,
                Fault::Call(_, counter, kind) | Fault::Nth(counter, kind) => (counter, *kind),
            };
            *counter = counter.saturating_sub(1);
            if *counter == 0 {
                hit = Some(kind);
            }
            *counter > 0
        });
        match hit {
            Some(kind) => Err(Failure::new(kind, format!("{name}: fault asked for by the test"))),
            None => Ok(()),
        }
    }

    pub(crate) fn namespace(&mut self, number: usize) -> &mut Namespace {
        let [host, container] = &mut self.namespaces;
        if number == HOST { host } else { container }
    }

    pub(crate) fn nft(&mut self, number: usize) -> &mut Nftables {
        &mut self.namespace(number).nftables
    }

    pub(crate) fn iptables(&mut self, number: usize) -> Result<&mut Iptables, Failure> {
        if !self.iptables_installed {
            return Err(Failure::new(FailureKind::Unsupported, "iptables is not installed"));
        }
        Ok(&mut self.namespace(number).iptables)
    }

    pub(crate) fn store(&mut self, directory: &str) -> Result<(&mut StoreState, Attachment), Failure> {
        let key = (directory.to_owned(), self.network.clone());
        Ok((self.stores.entry(key).or_default(), self.attachment.clone()))
    }
}

/// Replace this thread's host by a new one.
pub(crate) fn reset() {
    with(|state| *state = State::new());
}

/// A script as the world keeps it.
pub(crate) fn script(run: impl Fn(&DelegateCall) -> crate::Result<String> + 'static) -> DelegateScript {
    Rc::new(run)
}
