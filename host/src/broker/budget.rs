//! What one instance has used, of its own limits and of those of the command.
//!
//! The plugin that the runtime called answers for the whole command: what other plugins use on its behalf counts
//! against its limits too, so calling plugins does not multiply what it may use. Fuel is the one exception: an instance
//! that is in the middle of a call cannot be charged, so the first plugin has its fuel for itself, and once more for all
//! that run for it together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::trace::{self, Level};
use super::{Limits, Patience};

/// No machine computes more units of fuel in a millisecond. Who has little time gets no more fuel than fits into it, so
/// that a plugin that only computes ends near its deadline.
pub(crate) const FUEL_PER_MILLISECOND: u64 = 4_000_000;

/// What is added up over a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Bytes of linear memory.
    Memory,
    /// Elements of tables.
    TableElements,
    /// Units of computing.
    Fuel,
    /// Calls to the host.
    HostCalls,
    /// Bytes across the boundary.
    Bytes,
    /// Lines of log.
    LogLines,
    /// Bytes of log.
    LogBytes,
}

/// Why a guest must stop now. Becomes a trap: the guest gets no chance to go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// More was used than a limit allows.
    #[error("{}", exceeded(.key, *.limit))]
    Limit {
        /// Name of the limit in a grant.
        key: &'static str,
        /// Its value.
        limit: u64,
        /// The plugin whose limit it is: the one that was running, or the first of the command.
        holder: String,
    },
    /// Who asked for the command waits no longer.
    #[error("was stopped, as its caller waits no longer")]
    GivenUp,
    /// Asked for by `weir exec --fault`.
    #[error("was stopped on purpose at host call {0}")]
    Fault(u64),
}

impl Stop {
    /// What an operator can do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Limit { key, limit, holder } => format!(
                "limit {key} of plugin {holder} is {limit}; if it needs more: weir grant {holder} --add \
                 '{{\"limits\": {{\"{key}\": NUMBER}}}}'"
            ),
            Self::GivenUp => "give the command more time, or look at what it waited for".to_owned(),
            Self::Fault(_) => "`weir exec --fault` asked for it".to_owned(),
        }
    }
}

/// In words, what happened.
fn exceeded(key: &str, limit: u64) -> String {
    match key {
        "memoryBytes" => format!("used more than {limit} bytes of memory"),
        "tableElements" => format!("used more than {limit} elements of tables"),
        "instances" => format!("is made of more than {limit} instances"),
        "memories" => format!("has more than {limit} memories"),
        "tables" => format!("has more than {limit} tables"),
        "fuel" => format!("used more than {limit} units of computing"),
        "wallTimeMs" => format!("did not finish within {limit} ms"),
        "hostCalls" => format!("made more than {limit} host calls"),
        "callBytes" => format!("passed more than {limit} bytes in one host call"),
        "totalBytes" => format!("exchanged more than {limit} bytes with the host"),
        "handles" => format!("held more than {limit} handles"),
        "resultBytes" => format!("returned a result of more than {limit} bytes"),
        "listEntries" => format!("passed a list of more than {limit} entries"),
        other => format!("used more than {limit} of {other}"),
    }
}

#[derive(Debug, Default)]
struct Spent {
    memory: u64,
    table_elements: u64,
    fuel: u64,
    host_calls: u64,
    bytes: u64,
    log_lines: u64,
    log_bytes: u64,
}

impl Spent {
    fn of(&mut self, quantity: Quantity) -> &mut u64 {
        match quantity {
            Quantity::Memory => &mut self.memory,
            Quantity::TableElements => &mut self.table_elements,
            Quantity::Fuel => &mut self.fuel,
            Quantity::HostCalls => &mut self.host_calls,
            Quantity::Bytes => &mut self.bytes,
            Quantity::LogLines => &mut self.log_lines,
            Quantity::LogBytes => &mut self.log_bytes,
        }
    }
}

