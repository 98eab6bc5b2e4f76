//! What happens in the child: map the code, give up everything, run, say what came of it.

use std::sync::Arc;

use weir_native::isolation::Channel;
use weir_native::isolation::rights::{self, Bounds};

use super::message::{Ending, Outcome, Request, encode};
use super::remote::Remote;
use crate::broker::Limits;
use crate::sandbox::bindings::plugin::CniError as WitError;
use crate::sandbox::code::Code;
use crate::sandbox::fault::Fault;
use crate::sandbox::job::{Job, Ready};
use crate::sandbox::side::Side;
use crate::sandbox::wasi::{self, Wasi};

/// Address space of one linear memory, with what lies around it.
const RESERVED: u64 = (4 << 30) + (1 << 20);
/// Memory for the program itself, the engine, the code, and the stack.
const PROGRAM: u64 = 96 << 20;
/// Stacks of the threads that serve WASI's clocks.
const THREADS: u64 = 512 << 20;
/// Address space for everything that is not linear memory.
const ELSEWHERE: u64 = 1 << 30;
/// How often one message may be there at a time: in the guest's words, in ours, as bytes, and while these grow.
const COPIES: u64 = 6;
/// The longest text of an error that is sent; the other side cuts it shorter.
const LONGEST_TEXT: usize = 32 << 10;

/// The whole life of the child.
pub(super) fn run(job: &Job<'_>, code: Code, channel: Channel) {
    let channel = Arc::new(channel);
    let ending = ending(job, code, &channel);
    // Who does not listen any more has ended us already.
    if let Ok(message) = encode(&Request::End(ending)) {
        let _ = channel.send(&message, None);
    }
    // It is closed with the process. With debug assertions, to close it would take a system call that is not ours any more.
    std::mem::forget(channel);
}

fn ending(job: &Job<'_>, code: Code, channel: &Arc<Channel>) -> Ending {
    let limits = job.budget.limits();
    let wasi = job.entry.wasi.then(|| Wasi::new(limits.output_bytes));
    let remote = Remote::new(channel.clone(), limits, wasi);
    let mut ready = match job.prepare(code, Side::Remote(Box::new(remote))) {
        Ok(ready) => ready,
        Err(error) => return Ending { outcome: stopped(&error), fuel: 0, printed: Vec::new() },
    };
    let threads = || {
        if job.entry.wasi {
            wasi::start_threads();
        }
    };
    let outcome = match rights::give_up(bounds(limits, job.entry.wasi), threads) {
        Ok(_) => begin(job, &mut ready),
        Err(error) => Outcome::NotBegun(error.message),
    };
    let printed = match ready.store.data() {
        Side::Remote(remote) => remote.wasi.as_ref().map(Wasi::printed).unwrap_or_default(),
        Side::Local(_) => Vec::new(),
    };
    let ending = Ending { outcome, fuel: ready.computed(job), printed };
    // The process ends with this message; to take the instance apart would take longer.
    std::mem::forget(ready);
    ending
}

fn begin(job: &Job<'_>, ready: &mut Ready) -> Outcome {
    let result_bytes = job.budget.limits().result_bytes;
    match job.start(ready) {
        // One byte more than is allowed is enough to be refused for.
        Ok(Ok(answer)) => Outcome::Answered(Ok(cut(answer, result_bytes.saturating_add(1)))),
        Ok(Err(WitError { code, msg, details })) => {
            Outcome::Answered(Err(WitError { code, msg: cut(msg, LONGEST_TEXT), details: cut(details, LONGEST_TEXT) }))
        }
        Err(error) => stopped(&error),
    }
}

fn stopped(error: &wasmtime::Error) -> Outcome {
    Outcome::Stopped(Fault::from(error).report().readable(LONGEST_TEXT))
}

/// At least the first bytes of a text, if it has so many, and no more than three others.
fn cut(mut text: String, at_least: usize) -> String {
    if text.len() > at_least {
        let end = (at_least..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        text.truncate(end);
    }
    text
}

/// Further out than the limits that the engine holds: these hold also where it does not.
fn bounds(limits: &Limits, wasi: bool) -> Bounds {
    let memory = limits.memory_bytes as u64;
    let messages = limits.call_bytes.max(limits.result_bytes) as u64;
    let tables = (limits.table_elements as u64).saturating_mul(16);
    let threads = if wasi { THREADS } else { 0 };
    let data =
        memory.saturating_add(messages.saturating_mul(COPIES)).saturating_add(tables).saturating_add(PROGRAM + threads);
    let memories = (limits.memories as u64).saturating_mul(RESERVED);
    Bounds {
        address_space: memories.saturating_add(data).saturating_add(ELSEWHERE),
        data,
        seconds: limits.wall_time_ms / 1000 + 2,
    }
}
