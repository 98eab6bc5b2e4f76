//! Directories for state, which the process makes before it gives up the right to: on record until the ADD has succeeded,
//! so that one that was killed leaves none. Afterwards they stay for the next attachments.

use std::path::{Path, PathBuf};

use weir_native::{Error, Result};

use super::record::{Deed, Line, Record};
use super::{Ledger, Mode, State};
use crate::broker::trace::{self, Level};

impl Ledger {
    /// Make a directory for state, written down before.
    ///
    /// # Errors
    /// Where it cannot be written down or made.
    pub fn make_directory(&self, path: &Path) -> Result<()> {
        let mut state = self.state();
        let record = match state.mode {
            Mode::Recording => Some(self.write_intent(&mut state, Deed::Directory { path: path.to_owned() })?),
            _ => None,
        };
        std::fs::create_dir(path).map_err(|error| {
            // Another command was quicker, or it cannot be made.
            if let Some(record) = record {
                self.strike_off(&mut state, record);
            }
            Error::io(format!("create {}", path.display()), &error)
        })
    }

    /// Directories on record that an ADD has made: for GC, of all attachments of the network.
    pub fn made_directories(&self) -> Vec<PathBuf> {
        let mut state = self.state();
        let known = state.known.get_or_insert_with(|| self.look());
        known.iter().flat_map(|book| &book.records).filter_map(|record| directory_of(record).cloned()).collect()
    }

    /// Remove the directories that this command made and that stayed empty.
    pub fn remove_empty_directories(&self) {
        let mut state = self.state();
        for (record, path) in directories_of_run(&state).into_iter().rev() {
            if std::fs::remove_dir(path).is_ok() {
                self.strike_off(&mut state, record);
            }
        }
    }

    /// Directories that are in use now stay for the next attachments.
    pub(super) fn keep_directories(&self, state: &mut State) {
        for (record, _) in directories_of_run(state) {
            self.strike_off(state, record);
        }
    }

    fn strike_off(&self, state: &mut State, n: u32) {
        let run = state.run.clone();
        if let Err(error) = self.write(state, vec![Line::Void { run, n }]) {
            trace::line(&state.plugin, Level::Warn, &error.message);
        }
    }
}

/// The directories that this run has made, each after the one that it lies in.
fn directories_of_run(state: &State) -> Vec<(u32, PathBuf)> {
    let own = state.book.records.iter().filter(|record| record.run == state.run);
    own.filter_map(|record| Some((record.n, directory_of(record)?.clone()))).collect()
}

fn directory_of(record: &Record) -> Option<&PathBuf> {
    match &record.deed {
        Deed::Directory { path } => Some(path),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use weir_native::attachment::Attachment;

    use super::*;
    use crate::ledger::file::Directory;

    fn ledger(root: &Path, container: &str) -> Ledger {
        let owner = Attachment::new(container, "eth0");
        Ledger::within(Directory::new(root.join("ledger")), "net", owner, Vec::new())
    }

    fn adding(root: &Path) -> Ledger {
        let ledger = ledger(root, "c1");
        ledger.state().mode = Mode::Recording;
        ledger
    }

    /// What GC finds.
    fn on_record(root: &Path) -> Vec<PathBuf> {
        ledger(root, "").made_directories()
    }

    #[test]
    fn a_directory_is_on_record_before_its_add_has_succeeded() {
        let temp = tempfile::tempdir().unwrap();
        let (outer, inner) = (temp.path().join("outer"), temp.path().join("outer/inner"));
        let adding = adding(temp.path());
        adding.make_directory(&outer).unwrap();
        adding.make_directory(&inner).unwrap();
        assert!(inner.is_dir());
        assert_eq!(on_record(temp.path()), [outer.clone(), inner.clone()]);
        std::fs::write(outer.join("file"), "").unwrap();
        adding.remove_empty_directories();
        assert!(outer.is_dir() && !inner.exists());
        assert_eq!(on_record(temp.path()), [outer]);
        adding.keep_directories(&mut adding.state());
        assert!(on_record(temp.path()).is_empty());
    }

    #[test]
    fn a_directory_that_cannot_be_written_down_is_not_made() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join("ledger"), "in the way").unwrap();
        let adding = adding(temp.path());
        let path = temp.path().join("state");
        adding.make_directory(&path).unwrap_err();
        assert!(!path.exists());
    }
}
