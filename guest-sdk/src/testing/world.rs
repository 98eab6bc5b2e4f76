//! The host of a test: set it up, run commands on it, break it.

use std::marker::PhantomData;
use std::net::IpAddr;

use cni_spec::args::Args;
use cni_spec::error::Error;
use cni_spec::result::AddResult;
use cni_spec::{json, version};
use serde_json::Value;

use crate::bindings::exports::weir::cni::plugin as contract;
use crate::bindings::weir::cni::log::Level;
use crate::bindings::weir::cni::resolver::Settings;
use crate::export::{self, AttachmentExt};
use crate::failure::FailureKind;
use crate::ipam_store::Lease;
use crate::plugin::{Attachment, Plugin, Result};
use crate::testing::state::{self, CONTAINER, Fault, HOST, with};
use crate::testing::{Command, DelegateCall, NetnsView};

/// A host with one container, in memory. Commands run for container `c1`, interface `eth0`, unless told otherwise; the
/// network's name is that of the configuration.
#[derive(Debug)]
pub struct World {
    /// The model belongs to its thread.
    not_send: PhantomData<*const ()>,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// A new host: loopback up on the host, down in the container, nothing else.
    pub fn new() -> Self {
        state::reset();
        let world = Self { not_send: PhantomData };
        world.attachment("c1", "eth0");
        world
    }

    /// The container ID and interface name of the commands that follow.
    pub fn attachment(&self, container_id: &str, interface_name: &str) -> &Self {
        with(|state| {
            state.attachment =
                Attachment { container_id: container_id.to_owned(), interface_name: interface_name.to_owned() };
        });
        self
    }

    /// The host's namespace.
    pub fn host(&self) -> NetnsView {
        NetnsView::new(HOST)
    }

    /// The container's namespace.
    pub fn container(&self) -> NetnsView {
        NetnsView::new(CONTAINER)
    }

    /// From now on the runtime gives no namespace for the container, or one that is gone. What is in it stays: DEL
    /// without CNI_NETNS does not mean that the container is gone.
    pub fn without_netns(&self) -> &Self {
        with(|state| state.container_open = false);
        self
    }

    /// The container's namespace vanishes with all that is in it.
    pub fn destroy_container(&self) -> &Self {
        with(|state| {
            state.container_open = false;
            for id in state.links_of(CONTAINER) {
                let _ = state.delete_link(id);
            }
        });
        self
    }

    /// ADD. The result of an ADD before (`prevResult`) is taken from the configuration.
    pub fn add<P: Plugin>(&self, config: &str) -> Result<AddResult> {
        self.add_with_args::<P>(config, "")
    }

    /// ADD with CNI_ARGS.
    pub fn add_with_args<P: Plugin>(&self, config: &str, args: &str) -> Result<AddResult> {
        let text = export::add::<P>(self.request(config, args)?).map_err(to_error)?;
        Ok(AddResult::from_slice(text.as_bytes(), version::LATEST)?)
    }

    /// DEL.
    pub fn del<P: Plugin>(&self, config: &str) -> Result<()> {
        export::del::<P>(self.request(config, "")?).map_err(to_error)
    }

    /// CHECK.
    pub fn check<P: Plugin>(&self, config: &str) -> Result<()> {
        export::check::<P>(self.request(config, "")?).map_err(to_error)
    }

    /// GC with the attachments that are in use: container ID and interface name.
    pub fn gc<P: Plugin>(&self, config: &str, valid: &[(&str, &str)]) -> Result<()> {
        let attachment = |(container, interface): &(&str, &str)| {
            Attachment { container_id: (*container).to_owned(), interface_name: (*interface).to_owned() }.to_record()
        };
        export::gc::<P>(contract::GcRequest {
            network: self.network(config)?,
            config: config.to_owned(),
            valid_attachments: valid.iter().map(attachment).collect(),
        })
        .map_err(to_error)
    }

    /// STATUS.
    pub fn status<P: Plugin>(&self, config: &str) -> Result<()> {
        let network = self.network(config)?;
        export::status::<P>(contract::StatusRequest { network, config: config.to_owned() }).map_err(to_error)
    }

    fn network(&self, config: &str) -> Result<String> {
        let document = json::parse(config.as_bytes())?;
        let name = document.as_object().and_then(|object| json::get(object, "name")).and_then(Value::as_str);
        let name = name.unwrap_or("net").to_owned();
        with(|state| state.network.clone_from(&name));
        Ok(name)
    }

