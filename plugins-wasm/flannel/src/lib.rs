//! The CNI plugin `flannel`: hands the subnet that flanneld leased for this node to another plugin, bridge unless the
//! configuration names one.
//!
//! ADD makes a network configuration for that plugin and keeps it, so that DEL undoes what ADD did even when flanneld has
//! another subnet by then.

mod config;
mod saved;
mod subnet;

use weir_sdk::cni_spec::error::NOT_AVAILABLE;
use weir_sdk::delegate::Delegate;
use weir_sdk::{
    AddResult, Context, Error, GcRequest, Plugin, Request, Result, StatusRequest, debug, error, state, warn,
};

use config::{Config, Delegated};
use subnet::SubnetFile;

weir_sdk::manifest! {
    name: "flannel",
    description: "Connects the container by another plugin, with the subnet that flanneld leased for this node.",
    needs: {
        environment_files: "read the file in which flanneld writes the node's subnet",
        delegate: "call the plugin that connects the container",
        container_state: "keep the configuration of that plugin from ADD to DEL",
        log: "tell what went wrong where the command goes on",
    },
    asks: {
        files: ["/run/flannel/subnet.env", "${subnetFile}"] => "written by flanneld",
        directories: ["/var/lib/cni/flannel", "${dataDir}"] =>
            "the configuration that the other plugin was called with",
        delegates: ["bridge", "${delegate.type}"] =>
            "the plugin that connects the container; bridge where the configuration names none",
    },
}

weir_sdk::export_plugin!(Flannel);

/// The plugin.
#[derive(Debug)]
pub struct Flannel;

impl Plugin for Flannel {
    fn add(request: &Request) -> Result<AddResult> {
        let config = Config::parse(&request.raw_config)?;
        let subnet = SubnetFile::load(&config.subnet_file)?;
        let delegated = config.delegated(&request.network, Some(&subnet))?;
        debug!("configuration for {}: {}", delegated.plugin_type, delegated.text());
        let file = saved::save(&config.data_dir, request, &delegated)?;
        let plugin = Delegate::plugin(&delegated.plugin_type);
        let outcome = plugin.add(&delegated.text());
        if outcome.is_err() {
            // Even an ADD that fails must be followed by DEL.
            report(plugin.del(&delegated.text()));
            report(saved::remove(&config.data_dir, file));
        }
        outcome
    }

    fn del(request: &Request) -> Result<()> {
        let config = Config::parse_leniently(&request.raw_config)?;
        match saved::load(&config.data_dir, request) {
            Ok(Some((file, delegated))) => {
                let delegated = config.with_prev_result(delegated);
                Delegate::plugin(&delegated.plugin_type).del(&delegated.text())?;
                saved::remove(&config.data_dir, file)
            }
            Ok(None) => {
                delete_unsaved(&config, request);
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    fn check(request: &Request) -> Result<()> {
        let config = Config::parse(&request.raw_config)?;
        request.require_prev_result()?;
        let delegated = match saved::load(&config.data_dir, request)? {
            Some((_, delegated)) => delegated,
            None => config.delegated(&request.network, Some(&SubnetFile::load(&config.subnet_file)?))?,
        };
        let delegated = config.with_prev_result(delegated);
        Delegate::plugin(&delegated.plugin_type).check(&delegated.text())
    }

    fn gc(request: &GcRequest) -> Result<()> {
        let config = Config::parse_leniently(&request.raw_config)?;
        let delegated = current(&config, &request.network);
        let delegated = delegated.map(|delegated| config.with_valid_attachments(delegated));
        let collected = delegated.and_then(|delegated| Delegate::plugin(&delegated.plugin_type).gc(&delegated.text()));
        let files = state::container::retain(&config.data_dir, request);
        let files = files.map(drop).context("remove what was saved for containers that are gone");
        collected.and(files.map_err(Error::from))
    }

    fn status(request: &StatusRequest) -> Result<()> {
        let config = Config::parse(&request.raw_config)?;
        let subnet = SubnetFile::load(&config.subnet_file).map_err(|error| Error { code: NOT_AVAILABLE, ..error })?;
        let delegated = config.delegated(&request.network, Some(&subnet))?;
        Delegate::plugin(&delegated.plugin_type).status(&delegated.text())
    }
}

/// What ADD would ask for now; without subnets where flanneld's file cannot be read.
fn current(config: &Config, network: &str) -> Result<Delegated> {
    let subnet = SubnetFile::load(&config.subnet_file);
    if let Err(error) = &subnet {
        warn!("going on without the node's subnet: {}", error.msg);
    }
    config.delegated(network, subnet.as_ref().ok())
}

/// DEL where nothing was saved: there was no ADD, or DEL came before, or the file is lost. What the configuration says now is
/// the best guess at what there is to undo, and no failure of it may block the runtime.
fn delete_unsaved(config: &Config, request: &Request) {
    report(current(config, &request.network).and_then(|delegated| {
        let delegated = config.with_prev_result(delegated);
        Delegate::plugin(&delegated.plugin_type).del(&delegated.text())
    }));
}

fn report(outcome: Result<()>) {
    if let Err(error) = outcome {
        error!("{}", error.msg);
    }
}

#[cfg(test)]
mod tests;
