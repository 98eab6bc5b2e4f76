//! Facts about this process and flags for its open calls.

/// Open flags: refuse a symbolic link in the last part of the path, and do not wait for the other end of a pipe. See
/// open(2), O_NOFOLLOW and O_NONBLOCK.
pub const OPEN_NO_FOLLOW: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK;

/// The effective user ID. See geteuid(2).
pub fn effective_user() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// Have the signals that end a daemon (SIGTERM, SIGINT) wait for [`wait_for_end`]. Call it before there are other threads:
/// they inherit this.
pub fn hold_end() -> crate::Result<()> {
    end_signals().thread_block().map_err(|errno| crate::Error::io("block signals", &errno.into()))
}

/// Wait until the process is told to end.
pub fn wait_for_end() -> crate::Result<()> {
    end_signals().wait().map(drop).map_err(|errno| crate::Error::io("wait for signals", &errno.into()))
}

/// End this process as SIGKILL does: nothing is cleaned up.
pub fn kill_self() {
    // Cannot fail: the process is there, and may signal itself.
    let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
}

/// A number by lot, for names that nobody else chooses.
pub fn random_number() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // The keys of this hasher are random; its result is then as good as they are.
    std::hash::RandomState::new().build_hasher().finish()
}

fn end_signals() -> nix::sys::signal::SigSet {
    [nix::sys::signal::Signal::SIGTERM, nix::sys::signal::Signal::SIGINT].into_iter().collect()
}