    fn request(&self, config: &str, args: &str) -> Result<contract::Request> {
        let network = self.network(config)?;
        let document = json::parse(config.as_bytes())?;
        let previous = document.as_object().and_then(|object| json::get(object, "prevResult"));
        let previous = previous.map(|value| AddResult::from_json_of_any_version(value, version::LATEST)).transpose()?;
        let prev_result = previous.map(|result| result.to_json(version::LATEST)).transpose()?;
        let args: Args = args.parse()?;
        let (attachment, netns) = with(|state| (state.attachment.to_record(), state.container_open));
        Ok(contract::Request {
            network,
            attachment,
            netns_path: netns.then(|| "/run/netns/c1".to_owned()),
            args: args.pairs().to_vec(),
            config: config.to_owned(),
            prev_result: prev_result.map(|document| document.to_string()),
        })
    }

    /// Script another plugin: the function gets every call, and gives the result (JSON, newest version) of ADD.
    pub fn delegate(&self, plugin_type: &str, run: impl Fn(&DelegateCall) -> Result<String> + 'static) -> &Self {
        with(|state| state.delegates.insert(plugin_type.to_owned(), state::script(run)));
        self
    }

    /// An IPAM plugin of this type that always answers ADD with this result, and succeeds at all else.
    pub fn ipam(&self, plugin_type: &str, result: AddResult) -> &Self {
        self.delegate(plugin_type, move |call| match call.command {
            Command::Add => Ok(result.to_json(version::LATEST)?.to_string()),
            _ => Ok(String::new()),
        })
    }

    /// Another plugin that is run in earnest.
    pub fn delegate_to<P: Plugin>(&self, plugin_type: &str) -> &Self {
        self.delegate(plugin_type, |call| {
            let world = Self { not_send: PhantomData };
            match call.command {
                Command::Add => Ok(export::add::<P>(world.request(&call.config, "")?).map_err(to_error)?),
                Command::Del => world.del::<P>(&call.config).map(|()| String::new()),
                Command::Check => world.check::<P>(&call.config).map(|()| String::new()),
                Command::Status => world.status::<P>(&call.config).map(|()| String::new()),
                Command::Gc => Err(Error::internal("the model does not pass GC on; script it with World::delegate")),
            }
        })
    }

    /// From now on the nth host call, of whatever kind, fails.
    pub fn fail_nth(&self, nth: usize, kind: FailureKind) -> &Self {
        with(|state| state.faults.push(Fault::Nth(nth, kind)));
        self
    }

    /// From now on the nth call of this name fails: `"links.create-veth"`, `"link.update"`.
    pub fn fail_call(&self, name: &str, nth: usize, kind: FailureKind) -> &Self {
        with(|state| state.faults.push(Fault::Call(name.to_owned(), nth, kind)));
        self
    }

    /// From now on all calls of this name fail.
    pub fn fail_always(&self, name: &str, kind: FailureKind) -> &Self {
        with(|state| state.faults.push(Fault::Always(name.to_owned(), kind)));
        self
    }

    /// No more faults.
    pub fn heal(&self) -> &Self {
        with(|state| state.faults.clear());
        self
    }

    /// The host calls so far: `"links.find cni0"`.
    pub fn calls(&self) -> Vec<String> {
        with(|state| state.calls.clone())
    }

    /// Forget the host calls so far.
    pub fn clear_calls(&self) -> &Self {
        with(|state| state.calls.clear());
        self
    }

    /// What another plugin was asked, in order, since the world was made.
    pub fn asked_of(&self, plugin_type: &str) -> Vec<Command> {
        let of_it = |(kind, command): &(String, Command)| (kind == plugin_type).then_some(*command);
        with(|state| state.delegate_calls.iter().filter_map(of_it).collect())
    }

    /// The lines logged so far.
    pub fn log(&self) -> Vec<(Level, String)> {
        with(|state| state.log.clone())
    }

    /// The time that commands have waited, in milliseconds.
    pub fn waited(&self) -> u64 {
        with(|state| state.clock)
    }

    /// The kernel has no VLAN filtering of bridges.
    pub fn without_vlan_filtering(&self) -> &Self {
        with(|state| state.vlan_filtering_supported = false);
        self
    }

    /// The kernel does not have links of this kind (as in `LinkInfo::kind`).
    pub fn without_link_kind(&self, kind: &str) -> &Self {
        with(|state| state.missing_kinds.push(kind.to_owned()));
        self
    }

    /// SELinux is on.
    pub fn with_selinux(&self) -> &Self {
        with(|state| state.selinux = true);
        self
    }

