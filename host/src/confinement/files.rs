//! The files that stay within reach.

use std::path::{Component, Path, PathBuf};

use serde_json::Value;
use weir_native::confinement::landlock::{Access, Rule};

use super::Needs;
use crate::contract::Command;
use crate::sandbox::Session;

/// Where CNI plugins keep state unless a configuration says otherwise. Below them everything stays writable where the
/// directory in question is not there yet.
const STATE: [&str; 2] = ["/run/cni", "/var/lib/cni"];
/// Where the ledger is, in a directory that comes and goes with the attachments of all processes. A rule is kept with one
/// directory and not with its name, so it must be for the one that stays.
const OWN_STATE: &str = "/run";
/// Programs of the system and what they load. Directories of PATH come on top.
const PROGRAMS: [&str; 8] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix", "/gnu"];
/// The key under which plugins are told where to keep state.
const DIRECTORY_KEY: &str = "dataDir";

/// What stays usable for a command.
#[derive(Default)]
struct Reach {
    rules: Vec<Rule>,
}

/// What stays usable for a command, and how, as rules of landlock.
pub(super) fn reach(session: &Session, needs: &Needs) -> Vec<Rule> {
    let mut rules = Reach::default();
    // The registry, for plugins that are delegated to.
    rules.add(session.registry().root(), Access::Read);
    rules.add("/proc", Access::Read);
    rules.add("/proc/sys/net", Access::Use);
    rules.add(OWN_STATE, Access::Write);
    for interface in &needs.interfaces {
        rules.for_interface(interface, needs);
    }
    if needs.programs {
        rules.programs();
    }
    let writes = ["ipam-store", "attachment-state", "container-state"].iter().any(|one| needs.imports(one));
    if writes {
        rules.state(session, needs);
    }
    if ["resolver", "environment-files"].iter().any(|one| needs.imports(one)) {
        rules.files_of(needs);
    }
    rules.rules
}

impl Reach {
    /// A second rule for the same name changes nothing where the first allows as much. Links may lead anywhere, so a rule for
    /// a directory that the name lies in says nothing of it.
    fn add(&mut self, path: impl Into<PathBuf>, access: Access) {
        let rule = Rule { path: path.into(), access };
        // Byte by byte: to compare paths takes ten times as long.
        let is_same = |old: &Rule| old.path.as_os_str() == rule.path.as_os_str();
        if !self.rules.iter().any(|old| is_same(old) && old.access.includes(access)) {
            self.rules.push(rule);
        }
    }

    fn for_interface(&mut self, interface: &str, needs: &Needs) {
        match interface {
            "sysctls" => self.add("/etc/cni/tuning", Access::Read),
            "host-devices" => self.add("/sys", Access::Read),
            "virtual-links" => {
                self.add("/dev/net/tun", Access::Use);
                if needs.context_changes {
                    self.add("/proc", Access::Use);
                }
            }
            "resolver" => self.add("/etc/resolv.conf", Access::Read),
            "environment-files" => self.add("/run/flannel", Access::Read),
            _ => {}
        }
    }

    fn programs(&mut self) {
        for directory in PROGRAMS {
            self.add(directory, Access::Execute);
        }
        for directory in weir_native::exec::program_directories() {
            if !PROGRAMS.iter().any(|known| directory.starts_with(known)) {
                self.add(directory, Access::Execute);
            }
        }
        self.add("/etc", Access::Read);
        self.add("/dev/null", Access::Use);
        // The programs' lock is in /run, where everything may be written.
    }

    /// Directories for state. Before the first ADD they are not there, and nothing can be allowed for what is not there:
    /// so ADD makes them, and the other commands find none. What an ADD that was killed has made and nobody uses, they may
    /// remove.
    fn state(&mut self, session: &Session, needs: &Needs) {
        let command = session.invocation().command;
        let mut directories = Vec::new();
        values(&needs.config, &mut |key, text| {
            if key.eq_ignore_ascii_case(DIRECTORY_KEY) {
                directories.extend(usable(text));
            }
        });
        directories.extend(needs.granted.iter().filter(|(_, writes)| *writes).map(|(path, _)| path.clone()));
        for state in STATE.map(Path::new) {
            // What is missing below /run can be made when it is needed.
            if !state.starts_with(OWN_STATE) || state.exists() {
                directories.push(state.to_owned());
            }
        }
        for directory in directories {
            if command == Command::Add && !directory.exists() {
                self.create(session, &directory);
            }
            self.add(directory, Access::Write);
        }
        if matches!(command, Command::Del | Command::Gc) {
            self.may_remove(session.ledger().made_directories());
        }
    }

    /// Directories that an ADD has made and was killed may be removed where they are empty.
    fn may_remove(&mut self, directories: Vec<PathBuf>) {
        for parent in directories.iter().filter_map(|directory| directory.parent()) {
            let is_writable = STATE.iter().chain([&OWN_STATE]).any(|state| parent.starts_with(state));
            if !is_writable && !self.rules.iter().any(|rule| rule.path == parent) {
                self.add(parent, Access::RemoveEmpty);
            }
        }
    }

    /// Make a directory and those that it lies in. It is removed again where it stays empty.
    fn create(&mut self, session: &Session, directory: &Path) {
        let missing: Vec<&Path> = directory.ancestors().take_while(|path| !path.exists()).collect();
        // To remove empty directories is all that may be done there.
        if let Some(present) = missing.last().and_then(|path| path.parent()) {
            self.add(present, Access::RemoveEmpty);
        }
        for path in missing.into_iter().rev() {
            // Where that fails, what is done there fails too, and says why.
            let _ = session.ledger().make_directory(path);
        }
    }

    /// Files that the configuration names somewhere.
    fn files_of(&mut self, needs: &Needs) {
        let mut files: Vec<PathBuf> = needs.granted.iter().map(|(path, _)| path.clone()).collect();
        values(&needs.config, &mut |_, text| files.extend(usable(text)));
        for file in files {
            self.add(file, Access::Read);
        }
    }
}

/// A path that may stand in a rule.
fn usable(text: &str) -> Option<PathBuf> {
    let path = Path::new(text);
    let climbs = path.components().any(|part| part == Component::ParentDir);
    (path.is_absolute() && !climbs && path.parent().is_some()).then(|| path.to_owned())
}

/// All texts of a configuration with their keys, but for what the runtime put into it.
fn values(config: &Value, see: &mut impl FnMut(&str, &str)) {
    fn walk(key: &str, value: &Value, see: &mut impl FnMut(&str, &str)) {
        match value {
            Value::String(text) => see(key, text),
            Value::Array(all) => all.iter().for_each(|one| walk(key, one, see)),
            Value::Object(all) => all.iter().for_each(|(key, one)| walk(key, one, see)),
            _ => {}
        }
    }
    let Value::Object(all) = config else { return };
    for (key, value) in all {
        if !["prevResult", "runtimeConfig"].iter().any(|ours| key.eq_ignore_ascii_case(ours)) {
            walk(key, value, see);
        }
    }
}
