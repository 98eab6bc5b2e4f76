//! Facts about this process and flags for its open calls.

/// Open flag: refuse a symbolic link in the last part of the path. See open(2), O_NOFOLLOW.
pub const OPEN_NO_FOLLOW: i32 = libc::O_NOFOLLOW;

/// The effective user ID. See geteuid(2).
pub fn effective_user() -> u32 {
    nix::unistd::geteuid().as_raw()
}
