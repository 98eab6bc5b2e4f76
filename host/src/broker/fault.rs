//! Faults put in on purpose at one host call, to see what a plugin leaves behind: `weir exec --fault`. A field that only
//! that command sets; `weir-cni` has no way to.

use std::fs::File;
use std::io::Write;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Function, Stop};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The call does nothing and fails with an I/O error.
    Error,
    /// The guest is stopped instead of the call.
    Trap,
    /// SIGKILL before the call, when it is written down what it is about to do.
    KillBefore,
    /// SIGKILL after the call, before it is written down that it is done.
    KillAfter,
}

/// A fault at one of the host calls of a command, which are counted from 1, those of delegates included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    kind: Kind,
    at: u64,
}

impl Fault {
    /// The number of the call.
    pub fn number(self) -> u64 {
        self.at
    }
}

/// What is wrong with the text of a fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not KIND@CALL: KIND is error, trap, kill-before or kill-after, and CALL counts from 1")]
pub struct FaultSyntax(String);

impl FromStr for Fault {
    type Err = FaultSyntax;

    fn from_str(text: &str) -> Result<Self, FaultSyntax> {
        let wrong = || FaultSyntax(text.to_owned());
        let (kind, at) = text.split_once('@').ok_or_else(wrong)?;
        let kind = match kind {
            "error" => Kind::Error,
            "trap" => Kind::Trap,
            "kill-before" => Kind::KillBefore,
            "kill-after" => Kind::KillAfter,
            _ => return Err(wrong()),
        };
        let at = at.parse().ok().filter(|at| *at > 0).ok_or_else(wrong)?;
        Ok(Self { kind, at })
    }
}

/// Counts the host calls of one command, whichever plugin makes them, writes down their names, and puts in a fault.
#[derive(Debug)]
pub struct Probe {
    fault: Option<Fault>,
    names: Option<File>,
    calls: AtomicU64,
    /// Where set, all other calls are refused.
    #[cfg(feature = "fuzzing")]
    only: Option<&'static [Function]>,
}

impl Probe {
    /// With a fault or without. Names of calls go to the file, each when the call is made.
    pub fn new(fault: Option<Fault>, names: Option<File>) -> Self {
        Self {
            fault,
            names,
            calls: AtomicU64::new(0),
            #[cfg(feature = "fuzzing")]
            only: None,
        }
    }

    /// With no kernel behind it: only these functions are carried out, all others refused.
    #[cfg(feature = "fuzzing")]
    pub fn refusing_all_but(only: &'static [Function]) -> Self {
        Self { only: Some(only), ..Self::new(None, None) }
    }

    /// How many calls were made.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Make a call, or what the fault makes of it.
    ///
    /// # Errors
    /// [`Stop::Fault`], where the guest is to be stopped here.
    pub(super) fn call<T>(
        &self,
        plugin: &str,
        function: Function,
        act: impl FnOnce() -> weir_native::Result<T>,
    ) -> Result<weir_native::Result<T>, Stop> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if let Some(mut names) = self.names.as_ref() {
            // Names that are lost are missed by the person who asked for them, and by nobody else.
            let _ = names.write_all(format!("{plugin} {}.{}\n", function.interface(), function.name()).as_bytes());
        }
        #[cfg(feature = "fuzzing")]
        if self.only.is_some_and(|only| !only.contains(&function)) {
            return Ok(Err(weir_native::Error::new(weir_native::ErrorKind::Unsupported, "there is no kernel here")));
        }
        match self.fault.filter(|fault| fault.at == number).map(|fault| fault.kind) {
            None => Ok(act()),
            Some(Kind::Error) => Ok(Err(weir_native::Error::new(
                weir_native::ErrorKind::Io,
                format!("{}.{} failed on purpose at host call {number}", function.interface(), function.name()),
            ))),
            Some(Kind::Trap) => Err(Stop::Fault(number)),
            Some(Kind::KillBefore) => {
                weir_native::process::kill_self();
                Err(Stop::Fault(number))
            }
            Some(Kind::KillAfter) => {
                let outcome = act();
                weir_native::process::kill_self();
                Ok(outcome)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may panic")]
    use super::*;

    fn probe(fault: &str) -> Probe {
        Probe::new(Some(fault.parse().unwrap()), None)
    }

    #[test]
    fn faults_have_a_kind_and_a_number() {
        assert_eq!("kill-after@7".parse(), Ok(Fault { kind: Kind::KillAfter, at: 7 }));
        for wrong in ["", "error", "error@", "error@0", "error@-1", "stop@1", "error@1@2", "error@99999999999999999999"]
        {
            assert_eq!(wrong.parse::<Fault>(), Err(FaultSyntax(wrong.to_owned())));
        }
    }

    #[test]
    fn only_the_call_of_that_number_fails_and_it_does_nothing() {
        let (probe, mut done) = (probe("error@2"), Vec::new());
        let kinds: Vec<_> = (1..=3)
            .map(|number| {
                let act = || {
                    done.push(number);
                    Ok(())
                };
                probe.call("p", Function::LinksFind, act).unwrap().err().map(|error| error.kind)
            })
            .collect();
        assert_eq!(kinds, [None, Some(weir_native::ErrorKind::Io), None]);
        assert_eq!((done, probe.calls()), (vec![1, 3], 3));
    }

    #[test]
    fn a_trap_stops_the_guest_before_the_call() {
        let mut done = false;
        let act = || {
            done = true;
            Ok(())
        };
        assert!(matches!(probe("trap@1").call("p", Function::LinksFind, act), Err(Stop::Fault(1))));
        assert!(!done);
    }

    #[test]
    fn names_are_written_down() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let probe = Probe::new(None, Some(file.reopen().unwrap()));
        for function in [Function::LinksFind, Function::LinkUpdate] {
            probe.call("p", function, || Ok(())).unwrap().unwrap();
        }
        let mut text = String::new();
        std::io::Read::read_to_string(file.as_file_mut(), &mut text).unwrap();
        assert_eq!(text, "p links.find\np links.link.update\n");
    }
}
