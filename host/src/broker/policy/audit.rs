//! The audit log: one JSON line for each decision, where the operator's policy file asks for it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::json;

use super::{Denial, Granted};
use crate::broker::Function;
use crate::contract::Invocation;

/// Where the lines go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum AuditLog {
    /// Nowhere.
    #[default]
    Off,
    /// To the journal of systemd.
    Journald,
    /// To the end of this file.
    File(PathBuf),
}

impl TryFrom<String> for AuditLog {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "off" => Ok(Self::Off),
            "journald" => Ok(Self::Journald),
            path if Path::new(path).is_absolute() => Ok(Self::File(path.into())),
            _ => Err(format!("auditLog: {text:?} is neither \"off\", nor \"journald\", nor an absolute path")),
        }
    }
}

/// Which decisions are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuditLevel {
    /// Those that were refused.
    #[default]
    Denied,
    /// All.
    All,
}

/// An open log. It is opened before the process is confined.
#[derive(Debug, Default)]
enum Sink {
    #[default]
    Off,
    Journal(UnixDatagram),
    File(File),
    Broken(String),
}

impl Sink {
    fn open(log: &AuditLog) -> Self {
        match log {
            AuditLog::Off => Self::Off,
            AuditLog::Journald => match weir_native::journal::open(Path::new(weir_native::journal::SOCKET)) {
                Ok(journal) => Self::Journal(journal),
                Err(error) => Self::Broken(error.message),
            },
            AuditLog::File(path) => match append_to(path) {
                Ok(file) => Self::File(file),
                Err(error) => Self::Broken(format!("open {}: {error}", path.display())),
            },
        }
    }
}

/// The audit log of one command.
#[derive(Debug, Default)]
pub struct Audit {
    sink: Sink,
    level: AuditLevel,
    command: String,
    network: String,
    container_id: String,
    interface_name: String,
}

impl Audit {
    /// The log for a command.
    pub fn new(log: AuditLog, level: AuditLevel, invocation: &Invocation) -> Self {
        Self {
            sink: Sink::open(&log),
            level,
            command: invocation.command.to_string(),
            network: invocation.network.clone(),
            container_id: invocation.attachment.container_id.clone(),
            interface_name: invocation.attachment.interface_name.clone(),
        }
    }

    /// Write a decision. A log that cannot be written is told as an error.
    ///
    /// # Errors
    /// A sentence that says why it could not be written.
    pub fn record(
        &self,
        plugin: &str,
        component: &str,
        function: Function,
        decision: Result<&Granted, &Denial>,
    ) -> Result<(), String> {
        if matches!(self.sink, Sink::Off) || (decision.is_ok() && self.level == AuditLevel::Denied) {
            return Ok(());
        }
        let line = self.line(plugin, component, function, decision);
        match &self.sink {
            Sink::Off => Ok(()),
            Sink::Broken(why) => Err(why.clone()),
            Sink::Journal(journal) => {
                let priority = if decision.is_ok() { 6 } else { 4 };
                weir_native::journal::send(journal, priority, &line).map_err(|e| e.message)
            }
            // One write, so that lines of commands that run side by side do not mix.
            Sink::File(file) => {
                let mut file: &File = file;
                file.write_all(format!("{line}\n").as_bytes()).map_err(|e| e.to_string())
            }
        }
    }

    fn line(&self, plugin: &str, component: &str, function: Function, decision: Result<&Granted, &Denial>) -> String {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
        let mut line = json!({
            "time": u64::try_from(time).unwrap_or(u64::MAX),
            "plugin": plugin,
            "component": component,
            "command": self.command,
            "network": self.network,
            "containerId": self.container_id,
            "interface": self.interface_name,
            "call": format!("{}.{}", function.interface(), function.name()),
            "allowed": decision.is_ok(),
        });
        let Some(object) = line.as_object_mut() else { return String::new() };
        match decision {
            Ok(granted) => {
                object.insert("by".to_owned(), granted.to_string().into());
            }
            Err(denial) => {
                object.insert("object".to_owned(), denial.object.clone().into());
                let grant = denial.grant.as_ref().map(|line| json!({ line.key: [line.value] }));
                object.insert("grant".to_owned(), grant.unwrap_or_default());
            }
        }
        line.to_string()
    }
}

/// Never through a link: the file is root's.
fn append_to(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(weir_native::journal::NO_FOLLOW).open(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::registry::GrantLine;

    fn denial() -> Denial {
        Denial {
            plugin: "p".to_owned(),
            function: Function::LinkDelete,
            object: "link \"x\"\nof the host".to_owned(),
            grant: Some(GrantLine { key: "hostLinks", value: "x".to_owned() }),
            is_unasked: false,
        }
    }

    #[test]
    fn decisions_are_lines_of_json_by_level() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        for (level, lines) in [(AuditLevel::Denied, 1), (AuditLevel::All, 3)] {
            let audit = Audit {
                sink: Sink::open(&AuditLog::File(path.clone())),
                level,
                network: "net".to_owned(),
                ..Audit::default()
            };
            audit.record("p", "00ff", Function::LinkDelete, Err(&denial())).unwrap();
            audit.record("p", "00ff", Function::LinkDelete, Ok(&Granted::Own)).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(text.lines().count(), lines);
            let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
            assert_eq!((&first["allowed"], &first["call"]), (&json!(false), &json!("links.link.delete")));
            assert_eq!((&first["grant"], &first["network"]), (&json!({"hostLinks": ["x"]}), &json!("net")));
        }
        let linked = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &linked).unwrap();
        let audit = Audit { sink: Sink::open(&AuditLog::File(linked)), ..Audit::default() };
        assert!(audit.record("p", "00ff", Function::LinkDelete, Err(&denial())).is_err());
    }

    #[test]
    fn the_setting_is_a_word_or_a_path() {
        for (text, log) in
            [("off", AuditLog::Off), ("journald", AuditLog::Journald), ("/a", AuditLog::File("/a".into()))]
        {
            assert_eq!(AuditLog::try_from(text.to_owned()), Ok(log));
        }
        assert!(AuditLog::try_from("audit.log".to_owned()).is_err());
    }
}
