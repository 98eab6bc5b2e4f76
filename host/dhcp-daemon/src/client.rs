//! The client's part of RFC 2131: get a lease, extend it, give it back. What happens between these is the keeper's matter.

use std::net::Ipv4Addr;
use std::time::Duration;

use weir_native::dhcp::protocol::ClientOptions;
use weir_native::{Error, ErrorKind, Result};

use crate::Settings;
use crate::message::{Kind, LONGEST, Message, code};
use crate::random;
use crate::terms::Terms;

/// A message that gets no answer is sent again after this time, at first.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// How often that is done before the pauses grow.
const QUICK_TRIES: u32 = 4;
/// How long to wait before a new start after a refusal or a conflict, so that a confused server is not flooded.
const BREATH: Duration = Duration::from_secs(1);

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// To all on the link.
    Everybody,
    /// To the server that granted a lease, from its address.
    Server { from: Ipv4Addr, to: Ipv4Addr, hardware: Vec<u8> },
}

/// What carries messages, and tells the time.
pub(crate) trait Wire {
    /// Send a message.
    fn send(&mut self, message: &Message, target: &Target) -> Result<()>;
    /// The next message of a server, with the hardware address that it came from; none within the time.
    fn receive(&mut self, within: Duration) -> Result<Option<(Message, Vec<u8>)>>;
    /// Whether somebody on the link answers to this address.
    fn is_taken(&mut self, address: Ipv4Addr) -> Result<bool>;
    /// Time that never goes back.
    fn now(&self) -> Duration;
    /// Wait.
    fn pause(&mut self, time: Duration) -> Result<()>;
}

/// Who asks, and what it says.
#[derive(Debug, Clone)]
pub(crate) struct Identity<'a> {
    /// Option 61, unless the options to send have one.
    pub(crate) client: &'a [u8],
    /// Hardware address.
    pub(crate) hardware: &'a [u8],
    /// Options of the plugin.
    pub(crate) options: &'a ClientOptions,
    /// Have answers broadcast.
    pub(crate) broadcast: bool,
}

/// Who is asked for more time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extension {
    /// The server that granted the lease (RENEWING).
    Renew,
    /// Any server (REBINDING).
    Rebind,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Extended {
    /// There are new terms, often the same as before.
    Granted(Terms),
    /// The address must not be used any more.
    Refused(String),
    /// No answer in time.
    Silent,
}

/// A client on one link.
pub(crate) struct Client<'a, W> {
    pub(crate) wire: &'a mut W,
    pub(crate) identity: Identity<'a>,
    pub(crate) settings: &'a Settings,
}

