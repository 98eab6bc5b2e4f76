//! The client against a server in memory, in simulated time.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::VecDeque;
use std::path::PathBuf;

use weir_native::dhcp::protocol::ProvidedOption;

use super::*;

/// A wire on which a script answers each message.
struct Script<F> {
    now: Duration,
    answer: F,
    pending: VecDeque<Message>,
    sent: Vec<(Message, Target)>,
    taken: Vec<Ipv4Addr>,
}

impl<F: FnMut(&Message) -> Option<Message>> Script<F> {
    fn new(answer: F) -> Self {
        Self { now: Duration::ZERO, answer, pending: VecDeque::new(), sent: Vec::new(), taken: Vec::new() }
    }

    fn kinds(&self) -> Vec<Kind> {
        self.sent.iter().map(|(message, _)| message.kind).collect()
    }
}

impl<F: FnMut(&Message) -> Option<Message>> Wire for Script<F> {
    fn send(&mut self, message: &Message, target: &Target) -> Result<()> {
        self.pending.extend((self.answer)(message));
        self.sent.push((message.clone(), target.clone()));
        Ok(())
    }
    fn receive(&mut self, within: Duration) -> Result<Option<(Message, Vec<u8>)>> {
        let next = self.pending.pop_front();
        self.now += if next.is_some() { Duration::from_millis(1) } else { within };
        Ok(next.map(|message| (message, vec![6; 6])))
    }
    fn is_taken(&mut self, address: Ipv4Addr) -> Result<bool> {
        Ok(self.taken.contains(&address))
    }
    fn now(&self) -> Duration {
        self.now
    }
    fn pause(&mut self, time: Duration) -> Result<()> {
        self.now += time;
        Ok(())
    }
}

fn settings() -> Settings {
    Settings {
        socket: PathBuf::new(),
        pid_file: None,
        host_prefix: PathBuf::new(),
        state_directory: PathBuf::new(),
        broadcast: false,
        timeout: Duration::from_secs(10),
        resend_max: Duration::from_secs(62),
        resend_timeout: Duration::from_secs(208),
    }
}

fn answer(to: &Message, kind: Kind, last: u8) -> Message {
    let mut options = vec![(code::SERVER, vec![10, 0, 0, 1])];
    if kind != Kind::Nak {
        options.push((code::SUBNET_MASK, vec![255, 255, 255, 0]));
    }
    Message { kind, yours: Ipv4Addr::new(10, 0, 0, last), options, ..to.clone() }
}

fn good(message: &Message) -> Option<Message> {
    match message.kind {
        Kind::Discover => Some(answer(message, Kind::Offer, 7)),
        Kind::Request => Some(answer(message, Kind::Ack, 7)),
        _ => None,
    }
}

