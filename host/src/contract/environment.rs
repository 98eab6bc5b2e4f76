//! The CNI_ variables, and which command requires which. CNI specification 1.1.0, section 2, "Parameters".

use std::fmt;

use cni_spec::error::{Error, INVALID_ENVIRONMENT};
use cni_spec::names;

/// What the runtime asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// Attach a container.
    Add,
    /// Detach a container.
    Del,
    /// Compare what is with what should be.
    Check,
    /// Remove what belongs to no valid attachment.
    Gc,
    /// Say whether ADD would work.
    Status,
    /// Say which versions are supported.
    Version,
}

impl Command {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "ADD" => Self::Add,
            "DEL" => Self::Del,
            "CHECK" => Self::Check,
            "GC" => Self::Gc,
            "STATUS" => Self::Status,
            "VERSION" => Self::Version,
            _ => return None,
        })
    }

    /// Whether the command is about one attachment.
    pub fn is_about_attachment(self) -> bool {
        matches!(self, Self::Add | Self::Del | Self::Check)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "ADD",
            Self::Del => "DEL",
            Self::Check => "CHECK",
            Self::Gc => "GC",
            Self::Status => "STATUS",
            Self::Version => "VERSION",
        })
    }
}

/// The variables of one command, checked. Those that the command does not use are empty.
#[derive(Debug, Clone)]
pub struct Variables {
    /// CNI_COMMAND.
    pub command: Command,
    /// CNI_CONTAINERID.
    pub container_id: String,
    /// CNI_NETNS.
    pub netns: String,
    /// CNI_IFNAME.
    pub interface_name: String,
    /// CNI_ARGS.
    pub args: String,
    /// CNI_PATH.
    pub path: String,
    /// CNI_NETNS_OVERRIDE: do not compare the container's namespace with the caller's.
    pub netns_override: bool,
}

impl Variables {
    /// Read and check the variables. `get` gives the value of one; unset and empty mean the same.
    ///
    /// # Errors
    /// Code 4, with every missing variable in one message.
    pub fn read(get: impl Fn(&str) -> Result<String, Error>) -> Result<Self, Error> {
        let command_text = get("CNI_COMMAND")?;
        let Some(command) = Command::parse(&command_text) else {
            return Err(invalid(if command_text.is_empty() {
                "CNI_COMMAND is missing".to_owned()
            } else {
                format!("CNI_COMMAND is {command_text:?}; known are ADD, DEL, CHECK, GC, STATUS and VERSION")
            }));
        };
        let variables = Self {
            command,
            container_id: get("CNI_CONTAINERID")?,
            netns: get("CNI_NETNS")?,
            interface_name: get("CNI_IFNAME")?,
            args: get("CNI_ARGS")?,
            path: get("CNI_PATH")?,
            netns_override: matches!(get("CNI_NETNS_OVERRIDE")?.as_str(), "1" | "true" | "TRUE" | "True" | "t" | "T"),
        };
        variables.check_presence()?;
        if command.is_about_attachment() {
            names::container_id(&variables.container_id).map_err(|e| invalid(format!("CNI_CONTAINERID: {e}")))?;
            names::interface_name(&variables.interface_name).map_err(|e| invalid(format!("CNI_IFNAME: {e}")))?;
        }
        Ok(variables)
    }

    fn check_presence(&self) -> Result<(), Error> {
        let about_attachment = self.command.is_about_attachment();
        let needs_netns = matches!(self.command, Command::Add | Command::Check);
        let required = [
            ("CNI_CONTAINERID", &self.container_id, about_attachment),
            ("CNI_NETNS", &self.netns, needs_netns),
            ("CNI_IFNAME", &self.interface_name, about_attachment),
            ("CNI_PATH", &self.path, self.command == Command::Gc),
        ];
        let missing: Vec<&str> =
            required.iter().filter(|(_, value, needed)| *needed && value.is_empty()).map(|(name, ..)| *name).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(invalid(format!("required for {} but missing: {}", self.command, missing.join(", "))))
    }
}

fn invalid(msg: String) -> Error {
    Error::new(INVALID_ENVIRONMENT, msg)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::unwrap_in_result, reason = "tests may panic")]
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Variables, Error> {
        Variables::read(|name| {
            Ok(pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()).unwrap_or_default())
        })
    }

    #[test]
    fn all_missing_variables_are_named_in_one_error() {
        let error = read(&[("CNI_COMMAND", "ADD")]).unwrap_err();
        assert_eq!(error.code, INVALID_ENVIRONMENT);
        for name in ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"] {
            assert!(error.msg.contains(name), "{}", error.msg);
        }
    }

    #[test]
    fn del_needs_no_namespace() {
        let variables =
            read(&[("CNI_COMMAND", "DEL"), ("CNI_CONTAINERID", "c"), ("CNI_IFNAME", "eth0"), ("CNI_NETNS", "")]);
        assert_eq!(variables.unwrap().netns, "");
    }

    #[test]
    fn names_are_checked_only_where_the_command_uses_them() {
        let bad = [("CNI_CONTAINERID", "../x"), ("CNI_IFNAME", "a/b"), ("CNI_NETNS", "/n"), ("CNI_PATH", "/p")];
        for (command, refused) in
            [("ADD", true), ("DEL", true), ("CHECK", true), ("GC", false), ("STATUS", false), ("VERSION", false)]
        {
            let mut pairs = vec![("CNI_COMMAND", command)];
            pairs.extend(bad);
            assert_eq!(read(&pairs).is_err(), refused, "{command}");
        }
    }

    #[test]
    fn unknown_and_lower_case_commands_are_refused() {
        for text in ["add", "UPDATE", " ADD", ""] {
            assert_eq!(read(&[("CNI_COMMAND", text)]).unwrap_err().code, INVALID_ENVIRONMENT, "{text:?}");
        }
    }
}
