//! What a signal means while a command is attached, runs and is detached.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libcni::Cancellation;
use weir_native::end_signals::{EndSignal, EndSignals};
use weir_native::foreground::Started;

use crate::console;

/// Where the run is.
#[derive(Debug)]
enum Phase {
    /// A signal stops the plugins; what they have made is taken away.
    Attaching(Cancellation),
    /// A signal goes to the command.
    Running(Started),
    /// A signal has to wait.
    Detaching,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// The first signal.
    received: Option<i32>,
}

/// Signals of a run.
#[derive(Debug, Clone)]
pub(super) struct Control {
    state: Arc<Mutex<State>>,
}

impl Control {
    /// Catch signals from now on; the first phase is that of attaching.
    pub(super) fn begin(cancellation: Cancellation) -> weir_native::Result<Self> {
        let mut signals = EndSignals::catch()?;
        let state = State { phase: Phase::Attaching(cancellation), received: None };
        let control = Self { state: Arc::new(Mutex::new(state)) };
        let receiver = control.clone();
        let listen = move || {
            while let Ok(signal) = signals.wait() {
                receiver.receive(signal);
            }
        };
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(listen)
            .map_err(|error| weir_native::Error::io("start a thread", &error))?;
        Ok(control)
    }

    /// The command runs.
    pub(super) fn running(&self, command: Started) {
        let mut state = self.lock();
        // One that came just before the command was there.
        if let Some(signal) = state.received {
            let _ = command.signal(signal);
        }
        state.phase = Phase::Running(command);
    }

    /// The command has ended, or none is to be run.
    pub(super) fn detaching(&self) {
        self.lock().phase = Phase::Detaching;
    }

    /// The first signal that came.
    pub(super) fn received(&self) -> Option<i32> {
        self.lock().received
    }

    fn receive(&self, signal: EndSignal) {
        let mut state = self.lock();
        state.received = state.received.or(Some(signal.number));
        match &state.phase {
            Phase::Attaching(cancellation) => cancellation.cancel(),
            // What a terminal sends has reached the command already.
            Phase::Running(_) if signal.from_terminal => {}
            Phase::Running(command) => {
                let _ = command.signal(signal.number);
            }
            Phase::Detaching => console::err("weir: detaching; this takes a moment"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
