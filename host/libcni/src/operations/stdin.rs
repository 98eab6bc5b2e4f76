//! What a plugin reads on standard input: its configuration as the user wrote it, with the keys that the specification
//! has the runtime set.

use std::collections::BTreeMap;

use cni_spec::{Attachment, Version};
use serde_json::{Map, Value};

use super::Network;
use crate::config::{ConfigError, PluginConfig};
use crate::json::{ObjectWriter, object};

/// What the runtime sets. What is none is left as the user wrote it.
#[derive(Clone, Copy)]
pub(super) struct Injected<'a> {
    pub(super) name: &'a str,
    pub(super) version: Version,
    pub(super) prev_result: Option<&'a Value>,
    pub(super) capability_args: Option<&'a BTreeMap<String, Value>>,
    pub(super) valid_attachments: Option<&'a [Attachment]>,
}

impl<'a> Injected<'a> {
    pub(super) fn of(network: &Network<'a>) -> Self {
        let Network { name, version, .. } = *network;
        Self { name, version, prev_result: None, capability_args: None, valid_attachments: None }
    }
}

/// Both names of the key: the first is the specification's, the second that of its first implementation.
const VALID_ATTACHMENTS: [&str; 2] = ["cni.dev/valid-attachments", "cni.dev/attachments"];

pub(super) fn execution_config(plugin: &PluginConfig, injected: &Injected<'_>) -> Result<Vec<u8>, ConfigError> {
    let text_of = |text: &str| Value::from(text).to_string();
    let mut set = vec![("cniVersion", text_of(injected.version.as_str())), ("name", text_of(injected.name))];
    if let Some(arguments) = injected.capability_args {
        let wanted = arguments.iter().filter(|(name, _)| plugin.capabilities().get(*name) == Some(&true));
        let runtime_config: Map<_, _> = wanted.map(|(name, value)| (name.clone(), value.clone())).collect();
        if !runtime_config.is_empty() {
            set.push(("runtimeConfig", Value::from(runtime_config).to_string()));
        }
    }
    if let Some(result) = injected.prev_result {
        set.push(("prevResult", result.to_string()));
    }
    if let Some(attachments) = injected.valid_attachments {
        let attachments = list(attachments);
        set.extend(VALID_ATTACHMENTS.map(|key| (key, attachments.clone())));
    }

    let (_, members) = object(plugin.bytes())?;
    let mut text = ObjectWriter::new();
    for member in members {
        // `capabilities` is a word to the runtime: the specification wants it left out.
        if !member.is("capabilities") && !set.iter().any(|(key, _)| member.is(key)) {
            text.copy(&member);
        }
    }
    set.iter().for_each(|(key, value)| text.written(key, value));
    Ok(text.finish())
}

/// Attachments as JSON. There may be thousands: no value is made of each.
fn list(attachments: &[Attachment]) -> String {
    let mut text = "[".to_owned();
    for Attachment { container_id, interface_name } in attachments {
        if text.len() > 1 {
            text.push(',');
        }
        let (container_id, interface_name) = (Value::from(container_id.as_str()), Value::from(interface_name.as_str()));
        text.push_str(&format!("{{\"containerID\":{container_id},\"ifname\":{interface_name}}}"));
    }
    text.push(']');
    text
}
