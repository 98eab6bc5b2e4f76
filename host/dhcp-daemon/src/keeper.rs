//! What is done with leases: got for a plugin, kept alive, moved where the server moves them, given back.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use weir_native::dhcp::protocol::{Acquire, ClientOptions, Lease, Owner};
use weir_native::{Error, ErrorKind, Result, clock};

use crate::client::{Client, Extended, Extension, Identity};
use crate::interface::{self, Interface, prefixed};
use crate::message::code;
use crate::record::{Record, Stage, client_identifier};
use crate::store::Store;
use crate::table::{Hold, Table};
use crate::wire::LinkWire;
use crate::{Settings, log, random};

/// Threads that talk to servers for leases that are due. There are threads only while there is something to say.
const WORKERS: usize = 32;
/// Their stacks.
pub(crate) const STACK: usize = 256 << 10;
/// How often to look for containers that are gone without a word.
const SWEEP: Duration = Duration::from_secs(30);
/// How long a release waits for somebody else's work on the same lease.
const RELEASE_PATIENCE: Duration = Duration::from_secs(5);

/// All leases of this node.
#[derive(Debug)]
pub(crate) struct Keeper {
    settings: Settings,
    store: Store,
    table: Table,
    workers: AtomicUsize,
}

impl Keeper {
    /// Take up the leases that an earlier daemon left, without those whose container is gone.
    pub(crate) fn start(settings: Settings) -> Result<Arc<Self>> {
        let store = Store::open(&settings.state_directory)?;
        let mut records = Vec::new();
        for record in store.load()? {
            match Interface::of(&record, &prefixed(&settings.host_prefix, &record.netns)) {
                Err(error) if error.kind == ErrorKind::NotFound => {
                    log::info(format_args!("forgot {}: {error}", record.owner));
                    store.remove(&record.owner)?;
                }
                // What cannot be looked at now will be looked at when it is due.
                _ => records.push(record),
            }
        }
        if !records.is_empty() {
            log::info(format_args!("took up {} leases", records.len()));
        }
        let table = Table::default();
        table.fill(records);
        Ok(Arc::new(Self { settings, store, table, workers: AtomicUsize::new(0) }))
    }

    /// Get a lease, or tell of the one that the attachment has.
    pub(crate) fn acquire(&self, request: Acquire) -> Result<Lease> {
        check(&request.options)?;
        let patience = Duration::from_millis(request.patience).min(self.settings.resend_timeout);
        let deadline = clock::since_boot().saturating_add(patience);
        let mut hold = self.table.hold(&request.owner, patience, false)?;
        let path = self.path(&request.netns);
        let interface = Interface::by_name(&path, request.identity, &request.owner.interface_name)?;
        if let Some(record) = &mut hold.record {
            let same = record.identity == request.identity && record.link == interface.link.index;
            let now = clock::since_boot();
            if same
                && let Some(terms) = &record.terms
                && record.stage(now) != Stage::Expired
            {
                let lease = terms.lease(record.left(now));
                record.options = request.options;
                self.save(record);
                return Ok(lease);
            }
            // Of a container that is no more, or not to be trusted.
            self.give_back(&mut hold);
        }
        let mut record = Record {
            owner: request.owner.clone(),
            netns: request.netns,
            identity: request.identity,
            link: interface.link.index,
            options: request.options,
            terms: None,
            since: Duration::ZERO,
            due: None,
        };
        let terms = self.with_client(&record, &interface, &hold.cancelled, |client| {
            client.acquire(deadline.saturating_sub(clock::since_boot()))
        })?;
        log::info(format_args!("{} has {} from {}", record.owner, terms.address, terms.server));
        let lease = terms.lease(terms.times.map(|times| Duration::from_secs(times.expire.into())));
        record.grant(terms, clock::since_boot());
        self.save(&record);
        hold.record = Some(record);
        Ok(lease)
    }

    /// The lease that an attachment has.
    pub(crate) fn confirm(&self, owner: &Owner) -> Result<Lease> {
        let now = clock::since_boot();
        let record = self.table.look(owner).filter(|record| record.stage(now) != Stage::Expired);
        match record.as_ref().and_then(|record| Some((record, record.terms.as_ref()?))) {
            Some((record, terms)) => Ok(terms.lease(record.left(now))),
            None => Err(Error::new(ErrorKind::NotFound, format!("there is no lease for {owner}"))),
        }
    }

    /// Give a lease back. None there is no failure.
    pub(crate) fn release(&self, owner: &Owner) -> Result<()> {
        let mut hold = self.table.hold(owner, RELEASE_PATIENCE, true)?;
        self.give_back(&mut hold);
        Ok(())
    }

