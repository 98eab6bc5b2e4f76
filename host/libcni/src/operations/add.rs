//! ADD.
//!
//! The attachment is in the cache, without a result, before the first plugin runs: whoever is killed in the middle
//! leaves a trace that DEL and GC find.

use super::{Network, Operation, stdin::Injected};
use crate::cache::{CacheEntry, LockMode};
use crate::cni::{CniConfig, Command};
use crate::config::ConfigError;
use crate::error::Error;
use crate::result::NetworkResult;
use crate::runtime_conf::RuntimeConf;

pub(super) fn add(cni: &CniConfig, network: Network<'_>, rt: &RuntimeConf) -> Result<NetworkResult, Error> {
    rt.check_names()?;
    let _ = rt.args_text()?;
    if network.plugins.is_empty() {
        return Err(ConfigError::NoPlugins { name: network.name.to_owned() }.into());
    }
    let operation = Operation::start(cni, Command::Add, Some(rt));
    let _lock = operation.lock(network.name, LockMode::Shared)?;
    // What is damaged is about to be written anew.
    if let Ok(Some(CacheEntry { result: Some(_), .. })) = cni.cache.read(network.name, &rt.container_id, &rt.if_name) {
        return Err(Error::AlreadyAttached {
            network: network.name.to_owned(),
            container_id: rt.container_id.clone(),
            if_name: rt.if_name.clone(),
        });
    }
    for plugin in network.plugins {
        operation.find(plugin.plugin_type())?;
    }
    let mut entry = CacheEntry {
        network: network.name.to_owned(),
        container_id: rt.container_id.clone(),
        if_name: rt.if_name.clone(),
        net_ns: rt.net_ns.clone(),
        config: network.bytes.to_owned(),
        cni_args: rt.args.clone(),
        capability_args: rt.capability_args.clone(),
        result: None,
    };
    cni.cache.write(&entry)?;
    let mut chain = Chain { network, rt, result: None, ran: 0 };
    let failed = match chain.add(&operation) {
        Ok(result) => {
            entry.result = Some(result.json.clone());
            match cni.cache.write(&entry) {
                Ok(()) => return Ok(result),
                Err(error) => Error::from(error),
            }
        }
        Err(error) => error,
    };
    if cni.keep_on_failed_add { Err(failed) } else { Err(chain.take_back(cni, failed)) }
}

/// How far ADD has come.
struct Chain<'a> {
    network: Network<'a>,
    rt: &'a RuntimeConf,
    /// Of the last plugin that ended well.
    result: Option<NetworkResult>,
    /// How many plugins may have done something.
    ran: usize,
}

impl Chain<'_> {
    fn add(&mut self, operation: &Operation<'_>) -> Result<NetworkResult, Error> {
        for plugin in self.network.plugins {
            let injected = Injected {
                prev_result: self.result.as_ref().map(|result| &result.json),
                capability_args: Some(&self.rt.capability_args),
                ..Injected::of(&self.network)
            };
            operation.still_wanted(plugin.plugin_type())?;
            let output = operation.run(plugin, &injected);
            if !matches!(&output, Err(Error::Plugin { source, .. }) if source.never_ran()) {
                self.ran += 1;
            }
            let result = NetworkResult::of_plugin(&output?, self.network.version);
            self.result = Some(result.map_err(|source| operation.failed(plugin.plugin_type(), source))?);
        }
        self.result.clone().ok_or_else(|| ConfigError::NoPlugins { name: self.network.name.to_owned() }.into())
    }

    /// DEL of each plugin that ran, the last first, also where one of them fails.
    fn take_back(self, cni: &CniConfig, cause: Error) -> Error {
        let operation = Operation::start_clean_up(cni, self.rt);
        let has_prev_result = self.network.version.supports_check();
        let injected = Injected {
            prev_result: self.result.as_ref().filter(|_| has_prev_result).map(|result| &result.json),
            capability_args: Some(&self.rt.capability_args),
            ..Injected::of(&self.network)
        };
        let ran = self.network.plugins.iter().take(self.ran);
        let mut cleanup: Vec<_> = ran.rev().filter_map(|plugin| operation.run(plugin, &injected).err()).collect();
        if cleanup.is_empty() {
            let removed = cni.cache.remove(self.network.name, &self.rt.container_id, &self.rt.if_name);
            cleanup.extend(removed.err().map(Error::from));
        }
        if cleanup.is_empty() { cause } else { Error::CleanupFailed { cause: Box::new(cause), cleanup } }
    }
}
