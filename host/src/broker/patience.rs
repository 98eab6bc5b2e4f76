//! How long whoever asked for a command waits for it. A process that is executed is killed when its caller has had enough;
//! a command that is served in the caller's own process finds out here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The patience of a caller.
#[derive(Debug)]
pub struct Patience {
    deadline: Option<Instant>,
    over: AtomicBool,
}

impl Patience {
    /// It lasts for this long from now.
    pub fn of(time: Duration) -> Self {
        Self { deadline: Instant::now().checked_add(time), over: AtomicBool::new(false) }
    }

    /// The caller has changed its mind.
    pub fn end(&self) {
        self.over.store(true, Ordering::Release);
    }

    /// How long the caller still waits.
    pub fn time_left(&self) -> Duration {
        if self.over.load(Ordering::Acquire) {
            return Duration::ZERO;
        }
        self.deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()))
    }
}