/// The limit that bounds a quantity: its name in a grant, and its value.
fn limit(limits: &Limits, quantity: Quantity) -> (&'static str, u64) {
    match quantity {
        Quantity::Memory => ("memoryBytes", limits.memory_bytes as u64),
        Quantity::TableElements => ("tableElements", limits.table_elements as u64),
        Quantity::Fuel => ("fuel", limits.fuel),
        Quantity::HostCalls => ("hostCalls", limits.host_calls),
        Quantity::Bytes => ("totalBytes", limits.total_bytes),
        Quantity::LogLines => ("logLines", limits.log_lines),
        Quantity::LogBytes => ("logBytes", limits.log_bytes),
    }
}

/// A plugin's limits and what it has used of them.
#[derive(Debug)]
struct Account {
    holder: String,
    limits: Limits,
    spent: Mutex<Spent>,
    /// Lines of log are being dropped.
    silenced: AtomicBool,
}

impl Account {
    /// Use some, unless that is more than there is.
    fn spend(&self, quantity: Quantity, amount: u64) -> Result<(), Stop> {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let (key, limit) = limit(&self.limits, quantity);
        let used = spent.of(quantity);
        match used.checked_add(amount).filter(|sum| *sum <= limit) {
            Some(sum) => {
                *used = sum;
                Ok(())
            }
            None => Err(Stop::Limit { key, limit, holder: self.holder.clone() }),
        }
    }

    fn left(&self, quantity: Quantity) -> u64 {
        let used = *self.spent.lock().unwrap_or_else(PoisonError::into_inner).of(quantity);
        limit(&self.limits, quantity).1.saturating_sub(used)
    }
}

/// What a plugin hands down to one that runs for it.
#[derive(Debug, Clone)]
pub struct Share {
    command: Arc<Account>,
    deadline: Option<Instant>,
    patience: Option<Arc<Patience>>,
    depth: u32,
}

/// The budget of one instance.
#[derive(Debug, Clone)]
pub struct Budget {
    own: Arc<Account>,
    /// Of the plugin that the runtime called, where that is another one.
    command: Option<Arc<Account>>,
    deadline: Option<Instant>,
    /// Of who asked for the command, where that is not for the process to end.
    patience: Option<Arc<Patience>>,
    depth: u32,
}

impl Budget {
    /// The budget of a plugin that starts now, for the runtime or with the share of the plugin that called it.
    pub fn new(plugin: &str, limits: Limits, share: Option<Share>) -> Self {
        let own_end = Instant::now().checked_add(limits.wall_time());
        let (deadline, depth) = match &share {
            Some(share) => (
                share.deadline.into_iter().chain(own_end).min(),
                limits.delegation_depth.min(share.depth.saturating_sub(1)),
            ),
            None => (own_end, limits.delegation_depth),
        };
        let own =
            Account { holder: plugin.to_owned(), limits, spent: Mutex::default(), silenced: AtomicBool::new(false) };
        let (command, patience) = share.map(|share| (share.command, share.patience)).unzip();
        Self { own: Arc::new(own), command, deadline, patience: patience.flatten(), depth }
    }

    /// For a caller that may give up waiting.
    pub fn with_patience(mut self, patience: Option<Arc<Patience>>) -> Self {
        self.patience = patience.or(self.patience);
        self
    }

    /// For a plugin that this one calls; none where it is as deep as may be.
    pub fn share(&self) -> Option<Share> {
        let command = self.command.as_ref().unwrap_or(&self.own).clone();
        let patience = self.patience.clone();
        (self.depth > 0).then_some(Share { command, deadline: self.deadline, patience, depth: self.depth })
    }

    /// The limits of this plugin.
    pub fn limits(&self) -> &Limits {
        &self.own.limits
    }

