//! What becomes of a program whose output nobody reads any more.

/// Let the process end by SIGPIPE, without a word, when it writes to a pipe that is closed. Rust's programs begin with
/// the signal ignored and panic in `println!` instead. Not for programs that write to other programs: one of those that
/// ends early would end this one too.
pub fn end_on_closed_pipe() {
    // SAFETY: the default action takes no handler, and so nothing of this process.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}
