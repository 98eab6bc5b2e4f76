//! What each test did, written to the file that WEIR_TESTS_RECORD names, one JSON object per line: the evidence for
//! `docs/reference/verified.md`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Names the file.
const FILE: &str = "WEIR_TESTS_RECORD";
/// Names a file with the tests to run, a program and a test on each line; all others are left out.
const ONLY: &str = "WEIR_TESTS_ONLY";

/// Plugin, command, and whether it succeeded.
type Kind = (String, String, bool);

/// How often each plugin was called with each command.
#[derive(Debug, Clone, Default)]
pub struct Calls(Arc<Mutex<BTreeMap<Kind, u64>>>);

thread_local! {
    static CURRENT: RefCell<Calls> = RefCell::default();
}

impl Calls {
    /// Those of the test that this thread runs.
    pub(crate) fn of_this_test() -> Self {
        CURRENT.with_borrow(Self::clone)
    }

    /// Make these the calls of the test that this thread runs.
    pub(crate) fn begin(&self) {
        CURRENT.with_borrow_mut(|current| *current = self.clone());
    }

    /// Count a call, if it is one of a plugin of Weir's.
    pub(crate) fn count(&self, program: &Path, command: &str, succeeded: bool) {
        let is_ours = std::fs::read_link(program).is_ok_and(|target| target == Path::new("weir-cni"));
        let plugin = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let (true, Ok(mut calls)) = (is_ours, self.0.lock()) {
            let number = calls.entry((plugin, command.to_owned(), succeeded)).or_default();
            *number = number.saturating_add(1);
        }
    }

    fn to_json(&self) -> Value {
        let Ok(calls) = self.0.lock() else { return Value::Null };
        let one = |((plugin, command, succeeded), number): (&Kind, &u64)| json!({"plugin": plugin, "command": command, "succeeded": succeeded, "number": number});
        calls.iter().map(one).collect()
    }
}

/// Write down how a test ended: `passed`, `failed` or `skipped`, and why.
pub(crate) fn write(test: &str, outcome: &str, reason: &str, calls: &Calls) -> Result<()> {
    let Some(file) = std::env::var_os(FILE) else { return Ok(()) };
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut line = json!({"program": program(), "test": test, "outcome": outcome, "reason": reason,
        "kernel": kernel.trim(), "calls": calls.to_json()})
    .to_string();
    line.push('\n');
    let opened = OpenOptions::new().create(true).append(true).open(&file);
    let written = opened.and_then(|mut file| file.write_all(line.as_bytes()));
    written.with_context(|| format!("write to {}, which {FILE} names", file.display()))
}

/// Which tests of this program to run: all, or those of a list.
pub(crate) fn selection() -> Result<impl Fn(&str) -> bool> {
    let list = match std::env::var_os(ONLY) {
        Some(file) => Some(std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?),
        None => None,
    };
    let own = program();
    let wanted = list.map(|list| {
        let names = list.lines().filter_map(|line| line.split_once(' '));
        names.filter(|(program, _)| *program == own).map(|(_, test)| test.to_owned()).collect::<Vec<_>>()
    });
    Ok(move |test: &str| wanted.as_ref().is_none_or(|wanted| wanted.iter().any(|name| name == test)))
}

/// This test program, without the digits that cargo adds.
fn program() -> String {
    let path = std::env::args().next().unwrap_or_default();
    let name = Path::new(&path).file_name().unwrap_or_default().to_string_lossy().into_owned();
    name.rsplit_once('-').map_or(name.clone(), |(stem, _)| stem.to_owned())
}