    /// Units of computing that the instance starts with.
    pub fn fuel(&self) -> u64 {
        let limits = self.limits();
        let mut own = limits.fuel.min(limits.wall_time_ms.saturating_mul(FUEL_PER_MILLISECOND));
        if let Some(patience) = &self.patience {
            let milliseconds = u64::try_from(patience.time_left().as_millis()).unwrap_or(u64::MAX);
            own = own.min(milliseconds.saturating_add(1).saturating_mul(FUEL_PER_MILLISECOND));
        }
        self.command.as_ref().map_or(own, |command| own.min(command.left(Quantity::Fuel)))
    }

    /// The limit behind the units that the instance started with.
    pub fn out_of_fuel(&self) -> Stop {
        if self.is_given_up() {
            return Stop::GivenUp;
        }
        let (limits, fuel) = (self.limits(), self.fuel());
        let of_time = limits.wall_time_ms.saturating_mul(FUEL_PER_MILLISECOND);
        match &self.command {
            _ if fuel == limits.fuel => self.stop("fuel", fuel),
            _ if fuel == of_time => self.stop("wallTimeMs", limits.wall_time_ms),
            Some(command) => Stop::Limit { key: "fuel", limit: command.limits.fuel, holder: command.holder.clone() },
            None => self.stop("fuel", fuel),
        }
    }

    /// Account for what an instance has computed, at its end.
    pub fn computed(&self, fuel: u64) {
        if let Some(command) = &self.command {
            // No more than was left, as `fuel` says.
            let _ = command.spend(Quantity::Fuel, fuel);
        }
    }

    /// Use some of the own budget and of the command's.
    ///
    /// # Errors
    /// [`Stop`] where that is more than there is.
    pub fn spend(&self, quantity: Quantity, amount: u64) -> Result<(), Stop> {
        self.own.spend(quantity, amount)?;
        self.command.as_ref().map_or(Ok(()), |command| command.spend(quantity, amount))
    }

    /// Write a line of log, unless there were too many; the first that is dropped leaves a line that says so.
    pub fn log(&self, plugin: &str, level: Level, message: &str) {
        let room = self.spend(Quantity::LogLines, 1).and_then(|()| {
            let bytes = message.len().min(trace::LONGEST) as u64;
            self.spend(Quantity::LogBytes, bytes)
        });
        let Err(Stop::Limit { key, limit, holder }) = room else { return trace::line(plugin, level, message) };
        if !self.own.silenced.swap(true, Ordering::Relaxed) {
            let notice = format!("further lines are dropped: limit {key} of plugin {holder} is {limit}");
            trace::line(plugin, Level::Warn, &notice);
        }
    }

    /// Refuse to go on after the deadline.
    ///
    /// # Errors
    /// [`Stop`] then.
    pub fn check_time(&self) -> Result<(), Stop> {
        if self.is_given_up() {
            return Err(Stop::GivenUp);
        }
        if self.time_left().is_zero() { Err(self.stop("wallTimeMs", self.limits().wall_time_ms)) } else { Ok(()) }
    }

    /// Refuse what is larger than a limit that nothing is added up for.
    ///
    /// # Errors
    /// [`Stop`] then.
    pub fn check_size(&self, key: &'static str, limit: usize, size: usize) -> Result<(), Stop> {
        if size > limit { Err(self.stop(key, limit as u64)) } else { Ok(()) }
    }

    /// A limit of this plugin was hit.
    pub fn stop(&self, key: &'static str, limit: u64) -> Stop {
        Stop::Limit { key, limit, holder: self.own.holder.clone() }
    }

    /// How long the instance may still take.
    pub fn time_left(&self) -> Duration {
        let own = self.deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
        self.patience.as_ref().map_or(own, |patience| own.min(patience.time_left()))
    }

