//! What a runtime says about one attachment.

use std::collections::BTreeMap;

use cni_spec::names::{self, NameError};
use cni_spec::quoted::Quoted;
use serde_json::Value;

/// One attachment, and what its plugins are told beside the network's configuration.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RuntimeConf {
    /// CNI_CONTAINERID.
    pub container_id: String,
    /// CNI_NETNS: path of the container's network namespace. DEL may leave it empty, where the namespace is gone.
    pub net_ns: String,
    /// CNI_IFNAME: name that the interface has in the container.
    pub if_name: String,
    /// CNI_ARGS, in this order.
    pub args: Vec<(String, String)>,
    /// Capability arguments by capability, such as `portMappings`. Each plugin gets those whose capabilities its
    /// configuration has.
    pub capability_args: BTreeMap<String, Value>,
}

/// A key or value that CNI_ARGS cannot carry: plugins would read other pairs out of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "CNI_ARGS cannot carry {} = {}: a key must not be empty, and neither may hold `;` or `=`",
    Quoted(key),
    Quoted(value)
)]
pub struct ArgsPairError {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

impl RuntimeConf {
    /// CNI_ARGS as plugins read it.
    pub fn args_text(&self) -> Result<String, ArgsPairError> {
        let mut text = String::new();
        for (key, value) in &self.args {
            if key.is_empty() || key.contains([';', '=', '\0']) || value.contains([';', '=', '\0']) {
                return Err(ArgsPairError { key: key.clone(), value: value.clone() });
            }
            let separator = if text.is_empty() { "" } else { ";" };
            text.push_str(&format!("{separator}{key}={value}"));
        }
        Ok(text)
    }

    /// Whether container ID and interface name keep the specification's rules. They become parts of file names.
    pub(crate) fn check_names(&self) -> Result<(), NameError> {
        names::container_id(&self.container_id)?;
        names::interface_name(&self.if_name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn text(pairs: &[(&str, &str)]) -> Result<String, ArgsPairError> {
        let args = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        RuntimeConf { args, ..RuntimeConf::default() }.args_text()
    }

    #[test]
    fn pairs_keep_their_order() {
        assert_eq!(text(&[]).unwrap(), "");
        assert_eq!(text(&[("IgnoreUnknown", "1"), ("A", ""), ("A", "b c")]).unwrap(), "IgnoreUnknown=1;A=;A=b c");
    }

    #[test]
    fn a_pair_that_would_be_read_as_something_else_is_refused() {
        for (key, value) in [("", "x"), ("a;b", "x"), ("a=b", "x"), ("a", "x;IP=1"), ("a", "b=c"), ("a", "\0")] {
            let error = text(&[("ok", "1"), (key, value)]).unwrap_err();
            assert_eq!((error.key.as_str(), error.value.as_str()), (key, value));
        }
    }
}
