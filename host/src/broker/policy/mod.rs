//! What a grant allows: the one decision that every host call passes, below all bindings and all versions of the
//! contract.
//!
//! A decision looks at the call with its objects, at the grants of the plugin, and at the facts of the command; it says by
//! which line of the grant the call is allowed, or what the smallest line would be that allows it.

mod advice;
pub mod audit;
mod check;
pub mod facts;
mod files;
mod firewall;
mod links;
pub mod names;
pub mod pattern;
mod routing;

use std::fmt;
use std::sync::Arc;

pub use audit::Audit;
use check::Check;
pub use facts::{Facts, Ownership};
pub use names::Names;

use super::{Call, Function};
use crate::registry::{GrantLine, Grants, Manifest};

/// Why a call is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Granted {
    /// It reads, or touches nothing but the command: the interface is enough.
    Interface,
    /// The object is the attachment's own.
    Own,
    /// The object does not exist, so nothing can be done to it.
    Absent,
    /// This line of the grant names the object.
    Line(GrantLine),
}

impl Granted {
    fn by(key: &'static str, value: &impl fmt::Display) -> Self {
        Self::Line(GrantLine { key, value: value.to_string() })
    }
}

impl fmt::Display for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface => f.write_str("interfaces"),
            Self::Own => f.write_str("own"),
            Self::Absent => f.write_str("absent"),
            Self::Line(line) => write!(f, "{}: {}", line.key, line.value),
        }
    }
}

/// Why a call is refused: the object, and the line that would allow it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refused {
    object: String,
    grant: GrantLine,
    is_grantable: bool,
}

impl Refused {
    fn new(object: String, key: &'static str, value: &str) -> Self {
        Self { object, grant: GrantLine { key, value: value.to_owned() }, is_grantable: true }
    }

    /// No grant allows it.
    fn never(self) -> Self {
        Self { is_grantable: false, ..self }
    }
}

/// A call that was not allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The plugin.
    pub plugin: String,
    /// The function that it called.
    pub function: Function,
    /// What it would have touched, in words.
    pub object: String,
    /// The smallest line of a grant that would allow it; none where no grant does.
    pub grant: Option<GrantLine>,
    /// Whether a grant would allow it if the plugin's manifest asked for that.
    pub is_unasked: bool,
}

impl Denial {
    /// What to do about it.
    pub fn advice(&self) -> String {
        match &self.grant {
            Some(line) => {
                let fragment = line.fragment();
                format!(
                    "the smallest grant that would allow it is {fragment}: weir grant {} --add '{fragment}'",
                    self.plugin
                )
            }
            None if self.is_unasked => "its manifest does not ask for that, so it cannot be granted".to_owned(),
            None => "no grant allows it".to_owned(),
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (interface, name) = (self.function.interface(), self.function.name());
        write!(f, "plugin {} was not granted {interface}.{name} for {}", self.plugin, self.object)
    }
}

/// The grants of one plugin in one command.
#[derive(Debug)]
pub struct Policy {
    grants: Grants,
    names: Names,
    facts: Arc<Facts>,
    manifest: Option<Manifest>,
    audit: Arc<Audit>,
    component: String,
}

impl Policy {
    /// The policy of a plugin that runs with a configuration.
    pub fn new(plugin: &str, grants: Grants, config: &str, facts: Arc<Facts>) -> Self {
        let names = Names::new(plugin, config, facts.clone());
        Self { grants, names, facts, manifest: None, audit: Arc::default(), component: String::new() }
    }

    /// With an audit log, which names the component by its digest.
    pub fn with_audit(mut self, audit: Arc<Audit>, component: &str) -> Self {
        self.audit = audit;
        component.clone_into(&mut self.component);
        self
    }

    /// Write a decision to the audit log.
    ///
    /// # Errors
    /// A sentence that says why it could not be written.
    pub fn record(&self, function: Function, decision: &Result<Granted, Denial>) -> Result<(), String> {
        self.audit.record(self.plugin(), &self.component, function, decision.as_ref())
    }

    /// With what the plugin asks for: denials name grants in its words.
    pub fn with_manifest(mut self, manifest: Manifest) -> Self {
        self.manifest = Some(manifest);
        self
    }

    /// The plugin.
    pub fn plugin(&self) -> &str {
        self.names.plugin()
    }

    /// What the operator allowed it.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// The facts of the command.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Decide on a call.
    ///
    /// # Errors
    /// The denial.
    pub fn decide(&self, call: &Call<'_>) -> Result<Granted, Denial> {
        let check = Check { grants: &self.grants, facts: &self.facts, names: &self.names };
        check.decide(call).map_err(|refused| self.denial(&check, call, refused))
    }

    fn denial(&self, check: &Check<'_>, call: &Call<'_>, refused: Refused) -> Denial {
        let asked = self.manifest.as_ref().and_then(|manifest| manifest.requested().ok());
        let grant = match asked {
            _ if !refused.is_grantable => None,
            None => Some(refused.grant),
            Some(asked) => advice::within(&asked, check, call, &refused.grant),
        };
        let is_unasked = refused.is_grantable && grant.is_none();
        Denial {
            plugin: self.plugin().to_owned(),
            function: call.function(),
            object: refused.object,
            grant,
            is_unasked,
        }
    }
}