    /// Give back all leases of a network but some.
    pub(crate) fn retain(&self, network: &str, valid: &[Owner]) -> Result<Vec<Owner>> {
        let owners = self.table.all().into_iter().map(|record| record.owner);
        let gone: Vec<_> = owners.filter(|owner| owner.network == network && !valid.contains(owner)).collect();
        for owner in &gone {
            self.release(owner)?;
        }
        Ok(gone)
    }

    /// Keep leases alive, for ever.
    pub(crate) fn run(self: &Arc<Self>) -> ! {
        let mut sweep = clock::since_boot().saturating_add(SWEEP);
        loop {
            let now = clock::since_boot();
            if now >= sweep {
                self.sweep();
                sweep = now.saturating_add(SWEEP);
            }
            let agenda = self.table.agenda(now);
            // Where all workers are busy, one that ends puts its record back, which is waited for.
            let all_begun = agenda.due.iter().all(|owner| self.tend_in_thread(owner.clone()));
            let next = agenda.next.filter(|_| all_begun).unwrap_or(sweep).min(sweep);
            self.table.wait(&agenda, next.saturating_sub(now).max(Duration::from_millis(10)));
        }
    }

    /// Look after one lease in a thread of its own; false where there are enough of them.
    fn tend_in_thread(self: &Arc<Self>, owner: Owner) -> bool {
        if self.workers.fetch_add(1, Ordering::Relaxed) >= WORKERS {
            self.workers.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        let keeper = Arc::clone(self);
        let work = move || {
            let mut hold = keeper.table.try_hold(&owner);
            if let Some(hold) = &mut hold {
                keeper.tend(hold);
            }
            // Before the record is put back, which wakes whoever waits for a free place.
            keeper.workers.fetch_sub(1, Ordering::Relaxed);
            drop(hold);
        };
        let spawned = std::thread::Builder::new().name("lease".to_owned()).stack_size(STACK).spawn(work);
        if let Err(error) = &spawned {
            self.workers.fetch_sub(1, Ordering::Relaxed);
            log::warn(format_args!("cannot start a thread: {error}"));
        }
        spawned.is_ok()
    }

    /// Do what is due for one lease.
    fn tend(&self, hold: &mut Hold<'_>) {
        let Some(record) = &mut hold.record else { return };
        let now = clock::since_boot();
        let interface = match Interface::of(record, &self.path(&record.netns)) {
            Ok(interface) => interface,
            Err(error) if error.kind == ErrorKind::NotFound => {
                log::info(format_args!("forgot {}: {error}", record.owner));
                return self.forget(hold);
            }
            Err(error) => {
                log::warn(format_args!("{}: {error}", record.owner));
                record.due = Some(now.saturating_add(self.settings.resend_max));
                return;
            }
        };
        let tended = match record.stage(now) {
            Stage::Bound => {
                return record.due = record.terms.as_ref().and_then(|terms| {
                    terms.times.map(|times| record.since.saturating_add(Duration::from_secs(times.renew.into())))
                });
            }
            Stage::Renewing => self.extend(record, &interface, &hold.cancelled, Extension::Renew),
            Stage::Rebinding => self.extend(record, &interface, &hold.cancelled, Extension::Rebind),
            Stage::Expired => {
                log::warn(format_args!("the lease of {} is over", record.owner));
                interface.change(record.terms.as_ref(), None, record.options.priority);
                record.lose(now);
                self.discover(record, &interface, &hold.cancelled)
            }
            Stage::Lost => self.discover(record, &interface, &hold.cancelled),
        };
        if let Err(error) = tended {
            log::warn(format_args!("{}: {error}", record.owner));
            match record.terms {
                Some(_) => record.wait_longer(clock::since_boot()),
                None => record.lose(self.later()),
            }
        }
        self.save(record);
    }

    /// Ask for more time.
    fn extend(&self, record: &mut Record, interface: &Interface, stop: &AtomicBool, how: Extension) -> Result<()> {
        let Some(terms) = record.terms.clone() else { return Ok(()) };
        let now = clock::since_boot();
        match self.with_client(record, interface, stop, |client| client.extend(&terms, how))? {
            Extended::Granted(new) => {
                if new.address != terms.address {
                    log::warn(format_args!("{} moves from {} to {}", record.owner, terms.address, new.address));
                }
                interface.change(Some(&terms), Some(&new), record.options.priority);
                record.grant(new, now);
                Ok(())
            }
            Extended::Refused(reason) => {
                log::warn(format_args!("{} must not have {} any more{reason}", record.owner, terms.address));
                interface.change(Some(&terms), None, record.options.priority);
                record.lose(now);
                self.discover(record, interface, stop)
            }
            Extended::Silent => {
                record.wait_longer(clock::since_boot());
                Ok(())
            }
        }
    }

    /// Look for a new lease in place of one that is lost.
    fn discover(&self, record: &mut Record, interface: &Interface, stop: &AtomicBool) -> Result<()> {
        let terms = self.with_client(record, interface, stop, |client| client.acquire(self.settings.timeout))?;
        log::info(format_args!("{} has {} from {}", record.owner, terms.address, terms.server));
        interface.change(None, Some(&terms), record.options.priority);
        record.grant(terms, clock::since_boot());
        Ok(())
    }

    /// Tell the server, as far as there is a way to it, and forget the lease.
    fn give_back(&self, hold: &mut Hold<'_>) {
        if let Some(record) = &hold.record
            && let Some(terms) = &record.terms
        {
            let released = Interface::of(record, &self.path(&record.netns)).and_then(|interface| {
                self.with_client(record, &interface, &AtomicBool::new(false), |client| client.release(terms))
            });
            match released {
                Ok(()) => log::info(format_args!("{} gave back {}", record.owner, terms.address)),
                Err(error) => {
                    log::info(format_args!("{} is forgotten, and the server not told: {error}", record.owner))
                }
            }
        }
        self.forget(hold);
    }

    fn forget(&self, hold: &mut Hold<'_>) {
        if let Some(record) = hold.record.take()
            && let Err(error) = self.store.remove(&record.owner)
        {
            log::warn(error);
        }
    }

    /// Forget the leases of containers that are gone.
    fn sweep(&self) {
        for record in self.table.all() {
            if !interface::is_there(&record, &self.path(&record.netns))
                && let Some(mut hold) = self.table.try_hold(&record.owner)
            {
                log::info(format_args!("forgot {}: its network namespace is gone", record.owner));
                self.forget(&mut hold);
            }
        }
    }

    fn save(&self, record: &Record) {
        // The lease holds all the same; it is only lost to a daemon that is started again.
        if let Err(error) = self.store.save(record) {
            log::warn(error);
        }
    }

    fn with_client<T>(
        &self,
        record: &Record,
        interface: &Interface,
        stop: &AtomicBool,
        talk: impl FnOnce(&mut Client<'_, LinkWire<'_>>) -> Result<T>,
    ) -> Result<T> {
        let mut wire = LinkWire::open(&interface.netns, &interface.link, stop)?;
        let identifier = client_identifier(&record.owner);
        let identity = Identity {
            client: &identifier,
            hardware: &interface.link.mac,
            options: &record.options,
            // Links of kind ipvlan share a hardware address: what is sent to it reaches none without an address.
            broadcast: self.settings.broadcast || interface.link.kind.as_deref() == Some("ipvlan"),
        };
        talk(&mut Client { wire: &mut wire, identity, settings: &self.settings })
    }

    fn path(&self, netns: &str) -> PathBuf {
        prefixed(&self.settings.host_prefix, netns)
    }

    /// When to look again for a server that did not answer: not all at the same time.
    fn later(&self) -> Duration {
        let uneven = Duration::from_millis(u64::from(random::number() % 2000));
        clock::since_boot().saturating_add(self.settings.resend_max).saturating_add(uneven)
    }
}

/// Refuse options that would break the protocol.
fn check(options: &ClientOptions) -> Result<()> {
    for option in &options.provide {
        if matches!(option.code, code::PAD | code::MESSAGE_TYPE | code::SERVER | code::END) {
            let text = format!("DHCP option {} belongs to the protocol and cannot be provided", option.code);
            return Err(Error::new(ErrorKind::Invalid, text));
        }
        if option.value.len() > 255 {
            let text = format!("the value of DHCP option {} is longer than 255 bytes", option.code);
            return Err(Error::new(ErrorKind::Invalid, text));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use weir_native::dhcp::protocol::ProvidedOption;

    use super::*;

    #[test]
    fn options_of_the_protocol_are_refused() {
        let with = |code: u8, length: usize| ClientOptions {
            provide: vec![ProvidedOption { code, value: vec![0; length] }],
            ..ClientOptions::default()
        };
        for code in 0..=255 {
            let refused = matches!(code, 0 | 53 | 54 | 255);
            assert_eq!(check(&with(code, 255)).is_err(), refused, "{code}");
        }
        assert!(check(&with(12, 256)).is_err());
    }
}
