//! Lines on standard error: the plugins' own, and what the host did for them.
//!
//! `WEIR_LOG` (error, warn, info, debug) chooses how much; without it, `warn`. A thread may have them go elsewhere.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use super::Function;
use crate::console;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something failed and the command goes on.
    Error,
    /// Something is odd.
    Warn,
    /// Worth knowing for a person following along.
    Info,
    /// Worth knowing for a developer.
    Debug,
}

/// Characters of a line; what is longer is cut.
pub const LONGEST: usize = 4096;

/// Takes lines, without their ends.
pub type Sink = Arc<dyn Fn(&str) + Send + Sync>;

thread_local! {
    static SINK: RefCell<Option<Sink>> = const { RefCell::new(None) };
}

/// From now on the lines of this thread go here.
pub fn redirect(sink: Sink) {
    SINK.set(Some(sink));
}

fn threshold() -> Level {
    static THRESHOLD: OnceLock<Level> = OnceLock::new();
    *THRESHOLD.get_or_init(|| match std::env::var("WEIR_LOG").as_deref() {
        Ok("error") => Level::Error,
        Ok("info") => Level::Info,
        Ok("debug") => Level::Debug,
        _ => Level::Warn,
    })
}

/// Write a line. Control characters are escaped, so that a guest cannot forge another line.
pub fn line(plugin: &str, level: Level, message: &str) {
    if level > threshold() {
        return;
    }
    let name = match level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "info",
        Level::Debug => "debug",
    };
    let is_odd = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}');
    let shown: String =
        message.chars().take(LONGEST).map(|c| if is_odd(c) { char::REPLACEMENT_CHARACTER } else { c }).collect();
    let line = format!("weir: {plugin}: {name}: {shown}");
    match SINK.with_borrow(Clone::clone) {
        Some(sink) => sink(&line),
        None => console::err(line),
    }
}

pub(super) fn host_call(plugin: &str, function: Function, failure: Option<&weir_native::Error>) {
    if threshold() < Level::Debug {
        return;
    }
    let outcome = failure.map_or_else(|| "done".to_owned(), |e| format!("{:?}: {}", e.kind, e.message));
    line(plugin, Level::Debug, &format!("{}.{}: {outcome}", function.interface(), function.name()));
}
