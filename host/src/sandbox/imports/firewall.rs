//! `nftables`, `iptables`, `conntrack`, `firewalld`.

use wasmtime::component::Resource;
use weir_native::{
    conntrack as native_conntrack, firewalld as native_firewalld, iptables as native_iptables, nftables as native,
};

use super::{convert, nftables_convert as nft};
use crate::broker::{Call, Function, Made};
use crate::ledger;
use crate::sandbox::Guest;
use crate::sandbox::bindings::cni::types::IpNetwork;
use crate::sandbox::bindings::cni::{conntrack, firewalld, iptables, nftables};
use crate::sandbox::guest::Answer;
use crate::sandbox::handles::NamespaceHandle;

type NamespaceResource = Resource<NamespaceHandle>;

impl nftables::Host for Guest {
    fn apply(
        &mut self,
        namespace: NamespaceResource,
        table: nftables::Table,
        commands: Vec<nftables::Command>,
    ) -> Answer<()> {
        let namespace = self.namespace(&namespace)?;
        let table = nft::table(table);
        let mut commands = valid!(self, Function::NftablesApply, convert::all(commands, nft::command));
        commands.iter_mut().for_each(mark);
        let call = Call::NftablesApply { namespace: &namespace, table: &table, commands: &commands };
        let act = || native::apply_telling(&namespace.netns, &table, &commands);
        Ok(self.call_making(call, act, |created| Made::Created(created.clone()))?.map(drop))
    }

    fn list_rules(
        &mut self,
        namespace: NamespaceResource,
        table: nftables::Table,
        chain: Option<String>,
    ) -> Answer<Vec<nftables::RuleInfo>> {
        let namespace = self.namespace(&namespace)?;
        let table = nft::table(table);
        self.call(Call::NftablesListRules { namespace: &namespace, table: &table }, || {
            let rules = native::list_rules(&namespace.netns, &table, chain.as_deref())?;
            Ok(rules
                .into_iter()
                .map(|r| nftables::RuleInfo { chain: r.chain, handle: r.handle, comment: r.comment })
                .collect())
        })
    }

    fn list_chains(&mut self, namespace: NamespaceResource, table: nftables::Table) -> Answer<Vec<String>> {
        let namespace = self.namespace(&namespace)?;
        let table = nft::table(table);
        self.call(Call::NftablesListChains { namespace: &namespace, table: &table }, || {
            native::list_chains(&namespace.netns, &table)
        })
    }

    fn list_base_chains(
        &mut self,
        namespace: NamespaceResource,
        hook: nftables::Hook,
    ) -> Answer<Vec<nftables::BaseChainInfo>> {
        let namespace = self.namespace(&namespace)?;
        self.call(Call::NftablesListBaseChains { namespace: &namespace }, || {
            let chains = native::list_base_chains(&namespace.netns, nft::hook(hook))?;
            Ok(chains.into_iter().map(nft::base_chain_out).collect())
        })
    }

    fn list_elements(
        &mut self,
        namespace: NamespaceResource,
        table: nftables::Table,
        set: String,
    ) -> Answer<Vec<nftables::Element>> {
        let namespace = self.namespace(&namespace)?;
        let table = nft::table(table);
        self.call(Call::NftablesListElements { namespace: &namespace, table: &table }, || {
            let elements = native::list_elements(&namespace.netns, &table, &set)?;
            Ok(elements.into_iter().map(nft::element_out).collect())
        })
    }
}

/// What has no comment gets one by which the ledger finds it again.
fn mark(command: &mut native::Command) {
    match command {
        native::Command::AddRule(new) if new.rule.comment.is_empty() => new.rule.comment = ledger::mark(),
        native::Command::AddElements(_, elements) => {
            for element in elements.iter_mut().filter(|element| element.comment.is_empty()) {
                element.comment = ledger::mark();
            }
        }
        _ => {}
    }
}

impl iptables::Host for Guest {
    fn save(
        &mut self,
        namespace: NamespaceResource,
        family: iptables::IpFamily,
        table: String,
    ) -> Answer<Vec<iptables::Chain>> {
        let namespace = self.namespace(&namespace)?;
        let family = convert::family(family);
        self.call(Call::IptablesSave { namespace: &namespace, family, table: &table }, || {
            let chains = native_iptables::save(&namespace.netns, family, &table)?;
            Ok(chains
                .into_iter()
                .map(|chain| iptables::Chain {
                    name: chain.name,
                    rules: chain
                        .rules
                        .into_iter()
                        .map(|rule| iptables::Rule { chain: rule.chain, words: rule.words })
                        .collect(),
                })
                .collect())
        })
    }

