//! Makes the filter: a binary search over the numbers of calls, so that the longest way through it takes about ten
//! steps. The kernel walks it once for each number when it is applied, and remembers which are always allowed.

use libc::sock_filter;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Allow,
    /// EPERM.
    Refuse,
    /// ENOSYS: as if the kernel did not have it.
    Missing,
    /// The process ends at once.
    Kill,
    /// setns: allowed where the second argument says that it must be a network namespace.
    NetworkNamespaceOnly,
    /// socket: unix, netlink, packet, IPv4 and IPv6.
    KnownFamilyOnly,
    /// clone: no new namespaces.
    NoNamespaces,
    /// setresuid, setresgid: all three the user or group that owns nothing; else refused.
    NobodyOnly,
    /// setgroups: to none; else refused.
    NoneOnly,
    /// mmap, mprotect: no executable memory; else killed.
    NotExecutable,
}

/// User and group that own nothing.
pub(super) const NOBODY: u32 = 65534;

/// From which number on which verdict holds, sorted; the first starts at 0.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    ranges: Vec<(u32, Verdict)>,
    /// For calls in the ways of other processors' programs.
    foreign: Verdict,
}

// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
/// The lower half of an argument, on a little-endian machine.
const fn argument(index: u32) -> u32 {
    16 + 8 * index
}

#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xc000_00b7;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("name this processor's AUDIT_ARCH_ (linux/audit.h), and look through the lists of calls");

/// Numbers from here on are those of x32 programs; no processor has so many of its own.
const FOREIGN: u32 = 0x4000_0000;

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const IF_AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const IF_ANY_BIT: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

const ALLOW: sock_filter = step(RETURN, libc::SECCOMP_RET_ALLOW);
const EPERM: sock_filter = step(RETURN, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32);
const ENOSYS: sock_filter = step(RETURN, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32);

const KILL: sock_filter = step(RETURN, libc::SECCOMP_RET_KILL_PROCESS);

const NEW_NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;

const fn step(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

/// A jump over `then` steps where the condition holds, else over `otherwise`.
const fn branch(code: u16, k: u32, then: u8, otherwise: u8) -> sock_filter {
    sock_filter { code, jt: then, jf: otherwise, k }
}

impl Table {
    /// Calls of a list get one verdict and all others another, except those that are given one of their own.
    pub(super) fn new(listed: &[i64], on_list: Verdict, otherwise: Verdict, special: &[(i64, Verdict)]) -> Self {
        let number = |call: i64| u32::try_from(call).ok();
        let mut calls: Vec<(u32, Verdict)> = listed.iter().filter_map(|c| Some((number(*c)?, on_list))).collect();
        calls.retain(|(call, _)| !special.iter().any(|(other, _)| number(*other) == Some(*call)));
        calls.extend(special.iter().filter_map(|(call, verdict)| Some((number(*call)?, *verdict))));
        calls.sort_by_key(|(call, _)| *call);
        let mut table = vec![(0, otherwise)];
        let mut from = |start: u32, verdict: Verdict| match table.last_mut() {
            Some(last) if last.0 == start => last.1 = verdict,
            Some(last) if last.1 == verdict => {}
            _ => table.push((start, verdict)),
        };
        for (call, verdict) in calls {
            from(call, verdict);
            from(call.saturating_add(1), otherwise);
        }
        let foreign = if otherwise == Verdict::Kill { Verdict::Kill } else { Verdict::Refuse };
        from(FOREIGN, foreign);
        // A call that follows directly leaves two neighbours of one verdict behind.
        table.dedup_by_key(|(_, verdict)| *verdict);
        Self { ranges: table, foreign }
    }
}

/// The filter for a table.
pub(super) fn compile(table: &Table) -> Vec<sock_filter> {
    let mut program = Vec::with_capacity(8 + 3 * table.ranges.len());
    program.extend([step(LOAD, ARCHITECTURE), branch(IF_EQUAL, NATIVE, 1, 0)]);
    leaf(table.foreign, &mut program);
    program.push(step(LOAD, NUMBER));
    search(&table.ranges, &mut program);
    program
}

/// Steps that find the verdict for the number that was loaded. Each way through them ends with a return.
fn search(table: &[(u32, Verdict)], program: &mut Vec<sock_filter>) {
    match table {
        [] => program.push(EPERM),
        [(_, verdict)] => leaf(*verdict, program),
        more => {
            let (below, above) = more.split_at(more.len() / 2);
            let start = above.first().map_or(0, |(start, _)| *start);
            let here = program.len();
            program.push(branch(IF_AT_LEAST, start, 0, 0));
            search(below, program);
            let distance = program.len() - here - 1;
            match (u8::try_from(distance), program.get_mut(here)) {
                (Ok(distance), Some(condition)) => condition.jt = distance,
                (_, Some(condition)) => {
                    // The distance of a condition is one byte; a plain jump goes further.
                    condition.jf = 1;
                    program.insert(here + 1, step(JUMP, u32::try_from(distance).unwrap_or(u32::MAX)));
                }
                (_, None) => {}
            }
            search(above, program);
        }
    }
}

fn leaf(verdict: Verdict, program: &mut Vec<sock_filter>) {
    match verdict {
        Verdict::Allow => program.push(ALLOW),
        Verdict::Refuse => program.push(EPERM),
        Verdict::Missing => program.push(ENOSYS),
        Verdict::Kill => program.push(KILL),
        Verdict::NobodyOnly => {
            for (index, over) in [(0, 5), (1, 3), (2, 1)] {
                program.extend([step(LOAD, argument(index)), branch(IF_EQUAL, NOBODY, 0, over)]);
            }
            program.extend([ALLOW, EPERM]);
        }
        Verdict::NoneOnly => program.extend([step(LOAD, argument(0)), branch(IF_EQUAL, 0, 0, 1), ALLOW, EPERM]),
        Verdict::NotExecutable => {
            program.extend([step(LOAD, argument(2)), branch(IF_ANY_BIT, libc::PROT_EXEC as u32, 0, 1), KILL, ALLOW]);
        }
        Verdict::NetworkNamespaceOnly => {
            program.extend([step(LOAD, argument(1)), branch(IF_EQUAL, libc::CLONE_NEWNET as u32, 0, 1), ALLOW, EPERM]);
        }
        Verdict::NoNamespaces => {
            program.extend([step(LOAD, argument(0)), branch(IF_ANY_BIT, NEW_NAMESPACES, 0, 1), EPERM, ALLOW]);
        }
        Verdict::KnownFamilyOnly => {
            let known = [libc::AF_UNIX, libc::AF_NETLINK, libc::AF_PACKET, libc::AF_INET, libc::AF_INET6];
            program.push(step(LOAD, argument(0)));
            for (index, family) in (0_u8..).zip(known) {
                // Over the remaining conditions and the refusal.
                program.push(branch(IF_EQUAL, family as u32, known.len() as u8 - index, 0));
            }
            program.extend([EPERM, ALLOW]);
        }
    }
}
