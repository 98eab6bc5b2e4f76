//! What this process gives up before a plugin's code runs in it: privileges by way of programs, capabilities, files, system
//! calls. A second wall behind the broker: it holds also where the broker or the engine is wrong.
//!
//! What must stay follows from the interfaces that the plugin imports, and those that it may delegate to. The kernel gives
//! nothing of it back, and programs that the process starts inherit it. So nothing is given up where native plugins may be
//! started: that is the price of granting them.

mod files;
mod needs;

use cni_spec::error::Error as CniError;
use weir_native::confinement::{Support, capabilities, landlock, no_new_privileges, seccomp};
use weir_native::isolation;

use crate::broker::trace::{self, Level};
use crate::contract::code;
use crate::registry::Entry;
use crate::registry::policy_file::Strictness;
use crate::sandbox::Session;
pub use needs::Needs;

/// A process that has been confined, or left as it was for native plugins.
#[derive(Debug, Default)]
pub(crate) struct Confined {
    holds: bool,
}

impl Confined {
    /// Whether anything was given up.
    pub(crate) fn holds(&self) -> bool {
        self.holds
    }
}

/// Confine the process for a plugin, for the rest of its life.
///
/// # Errors
/// Where the kernel has a means and refuses to apply it, unless the operator's policy lets that pass.
pub(crate) fn apply(session: &Session, entry: &Entry) -> Result<Confined, CniError> {
    let needs = Needs::of(session, entry);
    if needs.native {
        trace::line(&entry.name, Level::Debug, "not confined: native plugins are granted");
        return Ok(Confined::default());
    }
    // Here, as the filter of system calls will refuse it.
    if needs.children
        && let Err(error) = isolation::stay_on_one_processor()
    {
        // Slower, and nothing else.
        trace::line(&entry.name, Level::Debug, &error.message);
    }
    match confine(&needs, &files::reach(session, &needs)) {
        Ok(missing) => {
            for what in missing {
                trace::line(&entry.name, Level::Debug, &format!("not confined by {what}: this kernel has none"));
            }
        }
        Err(error) => tolerate(session, entry, &error)?,
    }
    Ok(Confined { holds: true })
}

/// Returns what the kernel does not have.
fn confine(needs: &Needs, rules: &[landlock::Rule]) -> weir_native::Result<Vec<&'static str>> {
    // With it, a program could not be started in the SELinux context that a configuration names.
    if !needs.context_changes {
        no_new_privileges()?;
    }
    let mut missing = Vec::new();
    let scope = landlock::Scope { signals: true, abstract_sockets: !needs.abstract_sockets, tcp: true };
    if landlock::restrict(rules, scope)? == Support::Absent {
        missing.push("landlock");
    }
    let profile = if needs.programs { seccomp::Profile::WithPrograms } else { seccomp::Profile::Alone };
    if seccomp::install(profile)? == Support::Absent {
        missing.push("seccomp");
    }
    capabilities::keep(needs.capabilities(), needs.context_changes)?;
    Ok(missing)
}

fn tolerate(session: &Session, entry: &Entry, error: &weir_native::Error) -> Result<(), CniError> {
    if session.policy().confinement == Strictness::BestEffort {
        trace::line(&entry.name, Level::Warn, &format!("not wholly confined: {}", error.message));
        return Ok(());
    }
    let why = format!("cannot confine the process for plugin {}: {}", entry.name, error.message);
    let advice = format!(
        "\"confinement\": \"best-effort\" in {} lets plugins run all the same",
        session.registry().policy_path().display()
    );
    Err(CniError::new(code::PLUGIN_UNAVAILABLE, why).with_details(advice))
}