    fn restore(
        &mut self,
        namespace: NamespaceResource,
        family: iptables::IpFamily,
        table: String,
        commands: Vec<iptables::Command>,
    ) -> Answer<()> {
        let namespace = self.namespace(&namespace)?;
        let commands: Vec<_> = commands.into_iter().map(iptables_command).collect();
        let family = convert::family(family);
        let call = Call::IptablesRestore { namespace: &namespace, family, table: &table, commands: &commands };
        self.call(call, || native_iptables::restore(&namespace.netns, family, &table, &commands))
    }

    fn may_hold(
        &mut self,
        namespace: NamespaceResource,
        family: iptables::IpFamily,
        table: String,
        chain: String,
    ) -> Answer<bool> {
        let namespace = self.namespace(&namespace)?;
        let family = convert::family(family);
        self.call(Call::IptablesMayHold { namespace: &namespace, family, table: &table }, || {
            native_iptables::may_hold(&namespace.netns, family, &table, &chain)
        })
    }

    fn available(&mut self, namespace: NamespaceResource, family: iptables::IpFamily) -> wasmtime::Result<bool> {
        let namespace = self.namespace(&namespace)?;
        let family = convert::family(family);
        let answer = self.call(Call::IptablesAvailable { namespace: &namespace, family }, || {
            Ok(native_iptables::available(&namespace.netns, family))
        })?;
        Ok(answer.unwrap_or(false))
    }
}

fn iptables_command(command: iptables::Command) -> native_iptables::Command {
    let rule = |rule: iptables::Rule| native_iptables::Rule { chain: rule.chain, words: rule.words };
    match command {
        iptables::Command::CreateOrFlushChain(chain) => native_iptables::Command::CreateOrFlushChain(chain),
        iptables::Command::CreateChain(chain) => native_iptables::Command::CreateChain(chain),
        iptables::Command::Append(r) => native_iptables::Command::Append(rule(r)),
        iptables::Command::Prepend(r) => native_iptables::Command::Prepend(rule(r)),
        iptables::Command::Delete(r) => native_iptables::Command::Delete(rule(r)),
        iptables::Command::DeleteChain(chain) => native_iptables::Command::DeleteChain(chain),
    }
}

impl conntrack::Host for Guest {
    fn flush(&mut self, namespace: NamespaceResource, filters: Vec<conntrack::FlowFilter>) -> Answer<u32> {
        let namespace = self.namespace(&namespace)?;
        let filters: Vec<_> = filters
            .into_iter()
            .map(|f| native_conntrack::FlowFilter {
                family: convert::family(f.family),
                protocol: f.protocol,
                destination_port: f.destination_port,
            })
            .collect();
        self.call(Call::ConntrackFlush { namespace: &namespace, filters: &filters }, || {
            native_conntrack::flush(&namespace.netns, &filters)
        })
    }
}

impl firewalld::Host for Guest {
    fn available(&mut self) -> wasmtime::Result<bool> {
        let answer = self.call(Call::FirewalldAvailable, || Ok(native_firewalld::available()))?;
        Ok(answer.unwrap_or(false))
    }

    fn add_source(&mut self, zone: String, source: IpNetwork) -> Answer<()> {
        let source = valid!(self, Function::FirewalldAddSource, convert::network(source));
        self.call(Call::FirewalldAddSource { zone: &zone, source }, || native_firewalld::add_source(&zone, source))
    }

    fn remove_source(&mut self, zone: String, source: IpNetwork) -> Answer<()> {
        let source = valid!(self, Function::FirewalldRemoveSource, convert::network(source));
        self.call(Call::FirewalldRemoveSource { zone: &zone, source }, || {
            native_firewalld::remove_source(&zone, source)
        })
    }

    fn has_source(&mut self, zone: String, source: IpNetwork) -> Answer<bool> {
        let source = valid!(self, Function::FirewalldHasSource, convert::network(source));
        self.call(Call::FirewalldHasSource { zone: &zone, source }, || native_firewalld::has_source(&zone, source))
    }
}
