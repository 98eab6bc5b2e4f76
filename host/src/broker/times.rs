//! Where the time of a command goes. With `WEIR_TIMES=1` the host says it at its end on standard error, as JSON in
//! microseconds: `make bench` shows with it what the sandbox costs. Only for a process of our own.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::console;

/// What the host is busy with. Each moment counts for one phase only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The exec contract: reading, checking, converting, printing.
    Contract,
    /// The registry, and mapping and linking compiled code.
    Load,
    /// Making the instance.
    Instantiate,
    /// The plugin's own code.
    Guest,
    /// Giving up rights before the plugin's code runs.
    Confine,
    /// Deciding on host calls, writing them down, tracing them.
    Broker,
    /// What host calls are for: kernel, files, other processes.
    Calls,
}

const NAMES: [(Phase, &str); 7] = [
    (Phase::Contract, "contract"),
    (Phase::Load, "load"),
    (Phase::Instantiate, "instantiate"),
    (Phase::Guest, "guest"),
    (Phase::Confine, "confine"),
    (Phase::Broker, "broker"),
    (Phase::Calls, "calls"),
];

/// The phase, since when, and what was before.
struct Clock {
    phase: Phase,
    since: Instant,
    spent: Vec<(Phase, Duration)>,
}

impl Clock {
    fn turn(&mut self, phase: Phase) -> Phase {
        let now = Instant::now();
        self.spent.push((self.phase, now.saturating_duration_since(self.since)));
        self.since = now;
        std::mem::replace(&mut self.phase, phase)
    }
}

static CLOCK: OnceLock<Option<Mutex<Clock>>> = OnceLock::new();

fn clock() -> Option<&'static Mutex<Clock>> {
    let start = || {
        std::env::var_os("WEIR_TIMES").filter(|value| value == "1")?;
        Some(Mutex::new(Clock { phase: Phase::Contract, since: Instant::now(), spent: Vec::with_capacity(1024) }))
    };
    CLOCK.get_or_init(start).as_ref()
}

/// Goes back to the phase before when dropped.
#[derive(Debug)]
#[must_use = "dropped, the phase is over"]
pub struct Turn(Option<Phase>);

/// A phase begins.
pub fn enter(phase: Phase) -> Turn {
    let clock = clock().filter(|_| !weir_native::hosted::is_hosted());
    Turn(clock.map(|clock| clock.lock().unwrap_or_else(PoisonError::into_inner).turn(phase)))
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let (Some(before), Some(clock)) = (self.0, clock()) {
            clock.lock().unwrap_or_else(PoisonError::into_inner).turn(before);
        }
    }
}

/// Tell, where it was asked for.
pub fn report() {
    let Some(clock) = clock() else { return };
    let mut clock = clock.lock().unwrap_or_else(PoisonError::into_inner);
    clock.turn(Phase::Contract);
    let microseconds = |phase: Phase| -> u128 {
        clock.spent.iter().filter(|(one, _)| *one == phase).map(|(_, time)| time.as_nanos()).sum::<u128>() / 1000
    };
    let parts: Vec<String> =
        NAMES.iter().map(|(phase, name)| format!("\"{name}\": {}", microseconds(*phase))).collect();
    console::err(format_args!("{{\"weirTimes\": {{{}}}}}", parts.join(", ")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_moment_counts_once_and_phases_nest() {
        let mut clock = Clock { phase: Phase::Contract, since: Instant::now(), spent: Vec::new() };
        let outer = clock.turn(Phase::Guest);
        let inner = clock.turn(Phase::Calls);
        assert_eq!((outer, inner), (Phase::Contract, Phase::Guest));
        clock.turn(inner);
        clock.turn(outer);
        let phases: Vec<_> = clock.spent.iter().map(|(phase, _)| *phase).collect();
        assert_eq!(phases, [Phase::Contract, Phase::Guest, Phase::Calls, Phase::Guest]);
    }
}
