//! Other plugins, called by this one: "plugin delegation" of the specification. Needs the interface `delegate`.

use cni_spec::error::Error;
use cni_spec::quoted::Quoted;
use cni_spec::result::AddResult;
use cni_spec::version;

use crate::failure::Context;
use crate::imports::delegate as host;
use crate::plugin::Result;

pub use crate::bindings::weir::cni::delegate::{Command, DelegateError};

/// Another plugin, by its type. It gets the network configuration of this command and runs for the same attachment, in
/// an instance of its own.
#[derive(Debug, Clone, Copy)]
pub struct Delegate<'a> {
    plugin_type: &'a str,
}

impl<'a> Delegate<'a> {
    /// The IPAM plugin of this type.
    pub fn ipam(plugin_type: &'a str) -> Self {
        Self { plugin_type }
    }

    /// Any plugin of this type.
    pub fn plugin(plugin_type: &'a str) -> Self {
        Self { plugin_type }
    }

    /// Its type.
    pub fn plugin_type(&self) -> &'a str {
        self.plugin_type
    }

    /// ADD. After a failure [`del`](Self::del) must follow (specification, section 4).
    pub fn add(&self, config: &str) -> Result<AddResult> {
        let text = self.call(Command::Add, config)?;
        AddResult::from_slice(text.as_bytes(), version::LATEST)
            .map_err(Error::from)
            .with_context(|| format!("plugin {} returned no valid result", Quoted(self.plugin_type)))
    }

    /// DEL.
    pub fn del(&self, config: &str) -> Result<()> {
        self.call(Command::Del, config).map(drop)
    }

    /// CHECK.
    pub fn check(&self, config: &str) -> Result<()> {
        self.call(Command::Check, config).map(drop)
    }

    /// GC.
    pub fn gc(&self, config: &str) -> Result<()> {
        self.call(Command::Gc, config).map(drop)
    }

    /// STATUS.
    pub fn status(&self, config: &str) -> Result<()> {
        self.call(Command::Status, config).map(drop)
    }

    fn call(&self, command: Command, config: &str) -> Result<String> {
        host::call(command, self.plugin_type, config).map_err(|error| Error {
            code: error.code,
            msg: error.msg,
            details: error.details,
        })
    }
}
