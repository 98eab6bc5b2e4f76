//! A network: a list of plugins, run as a runtime runs them (section 3 of the specification), without a cache.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::cni::Call;
use crate::container::Container;
use crate::programs::Programs;

/// A network configuration list.
#[derive(Debug, Clone)]
pub struct Chain {
    /// Where the plugins are.
    pub programs: Programs,
    /// Name of the network.
    pub name: String,
    /// Version of the configuration.
    pub version: String,
    /// The plugins' configurations.
    pub plugins: Vec<Value>,
    /// Capability arguments: each plugin gets those that it declares.
    pub capabilities: Value,
    /// CNI_ARGS; empty: not set.
    pub arguments: String,
}

impl Chain {
    /// A network of these plugins, in the newest version that they speak.
    pub fn new(programs: &Programs, name: &str, plugins: &[Value]) -> Self {
        Self {
            programs: programs.clone(),
            name: name.to_owned(),
            version: programs.newest().to_owned(),
            plugins: plugins.to_vec(),
            capabilities: json!({}),
            arguments: String::new(),
        }
    }

    /// In another version.
    pub fn version(mut self, version: &str) -> Self {
        self.version = version.to_owned();
        self
    }

    /// With these capability arguments.
    pub fn capabilities(mut self, capabilities: Value) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// ADD: the last plugin's result.
    pub fn add(&self, container: &Container) -> Result<Value> {
        self.add_interface(container, "eth0")
    }

    /// ADD for an interface of this name.
    pub fn add_interface(&self, container: &Container, interface: &str) -> Result<Value> {
        let mut result = Value::Null;
        for plugin in &self.plugins {
            result = self.call("ADD", plugin, &result)?.container(container).interface(interface).ok()?;
        }
        Ok(result)
    }

    /// CHECK against the final result of ADD.
    pub fn check(&self, container: &Container, result: &Value) -> Result<()> {
        for plugin in &self.plugins {
            // Debian's portmap does not recognise its own rules as its iptables prints them.
            if self.programs.are_native() && plugin_type(plugin)? == "portmap" {
                continue;
            }
            self.call("CHECK", plugin, result)?.container(container).ok()?;
        }
        Ok(())
    }

    /// CHECK, GC or STATUS of each plugin in a version that does not have the command: an error of code 1.
    pub fn assert_refused(&self, command: &str, container: &Container) -> Result<()> {
        for plugin in &self.plugins {
            let error = self.call(command, plugin, &Value::Null)?.container(container).error()?;
            anyhow::ensure!(error.code == 1, "{command} in version {}: {error:?}", self.version);
        }
        Ok(())
    }

    /// DEL, in reverse order. `result` null: the runtime has lost it.
    pub fn del(&self, container: &Container, result: &Value) -> Result<()> {
        self.del_in(container, result, container.path.to_str().unwrap_or_default())
    }

    /// DEL with another CNI_NETNS.
    pub fn del_in(&self, container: &Container, result: &Value, namespace: &str) -> Result<()> {
        self.del_with(result, |call| call.container(container).env("CNI_NETNS", namespace))
    }

    /// DEL without CNI_NETNS.
    pub fn del_without_namespace(&self, container: &Container, result: &Value) -> Result<()> {
        self.del_with(result, |call| call.container(container).unset("CNI_NETNS"))
    }

    fn del_with(&self, result: &Value, complete: impl Fn(Call) -> Call) -> Result<()> {
        for plugin in self.plugins.iter().rev() {
            let printed = complete(self.call("DEL", plugin, result)?).ok()?;
            anyhow::ensure!(printed.is_null(), "DEL printed {printed}");
        }
        Ok(())
    }

    /// GC: what is not in the list goes.
    pub fn gc(&self, valid: &[(&str, &str)]) -> Result<()> {
        let valid: Vec<_> = valid.iter().map(|(id, name)| json!({"containerID": id, "ifname": name})).collect();
        for plugin in &self.plugins {
            let mut config = self.config(plugin, &Value::Null);
            config.insert("cni.dev/valid-attachments".into(), Value::Array(valid.clone()));
            config.remove("runtimeConfig");
            self.bare_call("GC", plugin, config)?.ok()?;
        }
        Ok(())
    }

    /// STATUS of each plugin; the first error.
    pub fn status(&self) -> Result<()> {
        for plugin in &self.plugins {
            let mut config = self.config(plugin, &Value::Null);
            config.remove("runtimeConfig");
            self.bare_call("STATUS", plugin, config)?.ok()?;
        }
        Ok(())
    }

    /// A call of one plugin of the chain, not yet run.
    pub fn call(&self, command: &str, plugin: &Value, previous: &Value) -> Result<Call> {
        let kind = plugin_type(plugin)?;
        let mut call = Call::new(&self.programs, kind, command)?;
        if !self.arguments.is_empty() {
            call = call.env("CNI_ARGS", self.arguments.as_str());
        }
        Ok(call.config(&Value::Object(self.config(plugin, previous))))
    }

    fn bare_call(&self, command: &str, plugin: &Value, config: Map<String, Value>) -> Result<Call> {
        let call = Call::new(&self.programs, plugin_type(plugin)?, command)?.config(&Value::Object(config));
        Ok(call.unset("CNI_CONTAINERID").unset("CNI_NETNS").unset("CNI_IFNAME"))
    }

    /// What a runtime sends to a plugin: its own keys, the network's, and the run's.
    fn config(&self, plugin: &Value, previous: &Value) -> Map<String, Value> {
        let mut config = plugin.as_object().cloned().unwrap_or_default();
        config.insert("name".into(), self.name.clone().into());
        config.insert("cniVersion".into(), self.version.clone().into());
        if !previous.is_null() {
            config.insert("prevResult".into(), previous.clone());
        }
        let declared = config.remove("capabilities").unwrap_or_default();
        let run: Map<_, _> = self
            .capabilities
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, _)| declared.get(name.as_str()) == Some(&Value::Bool(true)))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if !run.is_empty() {
            config.insert("runtimeConfig".into(), Value::Object(run));
        }
        config
    }
}

fn plugin_type(plugin: &Value) -> Result<&str> {
    plugin.get("type").and_then(Value::as_str).with_context(|| format!("no type in {plugin}"))
}
