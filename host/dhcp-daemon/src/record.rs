//! What the daemon remembers of one attachment.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_native::dhcp::protocol::{ClientOptions, Identity, Owner};

use crate::terms::Terms;

/// Longest client identifier: one byte less than an option holds, for the type.
const LONGEST_IDENTIFIER: usize = 254;

/// An attachment with its lease, or without one for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) owner: Owner,
    /// Path of the network namespace, as the plugin gave it.
    pub(crate) netns: String,
    /// Which namespace was there.
    pub(crate) identity: Identity,
    /// Index of the link in it.
    pub(crate) link: u32,
    /// What the plugin wants to be said.
    pub(crate) options: ClientOptions,
    /// What holds now; none: the lease was lost, and a new one is looked for.
    pub(crate) terms: Option<Terms>,
    /// When it began, since boot.
    pub(crate) since: Duration,
    /// When there is something to do, since boot; none: never.
    pub(crate) due: Option<Duration>,
}

/// Where a lease is in its life (RFC 2131, 4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It holds, and nothing is to be done.
    Bound,
    /// T1 is over.
    Renewing,
    /// T2 is over.
    Rebinding,
    /// The lease is over.
    Expired,
    /// There is none.
    Lost,
}

impl Record {
    /// New terms hold from now on.
    pub(crate) fn grant(&mut self, terms: Terms, now: Duration) {
        self.since = now;
        self.due = terms.times.map(|times| now.saturating_add(seconds(times.renew)));
        self.terms = Some(terms);
    }

    /// The lease is lost; look for a new one at some time.
    pub(crate) fn lose(&mut self, again: Duration) {
        self.terms = None;
        self.due = Some(again);
    }

    /// Where the lease is in its life.
    pub(crate) fn stage(&self, now: Duration) -> Stage {
        let Some(terms) = &self.terms else { return Stage::Lost };
        let Some(times) = terms.times else { return Stage::Bound };
        let age = now.saturating_sub(self.since);
        match () {
            () if age >= seconds(times.expire) => Stage::Expired,
            () if age >= seconds(times.rebind) => Stage::Rebinding,
            () if age >= seconds(times.renew) => Stage::Renewing,
            () => Stage::Bound,
        }
    }

    /// Nobody answered: when to try again. Half of the time that is left for this, a minute at least (RFC 2131, 4.4.5), and
    /// not beyond it.
    pub(crate) fn wait_longer(&mut self, now: Duration) {
        let Some(times) = self.terms.as_ref().and_then(|terms| terms.times) else { return };
        let end = match self.stage(now) {
            Stage::Bound | Stage::Renewing => times.rebind,
            Stage::Rebinding | Stage::Expired | Stage::Lost => times.expire,
        };
        let end = self.since.saturating_add(seconds(end));
        let half = end.saturating_sub(now) / 2;
        self.due = Some(now.saturating_add(half.max(Duration::from_secs(60))).min(end));
    }

    /// How long the lease still holds; none: for ever.
    pub(crate) fn left(&self, now: Duration) -> Option<Duration> {
        let times = self.terms.as_ref()?.times?;
        Some(self.since.saturating_add(seconds(times.expire)).saturating_sub(now))
    }
}

/// The client identifier of an attachment, as the reference plugin makes it: type 0, then a text cut to 254 bytes.
pub(crate) fn client_identifier(owner: &Owner) -> Vec<u8> {
    let text = format!("{}/{}/{}", owner.container_id, owner.network, owner.interface_name);
    let mut identifier = vec![0];
    identifier.extend(text.bytes().take(LONGEST_IDENTIFIER));
    identifier
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::terms::Times;

    pub(crate) fn terms(times: Option<(u32, u32, u32)>) -> Terms {
        Terms {
            address: "10.0.0.7/24".parse().unwrap(),
            server: [10, 0, 0, 1].into(),
            server_hardware: vec![2, 0, 0, 0, 0, 1],
            routers: Vec::new(),
            routes: Vec::new(),
            name_servers: Vec::new(),
            domain: String::new(),
            search: Vec::new(),
            times: times.map(|(renew, rebind, expire)| Times { renew, rebind, expire }),
        }
    }

    pub(crate) fn record(container: &str) -> Record {
        Record {
            owner: Owner {
                network: "net".to_owned(),
                container_id: container.to_owned(),
                interface_name: "eth0".to_owned(),
            },
            netns: format!("/run/netns/{container}"),
            identity: Identity { device: 4, inode: 1 },
            link: 2,
            options: ClientOptions::default(),
            terms: None,
            since: Duration::ZERO,
            due: None,
        }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_lease_goes_through_its_stages() {
        let mut record = record("c1");
        assert_eq!(record.stage(at(0)), Stage::Lost);
        record.grant(terms(Some((50, 80, 100))), at(1000));
        assert_eq!((record.due, record.left(at(1000))), (Some(at(1050)), Some(at(100))));
        for (second, stage) in
            [(1049, Stage::Bound), (1050, Stage::Renewing), (1080, Stage::Rebinding), (1100, Stage::Expired)]
        {
            assert_eq!(record.stage(at(second)), stage, "{second}");
        }
        record.grant(terms(None), at(2000));
        assert_eq!((record.due, record.left(at(9000)), record.stage(at(9000))), (None, None, Stage::Bound));
        record.lose(at(9000));
        assert_eq!((record.due, record.stage(at(9000))), (Some(at(9000)), Stage::Lost));
    }

    #[test]
    fn tries_come_closer_to_the_end_and_not_beyond() {
        let mut record = record("c1");
        record.grant(terms(Some((1000, 2000, 3000))), at(0));
        for (now, next) in [(1000, 1500), (1500, 1750), (1900, 1960), (1960, 2000), (2000, 2500), (2990, 3000)] {
            record.wait_longer(at(now));
            assert_eq!(record.due, Some(at(next)), "{now}");
        }
    }

    #[test]
    fn identifiers_are_cut() {
        let mut record = record("c1");
        assert_eq!(client_identifier(&record.owner), b"\0c1/net/eth0");
        record.owner.container_id = "c".repeat(300);
        assert_eq!(client_identifier(&record.owner).len(), 255);
    }
}
