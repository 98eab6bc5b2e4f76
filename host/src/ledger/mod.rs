//! What an attachment has made, written down before it is made: so that an ADD that fails is rolled back, DEL and GC
//! finish what a killed process began, and a plugin without code for its clean-up is cleaned up after all.
//!
//! `plan` says what of a call is written down, `file` keeps it, `undo` takes it back, `command` is where the commands of
//! a runtime meet all this.

mod command;
mod directories;
mod file;
mod plan;
mod plan_firewall;
pub mod record;
mod undo;
mod undo_firewall;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use weir_native::Result;
use weir_native::attachment::Attachment;

pub use command::{commit, roll_back, run};
pub use file::DIRECTORY;
pub use plan_firewall::mark;

use file::{Directory, LedgerFile};
use plan::Facts;
use record::{Begin, Book, Deed, Line, Record, Space};

use crate::broker::objects::Place;
use crate::broker::policy::{Facts as Learnt, Ownership};
use crate::broker::trace::{self, Level};
use crate::broker::{Call, Made};
use crate::contract::Command;

/// The ledger of a command's attachment; for GC, those of its network.
#[derive(Debug)]
pub struct Ledger {
    directory: Directory,
    network: String,
    owner: Attachment,
    /// Addresses of the attachment that earlier plugins of the chain tell of.
    addresses: Vec<IpAddr>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    mode: Mode,
    plugin: String,
    run: String,
    has_begun: bool,
    number: u32,
    file: Option<LedgerFile>,
    book: Book,
    /// What the plugin itself has given back in this command.
    returned: Vec<Returned>,
    /// Links that this command took and the plugin has brought back. What it does to them now makes them what they were.
    home: Vec<(Space, u32)>,
    /// Records of all attachments of the network, for GC; of this one, for commands that only look.
    known: Option<Vec<Book>>,
}

/// What a command does with the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Mode {
    /// Nothing.
    #[default]
    Idle,
    /// Its calls are written down.
    Recording,
    /// What its calls give back need not be looked for.
    Watching,
}

#[derive(Debug, PartialEq, Eq)]
enum Returned {
    Addresses(PathBuf),
    Document(PathBuf),
    Lease(PathBuf),
    Delegate(String),
}

/// A call between its intent and its completion.
#[derive(Debug)]
pub struct Intent(Kind);

#[derive(Debug)]
enum Kind {
    None,
    /// Written down under this number.
    Written(u32),
    /// To be written down only where something was created.
    Deferred(Deed),
    Return(Returned),
    /// A link that was taken, by the record of this number, goes back to where it was.
    Home(u32, Space),
}

impl Ledger {
    /// The ledger of an attachment, in the usual directory.
    pub fn new(network: &str, owner: Attachment, addresses: Vec<IpAddr>) -> Self {
        Self::within(Directory::new(DIRECTORY), network, owner, addresses)
    }

