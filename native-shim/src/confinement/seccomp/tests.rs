#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests may panic")]

use libc::sock_filter;

use super::program::compile;
use super::{Profile, verdicts};

const NATIVE: u32 = if cfg!(target_arch = "x86_64") { 0xc000_003e } else { 0xc000_00b7 };
const ALLOWED: u32 = libc::SECCOMP_RET_ALLOW;
const KILLED: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const REFUSED: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;

/// What the kernel would answer, and after how many steps.
fn run(program: &[sock_filter], architecture: u32, number: u32, arguments: [u32; 3]) -> (u32, usize) {
    let load = |offset: u32| match offset {
        0 => number,
        4 => architecture,
        16 => arguments[0],
        24 => arguments[1],
        32 => arguments[2],
        other => panic!("offset {other}"),
    };
    let (mut at, mut value) = (0, 0);
    for taken in 1..=program.len() {
        let step = program[at];
        let jump = |holds: bool| usize::from(if holds { step.jt } else { step.jf });
        at += 1;
        match u32::from(step.code) {
            0x20 => value = load(step.k),
            0x06 => return (step.k, taken),
            0x05 => at += step.k as usize,
            0x15 => at += jump(value == step.k),
            0x35 => at += jump(value >= step.k),
            0x45 => at += jump(value & step.k != 0),
            other => panic!("code {other:#x}"),
        }
    }
    panic!("no return");
}

fn answer(profile: Profile, call: i64, arguments: [u32; 3]) -> u32 {
    run(&compile(&verdicts(profile)), NATIVE, u32::try_from(call).unwrap(), arguments).0
}

#[test]
fn every_number_gets_the_verdict_of_its_list() {
    for profile in [Profile::Alone, Profile::WithPrograms, Profile::Guest] {
        let program = compile(&verdicts(profile));
        let (list, on_list, otherwise) = match profile {
            Profile::Alone => (super::calls::ALONE, ALLOWED, REFUSED),
            Profile::WithPrograms => (super::calls::NEVER, REFUSED, ALLOWED),
            Profile::Guest => (super::calls::GUEST, ALLOWED, KILLED),
        };
        let special: &[i64] = match profile {
            Profile::Guest => &[libc::SYS_mmap, libc::SYS_mprotect],
            Profile::Alone | Profile::WithPrograms => &[
                libc::SYS_setns,
                libc::SYS_socket,
                libc::SYS_clone,
                libc::SYS_clone3,
                libc::SYS_setresuid,
                libc::SYS_setresgid,
                libc::SYS_setgroups,
            ],
        };
        for number in (0..1024).filter(|number| !special.contains(number)) {
            let expected = if list.contains(&number) { on_list } else { otherwise };
            let (answered, steps) = run(&program, NATIVE, u32::try_from(number).unwrap(), [0; 3]);
            assert_eq!(answered, expected, "call {number} of {profile:?}");
            assert!(steps < 16, "{steps} steps for call {number} of {profile:?}");
        }
    }
}

#[test]
fn calls_of_other_architectures_are_refused() {
    for profile in [Profile::Alone, Profile::WithPrograms] {
        let program = compile(&verdicts(profile));
        let read = u32::try_from(libc::SYS_read).unwrap();
        assert_eq!(run(&program, NATIVE, read, [0; 3]).0, ALLOWED);
        assert_eq!(run(&program, 0x4000_0003, read, [0; 3]).0, REFUSED, "i386");
        assert_eq!(run(&program, NATIVE, read | 0x4000_0000, [0; 3]).0, REFUSED, "x32");
    }
}

#[test]
fn arguments_are_looked_at() {
    let (net, user) = (libc::CLONE_NEWNET as u32, libc::CLONE_NEWUSER as u32);
    for profile in [Profile::Alone, Profile::WithPrograms] {
        assert_eq!(answer(profile, libc::SYS_setns, [3, net, 0]), ALLOWED);
        assert_eq!(answer(profile, libc::SYS_setns, [3, 0, 0]), REFUSED);
        assert_eq!(answer(profile, libc::SYS_setns, [3, net | user, 0]), REFUSED);
        assert_eq!(answer(profile, libc::SYS_clone, [libc::SIGCHLD as u32, 0, 0]), ALLOWED);
        assert_eq!(answer(profile, libc::SYS_clone, [user | libc::SIGCHLD as u32, 0, 0]), REFUSED);
        assert_eq!(answer(profile, libc::SYS_socket, [libc::AF_UNIX as u32, 0, 0]), ALLOWED);
        assert_eq!(answer(profile, libc::SYS_socket, [libc::AF_INET6 as u32, 0, 0]), ALLOWED);
        assert_eq!(answer(profile, libc::SYS_socket, [libc::AF_ALG as u32, 0, 0]), REFUSED);
        assert_eq!(answer(profile, libc::SYS_socket, [libc::AF_VSOCK as u32, 0, 0]), REFUSED);
    }
}

#[test]
fn the_host_may_become_nobody_and_no_one_else() {
    for call in [libc::SYS_setresuid, libc::SYS_setresgid] {
        assert_eq!(answer(Profile::Alone, call, [65534; 3]), ALLOWED);
        for other in [[0, 65534, 65534], [65534, 0, 65534], [65534, 65534, 0], [65534, 65534, u32::MAX], [0; 3]] {
            assert_eq!(answer(Profile::Alone, call, other), REFUSED, "{other:?}");
        }
    }
    assert_eq!(answer(Profile::Alone, libc::SYS_setgroups, [0; 3]), ALLOWED);
    assert_eq!(answer(Profile::Alone, libc::SYS_setgroups, [1, 0, 0]), REFUSED);
}

#[test]
fn a_guest_makes_no_memory_executable_and_dies_of_what_is_not_listed() {
    let (read, write, execute) = (libc::PROT_READ as u32, libc::PROT_WRITE as u32, libc::PROT_EXEC as u32);
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        assert_eq!(answer(Profile::Guest, call, [0, 0, read | write]), ALLOWED);
        assert_eq!(answer(Profile::Guest, call, [0, 0, read | execute]), KILLED);
        assert_eq!(answer(Profile::Guest, call, [0, 0, execute]), KILLED);
    }
    let calls = [
        libc::SYS_openat,
        libc::SYS_socket,
        libc::SYS_clone,
        libc::SYS_clone3,
        libc::SYS_execve,
        libc::SYS_ptrace,
        libc::SYS_kill,
        libc::SYS_setresuid,
        libc::SYS_prctl,
        libc::SYS_ioctl,
        libc::SYS_connect,
        libc::SYS_sendmsg,
        libc::SYS_pkey_mprotect,
        libc::SYS_memfd_create,
    ];
    for call in calls {
        assert_eq!(answer(Profile::Guest, call, [0; 3]), KILLED, "call {call}");
    }
    let program = compile(&verdicts(Profile::Guest));
    let read = u32::try_from(libc::SYS_read).unwrap();
    assert_eq!(run(&program, 0x4000_0003, read, [0; 3]).0, KILLED, "i386");
    assert_eq!(run(&program, NATIVE, read | 0x4000_0000, [0; 3]).0, KILLED, "x32");
}