impl<W: Wire> Client<'_, W> {
    /// Discover a server and have it grant an address that nobody on the link answers to.
    pub(crate) fn acquire(&mut self, within: Duration) -> Result<Terms> {
        let started = self.wire.now();
        let deadline = started.saturating_add(within);
        let mut pauses = Pauses::new(self.settings.resend_max);
        let mut xid = random::number();
        let mut fault = "no DHCP server answered".to_owned();
        loop {
            let discover = self.message(Kind::Discover, xid, started, Vec::new());
            self.wire.send(&discover, &Target::Everybody)?;
            let until = self.wire.now().saturating_add(pauses.next()).min(deadline);
            let offer = self.hear(until, |message| {
                message.xid == xid && message.kind == Kind::Offer && message.address(code::SERVER).is_some()
            })?;
            if let Some((offer, _)) = offer {
                match self.request(&offer, started, deadline)? {
                    Ok(terms) => return Ok(terms),
                    Err(why) => fault = why,
                }
                xid = random::number();
            }
            if self.wire.now() >= deadline {
                let message = format!("{fault} within {} ms; is there a server on this network?", within.as_millis());
                return Err(Error::new(ErrorKind::TimedOut, message));
            }
        }
    }

    /// Ask for what was offered. The inner error says why there has to be a new start.
    fn request(
        &mut self,
        offer: &Message,
        started: Duration,
        deadline: Duration,
    ) -> Result<std::result::Result<Terms, String>> {
        let server = offer.option(code::SERVER).unwrap_or_default().to_vec();
        let wanted = vec![(code::REQUESTED_ADDRESS, offer.yours.octets().to_vec()), (code::SERVER, server.clone())];
        let last = self.wire.now().saturating_add(self.settings.timeout).min(deadline);
        while self.wire.now() < last {
            let request = self.message(Kind::Request, offer.xid, started, wanted.clone());
            self.wire.send(&request, &Target::Everybody)?;
            let until = self.wire.now().saturating_add(FIRST_PAUSE).min(last);
            let answer =
                self.hear(until, |message| message.xid == offer.xid && matches!(message.kind, Kind::Ack | Kind::Nak))?;
            let Some((answer, hardware)) = answer else { continue };
            if answer.kind == Kind::Nak {
                self.wire.pause(BREATH)?;
                return Ok(Err(format!("the DHCP server refused {}{}", offer.yours, reason(&answer))));
            }
            let terms = match Terms::read(&answer, &hardware) {
                Ok(terms) => terms,
                Err(fault) => {
                    self.wire.pause(BREATH)?;
                    return Ok(Err(format!("the DHCP server's answer is of no use: {fault}")));
                }
            };
            let address = terms.address.addr();
            if self.wire.is_taken(address)? {
                self.decline(&terms)?;
                self.wire.pause(BREATH)?;
                return Ok(Err(format!("the DHCP server gave {address}, which somebody on the link has already")));
            }
            return Ok(Ok(terms));
        }
        Ok(Err("the DHCP server made an offer and did not keep it".to_owned()))
    }

    /// Ask for more time, until one try is over.
    pub(crate) fn extend(&mut self, terms: &Terms, how: Extension) -> Result<Extended> {
        let started = self.wire.now();
        let last = started.saturating_add(self.settings.timeout);
        let xid = random::number();
        let target = match how {
            Extension::Renew => to_server(terms),
            Extension::Rebind => Target::Everybody,
        };
        let mut pauses = Pauses::new(self.settings.resend_max);
        while self.wire.now() < last {
            let mut request = self.message(Kind::Request, xid, started, Vec::new());
            request.client = terms.address.addr();
            self.wire.send(&request, &target)?;
            let until = self.wire.now().saturating_add(pauses.next()).min(last);
            let answer =
                self.hear(until, |message| message.xid == xid && matches!(message.kind, Kind::Ack | Kind::Nak))?;
            let Some((answer, hardware)) = answer else { continue };
            if answer.kind == Kind::Nak {
                return Ok(Extended::Refused(reason(&answer)));
            }
            return Ok(match Terms::read(&answer, &hardware) {
                Ok(terms) => Extended::Granted(terms),
                // As good as no answer: the old terms hold until they end.
                Err(_) => Extended::Silent,
            });
        }
        Ok(Extended::Silent)
    }

    /// Give the address back. Nobody answers this.
    pub(crate) fn release(&mut self, terms: &Terms) -> Result<()> {
        let options = vec![(code::SERVER, terms.server.octets().to_vec())];
        let mut release = self.bare(Kind::Release, options);
        release.client = terms.address.addr();
        self.wire.send(&release, &to_server(terms))
    }

    /// Tell the server that somebody else has the address.
    fn decline(&mut self, terms: &Terms) -> Result<()> {
        let options = vec![
            (code::REQUESTED_ADDRESS, terms.address.addr().octets().to_vec()),
            (code::SERVER, terms.server.octets().to_vec()),
            (code::MESSAGE, b"the address is in use".to_vec()),
        ];
        let decline = self.bare(Kind::Decline, options);
        self.wire.send(&decline, &Target::Everybody)
    }

    /// A message of an exchange: who asks, what the plugin wants to be said, and what to ask for.
    fn message(&self, kind: Kind, xid: u32, started: Duration, own: Vec<(u8, Vec<u8>)>) -> Message {
        let mut message = self.bare(kind, own);
        let waited = self.wire.now().saturating_sub(started).as_secs();
        message.xid = xid;
        message.seconds = u16::try_from(waited).unwrap_or(u16::MAX);
        message.broadcast = self.identity.broadcast;
        for option in &self.identity.options.provide {
            // What a client asks for at first is in later messages what the server said.
            let asks_for_address = option.code == code::REQUESTED_ADDRESS && kind != Kind::Discover;
            if option.code != code::CLIENT && !asks_for_address {
                message.options.push((option.code, option.value.clone()));
            }
        }
        let has = |message: &Message, code: u8| message.option(code).is_some();
        let request = &self.identity.options.request;
        if !request.is_empty() && !has(&message, code::REQUEST_LIST) {
            message.options.push((code::REQUEST_LIST, request.clone()));
        }
        if !has(&message, code::LONGEST_MESSAGE) {
            message.options.push((code::LONGEST_MESSAGE, (LONGEST as u16).to_be_bytes().to_vec()));
        }
        message
    }

    /// A message with the client's name and nothing else.
    fn bare(&self, kind: Kind, own: Vec<(u8, Vec<u8>)>) -> Message {
        let provided = self.identity.options.provide.iter().find(|option| option.code == code::CLIENT);
        let client = provided.map_or(self.identity.client, |option| option.value.as_slice());
        let mut options = vec![(code::CLIENT, client.to_vec())];
        options.extend(own);
        Message {
            kind,
            xid: random::number(),
            seconds: 0,
            broadcast: false,
            client: Ipv4Addr::UNSPECIFIED,
            yours: Ipv4Addr::UNSPECIFIED,
            hardware: self.identity.hardware.to_vec(),
            options,
        }
    }

    /// Wait for a message that fits.
    fn hear(&mut self, until: Duration, fits: impl Fn(&Message) -> bool) -> Result<Option<(Message, Vec<u8>)>> {
        loop {
            let left = until.saturating_sub(self.wire.now());
            if left.is_zero() {
                return Ok(None);
            }
            match self.wire.receive(left)? {
                Some((message, from)) if fits(&message) => return Ok(Some((message, from))),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }
}

fn to_server(terms: &Terms) -> Target {
    Target::Server { from: terms.address.addr(), to: terms.server, hardware: terms.server_hardware.clone() }
}

fn reason(nak: &Message) -> String {
    match nak.option(code::MESSAGE) {
        Some(text) => format!(": {}", String::from_utf8_lossy(text).trim_matches(|c: char| c.is_control())),
        None => String::new(),
    }
}

/// Pauses between tries: short ones at first, then twice as long each time, all a little uneven so that clients that
/// started together drift apart.
struct Pauses {
    tries: u32,
    longest: Duration,
    next: Duration,
}

impl Pauses {
    fn new(longest: Duration) -> Self {
        Self { tries: 0, longest, next: FIRST_PAUSE * 2 }
    }

    fn next(&mut self) -> Duration {
        self.tries = self.tries.saturating_add(1);
        let pause = if self.tries <= QUICK_TRIES {
            FIRST_PAUSE
        } else {
            let pause = self.next;
            self.next = self.next.saturating_mul(2);
            pause
        };
        // Half a second to either side.
        let uneven = Duration::from_millis(u64::from(random::number() % 1000));
        let pause = pause.saturating_add(uneven).saturating_sub(Duration::from_millis(500));
        pause.min(self.longest.max(Duration::from_millis(100)))
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