    /// Whether who asked for the command waits no longer.
    pub fn is_given_up(&self) -> bool {
        self.patience.as_ref().is_some_and(|patience| patience.time_left().is_zero())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn limits(host_calls: u64, delegation_depth: u32) -> Limits {
        Limits { host_calls, delegation_depth, ..Limits::default() }
    }

    #[test]
    fn a_limit_is_reached_and_not_passed() {
        let budget = Budget::new("p", limits(5, 0), None);
        budget.spend(Quantity::HostCalls, 4).unwrap();
        budget.spend(Quantity::HostCalls, 1).unwrap();
        let stop = budget.spend(Quantity::HostCalls, 1).unwrap_err();
        assert_eq!(stop.to_string(), "made more than 5 host calls");
        assert!(stop.remedy().contains(r#""hostCalls""#) && stop.remedy().contains("plugin p"), "{}", stop.remedy());
        // What was refused is not used up.
        assert!(budget.spend(Quantity::HostCalls, u64::MAX).is_err());
        assert!(budget.spend(Quantity::Bytes, 1).is_ok());
    }

    #[test]
    fn what_others_use_for_it_counts_for_the_first_plugin() {
        let first = Budget::new("first", limits(5, 4), None);
        first.spend(Quantity::HostCalls, 2).unwrap();
        let second = Budget::new("second", limits(100, 4), first.share());
        second.spend(Quantity::HostCalls, 2).unwrap();
        let third = Budget::new("third", limits(100, 4), second.share());
        third.spend(Quantity::HostCalls, 1).unwrap();
        assert_eq!(third.spend(Quantity::HostCalls, 1), Err(first.stop("hostCalls", 5)));
        assert!(first.spend(Quantity::HostCalls, 1).is_err());
        // Its own limits hold as well.
        let small = Budget::new("small", limits(1, 4), Budget::new("first", limits(5, 4), None).share());
        small.spend(Quantity::HostCalls, 1).unwrap();
        assert_eq!(small.spend(Quantity::HostCalls, 1), Err(small.stop("hostCalls", 1)));
    }

    #[test]
    fn time_and_depth_get_less_from_call_to_call() {
        let first = Budget::new("first", Limits { wall_time_ms: 1000, ..limits(5, 2) }, None);
        let second = Budget::new("second", limits(5, 8), first.share());
        assert!(second.time_left() <= Duration::from_secs(1));
        let third = Budget::new("third", limits(5, 8), second.share());
        assert!(third.share().is_none());
        assert!(Budget::new("p", limits(5, 0), None).share().is_none());
        let hasty = Budget::new("hasty", Limits { wall_time_ms: 0, ..limits(5, 2) }, first.share());
        let stop = hasty.check_time().unwrap_err();
        assert_eq!(stop.to_string(), "did not finish within 0 ms");
        first.check_time().unwrap();
    }

    #[test]
    fn who_waits_no_longer_stops_all_that_runs_for_it() {
        let patience = Arc::new(Patience::of(Duration::from_secs(5)));
        let first = Budget::new("first", limits(5, 2), None).with_patience(Some(patience.clone()));
        let second = Budget::new("second", limits(5, 2), first.share());
        assert!(second.time_left() <= Duration::from_secs(5) && second.check_time().is_ok());
        assert!(first.fuel() <= 5_001 * FUEL_PER_MILLISECOND);
        patience.end();
        assert_eq!((first.check_time(), second.check_time()), (Err(Stop::GivenUp), Err(Stop::GivenUp)));
        assert_eq!(second.out_of_fuel(), Stop::GivenUp);
        assert_eq!(second.time_left(), Duration::ZERO);
    }

    #[test]
    fn fuel_is_had_once_by_the_first_and_once_by_all_others() {
        let first = Budget::new("first", Limits { fuel: 100, ..Limits::default() }, None);
        assert_eq!(first.fuel(), 100);
        first.computed(90);
        let second = Budget::new("second", Limits::default(), first.share());
        assert_eq!(second.fuel(), 100);
        second.computed(70);
        assert_eq!(Budget::new("third", Limits::default(), second.share()).fuel(), 30);
        let hasty = Limits { wall_time_ms: 2, ..Limits::default() };
        assert_eq!(Budget::new("hasty", hasty, None).fuel(), 2 * FUEL_PER_MILLISECOND);
    }
}
