//! Time limit of this process for what it is doing, whatever that waits for.
//!
//! Waits of this crate end at the deadline by themselves ([`within`]). For what waits in some other way, a timer sends
//! SIGALRM from a moment later on, again and again: a blocked system call then ends with EINTR. Who is not back even so
//! (library code that calls again, or code that only computes) is ended from the signal handler, with the last words
//! on standard output and exit status 1. No thread, no second process; to arm it costs two system calls.
//!
//! One per process, for the thread that leads it. In a process that is somebody else's ([`hosted`]) each thread has a
//! deadline of its own, and there is no signal: only waits of this crate end by it.

use std::cell::Cell;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Duration;

use crate::{Error, Result, hosted};

/// From the deadline to the first signal: time for waits that know the deadline to end.
const FIRST_SIGNAL: Duration = Duration::from_millis(200);
/// From signal to signal.
const INTERVAL: Duration = Duration::from_millis(50);
/// From the deadline to the last words.
const GRACE: Duration = Duration::from_secs(2);
/// Exit status after the last words.
const STATUS: libc::c_int = 1;

/// What the handler goes by. Never freed, as a handler may be looking at it.
struct Plan {
    /// Nanoseconds of CLOCK_MONOTONIC.
    deadline: u64,
    last_words: Box<[u8]>,
}

static PLAN: AtomicPtr<Plan> = AtomicPtr::new(ptr::null_mut());

thread_local! {
    /// The deadline of a hosted thread, in nanoseconds of CLOCK_MONOTONIC.
    static OF_THREAD: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Watches until dropped; then what was watched before, if anything, is watched again.
#[derive(Debug)]
#[must_use = "dropped, it watches no longer"]
pub struct Watchdog {
    before: Before,
}

/// What was watched before.
#[derive(Debug, Clone, Copy)]
enum Before {
    Process(*mut Plan),
    Thread(Option<u64>),
}

impl Watchdog {
    /// Watch what follows. A deadline that was set before and comes earlier stays. `last_words` should be a complete
    /// answer of this process; a hosted thread has none.
    pub fn arm(time: Duration, last_words: &[u8]) -> Result<Self> {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let own = now().saturating_add(nanoseconds);
        if hosted::is_hosted() {
            let before = OF_THREAD.get();
            OF_THREAD.set(Some(before.map_or(own, |earlier| earlier.min(own))));
            return Ok(Self { before: Before::Thread(before) });
        }
        static HANDLER: Once = Once::new();
        let mut installed = Ok(());
        HANDLER.call_once(|| installed = install());
        installed.map_err(|error| Error::io("install the handler of the time limit", &error))?;
        let before = PLAN.load(Ordering::Acquire);
        let deadline = deadline(before).map_or(own, |earlier| earlier.min(own));
        let plan = Box::into_raw(Box::new(Plan { deadline, last_words: last_words.into() }));
        watch(plan).map_err(|error| Error::io("set the timer of the time limit", &error))?;
        Ok(Self { before: Before::Process(before) })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        match self.before {
            // It can only fail on arguments that make no sense.
            Before::Process(before) => drop(watch(before)),
            Before::Thread(before) => OF_THREAD.set(before),
        }
    }
}

/// The shorter of a time limit and the time that is left.
pub fn within(limit: Duration) -> Duration {
    left().map_or(limit, |left| left.min(limit))
}

/// Whether the deadline has passed.
pub fn has_expired() -> bool {
    left() == Some(Duration::ZERO)
}

fn left() -> Option<Duration> {
    let deadline = if hosted::is_hosted() { OF_THREAD.get() } else { deadline(PLAN.load(Ordering::Acquire)) };
    deadline.map(|deadline| Duration::from_nanos(deadline.saturating_sub(now())))
}

fn deadline(plan: *mut Plan) -> Option<u64> {
    // SAFETY: a pointer in `PLAN` came from a box that is never freed nor changed.
    unsafe { plan.as_ref() }.map(|plan| plan.deadline)
}

/// Nanoseconds of CLOCK_MONOTONIC. Safe to call in a signal handler.
fn now() -> u64 {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the pointer leads to room for a timespec, which the call fills; this clock always exists.
    let time = unsafe {
        libc::clock_gettime(libc::CLOCK_MONOTONIC, time.as_mut_ptr());
        time.assume_init()
    };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// Go by this plan, or stop watching.
fn watch(plan: *mut Plan) -> io::Result<()> {
    let (first, interval) = match deadline(plan) {
        Some(deadline) => (Duration::from_nanos(deadline.saturating_sub(now())) + FIRST_SIGNAL, INTERVAL),
        None => (Duration::ZERO, Duration::ZERO),
    };
    PLAN.store(plan, Ordering::Release);
    let timer = libc::itimerval { it_interval: timeval(interval), it_value: timeval(first) };
    // SAFETY: the pointer leads to a timer value that lives over the call; no old value is asked for.
    match unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn timeval(time: Duration) -> libc::timeval {
    // A year is as good as for ever, and fits everywhere.
    let seconds = time.as_secs().min(365 * 24 * 60 * 60);
    libc::timeval { tv_sec: seconds as _, tv_usec: time.subsec_micros().into() }
}

fn install() -> io::Result<()> {
    // SAFETY: all zeros is a valid sigaction; the handler does only what is safe in one (see there), and stays for the
    // life of the process. Without SA_RESTART, so that blocked system calls end. The mask holds one valid signal.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_alarm as *const () as libc::sighandler_t;
        if libc::sigaction(libc::SIGALRM, &raw const action, ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        // Who started us may have blocked it.
        let mut alarm: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut alarm);
        libc::sigaddset(&raw mut alarm, libc::SIGALRM);
        if libc::sigprocmask(libc::SIG_UNBLOCK, &raw const alarm, ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Interrupts by being called; ends the process when the grace is over. It calls nothing but clock_gettime, write and
/// _exit, reads nothing but what never changes, and takes no lock.
extern "C" fn on_alarm(_: libc::c_int) {
    // SAFETY: errno is the interrupted code's and is put back; a plan is never freed nor changed; pointer and length
    // describe its bytes; _exit runs nothing of ours.
    unsafe {
        let errno = *libc::__errno_location();
        if let Some(plan) = PLAN.load(Ordering::Acquire).as_ref()
            && now() >= plan.deadline.saturating_add(GRACE.as_nanos() as u64)
        {
            let mut words: &[u8] = &plan.last_words;
            while !words.is_empty() {
                let count = libc::write(libc::STDOUT_FILENO, words.as_ptr().cast(), words.len());
                match usize::try_from(count) {
                    Ok(count) => words = words.get(count..).unwrap_or_default(),
                    Err(_) => break,
                }
            }
            libc::_exit(STATUS);
        }
        *libc::__errno_location() = errno;
    }
}
