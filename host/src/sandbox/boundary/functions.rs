//! One call of each function of the contract: a match over all of them, so that none is forgotten.

use arbitrary::Result;
use wasmtime::component::Resource;

use super::{CHAIN, DELEGATE, HOST_LINK, Player, Step, TABLE, ZONE};
use crate::broker::Function;
use crate::sandbox::bindings::cni::*;
use crate::sandbox::handles::{LinkHandle, NamespaceHandle, StoreHandle};

/// Work out the arguments, one after the other, and make the call.
macro_rules! play {
    ($player:ident, $function:path $(, $argument:ident = $value:expr)*) => {{
        $(let $argument = $value;)*
        $function(&mut $player.guest $(, $argument)*).map(drop)
    }};
}

impl Player<'_> {
    /// Make the next call, or give a handle back.
    pub(super) fn step(&mut self) -> Result<Step> {
        let choice = usize::from(self.any::<u8>()?);
        if let Some(function) = Function::ALL.get(choice) {
            return Ok(Step { function: Some(*function), outcome: self.call(*function)? });
        }
        let outcome = match choice % 3 {
            0 => play!(self, namespaces::HostNetns::drop, handle = self.owned::<NamespaceHandle>()?),
            1 => play!(self, links::HostLink::drop, handle = self.owned::<LinkHandle>()?),
            _ => play!(self, ipam_store::HostStore::drop, handle = self.owned::<StoreHandle>()?),
        };
        Ok(Step { function: None, outcome })
    }

    fn call(&mut self, function: Function) -> Result<wasmtime::Result<()>> {
        Ok(match function {
            Function::ContainerNamespaceOpen => play!(self, container_namespace::Host::open),
            Function::HostNamespaceOpen => play!(self, host_namespace::Host::open),
            Function::LogWrite => play!(self, log::Host::write, level = self.any()?, message = self.text()?),
            Function::ClockNow => play!(self, clock::Host::now),
            Function::ClockSleep => play!(self, clock::Host::sleep, milliseconds = self.any()?),
            Function::LinkInfo => play!(self, links::HostLink::info, link = self.link()?),
            Function::LinkUpdate => {
                play!(self, links::HostLink::update, link = self.changed_link()?, changes = self.any()?)
            }
            Function::LinkWaitOperational => {
                play!(self, links::HostLink::wait_operational, link = self.link()?, timeout = self.any()?)
            }
            Function::LinkSetController => play!(
                self,
                links::HostLink::set_controller,
                link = self.changed_link()?,
                controller = self.maybe_changed_link()?
            ),
            Function::LinkMoveTo => play!(
                self,
                links::HostLink::move_to,
                link = self.changed_link()?,
                namespace = self.namespace()?,
                changes = self.any()?
            ),
            Function::LinkDelete => play!(self, links::HostLink::delete, link = self.changed_link()?),
            Function::LinksFind => play!(self, links::Host::find, namespace = self.namespace()?, name = self.text()?),
            Function::LinksFindByIndex => {
                play!(self, links::Host::find_by_index, namespace = self.namespace()?, index = self.any()?)
            }
            Function::LinksList => play!(self, links::Host::list, namespace = self.namespace()?),
            Function::LinksCreateVeth => play!(
                self,
                links::Host::create_veth,
                container = self.namespace()?,
                container_end = self.veth_end(&container)?,
                host = self.namespace()?,
                host_end = self.veth_end(&host)?
            ),
            Function::VirtualLinksCreate => play!(
                self,
                virtual_links::Host::create,
                namespace = self.namespace()?,
                name = self.new_name(&namespace)?,
                kind = self.kind()?,
                options = self.any()?,
                lower = self.maybe_changed_link()?
            ),
            Function::VirtualLinksDescribe => play!(self, virtual_links::Host::describe, link = self.link()?),
            Function::BridgesCreate => play!(
                self,
                bridges::Host::create,
                namespace = self.namespace()?,
                name = self.new_name(&namespace)?,
                options = self.any()?
            ),
            Function::BridgesDeleteUnused => play!(self, bridges::Host::delete_unused, link = self.changed_link()?),
            Function::BridgesVlanFiltering => play!(self, bridges::Host::vlan_filtering, link = self.link()?),
            Function::BridgesSetVlanFiltering => {
                play!(self, bridges::Host::set_vlan_filtering, link = self.changed_link()?, enabled = self.any()?)
            }
            Function::BridgesAttach => play!(
                self,
                bridges::Host::attach,
                bridge = self.changed_link()?,
                port = self.changed_link()?,
                options = self.any()?
            ),
            Function::BridgesPort => play!(self, bridges::Host::port, link = self.link()?),
            Function::BridgesAddVlans => {
                play!(self, bridges::Host::add_vlans, link = self.changed_link()?, vlans = self.any()?)
            }
            Function::BridgesRemoveVlans => {
                play!(self, bridges::Host::remove_vlans, link = self.changed_link()?, vlans = self.any()?)
            }
            Function::BridgesListVlans => play!(self, bridges::Host::list_vlans, link = self.link()?),
            Function::AddressesList => play!(self, addresses::Host::list, link = self.link()?),
            Function::AddressesAdd => play!(self, addresses::Host::add, link = self.changed_link()?, new = self.any()?),
            Function::AddressesRemove => {
                play!(self, addresses::Host::remove, link = self.changed_link()?, old = self.any()?)
            }
            Function::AddressesWaitSettled => {
                play!(self, addresses::Host::wait_settled, link = self.link()?, timeout = self.any()?)
            }
            Function::AddressesAnnounce => {
                play!(self, addresses::Host::announce, link = self.changed_link()?, list = self.any()?)
            }
            Function::RoutesAdd => play!(
                self,
                routes::Host::add,
                namespace = self.namespace()?,
                routes = self.any()?,
                conflict = self.any()?
            ),
            Function::RoutesRemove => {
                play!(self, routes::Host::remove, namespace = self.namespace()?, routes = self.any()?)
            }
            Function::RoutesList => {
                play!(self, routes::Host::list, namespace = self.namespace()?, filter = self.any()?)
            }
            Function::RoutesLookup => {
                play!(self, routes::Host::lookup, namespace = self.namespace()?, destination = self.any()?)
            }
            Function::RulesAdd => play!(self, rules::Host::add, namespace = self.namespace()?, rule = self.any()?),
            Function::RulesRemove => {
                play!(self, rules::Host::remove, namespace = self.namespace()?, rule = self.any()?)
            }
            Function::RulesList => play!(self, rules::Host::list, namespace = self.namespace()?, family = self.any()?),
            Function::NeighborsList => {
                play!(self, neighbors::Host::list, namespace = self.namespace()?, link = self.any()?)
            }
            Function::SysctlsGet => play!(self, sysctls::Host::get, namespace = self.namespace()?, key = self.text()?),
            Function::SysctlsSet => play!(
                self,
                sysctls::Host::set,
                namespace = self.namespace()?,
                key = self.parameter(&namespace)?,
                value = self.text()?
            ),
            Function::SysctlsAllowList => play!(self, sysctls::Host::allow_list),
            Function::TrafficControlShape => {
                play!(self, traffic_control::Host::shape, link = self.changed_link()?, bucket = self.any()?)
            }
            Function::TrafficControlShaper => play!(self, traffic_control::Host::shaper, link = self.link()?),
            Function::TrafficControlRemoveShaper => {
                play!(self, traffic_control::Host::remove_shaper, link = self.changed_link()?)
            }
            Function::TrafficControlRedirect => {
                play!(self, traffic_control::Host::redirect, link = self.changed_link()?, target = self.changed_link()?)
            }
            Function::TrafficControlRedirects => play!(self, traffic_control::Host::redirects, link = self.link()?),
            Function::TrafficControlRemoveRedirect => {
                play!(self, traffic_control::Host::remove_redirect, link = self.changed_link()?)
            }
            Function::NftablesApply => play!(
                self,
                nftables::Host::apply,
                namespace = self.namespace()?,
                table = self.changed_table()?,
                commands = self.any()?
            ),
            Function::NftablesListRules => play!(
                self,
                nftables::Host::list_rules,
                namespace = self.namespace()?,
                table = self.any()?,
                chain = self.maybe_text()?
            ),
            Function::NftablesListChains => {
                play!(self, nftables::Host::list_chains, namespace = self.namespace()?, table = self.any()?)
            }
            Function::NftablesListElements => play!(
                self,
                nftables::Host::list_elements,
                namespace = self.namespace()?,
                table = self.any()?,
                set = self.text()?
            ),
            Function::NftablesListBaseChains => {
                play!(self, nftables::Host::list_base_chains, namespace = self.namespace()?, hook = self.any()?)
            }
            Function::IptablesSave => play!(
                self,
                iptables::Host::save,
                namespace = self.namespace()?,
                family = self.any()?,
                table = self.text()?
            ),
            Function::IptablesRestore => play!(
                self,
                iptables::Host::restore,
                namespace = self.namespace()?,
                family = self.any()?,
                table = self.word("nat")?,
                commands = self.iptables_commands()?
            ),
            Function::IptablesAvailable => {
                play!(self, iptables::Host::available, namespace = self.namespace()?, family = self.any()?)
            }
            Function::IptablesMayHold => play!(
                self,
                iptables::Host::may_hold,
                namespace = self.namespace()?,
                family = self.any()?,
                table = self.text()?,
                chain = self.text()?
            ),
            Function::ConntrackFlush => {
                play!(self, conntrack::Host::flush, namespace = self.namespace()?, filters = self.any()?)
            }
            Function::FirewalldAvailable => play!(self, firewalld::Host::available),
            Function::FirewalldAddSource => {
                play!(self, firewalld::Host::add_source, zone = self.word(ZONE)?, source = self.any()?)
            }
            Function::FirewalldRemoveSource => {
                play!(self, firewalld::Host::remove_source, zone = self.word(ZONE)?, source = self.any()?)
            }
            Function::FirewalldHasSource => {
                play!(self, firewalld::Host::has_source, zone = self.text()?, source = self.any()?)
            }
            Function::StoreOpen => play!(self, ipam_store::Host::open, directory = self.maybe_directory()?),
            Function::StoreAllocate => play!(
                self,
                ipam_store::HostStore::allocate,
                store = self.store()?,
                range_set = self.any()?,
                ranges = self.any()?
            ),
            Function::StoreReserve => play!(
                self,
                ipam_store::HostStore::reserve,
                store = self.store()?,
                range_set = self.any()?,
                address = self.any()?
            ),
            Function::StoreReleaseAddress => {
                play!(self, ipam_store::HostStore::release_address, store = self.store()?, address = self.any()?)
            }
            Function::StoreRelease => play!(self, ipam_store::HostStore::release, store = self.store()?),
            Function::StoreFind => play!(self, ipam_store::HostStore::find, store = self.store()?),
            Function::StoreList => play!(self, ipam_store::HostStore::list, store = self.store()?),
            Function::StoreRetain => {
                play!(self, ipam_store::HostStore::retain, store = self.store()?, valid = self.any()?)
            }
            Function::StoreCountFree => {
                play!(self, ipam_store::HostStore::count_free, store = self.store()?, ranges = self.any()?)
            }
            Function::ResolverLoad => play!(self, resolver::Host::load, path = self.file()?),
            Function::StateLoad => play!(self, attachment_state::Host::load, directory = self.maybe_directory()?),
            Function::StateSave => {
                play!(self, attachment_state::Host::save, directory = self.maybe_directory()?, document = self.any()?)
            }
            Function::StateRemove => play!(self, attachment_state::Host::remove, directory = self.maybe_directory()?),
            Function::StateRetain => {
                play!(self, attachment_state::Host::retain, directory = self.maybe_directory()?, valid = self.any()?)
            }
            Function::ContainerStateLoad => {
                play!(self, container_state::Host::load, directory = self.directory()?, file = self.any()?)
            }
            Function::ContainerStateSave => play!(
                self,
                container_state::Host::save,
                directory = self.directory()?,
                file = self.any()?,
                document = self.any()?
            ),
            Function::ContainerStateRemove => {
                play!(self, container_state::Host::remove, directory = self.directory()?, file = self.any()?)
            }
            Function::ContainerStateRetain => {
                play!(self, container_state::Host::retain, directory = self.directory()?, valid = self.any()?)
            }
            Function::EnvironmentFilesLoad => play!(self, environment_files::Host::load, path = self.file()?),
            Function::HostDevicesFindPci => play!(self, host_devices::Host::find_pci, address = self.text()?),
            Function::HostDevicesFindAuxiliary => play!(self, host_devices::Host::find_auxiliary, name = self.text()?),
            Function::HostDevicesFindByPath => play!(self, host_devices::Host::find_by_path, path = self.text()?),
            Function::DhcpAcquire => {
                play!(self, dhcp::Host::acquire, socket = self.maybe_directory()?, options = self.any()?)
            }
            Function::DhcpConfirm => play!(self, dhcp::Host::confirm, socket = self.maybe_directory()?),
            Function::DhcpRelease => play!(self, dhcp::Host::release, socket = self.maybe_directory()?),
            Function::DhcpRetain => {
                play!(self, dhcp::Host::retain, socket = self.maybe_directory()?, valid = self.any()?)
            }
            Function::DhcpAvailable => play!(self, dhcp::Host::available, socket = self.maybe_directory()?),
            Function::DelegateCall => play!(
                self,
                delegate::Host::call,
                command = self.any()?,
                plugin_type = self.word(DELEGATE)?,
                config = self.config()?
            ),
        })
    }

    fn maybe_changed_link(&mut self) -> Result<Option<Resource<LinkHandle>>> {
        if self.any()? { self.changed_link().map(Some) } else { Ok(None) }
    }

    fn veth_end(&mut self, namespace: &Resource<NamespaceHandle>) -> Result<links::VethEnd> {
        let mut end: links::VethEnd = self.any()?;
        end.name = self.maybe_text()?;
        if self.is_host(namespace) && end.name.as_ref().is_some_and(|name| name != HOST_LINK) {
            self.forbid("the name of a link of the host");
        }
        Ok(end)
    }

    fn kind(&mut self) -> Result<virtual_links::LinkKind> {
        let kind = self.any()?;
        if !matches!(kind, virtual_links::LinkKind::Dummy) {
            self.forbid("a kind of link");
        }
        Ok(kind)
    }

    fn changed_table(&mut self) -> Result<nftables::Table> {
        let table = nftables::Table { family: self.any()?, name: self.text()? };
        let is_granted = table.family == nftables::Family::Inet && table.name == TABLE;
        if !is_granted {
            self.forbid("a table of nftables");
        }
        Ok(table)
    }

    fn iptables_commands(&mut self) -> Result<Vec<iptables::Command>> {
        let commands: Vec<iptables::Command> = self.any()?;
        for command in &commands {
            use iptables::Command::{Append, CreateChain, CreateOrFlushChain, Delete, DeleteChain, Prepend};
            let chain = match command {
                CreateOrFlushChain(chain) | CreateChain(chain) | DeleteChain(chain) => chain,
                Append(rule) | Prepend(rule) | Delete(rule) => &rule.chain,
            };
            if chain != CHAIN {
                self.forbid("a chain of iptables");
            }
        }
        Ok(commands)
    }
}
