//! The environment of a plugin: that of the caller, and the variables of the command in place of the caller's own.

use std::ffi::{OsStr, OsString};

use crate::cni::{CniConfig, Command};
use crate::runtime_conf::{ArgsPairError, RuntimeConf};

/// All six variables are always there, empty where the command has no use for one: nothing of a caller that was itself
/// started with such variables is taken for an answer.
pub(super) fn of(
    cni: &CniConfig,
    command: Command,
    attachment: Option<&RuntimeConf>,
) -> Result<Vec<(OsString, OsString)>, ArgsPairError> {
    let paths: Vec<&OsStr> = cni.path.iter().map(|path| path.as_os_str()).collect();
    let path = paths.join(OsStr::new(":"));
    let variables = match (attachment, command) {
        (Some(rt), _) => [
            ("CNI_COMMAND", command.as_str().into()),
            ("CNI_CONTAINERID", rt.container_id.clone().into()),
            ("CNI_NETNS", rt.net_ns.clone().into()),
            ("CNI_ARGS", rt.args_text()?.into()),
            ("CNI_IFNAME", rt.if_name.clone().into()),
            ("CNI_PATH", path),
        ],
        // Plugins of old demand these of every command, and look at none of them.
        (None, Command::Version) => variables(command, "dummy", path),
        (None, _) => variables(command, "", path),
    };
    let mut environment: Vec<_> =
        std::env::vars_os().filter(|(name, _)| !variables.iter().any(|(own, _)| name == own)).collect();
    environment.extend(variables.map(|(name, value)| (name.into(), value)));
    Ok(environment)
}

fn variables(command: Command, filling: &str, path: OsString) -> [(&'static str, OsString); 6] {
    [
        ("CNI_COMMAND", command.as_str().into()),
        ("CNI_CONTAINERID", filling.into()),
        ("CNI_NETNS", filling.into()),
        ("CNI_ARGS", OsString::new()),
        ("CNI_IFNAME", filling.into()),
        ("CNI_PATH", path),
    ]
}
