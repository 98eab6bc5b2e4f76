//! Reads what test programs wrote down.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// One test.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) program: String,
    pub(crate) test: String,
    pub(crate) reason: String,
    pub(crate) kernel: String,
    outcome: String,
    /// Plugin and command of each kind of call that succeeded.
    calls: Vec<(String, String)>,
}

impl Record {
    /// Whether the test ended so: `passed`, `failed` or `skipped`.
    pub(crate) fn is(&self, outcome: &str) -> bool {
        self.outcome == outcome
    }

    /// Whether it is of the same test.
    pub(crate) fn names_the_same(&self, other: &Self) -> bool {
        self.program == other.program && self.test == other.test
    }
}

/// Read a file of records.
pub(crate) fn load(file: &Path) -> Result<Vec<Record>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    text.lines().map(|line| parse(line).with_context(|| format!("{}: not a record: {line}", file.display()))).collect()
}

fn parse(line: &str) -> Result<Record> {
    let value: Value = serde_json::from_str(line)?;
    let text = |value: &Value, key: &str| -> Result<String> {
        Ok(value.get(key).and_then(Value::as_str).with_context(|| format!("no {key}"))?.to_owned())
    };
    let mut calls = Vec::new();
    for call in value.get("calls").and_then(Value::as_array).into_iter().flatten() {
        if call.get("succeeded") == Some(&Value::Bool(true)) {
            calls.push((text(call, "plugin")?, text(call, "command")?));
        }
    }
    Ok(Record {
        program: text(&value, "program")?,
        test: text(&value, "test")?,
        reason: text(&value, "reason")?,
        kernel: text(&value, "kernel")?,
        outcome: text(&value, "outcome")?,
        calls,
    })
}

/// How many tests passed that ran a plugin's command with success.
pub(crate) fn count(records: &[Record], plugin: &str, command: &str) -> usize {
    let ran = |record: &&Record| record.calls.iter().any(|(one, two)| one == plugin && two == command);
    records.iter().filter(|record| record.is("passed")).filter(ran).count()
}
