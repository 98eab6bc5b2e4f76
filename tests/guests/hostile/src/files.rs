//! Has the host read files that are nobody's business.

use weir_sdk::bindings::weir::cni::{environment_files, resolver};

use crate::call::{Attempts, Call, Outcome};

fn read(paths: &[&str]) -> Outcome {
    let mut attempts = Attempts::new();
    for path in paths {
        attempts.to(format!("{path} as resolv.conf"), resolver::load(path));
        attempts.to(format!("{path} as environment"), environment_files::load(path));
    }
    attempts.end()
}

pub fn shadow(_: &Call) -> Outcome {
    read(&["/etc/shadow", "/run/hostile/../../etc/shadow", "/run/secrets/key", "etc/shadow", ""])
}

pub fn environment_of_a_process(_: &Call) -> Outcome {
    read(&["/proc/1/environ", "/proc/self/environ", "/proc/thread-self/environ", "/proc/self/root/etc/shadow"])
}

pub fn device(_: &Call) -> Outcome {
    read(&["/dev/zero", "/run/hostile/zero"])
}

pub fn pipe(_: &Call) -> Outcome {
    read(&["/run/hostile/pipe"])
}

pub fn directory(_: &Call) -> Outcome {
    read(&["/run/hostile", "/run/hostile/", "/"])
}
