//! Facts about this process and flags for its open calls.

/// Open flags: refuse a symbolic link in the last part of the path, and do not wait for the other end of a pipe. See
/// open(2), O_NOFOLLOW and O_NONBLOCK.
pub const OPEN_NO_FOLLOW: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK;

/// The effective user ID. See geteuid(2).
pub fn effective_user() -> u32 {
    nix::unistd::geteuid().as_raw()
}
