//! The code of a plugin in a child process that can do nothing but compute and ask: `"isolation": "process"` of the
//! registry's policy.
//!
//! Everything that decides or acts stays in this process: handles, broker, budgets, ledger. The child has the engine, the
//! code and one end of a channel. What it says is not trusted: each message is looked at as if an escaped guest had
//! written it, and one that an honest child would not send ends it.

mod functions;
mod inside;
mod kinds;
mod message;
mod remote;

use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use cni_spec::error::Error as CniError;
use wasmtime::component::ResourceTableError;
use weir_native::isolation::{self, Broken, Channel, End};

pub(super) use remote::Remote;

use self::functions::Refusal;
use self::message::{Ending, Lie, Outcome, Request, decode_request, encode};
use super::answer;
use super::bindings::plugin::CniError as WitError;
use super::code::Code;
use super::fault::Fault;
use super::guest::Guest;
use super::job::Job;
use super::wasi;
use crate::broker::budget::FUEL_PER_MILLISECOND;
use crate::broker::times::{self, Phase};
use crate::broker::{Limits, Stop};
use crate::contract::code;

/// What a message may have beside the texts and lists in it.
const FRAME: usize = 256 << 10;
/// Longer than any command may take.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Why there is no answer.
enum Failure {
    /// The guest was stopped.
    Fault(Fault),
    /// The child said what an honest one does not say.
    Lie(Lie),
    /// The child is gone.
    Gone,
    /// The code could not be begun.
    NotBegun(String),
    /// The channel failed.
    Channel(std::io::Error),
}

/// Run the code in a child, and serve it from here.
pub(super) fn run(job: &Job<'_>, code: Code, mut guest: Guest) -> Result<Result<String, WitError>, CniError> {
    let loading = times::enter(Phase::Load);
    let Code::File { file, .. } = &code else {
        // What is mapped already may need a file that the child would not have.
        return Err(unavailable(job, "this process serves many commands; let it execute the plugin's file".to_owned()));
    };
    let kept = [file.as_fd().as_raw_fd()];
    let spawned = isolation::spawn(&kept, |channel| inside::run(job, code, channel));
    let (child, channel) = spawned.map_err(|error| unavailable(job, error.message))?;
    drop(loading);
    let served = {
        let _running = times::enter(Phase::Guest);
        serve(job, &mut guest, &channel)
    };
    drop(channel);
    // It has nothing to do any more, and nothing to tidy up.
    let end = child.end();
    let refused = guest.limiter.refused();
    // What the guest's handles hold, such as locks, ends now.
    drop(guest);
    match served {
        Ok(ending) => Ok(ending),
        Err(Failure::Fault(fault)) => Err(job.fault(&fault, refused)),
        Err(failure) => Err(explain(job, failure, end)),
    }
}

/// Answer the child until it has ended.
fn serve(job: &Job<'_>, guest: &mut Guest, channel: &Channel) -> Result<Result<String, WitError>, Failure> {
    let started = Instant::now();
    let deadline = started.checked_add(job.budget.time_left().min(FOREVER));
    let longest = longest(job.budget.limits());
    let served = loop {
        let message = match channel.receive(longest, deadline) {
            Ok(message) => message,
            Err(broken) => break Err(broken_off(job, broken)),
        };
        // A child waits for its answer before it says the next thing, and says nothing after the end.
        if channel.has_more() {
            break Err(Failure::Lie(Lie::OutOfTurn));
        }
        let answer = match decode_request(&message).map_err(Failure::Lie) {
            Err(lie) => Err(lie),
            Ok((Request::Call(call), arguments)) => functions::carry_out(guest, call, arguments).map_err(refused),
            Ok((Request::Grow(growth, more), _)) => {
                encode(&guest.limiter.admits(growth.into(), more)).map_err(|error| Failure::Fault(Fault::from(&error)))
            }
            Ok((Request::End(ending), _)) => break Ok(ending),
        };
        let answered =
            answer.and_then(|answer| channel.send(&answer, deadline).map_err(|broken| broken_off(job, broken)));
        if let Err(failure) = answered {
            break Err(failure);
        }
    };
    // Of a child that did not say it, as much as fits into its time: what must run after it still has the rest.
    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1);
    let most = job.fuel.min(milliseconds.saturating_mul(FUEL_PER_MILLISECOND));
    job.budget.computed(served.as_ref().map_or(most, |ending: &Ending| ending.fuel.min(most)));
    let Ending { outcome, printed, .. } = served?;
    if job.entry.wasi {
        wasi::log_output(&printed, &job.entry.name, job.budget);
    }
    match outcome {
        Outcome::Answered(answer) => Ok(answer),
        Outcome::Stopped(report) => Err(Failure::Fault(Fault::reported(report.readable(answer::DETAILS)))),
        Outcome::NotBegun(why) => Err(Failure::NotBegun(answer::readable(why, answer::DETAILS))),
    }
}

/// More than any message of an honest child: what one call may bring, numbers in their longest form, or a result.
fn longest(limits: &Limits) -> usize {
    limits.call_bytes.saturating_mul(2).max(limits.result_bytes).saturating_add(limits.output_bytes + FRAME)
}

fn refused(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::Lie(lie) => Failure::Lie(lie),
        // The engine knows the handles of a guest, so these come from a child that does not ask it.
        Refusal::Stop(error) => match error.downcast_ref::<ResourceTableError>() {
            Some(ResourceTableError::NotPresent | ResourceTableError::WrongType) => Failure::Lie(Lie::NoHandle),
            _ => Failure::Fault(Fault::from(&error)),
        },
    }
}

fn broken_off(job: &Job<'_>, broken: Broken) -> Failure {
    match broken {
        Broken::Closed => Failure::Gone,
        Broken::TooLong(length) => Failure::Lie(Lie::TooLong(length)),
        Broken::TimedOut => Failure::Fault(Fault::from(out_of_time(job))),
        Broken::Io(error) => Failure::Channel(error),
    }
}

fn out_of_time(job: &Job<'_>) -> Stop {
    job.budget.stop("wallTimeMs", job.budget.limits().wall_time_ms)
}

fn explain(job: &Job<'_>, failure: Failure, end: End) -> CniError {
    let plugin = &job.entry.name;
    let (code, why, details) = match failure {
        Failure::Fault(fault) => return job.fault(&fault, None),
        Failure::NotBegun(why) => return unavailable(job, why),
        Failure::Channel(error) => return unavailable(job, format!("the channel to its process failed: {error}")),
        Failure::Lie(lie) => {
            (code::PLUGIN_FAILED, format!("plugin {plugin} broke out of its engine: {lie}"), String::new())
        }
        Failure::Gone => {
            let how = match end {
                End::Status(status) => format!("exit status {status}"),
                End::Signal(signal) => format!("signal {signal}"),
                End::Unknown => "unknown".to_owned(),
            };
            (code::PLUGIN_FAILED, format!("plugin {plugin} lost its process before it had answered"), how)
        }
    };
    CniError::new(code, why).with_details(details)
}

fn unavailable(job: &Job<'_>, why: String) -> CniError {
    let plugin = &job.entry.name;
    CniError::new(code::PLUGIN_UNAVAILABLE, format!("cannot run plugin {plugin} in a process of its own"))
        .with_details(why)
}

#[cfg(test)]
mod tests;
