//! Why code had to be stopped, in words for operators.

use cni_spec::error::Error as CniError;
use serde::{Deserialize, Serialize};
use wasmtime::Trap;
use wasmtime::component::ResourceTableError;

use super::answer::readable;
use crate::broker::{Budget, Stop};
use crate::contract::code;

/// What the engine says of code that it stopped, in this process or in another one.
#[derive(Debug)]
pub(super) struct Fault {
    stop: Option<Stop>,
    trap: Option<Trap>,
    out_of_handles: bool,
    /// The innermost cause.
    root: String,
    /// All causes.
    text: String,
}

/// A fault on its way from the process in which it happened.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    trap: Option<u8>,
    out_of_handles: bool,
    root: String,
    text: String,
}

impl Report {
    /// The same with texts of at most so many bytes, and without what would disturb a terminal.
    pub(super) fn readable(mut self, longest: usize) -> Self {
        for text in [&mut self.root, &mut self.text] {
            *text = readable(std::mem::take(text), longest);
        }
        self
    }
}

impl From<&wasmtime::Error> for Fault {
    fn from(error: &wasmtime::Error) -> Self {
        Self {
            stop: error.downcast_ref::<Stop>().cloned(),
            trap: error.downcast_ref::<Trap>().copied(),
            out_of_handles: matches!(error.downcast_ref(), Some(ResourceTableError::Full)),
            root: error.root_cause().to_string(),
            text: format!("{error:#}"),
        }
    }
}

impl From<Stop> for Fault {
    fn from(stop: Stop) -> Self {
        let text = stop.to_string();
        Self { stop: Some(stop), trap: None, out_of_handles: false, root: text.clone(), text }
    }
}

impl Fault {
    /// What another process says of its engine.
    pub(super) fn reported(report: Report) -> Self {
        let Report { trap, out_of_handles, root, text } = report;
        Self { stop: None, trap: trap.and_then(Trap::from_u8), out_of_handles, root, text }
    }

    /// What another process needs to know to say the same.
    pub(super) fn report(self) -> Report {
        let Self { trap, out_of_handles, root, text, .. } = self;
        Report { trap: trap.map(|trap| trap as u8), out_of_handles, root, text }
    }

    /// Say why a plugin had to be stopped, and what can be done about it. `refused` is the last growth that was.
    pub(super) fn explain(&self, plugin: &str, budget: &Budget, refused: Option<Stop>) -> CniError {
        let stop = self.stop.clone().or_else(|| self.engine_limit(budget)).or(refused);
        let why = match (self.trap, &stop) {
            // Most plugins cannot go on when they get no memory, and do not say so.
            (Some(Trap::UnreachableCodeReached), Some(stop)) => format!("panicked or aborted: it {stop}"),
            (_, Some(stop)) => stop.to_string(),
            (Some(Trap::StackOverflow), None) => "used up its stack".to_owned(),
            (Some(Trap::UnreachableCodeReached), None) => "panicked or aborted".to_owned(),
            (Some(other), None) => format!("failed: {other}"),
            (None, None) => "could not run".to_owned(),
        };
        let details = match stop {
            Some(stop) => format!("{}; {}", stop.remedy(), self.text),
            None => self.text.clone(),
        };
        CniError::new(code::PLUGIN_FAILED, format!("plugin {plugin} {why}")).with_details(details)
    }

    /// The limit that the engine itself says was hit.
    fn engine_limit(&self, budget: &Budget) -> Option<Stop> {
        let limits = budget.limits();
        if self.trap == Some(Trap::OutOfFuel) {
            return Some(budget.out_of_fuel());
        }
        if self.out_of_handles {
            return Some(budget.stop("handles", limits.handles as u64));
        }
        // The rest has no type of its own; a test holds each of these texts against the engine.
        let known = [
            ("fuel allocated for hostcalls", "callBytes", limits.call_bytes),
            ("instance count too high", "instances", limits.instances),
            ("memory count too high", "memories", limits.memories),
            ("table count too high", "tables", limits.tables),
        ];
        known
            .iter()
            .find(|(words, ..)| self.root.contains(words))
            .map(|(_, key, limit)| budget.stop(key, *limit as u64))
    }
}