    fn within(directory: Directory, network: &str, owner: Attachment, addresses: Vec<IpAddr>) -> Self {
        Self { directory, network: network.to_owned(), owner, addresses, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Write down what a call is about to do. What the command has learnt of links need not be asked for again.
    ///
    /// # Errors
    /// Where it cannot be written down; then the call must not be made.
    pub fn intend(&self, call: &Call<'_>, learnt: &Learnt) -> Result<Intent> {
        let mut state = self.state();
        let deed = match state.mode {
            Mode::Idle => None,
            Mode::Watching => return Ok(Intent(returned(call).map_or(Kind::None, Kind::Return))),
            Mode::Recording if is_at_home(&state.home, call) => None,
            Mode::Recording => {
                if let Some(kind) = going_home(&state.book, &state.run, call) {
                    return Ok(Intent(kind));
                }
                let mut addresses = self.addresses.clone();
                addresses.extend(undo::addresses(&state.book.records));
                plan::plan(call, &Facts { book: &state.book, owner: &self.owner, addresses: &addresses, learnt })?
            }
        };
        let Some(deed) = deed else { return Ok(Intent(Kind::None)) };
        if matches!(&deed, Deed::Nftables { rules, elements, .. } if rules.is_empty() && elements.is_empty()) {
            return Ok(Intent(Kind::Deferred(deed)));
        }
        self.write_intent(&mut state, deed).map(|number| Intent(Kind::Written(number)))
    }

    /// Write down that a native plugin is about to add something.
    ///
    /// # Errors
    /// Where it cannot be written down; then the plugin must not be started.
    pub fn intend_delegate(&self, plugin: &str, config: &str) -> Result<()> {
        let mut state = self.state();
        if state.mode != Mode::Recording {
            return Ok(());
        }
        let deed = Deed::Delegate { plugin: plugin.to_owned(), config: config.to_owned() };
        self.write_intent(&mut state, deed).map(drop)
    }

    fn write_intent(&self, state: &mut State, deed: Deed) -> Result<u32> {
        state.number = state.number.saturating_add(1);
        let number = state.number;
        let mut lines = Vec::with_capacity(2);
        if !state.has_begun {
            lines.push(Line::Begin(Begin {
                version: record::VERSION,
                run: state.run.clone(),
                plugin: state.plugin.clone(),
                network: self.network.clone(),
                container_id: self.owner.container_id.clone(),
                interface_name: self.owner.interface_name.clone(),
            }));
        }
        lines.push(Line::Intent { run: state.run.clone(), n: number, deed });
        self.write(state, lines)?;
        state.has_begun = true;
        Ok(number)
    }

    fn write(&self, state: &mut State, lines: Vec<Line>) -> Result<()> {
        if state.file.is_none() {
            let (file, _) = self.directory.create(&self.network, &self.owner)?;
            state.file = Some(file);
        }
        if let Some(file) = &mut state.file {
            file.write(&lines)?;
        }
        lines.into_iter().for_each(|line| state.book.take(line));
        Ok(())
    }

    /// Write down what became of a call.
    pub fn complete(&self, intent: Intent, outcome: std::result::Result<Made, ()>) {
        let mut state = self.state();
        let written = match (intent.0, outcome) {
            (Kind::None, _) | (Kind::Deferred(_) | Kind::Return(_) | Kind::Home(..), Err(())) => Ok(()),
            (Kind::Home(n, space), Ok(made)) => {
                if let Made::Link(index) = made {
                    state.home.push((space, index));
                }
                let run = state.run.clone();
                self.write(&mut state, vec![Line::Void { run, n }])
            }
            (Kind::Return(returned), Ok(_)) => {
                state.returned.push(returned);
                Ok(())
            }
            (Kind::Written(number), outcome) => self.write_outcome(&mut state, number, outcome),
            (Kind::Deferred(_), Ok(Made::Created(places))) if places.is_empty() => Ok(()),
            (Kind::Deferred(deed), Ok(made @ Made::Created(_))) => match known(made) {
                Some(_) if state.mode != Mode::Recording => Ok(()),
                Some(made) => self.write_intent(&mut state, deed).and_then(|number| {
                    let run = state.run.clone();
                    self.write(&mut state, vec![Line::Done { run, n: number, made }])
                }),
                None => Ok(()),
            },
            (Kind::Deferred(_), Ok(_)) => Ok(()),
        };
        if let Err(error) = written {
            // What was done is on record all the same, as an intent.
            trace::line(&state.plugin, Level::Warn, &error.message);
        }
    }

    fn write_outcome(&self, state: &mut State, n: u32, outcome: std::result::Result<Made, ()>) -> Result<()> {
        let run = state.run.clone();
        let line = match outcome {
            Ok(made) => match known(made) {
                Some(made) => Line::Done { run, n, made },
                None => return Ok(()),
            },
            // Of several addresses or routes those before the refused one stay.
            Err(())
                if state.book.records.iter().any(|record| record.n == n && record.run == run && is_partial(record)) =>
            {
                return Ok(());
            }
            Err(()) => Line::Void { run, n },
        };
        self.write(state, vec![line])
    }

    /// Whether a link was made or moved by this attachment; for GC, by any of the network.
    pub fn has_link(&self, place: Place, index: u32) -> bool {
        let mut state = self.state();
        let has = |book: &Book| book.records.iter().any(|record| record::is_link_at(record, place, index));
        if has(&state.book) {
            return true;
        }
        if state.mode == Mode::Recording {
            return false;
        }
        let known = state.known.get_or_insert_with(|| self.look());
        known.iter().any(has)
    }

    /// What is on record, for commands that do not write. What cannot be read gives no rights.
    fn look(&self) -> Vec<Book> {
        if self.owner.container_id.is_empty() {
            return self.directory.books(&self.network);
        }
        self.directory.open(&self.network, &self.owner).ok().flatten().map(|(_, book)| book).into_iter().collect()
    }
}

impl Ownership for Ledger {
    fn owns_link(&self, place: Place, index: u32, _name: &str) -> bool {
        self.has_link(place, index)
    }
}

/// Whether a call brings back a link that this run has taken.
fn going_home(book: &Book, run: &str, call: &Call<'_>) -> Option<Kind> {
    let Call::LinkMoveTo { link, target, .. } = call else { return None };
    let record = book.taken(&Space::of(&link.namespace), link.index)?;
    let Deed::Moved { from, .. } = &record.deed else { return None };
    (record.run == run && *from == Space::of(target)).then_some(Kind::Home(record.n, *from))
}

/// Whether a call is about links alone that were brought back.
fn is_at_home(home: &[(Space, u32)], call: &Call<'_>) -> bool {
    let is_home = |namespace, index| home.contains(&(Space::of(namespace), index));
    match call {
        Call::LinkUpdate { link, .. } | Call::AddressesAdd { link, .. } => is_home(&link.namespace, link.index),
        Call::RoutesAdd { namespace, routes, .. } => {
            !home.is_empty() && routes.iter().all(|route| route.link.is_some_and(|index| is_home(namespace, index)))
        }
        _ => false,
    }
}

/// What a call gives back of this attachment's.
fn returned(call: &Call<'_>) -> Option<Returned> {
    match call {
        Call::StoreRelease { directory } => Some(Returned::Addresses(directory.to_path_buf())),
        Call::StateRemove { directory } => Some(Returned::Document(directory.to_path_buf())),
        Call::DhcpRelease { socket } => Some(Returned::Lease(socket.to_path_buf())),
        Call::DelegateCall { command: Command::Del, plugin_type, .. } => {
            Some(Returned::Delegate((*plugin_type).to_owned()))
        }
        _ => None,
    }
}

fn known(made: Made) -> Option<record::Made> {
    match made {
        Made::Nothing | Made::Unchanged => None,
        Made::Link(index) => Some(record::Made::Link(index)),
        Made::Pair(near, far) => Some(record::Made::Pair(near, far)),
        Made::Address(address) => Some(record::Made::Address(address)),
        Made::Created(places) => Some(record::Made::Created(places)),
    }
}

/// Whether a deed that failed may have been done in part.
fn is_partial(record: &Record) -> bool {
    match &record.deed {
        Deed::Addresses { addresses, .. } => addresses.len() > 1,
        Deed::Routes { routes, .. } => routes.len() > 1,
        // The kernel makes changes one by one; a native plugin does as it likes.
        Deed::Changed { .. } | Deed::Delegate { .. } | Deed::Controlled { .. } => true,
        // A lease may be on its way although nobody waits for it any more.
        Deed::Lease { .. } => true,
        _ => false,
    }
}