    /// iptables is not installed.
    pub fn without_iptables(&self) -> &Self {
        with(|state| state.iptables_installed = false);
        self
    }

    /// Somebody on the network owns this address already: duplicate address detection will find it.
    pub fn duplicate_address(&self, address: IpAddr) -> &Self {
        with(|state| state.duplicates.push(address));
        self
    }

    /// Addresses announced to the neighbours.
    pub fn announced(&self) -> Vec<IpAddr> {
        with(|state| state.announced.clone())
    }

    /// What a resolv.conf file says.
    pub fn resolv_conf(&self, path: &str, settings: Settings) -> &Self {
        with(|state| state.resolv_conf.insert(path.to_owned(), settings));
        self
    }

    /// A file of assignments.
    pub fn environment_file(&self, path: &str, pairs: &[(&str, &str)]) -> &Self {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        with(|state| state.environment_files.insert(path.to_owned(), pairs));
        self
    }

    /// A device of the host: `pci/<address>`, `auxiliary/<name>`, or its path below `/sys/devices`.
    pub fn host_device(&self, place: &str, driver: Option<&str>, interfaces: &[&str]) -> &Self {
        let interfaces = interfaces.iter().map(|name| (*name).to_owned()).collect();
        let device = crate::host_device::Device { driver: driver.map(str::to_owned), interfaces };
        with(|state| state.host_devices.insert(place.to_owned(), device));
        self
    }

    /// The operator's list of sysctls that configurations may set.
    pub fn sysctl_allow_list(&self, patterns: &[&str]) -> &Self {
        with(|state| state.allow_list = Some(patterns.iter().map(|pattern| (*pattern).to_owned()).collect()));
        self
    }

    /// Documents kept from ADD to DEL: path and content.
    pub fn documents(&self) -> Vec<(String, Vec<u8>)> {
        with(|state| state.documents.iter().map(|(path, content)| (path.clone(), content.clone())).collect())
    }

    /// A document that another plugin kept.
    pub fn document(&self, path: &str, content: &[u8]) -> &Self {
        with(|state| state.documents.insert(path.to_owned(), content.to_vec()));
        self
    }

    /// Filters of the connection tracking entries that were flushed.
    pub fn flushed_flows(&self) -> Vec<crate::net::conntrack::FlowFilter> {
        with(|state| state.flushed_flows.clone())
    }

    /// firewalld runs.
    pub fn with_firewalld(&self) -> &Self {
        with(|state| state.firewalld = Some(Vec::new()));
        self
    }

    /// Sources of firewalld's zones: `"trusted 10.1.0.2/32"`.
    pub fn firewalld_sources(&self) -> Vec<String> {
        with(|state| state.firewalld.iter().flatten().map(|(zone, source)| format!("{zone} {source}")).collect())
    }

    /// The addresses given out in a network, from the default directory.
    pub fn leases(&self, network: &str) -> Vec<Lease> {
        self.leases_in("/var/lib/cni/networks", network)
    }

    /// The addresses given out in a network.
    pub fn leases_in(&self, directory: &str, network: &str) -> Vec<Lease> {
        with(|state| {
            let store = state.stores.get(&(directory.to_owned(), network.to_owned()));
            store.map(|store| store.list().into_iter().map(Lease::from).collect()).unwrap_or_default()
        })
    }

    /// Give out an address to somebody, in the default directory.
    pub fn lease(&self, network: &str, address: IpAddr, container_id: &str, interface_name: &str) -> &Self {
        let owner = Attachment { container_id: container_id.to_owned(), interface_name: interface_name.to_owned() };
        let key = ("/var/lib/cni/networks".to_owned(), network.to_owned());
        with(|state| state.stores.entry(key).or_default().insert(address, owner));
        self
    }
}

/// A configuration with the result of its ADD as `prevResult`, as a runtime gives it to CHECK and DEL.
///
/// # Errors
/// Where the configuration is no JSON object.
pub fn with_prev_result(config: &str, result: &AddResult) -> Result<String> {
    let mut document = json::parse(config.as_bytes())?;
    let object = document.as_object_mut().ok_or_else(|| Error::decode_failure("the configuration is no object"))?;
    json::remove(object, "prevResult");
    let mut previous = result.to_json(version::LATEST)?;
    if let Some(previous) = previous.as_object_mut() {
        previous.insert("cniVersion".to_owned(), version::LATEST.as_str().into());
    }
    object.insert("prevResult".to_owned(), previous);
    Ok(document.to_string())
}

fn to_error(error: contract::CniError) -> Error {
    Error { code: error.code, msg: error.msg, details: error.details }
}
