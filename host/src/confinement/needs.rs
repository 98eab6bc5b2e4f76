//! What the plugins of one command need of the machine, told from the interfaces that they import.

use std::path::{Path, PathBuf};

use serde_json::Value;
use weir_native::confinement::capabilities::Capabilities;

use crate::broker::function::INTERFACES;
use crate::broker::policy::names::Names;
use crate::broker::policy::pattern::{Expand, Pattern};
use crate::registry::{Entry, Isolation};
use crate::sandbox::Session;

/// What must be left to the process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Interfaces of the contract, of the plugin and of those that it may delegate to.
    pub interfaces: Vec<String>,
    /// Directories and files that grants of these plugins name, and whether their content may change.
    pub granted: Vec<(PathBuf, bool)>,
    /// Native plugins may be started: nothing can be taken away.
    pub native: bool,
    /// Programs of the system may be started.
    pub programs: bool,
    /// A program may be started in another SELinux context.
    pub context_changes: bool,
    /// An abstract unix socket may be spoken to.
    pub abstract_sockets: bool,
    /// Code of plugins runs in children, which become a user that owns nothing.
    pub children: bool,
    /// The network configuration, where paths in it matter.
    pub config: Value,
}

/// Where SELinux shows itself.
const SELINUX: &str = "/sys/fs/selinux/enforce";

impl Needs {
    /// What a plugin needs with the session's configuration.
    pub(crate) fn of(session: &Session, entry: &Entry) -> Self {
        let children = session.policy().isolation == Isolation::Process;
        let mut needs = Self { children, ..Self::default() };
        if ["delegate", "ipam-store", "attachment-state", "container-state", "resolver", "environment-files"]
            .iter()
            .any(|interface| entry.imports.iter().any(|import| import == interface))
        {
            needs.config = serde_json::from_str(&session.invocation().config).unwrap_or_default();
        }
        needs.include(session, entry);
        if needs.imports("delegate") {
            match delegate_types(entry, &needs.names(session, entry)) {
                Some(types) => types.iter().for_each(|kind| needs.include_type(session, kind)),
                None => needs.include_all(),
            }
        }
        needs.programs = needs.imports("iptables");
        if needs.imports("virtual-links") && Path::new(SELINUX).exists() {
            (needs.programs, needs.context_changes) = (true, true);
        }
        // The address of the bus may be one.
        needs.abstract_sockets = needs.imports("firewalld");
        needs
    }

    fn names(&self, session: &Session, entry: &Entry) -> Names {
        Names::new(&entry.name, &session.invocation().config, session.facts().clone())
    }

    /// Whether one of the plugins imports an interface.
    pub(super) fn imports(&self, interface: &str) -> bool {
        self.interfaces.iter().any(|one| one == interface)
    }

    fn uses_files(&self) -> bool {
        const FILES: [&str; 5] = ["ipam-store", "attachment-state", "container-state", "resolver", "environment-files"];
        FILES.iter().any(|interface| self.imports(interface))
    }

    fn include(&mut self, session: &Session, entry: &Entry) {
        self.native |= !entry.grants.native_delegates.is_empty();
        for interface in &entry.imports {
            if !self.imports(interface) {
                self.interfaces.push(interface.clone());
            }
        }
        let names = self.names(session, entry);
        for (patterns, writes) in [(&entry.grants.directories, true), (&entry.grants.files, false)] {
            for pattern in patterns {
                for name in expand(pattern, &names) {
                    // A pattern with an open end: the directory in which its names are.
                    let whole =
                        name.strip_suffix('*').map_or(Some(name.as_str()), |start| Some(start.rsplit_once('/')?.0));
                    self.granted.extend(whole.map(|path| (PathBuf::from(path), writes)));
                }
            }
        }
    }

    /// A plugin that may be delegated to. One that is not there cannot be.
    fn include_type(&mut self, session: &Session, kind: &str) {
        let Ok(entry) = session.entry(kind) else { return };
        self.include(session, &entry);
        if entry.imports.iter().any(|interface| interface == "delegate") {
            self.include_all();
        }
    }

    /// Any plugin may be delegated to.
    fn include_all(&mut self) {
        self.interfaces = INTERFACES.iter().map(|&interface| interface.to_owned()).collect();
    }

    /// The capabilities that stay.
    pub fn capabilities(&self) -> Capabilities {
        // To enter namespaces, and for everything in them.
        let mut kept = Capabilities::SYS_ADMIN | Capabilities::NET_ADMIN | Capabilities::NET_RAW;
        if self.uses_files() || self.imports("dhcp") {
            // Root writes what belongs to others in the directories that an operator has chosen.
            kept |= Capabilities::DAC_OVERRIDE | Capabilities::FOWNER;
        }
        if self.children {
            // The filter of system calls leaves no other user to change to.
            kept |= Capabilities::SETUID | Capabilities::SETGID | Capabilities::KILL;
        }
        kept
    }
}

/// The types that may be delegated to; none where that cannot be told beforehand.
fn delegate_types(entry: &Entry, names: &Names) -> Option<Vec<String>> {
    let types: Vec<String> = entry.grants.delegates.iter().flat_map(|pattern| expand(pattern, names)).collect();
    (!types.iter().any(|kind| kind.ends_with('*'))).then_some(types)
}

/// What a pattern may stand for: nothing where a placeholder in it stands for nothing.
fn expand(pattern: &Pattern, names: &dyn Expand) -> Vec<String> {
    let mut texts = vec![pattern.as_str().to_owned()];
    for key in pattern.placeholders() {
        let placeholder = format!("${{{key}}}");
        let values = names.expand(key);
        texts = texts
            .iter()
            .flat_map(|text| values.iter().map(|value| text.replace(&placeholder, value)).collect::<Vec<_>>())
            .collect();
    }
    texts
}