fn with<F: FnMut(&Message) -> Option<Message>, T>(
    wire: &mut Script<F>,
    options: &ClientOptions,
    talk: impl FnOnce(&mut Client<'_, Script<F>>) -> T,
) -> T {
    let identity = Identity { client: b"\0c1/net/eth0", hardware: &[2, 0, 0, 0, 0, 9], options, broadcast: true };
    talk(&mut Client { wire, identity, settings: &settings() })
}

fn acquire<F: FnMut(&Message) -> Option<Message>>(wire: &mut Script<F>, options: &ClientOptions) -> Result<Terms> {
    with(wire, options, |client| client.acquire(Duration::from_secs(60)))
}

fn provide(code: u8, value: &[u8]) -> ProvidedOption {
    ProvidedOption { code, value: value.to_vec() }
}

#[test]
fn four_messages_make_a_lease() {
    let mut wire = Script::new(good);
    let options = ClientOptions {
        provide: vec![provide(12, b"name"), provide(50, &[10, 0, 0, 9]), provide(200, &[0])],
        request: vec![1, 3, 121],
        priority: 0,
    };
    let terms = acquire(&mut wire, &options).unwrap();
    assert_eq!((terms.address.to_string().as_str(), terms.server_hardware), ("10.0.0.7/24", vec![6; 6]));
    assert_eq!(wire.kinds(), [Kind::Discover, Kind::Request]);
    for (message, target) in &wire.sent {
        assert_eq!(*target, Target::Everybody);
        assert!(message.broadcast && message.client.is_unspecified());
        assert_eq!(message.option(code::CLIENT), Some(&b"\0c1/net/eth0"[..]));
        assert_eq!(message.option(12), Some(&b"name"[..]));
        assert_eq!(message.option(200), Some(&[0][..]));
        assert_eq!(message.option(code::REQUEST_LIST), Some(&[1, 3, 121][..]));
    }
    assert_eq!(wire.sent[0].0.address(code::REQUESTED_ADDRESS), Some([10, 0, 0, 9].into()));
    assert_eq!(wire.sent[1].0.address(code::REQUESTED_ADDRESS), Some([10, 0, 0, 7].into()));
    assert_eq!(wire.sent[1].0.address(code::SERVER), Some([10, 0, 0, 1].into()));
}

#[test]
fn the_users_client_identifier_and_request_list_win() {
    let mut wire = Script::new(good);
    let options = ClientOptions { provide: vec![provide(61, b"me"), provide(55, &[9])], request: vec![1], priority: 0 };
    acquire(&mut wire, &options).unwrap();
    for (message, _) in &wire.sent {
        assert_eq!(message.options.iter().filter(|(code, _)| *code == 61).count(), 1);
        assert_eq!(message.option(61), Some(&b"me"[..]));
        assert_eq!(message.option(55), Some(&[9][..]));
    }
}

#[test]
fn what_is_lost_is_sent_again_until_the_time_is_over() {
    let mut wire = Script::new(|_: &Message| None);
    let error = acquire(&mut wire, &ClientOptions::default()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::TimedOut);
    assert_eq!(wire.now, Duration::from_secs(60));
    // Four quick ones, then 4, 8, 16, 32 seconds.
    assert!((7..=9).contains(&wire.sent.len()), "{}", wire.sent.len());
    let mut count = 0;
    let mut wire = Script::new(move |message: &Message| {
        count += 1;
        if count % 3 == 0 { good(message) } else { None }
    });
    acquire(&mut wire, &ClientOptions::default()).unwrap();
    assert_eq!(
        wire.kinds(),
        [Kind::Discover, Kind::Discover, Kind::Discover, Kind::Request, Kind::Request, Kind::Request]
    );
}

#[test]
fn answers_to_others_are_not_heard() {
    let mut wire = Script::new(|message: &Message| good(&Message { xid: message.xid ^ 1, ..message.clone() }));
    assert!(acquire(&mut wire, &ClientOptions::default()).is_err());
    assert!(wire.kinds().iter().all(|kind| *kind == Kind::Discover));
}

#[test]
fn a_refusal_is_a_new_start() {
    let mut refused = false;
    let mut wire = Script::new(move |message: &Message| match message.kind {
        Kind::Request if !std::mem::replace(&mut refused, true) => Some(answer(message, Kind::Nak, 0)),
        _ => good(message),
    });
    acquire(&mut wire, &ClientOptions::default()).unwrap();
    assert_eq!(wire.kinds(), [Kind::Discover, Kind::Request, Kind::Discover, Kind::Request]);
    assert_ne!(wire.sent[0].0.xid, wire.sent[2].0.xid);
}

#[test]
fn an_address_that_somebody_has_is_declined() {
    let mut last = 6;
    let mut wire = Script::new(move |message: &Message| match message.kind {
        Kind::Discover => {
            last += 1;
            Some(answer(message, Kind::Offer, last))
        }
        Kind::Request => Some(answer(message, Kind::Ack, last)),
        _ => None,
    });
    wire.taken = vec![[10, 0, 0, 7].into()];
    assert_eq!(acquire(&mut wire, &ClientOptions::default()).unwrap().address.to_string(), "10.0.0.8/24");
    let kinds = [Kind::Discover, Kind::Request, Kind::Decline, Kind::Discover, Kind::Request];
    assert_eq!(wire.kinds(), kinds);
    assert_eq!(wire.sent[2].0.address(code::REQUESTED_ADDRESS), Some([10, 0, 0, 7].into()));
    assert!(wire.sent[2].0.client.is_unspecified());
}

#[test]
fn renewals_go_to_the_server_and_rebindings_to_all() {
    let terms = crate::record::tests::terms(Some((1, 2, 3)));
    let server =
        Target::Server { from: [10, 0, 0, 7].into(), to: [10, 0, 0, 1].into(), hardware: vec![2, 0, 0, 0, 0, 1] };
    for (how, target) in [(Extension::Renew, server.clone()), (Extension::Rebind, Target::Everybody)] {
        let mut wire = Script::new(good);
        let extended = with(&mut wire, &ClientOptions::default(), |client| client.extend(&terms, how)).unwrap();
        assert!(matches!(extended, Extended::Granted(new) if new.address == terms.address));
        let (message, to) = &wire.sent[0];
        assert_eq!((to, message.client), (&target, terms.address.addr()));
        // RFC 2131, table 5: neither of them.
        assert_eq!((message.option(code::REQUESTED_ADDRESS), message.option(code::SERVER)), (None, None));

        let mut wire = Script::new(|message: &Message| Some(answer(message, Kind::Nak, 0)));
        let extended = with(&mut wire, &ClientOptions::default(), |client| client.extend(&terms, how)).unwrap();
        assert!(matches!(extended, Extended::Refused(_)));

        let mut wire = Script::new(|_: &Message| None);
        let extended = with(&mut wire, &ClientOptions::default(), |client| client.extend(&terms, how)).unwrap();
        assert_eq!((extended, wire.now), (Extended::Silent, Duration::from_secs(10)));
    }
    let mut wire = Script::new(good);
    with(&mut wire, &ClientOptions::default(), |client| client.release(&terms)).unwrap();
    let (message, to) = &wire.sent[0];
    assert_eq!((message.kind, to, message.client), (Kind::Release, &server, terms.address.addr()));
    assert_eq!(message.address(code::SERVER), Some(terms.server));
}
