//! What a payload gets, and how it tells what came of it.

use std::fmt::Display;

use serde_json::{Value, json};
use weir_sdk::bindings::exports::weir::cni::plugin::CniError;
use weir_sdk::bindings::weir::cni::types::{Failure, FailureKind};

/// One command.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// The command: `ADD`, `DEL`, ...
    pub command: &'static str,
    /// The network configuration.
    pub config: Value,
    /// The configuration as it came.
    pub raw_config: String,
    /// CNI_IFNAME.
    pub interface: String,
    /// Result of the plugin before.
    pub prev_result: Option<String>,
}

impl Call {
    /// A text of the configuration, or nothing.
    pub fn text(&self, key: &str) -> &str {
        self.config.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// The configuration with other keys, to pass on.
    pub fn config_with(&self, keys: Value) -> String {
        let mut config = self.config.clone();
        if let (Value::Object(config), Value::Object(keys)) = (&mut config, keys) {
            config.extend(keys);
        }
        config.to_string()
    }
}

/// What a payload returns: the text of a result, or an error.
pub type Outcome = Result<String, CniError>;

/// A result that says nothing.
pub fn nothing() -> Outcome {
    Ok(json!({"cniVersion": "1.1.0"}).to_string())
}

/// An error of the plugin's own.
pub fn failed(code: u32, msg: impl Display) -> Outcome {
    Err(CniError { code, msg: msg.to_string(), details: String::new() })
}

/// The attack worked. A success, so that nobody takes back what was done.
pub fn breach(what: impl Display) -> Outcome {
    Ok(json!({"cniVersion": "1.1.0", "dns": {"search": [format!("breach: {what}")]}}).to_string())
}

/// All attempts were denied.
pub const DENIED: u32 = 101;
/// All attempts were refused as nonsense.
pub const INVALID: u32 = 107;
/// All attempts were refused, for several reasons.
pub const REFUSED: u32 = 120;

/// Attempts of which each should be refused.
#[derive(Debug, Default)]
pub struct Attempts {
    breaches: Vec<String>,
    refusals: Vec<String>,
    kinds: Vec<FailureKind>,
}

impl Attempts {
    /// None so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Take note of one. What a success gave.
    pub fn to<T>(&mut self, what: impl Display, outcome: Result<T, Failure>) -> Option<T> {
        match outcome {
            Ok(value) => {
                self.breaches.push(what.to_string());
                Some(value)
            }
            Err(failure) => {
                self.refusals.push(format!("{what}: {:?}: {}", failure.kind, failure.message));
                self.kinds.push(failure.kind);
                None
            }
        }
    }

    /// Tell: a success where one attempt worked, else an error that lists all refusals.
    pub fn end(self) -> Outcome {
        if !self.breaches.is_empty() {
            return breach(self.breaches.join(", "));
        }
        let all = |kind| self.kinds.iter().all(|k| *k == kind);
        let code = match () {
            () if self.kinds.is_empty() => return breach("nothing was attempted"),
            () if all(FailureKind::Denied) => DENIED,
            () if all(FailureKind::Invalid) => INVALID,
            () => REFUSED,
        };
        failed(code, self.refusals.join("; "))
    }
}

/// Stop here where something that should work, to prepare an attack, does not.
pub fn prepared<T>(what: &str, outcome: Result<T, Failure>) -> Result<T, CniError> {
    outcome.map_err(|failure| CniError {
        code: 199,
        msg: format!("prepare {what}: {:?}: {}", failure.kind, failure.message),
        details: String::new(),
    })
}
