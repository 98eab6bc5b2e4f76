//! The one place that every host call of every guest passes, below all bindings and all versions of the contract.
//!
//! Here a call is counted, checked against the deadline and the grants, and traced. Nothing else in this crate
//! may call what changes the system in `weir-native`.

pub mod budget;
pub mod call;
pub mod fault;
pub mod function;
pub mod limits;
pub mod objects;
pub mod patience;
pub mod policy;
pub mod times;
pub mod trace;
pub mod weigh;

use std::hash::Hash;
use std::sync::Arc;

pub use budget::{Budget, Quantity, Share, Stop};
pub use call::{Call, Made};
pub use function::Function;
pub use limits::{Limits, LimitsGrant};
pub use patience::Patience;

use self::fault::Probe;
pub use self::policy::{Facts, Policy};
use self::times::Phase;
use crate::ledger::Ledger;
use crate::registry::Grants;

/// What stands between one instance of a plugin and the system.
#[derive(Debug)]
pub struct Broker {
    policy: Policy,
    budget: Budget,
    probe: Option<Arc<Probe>>,
    ledger: Option<Arc<Ledger>>,
}

impl Broker {
    /// A broker for one instance.
    pub fn new(policy: Policy, budget: Budget) -> Self {
        Self { policy, budget, probe: None, ledger: None }
    }

    /// With faults on purpose.
    pub fn with_probe(mut self, probe: Option<Arc<Probe>>) -> Self {
        self.probe = probe;
        self
    }

    /// With a ledger of what is made.
    pub fn with_ledger(mut self, ledger: Arc<Ledger>) -> Self {
        self.ledger = Some(ledger);
        self
    }

    /// The plugin that it stands in front of.
    pub fn plugin(&self) -> &str {
        self.policy.plugin()
    }

    /// What the operator allowed it.
    pub fn grants(&self) -> &Grants {
        self.policy.grants()
    }

    /// What is known of the command.
    pub fn facts(&self) -> &Facts {
        self.policy.facts()
    }

    /// What it may use, and has used.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Carry out one host call, or refuse it.
    ///
    /// The outer error stops the guest; the inner one is its own to handle.
    ///
    /// # Errors
    /// [`Stop`] where a limit is hit.
    pub fn call<T: Hash>(
        &mut self,
        call: &Call<'_>,
        act: impl FnOnce() -> weir_native::Result<T>,
        made: impl FnOnce(&T) -> Made,
    ) -> Result<weir_native::Result<T>, Stop> {
        let _deciding = times::enter(Phase::Broker);
        let function = call.function();
        self.admit()?;
        self.budget.spend(Quantity::Bytes, weigh::weigh(call))?;
        let decision = self.policy.decide(call);
        if let Err(reason) = self.policy.record(function, &decision) {
            self.budget.log(self.policy.plugin(), trace::Level::Error, &format!("audit log: {reason}"));
        }
        if let Err(denial) = decision {
            if self.policy.facts().remember(&denial) {
                let line = format!("{denial}; {}", denial.advice());
                self.budget.log(self.policy.plugin(), trace::Level::Warn, &line);
            }
            return Ok(Err(weir_native::Error::new(weir_native::ErrorKind::Denied, denial.to_string())));
        }
        let intent = match self.ledger.as_ref().map(|ledger| ledger.intend(call, self.policy.facts())).transpose() {
            Ok(intent) => intent,
            Err(error) => {
                trace::host_call(self.plugin(), function, Some(&error));
                return Ok(Err(error));
            }
        };
        let acting = times::enter(Phase::Calls);
        let outcome = match &self.probe {
            None => act(),
            Some(probe) => probe.call(self.policy.plugin(), function, act)?,
        };
        drop(acting);
        let made = outcome.as_ref().map(made).map_err(drop);
        if let Ok(made) = &made {
            self.policy.facts().learn(self.policy.plugin(), call, made);
        }
        if let Some((ledger, intent)) = self.ledger.as_ref().zip(intent) {
            ledger.complete(intent, made);
        }
        trace::host_call(self.policy.plugin(), function, outcome.as_ref().err());
        if let Ok(answer) = &outcome {
            self.budget.spend(Quantity::Bytes, weigh::weigh(answer))?;
        }
        // What waited until the deadline comes too late, whether it failed or not.
        self.budget.check_time()?;
        Ok(outcome)
    }

    /// Count a call whose arguments make no sense: it goes no further.
    ///
    /// # Errors
    /// [`Stop`] where a limit is hit.
    pub fn refuse(&mut self, function: Function, error: &weir_native::Error) -> Result<(), Stop> {
        self.admit()?;
        trace::host_call(self.policy.plugin(), function, Some(error));
        Ok(())
    }

    fn admit(&mut self) -> Result<(), Stop> {
        self.budget.spend(Quantity::HostCalls, 1)?;
        self.budget.check_time()
    }

    /// How long the command may still take.
    pub fn time_left(&self) -> std::time::Duration {
        self.budget.time_left()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may panic")]
    use super::*;

    fn broker(interfaces: &[&str], limits: Limits) -> Broker {
        let interfaces = interfaces.iter().map(|&i| i.to_owned()).collect();
        let grants = Grants { interfaces, ..Grants::default() };
        let policy = Policy::new("p", grants, "{}", Arc::new(Facts::default()));
        Broker::new(policy, Budget::new("p", limits, None))
    }

    fn now(broker: &mut Broker) -> Result<weir_native::Result<()>, Stop> {
        broker.call(&Call::ClockNow, || Ok(()), |()| Made::Nothing)
    }

    #[test]
    fn what_is_not_granted_is_denied_and_not_done() {
        let mut broker = broker(&["clock"], Limits::default());
        let mut done = false;
        let outcome = broker.call(
            &Call::SysctlsAllowList,
            || {
                done = true;
                Ok(())
            },
            |()| Made::Nothing,
        );
        assert_eq!(outcome.unwrap().unwrap_err().kind, weir_native::ErrorKind::Denied);
        assert!(!done);
        assert!(now(&mut broker).unwrap().is_ok());
    }

    #[test]
    fn an_empty_grant_means_nothing() {
        let mut broker = broker(&[], Limits::default());
        assert!(now(&mut broker).unwrap().is_err());
    }

    #[test]
    fn the_call_after_the_last_allowed_one_stops_the_guest() {
        let mut broker = broker(&["clock"], Limits { host_calls: 2, ..Limits::default() });
        assert!(now(&mut broker).is_ok());
        assert!(now(&mut broker).is_ok());
        assert!(matches!(now(&mut broker), Err(Stop::Limit { key: "hostCalls", limit: 2, .. })));
    }

    #[test]
    fn no_call_is_made_after_the_deadline() {
        let mut broker = broker(&["clock"], Limits { wall_time_ms: 0, ..Limits::default() });
        assert!(matches!(now(&mut broker), Err(Stop::Limit { key: "wallTimeMs", limit: 0, .. })));
    }
}
