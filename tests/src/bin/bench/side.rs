//! One side of a case: a thread with a host of its own, which runs the case once whenever it is told to.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use weir_tests::{Host, Programs};

use crate::PAUSE;
use crate::cases::Case;

/// The handle of such a thread.
pub(crate) struct Side {
    go: Sender<()>,
    times: Receiver<Result<Vec<Duration>>>,
    thread: JoinHandle<Result<Option<String>>>,
}

impl Side {
    /// Make a host and prepare the case in it.
    pub(crate) fn start(case: Case, programs: Programs) -> Result<Self> {
        let (go, told) = channel();
        let (tell, times) = channel();
        let thread = std::thread::spawn(move || work(&case, programs, &told, &tell));
        let side = Self { go, times, thread };
        // The answer to nothing asked: it is ready, or it is not.
        side.answer()?;
        Ok(side)
    }

    /// Run the case once; how long each of its rows took.
    pub(crate) fn once(&self) -> Result<Vec<Duration>> {
        self.go.send(()).context("it has ended")?;
        self.answer()
    }

    /// End; what is to be said of this side.
    pub(crate) fn finish(self) -> Result<Option<String>> {
        drop(self.go);
        self.thread.join().map_err(|_| anyhow!("it panicked"))?
    }

    fn answer(&self) -> Result<Vec<Duration>> {
        self.times.recv().context("it has ended")?
    }
}

fn work(
    case: &Case,
    programs: Programs,
    told: &Receiver<()>,
    tell: &Sender<Result<Vec<Duration>>>,
) -> Result<Option<String>> {
    let prepared = Host::new().and_then(|host| {
        let bench = (case.prepare)(&host, programs)?;
        Ok((host, bench))
    });
    let (host, mut bench) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            let _ = tell.send(Err(error));
            return Ok(None);
        }
    };
    let _ = tell.send(Ok(Vec::new()));
    while told.recv().is_ok() {
        let mut times = Vec::with_capacity(case.rows.len());
        let outcome = bench(&mut times).map(|()| times);
        std::thread::sleep(PAUSE);
        if tell.send(outcome).is_err() {
            break;
        }
    }
    case.note.map_or(Ok(None), |note| note(&host))
}
