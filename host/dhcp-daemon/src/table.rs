//! The records in memory. Whoever works on one holds it, and others wait until it is put back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use weir_native::dhcp::protocol::Owner;
use weir_native::{Error, ErrorKind, Result};

use crate::record::Record;

/// All records.
#[derive(Debug, Default)]
pub(crate) struct Table {
    slots: Mutex<BTreeMap<Owner, Slot>>,
    /// Counts what is put back. Changed while `slots` is locked.
    version: AtomicU64,
    changed: Condvar,
}

/// What is to be done, as it was at some version of the table.
#[derive(Debug)]
pub(crate) struct Agenda {
    version: u64,
    /// Whose records nobody holds and are due, the longest due first.
    pub(crate) due: Vec<Owner>,
    /// When the next one will be.
    pub(crate) next: Option<Duration>,
}

#[derive(Debug)]
struct Slot {
    /// As it was when it was last put back; none: it is being made.
    record: Option<Record>,
    /// Set to stop whoever holds it; none: nobody does.
    holder: Option<Arc<AtomicBool>>,
}

/// A record that is held. Put back when dropped.
#[derive(Debug)]
pub(crate) struct Hold<'t> {
    table: &'t Table,
    owner: Owner,
    /// The record; none: there is none, or it goes.
    pub(crate) record: Option<Record>,
    /// Set by somebody who wants the lease back at once.
    pub(crate) cancelled: Arc<AtomicBool>,
}

impl Table {
    fn slots(&self) -> MutexGuard<'_, BTreeMap<Owner, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Put records in that nobody holds yet.
    pub(crate) fn fill(&self, records: Vec<Record>) {
        let mut slots = self.slots();
        for record in records {
            slots.insert(record.owner.clone(), Slot { record: Some(record), holder: None });
        }
        self.notify();
    }

    /// Hold a record, or the place for one, within a time. `stop`: whoever holds it now should give up what it does.
    pub(crate) fn hold(&self, owner: &Owner, within: Duration, stop: bool) -> Result<Hold<'_>> {
        let deadline = Instant::now() + within;
        let mut slots = self.slots();
        loop {
            match slots.get(owner).and_then(|slot| slot.holder.as_ref()) {
                None => return Ok(self.mark(&mut slots, owner)),
                Some(holder) if stop => holder.store(true, Ordering::Relaxed),
                Some(_) => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let text = format!("another command for {owner} is still at work");
                return Err(Error::new(ErrorKind::Busy, text));
            }
            slots = self.changed.wait_timeout(slots, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Hold a record if it is there and nobody else holds it.
    pub(crate) fn try_hold(&self, owner: &Owner) -> Option<Hold<'_>> {
        let mut slots = self.slots();
        let free = slots.get(owner).is_some_and(|slot| slot.holder.is_none());
        free.then(|| self.mark(&mut slots, owner))
    }

    fn mark(&self, slots: &mut BTreeMap<Owner, Slot>, owner: &Owner) -> Hold<'_> {
        let cancelled = Arc::new(AtomicBool::new(false));
        let slot = slots.entry(owner.clone()).or_insert(Slot { record: None, holder: None });
        slot.holder = Some(Arc::clone(&cancelled));
        Hold { table: self, owner: owner.clone(), record: slot.record.clone(), cancelled }
    }

    /// A record as it was when it was last put back.
    pub(crate) fn look(&self, owner: &Owner) -> Option<Record> {
        self.slots().get(owner)?.record.clone()
    }

    /// All records as they were when they were last put back.
    pub(crate) fn all(&self) -> Vec<Record> {
        self.slots().values().filter_map(|slot| slot.record.clone()).collect()
    }

    /// What is to be done now.
    pub(crate) fn agenda(&self, now: Duration) -> Agenda {
        let slots = self.slots();
        let free = slots.values().filter(|slot| slot.holder.is_none()).filter_map(|slot| slot.record.as_ref());
        let mut times: Vec<_> = free.filter_map(|record| Some((record.due?, &record.owner))).collect();
        times.sort();
        Agenda {
            version: self.version.load(Ordering::Relaxed),
            next: times.iter().map(|(due, _)| *due).find(|due| *due > now),
            due: times.into_iter().filter(|(due, _)| *due <= now).map(|(_, owner)| owner.clone()).collect(),
        }
    }

    /// Wait until a record is put back after this agenda was made, or the time is over.
    pub(crate) fn wait(&self, agenda: &Agenda, within: Duration) {
        let slots = self.slots();
        if self.version.load(Ordering::Relaxed) == agenda.version {
            drop(self.changed.wait_timeout(slots, within));
        }
    }

    fn notify(&self) {
        self.version.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_all();
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let mut slots = self.table.slots();
        match self.record.take() {
            Some(record) => drop(slots.insert(self.owner.clone(), Slot { record: Some(record), holder: None })),
            None => drop(slots.remove(&self.owner)),
        }
        self.table.notify();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::record::tests::record;

    const SOON: Duration = Duration::from_millis(20);

    #[test]
    fn one_at_a_time_holds_a_record() {
        let table = Table::default();
        table.fill(vec![record("c1")]);
        let owner = record("c1").owner;
        let mut hold = table.hold(&owner, SOON, false).unwrap();
        assert_eq!(table.hold(&owner, SOON, false).unwrap_err().kind, ErrorKind::Busy);
        assert!(table.try_hold(&owner).is_none());
        assert!(table.look(&owner).is_some(), "looking does not wait");
        hold.record = None;
        drop(hold);
        assert_eq!(table.look(&owner), None);
        assert!(table.try_hold(&owner).is_none());
        let place = table.hold(&owner, SOON, false).unwrap();
        assert_eq!(place.record, None);
    }

    #[test]
    fn a_holder_can_be_told_to_stop() {
        let table = Table::default();
        let owner = record("c1").owner;
        let hold = table.hold(&owner, SOON, false).unwrap();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| table.hold(&owner, Duration::from_secs(10), true).map(drop));
            while !hold.cancelled.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            drop(hold);
            other.join().unwrap().unwrap();
        });
    }

    #[test]
    fn what_is_due_comes_in_order() {
        let at = |container: &str, due: Option<u64>| Record { due: due.map(Duration::from_secs), ..record(container) };
        let table = Table::default();
        table.fill(vec![at("a", Some(9)), at("b", Some(3)), at("c", None), at("d", Some(12)), at("e", Some(5))]);
        let _held = table.try_hold(&record("e").owner).unwrap();
        let agenda = table.agenda(Duration::from_secs(10));
        assert_eq!(agenda.due, [record("b").owner, record("a").owner]);
        assert_eq!(agenda.next, Some(Duration::from_secs(12)));
    }

    #[test]
    fn what_comes_in_between_is_not_waited_past() {
        let table = Table::default();
        let agenda = table.agenda(Duration::ZERO);
        table.fill(vec![record("c1")]);
        let started = Instant::now();
        table.wait(&agenda, Duration::from_secs(10));
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}
