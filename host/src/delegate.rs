//! Plugin delegation (CNI specification 1.1.0, section 4): one plugin asks for another, for the same attachment.
//!
//! A plugin of the registry runs in this process, in an instance and with grants of its own. A native plugin is
//! executed from CNI_PATH only where the caller's grants name its type.

use std::ffi::OsString;
use std::sync::Arc;

use cni_spec::config::NetworkConfig;
use cni_spec::error::{DECODE_FAILURE, Error, INVALID_CONFIG};
use cni_spec::names;
use cni_spec::result::AddResult;
use cni_spec::version::LATEST;
use serde_json::Value;
use weir_native::attachment::Attachment;

use crate::broker::trace::Level;
use crate::broker::{Budget, Limits};
use crate::contract::{Command, code};
use crate::registry::RegistryError;
use crate::sandbox::{self, PluginOutcome, Session};

/// Run the plugin of a type with a configuration, for the attachment of the session. Returns the result of ADD in the
/// newest version, else an empty text.
///
/// # Errors
/// The other plugin's error, or why it could not run.
pub fn call(
    session: &Arc<Session>,
    command: Command,
    plugin_type: &str,
    config: &str,
    native_allowed: &[String],
    budget: &Budget,
) -> Result<String, Error> {
    names::plugin_type(plugin_type)
        .map_err(|e| Error::new(INVALID_CONFIG, format!("cannot delegate to {plugin_type:?}: {e}")))?;
    let during = session.invocation().command;
    if !may_ask(during, command) {
        return Err(Error::new(
            code::NOT_GRANTED,
            format!("cannot ask {plugin_type} for {command} during {during}: no grant allows it"),
        ));
    }
    let Some(share) = budget.share() else {
        let depth = budget.limits().delegation_depth;
        return Err(Error::new(
            INVALID_CONFIG,
            format!("cannot delegate to {plugin_type}: plugins call plugins too deeply (limit delegationDepth)"),
        )
        .with_details(format!("the calling plugin's own limit delegationDepth is {depth}; its callers' count too")));
    };
    match session.entry(plugin_type) {
        Ok(entry) => match sandbox::run(session, &entry, command, config, Some(share))? {
            PluginOutcome::Result(result) => {
                let text = result.to_json(LATEST).map_err(|e| Error::new(DECODE_FAILURE, e.to_string()))?;
                Ok(text.to_string())
            }
            PluginOutcome::Done => Ok(String::new()),
        },
        Err(RegistryError::NotInstalled { .. }) => {
            call_native(session, command, plugin_type, config, native_allowed, budget)
        }
        Err(other) => Err(Error::new(code::PLUGIN_UNAVAILABLE, other.to_string())),
    }
}

/// Whether a command may be asked for while the runtime asks for another one. GC above all needs to know which
/// attachments are in use, which only a runtime's GC says.
fn may_ask(during: Command, command: Command) -> bool {
    match during {
        // An ADD that fails takes back what it has added.
        Command::Add => matches!(command, Command::Add | Command::Del | Command::Check),
        Command::Del => command == Command::Del,
        Command::Check => command == Command::Check,
        Command::Gc => matches!(command, Command::Gc | Command::Del),
        Command::Status => command == Command::Status,
        Command::Version => false,
    }
}

fn call_native(
    session: &Session,
    command: Command,
    plugin_type: &str,
    config: &str,
    allowed: &[String],
    budget: &Budget,
) -> Result<String, Error> {
    if !allowed.iter().any(|a| a == plugin_type) {
        return Err(Error::new(
            code::NOT_GRANTED,
            format!("plugin {plugin_type} is not installed, and no grant allows to execute a native one"),
        )
        .with_details(format!(
            "`weir install {plugin_type}.wasm` installs it; `weir install --allow-native {plugin_type}` of the calling \
             plugin grants the native one"
        )));
    }
    if command == Command::Add {
        let unwritten = |e: weir_native::Error| Error::new(code::PLUGIN_UNAVAILABLE, e.message);
        session.ledger().intend_delegate(plugin_type, config).map_err(unwritten)?;
    }
    execute(session, command, plugin_type, config, &[], budget)
}

/// Have a native plugin delete what it added for an attachment.
///
/// # Errors
/// The plugin's error, or why it could not run.
pub fn delete_native(session: &Session, plugin_type: &str, config: &str, owner: &Attachment) -> Result<(), Error> {
    const PATIENCE_MS: u64 = 10_000;
    let limits = Limits { wall_time_ms: PATIENCE_MS, ..Limits::default() };
    let budget = Budget::new(plugin_type, limits, None);
    let own = session.invocation();
    let is_own = own.attachment.container_id == owner.container_id;
    let netns = own.netns_path.as_deref().filter(|_| is_own).unwrap_or_default();
    let variables = [
        ("CNI_CONTAINERID", owner.container_id.as_str()),
        ("CNI_IFNAME", owner.interface_name.as_str()),
        ("CNI_NETNS", netns),
    ];
    execute(session, Command::Del, plugin_type, config, &variables, &budget).map(drop)
}

fn execute(
    session: &Session,
    command: Command,
    plugin_type: &str,
    config: &str,
    variables: &[(&str, &str)],
    budget: &Budget,
) -> Result<String, Error> {
    let invocation = session.invocation();
    let io = |e: weir_native::Error| Error::new(code::PLUGIN_UNAVAILABLE, e.message);
    let path = weir_native::exec::find(plugin_type, &invocation.cni_path).map_err(io)?;
    let mut environment: Vec<(OsString, OsString)> =
        session.environment().all().into_iter().filter(|(name, _)| name != "CNI_COMMAND").collect();
    for (name, value) in variables {
        environment.retain(|(other, _)| other != name);
        environment.push((name.into(), value.into()));
    }
    environment.push(("CNI_COMMAND".into(), command.to_string().into()));
    let output = weir_native::exec::run(&weir_native::exec::Invocation {
        path: &path,
        arguments: &[],
        environment: &environment,
        input: config.as_bytes(),
        timeout: budget.time_left(),
        cancellation: None,
    })
    .map_err(io)?;
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        budget.log(plugin_type, Level::Warn, line);
    }
    if output.status != Some(0) {
        return Err(native_error(plugin_type, &output));
    }
    if command != Command::Add {
        return Ok(String::new());
    }
    let version = NetworkConfig::parse(config.as_bytes())?.cni_version;
    let decode = |e: String| Error::new(DECODE_FAILURE, format!("plugin {plugin_type} printed no result: {e}"));
    let value: Value = serde_json::from_slice(&output.stdout).map_err(|e| decode(e.to_string()))?;
    let result = AddResult::from_json(&value, version).map_err(|e| decode(e.to_string()))?;
    session.facts().learn_result(plugin_type, &result);
    Ok(result.to_json(LATEST).map_err(|e| decode(e.to_string()))?.to_string())
}

fn native_error(plugin_type: &str, output: &weir_native::exec::Output) -> Error {
    if let Ok(error) = serde_json::from_slice::<Error>(&output.stdout) {
        return error;
    }
    let how = match (output.status, output.signal) {
        (Some(status), _) => format!("exit status {status}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no status".to_owned(),
    };
    Error::new(code::PLUGIN_FAILED, format!("plugin {plugin_type} failed with {how} and printed no error object"))
        .with_details(String::from_utf8_lossy(&output.stdout).chars().take(1000).collect::<String>())
}
