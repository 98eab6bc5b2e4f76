//! The lists of system calls.
//!
//! [`ALONE`] and [`GUEST`] were taken from what the host and its engine do in the tests, and from what the C library calls for it in
//! other places; [`NEVER`] from the capabilities that no network plugin needs, and from the lists of calls that container
//! runtimes refuse.

use libc::*;

/// Calls that only exist where the processor had Linux before 2012.
#[cfg(target_arch = "x86_64")]
macro_rules! with_old {
    ([$($call:expr),* $(,)?], old: [$($old:expr),* $(,)?]) => { &[$($call,)* $($old,)*] };
}
/// Calls that only exist where the processor had Linux before 2012.
#[cfg(not(target_arch = "x86_64"))]
macro_rules! with_old {
    ([$($call:expr),* $(,)?], old: [$($old:expr),* $(,)?]) => { &[$($call,)*] };
}

/// What the host does where it starts no other program.
pub(super) const ALONE: &[i64] = with_old!(
    [
        // Files and directories.
        SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_preadv, SYS_pwritev,
        SYS_openat, SYS_openat2, SYS_close, SYS_close_range, SYS_lseek, SYS_fcntl, SYS_flock, SYS_ioctl,
        SYS_fstat, SYS_newfstatat, SYS_statx, SYS_statfs, SYS_fstatfs, SYS_faccessat, SYS_faccessat2, SYS_readlinkat,
        SYS_getdents64, SYS_getcwd, SYS_ftruncate, SYS_fallocate, SYS_fsync, SYS_fdatasync, SYS_utimensat,
        SYS_mkdirat, SYS_unlinkat, SYS_linkat, SYS_renameat, SYS_renameat2, SYS_fchmod, SYS_fchmodat, SYS_umask,
        SYS_dup, SYS_dup3, SYS_pipe2, SYS_eventfd2, SYS_ppoll, SYS_pselect6, SYS_epoll_create1, SYS_epoll_ctl,
        SYS_epoll_pwait,
        // Sockets.
        SYS_socketpair, SYS_connect, SYS_bind, SYS_getsockname, SYS_getpeername, SYS_setsockopt, SYS_getsockopt,
        SYS_sendto, SYS_sendmsg, SYS_sendmmsg, SYS_recvfrom, SYS_recvmsg, SYS_recvmmsg, SYS_shutdown,
        // Memory.
        SYS_mmap, SYS_mprotect, SYS_munmap, SYS_mremap, SYS_madvise, SYS_brk, SYS_membarrier,
        // Time.
        SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday, SYS_setitimer,
        SYS_timer_create, SYS_timer_settime, SYS_timer_gettime, SYS_timer_delete,
        SYS_timerfd_create, SYS_timerfd_settime,
        // Processes, threads, signals.
        SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigtimedwait, SYS_sigaltstack,
        SYS_restart_syscall, SYS_futex, SYS_sched_yield, SYS_sched_getaffinity, SYS_set_tid_address,
        SYS_set_robust_list, SYS_rseq, SYS_wait4, SYS_waitid, SYS_kill, SYS_tkill, SYS_tgkill, SYS_pidfd_open,
        SYS_pidfd_send_signal, SYS_exit, SYS_exit_group,
        SYS_getpid, SYS_getppid, SYS_gettid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getrandom,
        SYS_prctl, SYS_prlimit64, SYS_uname, SYS_sysinfo,
        // Capabilities are given up last; a child process gives up more.
        SYS_capget, SYS_capset, SYS_landlock_create_ruleset, SYS_landlock_restrict_self, SYS_seccomp,
    ],
    old: [
        SYS_open, SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_mkdir, SYS_rmdir, SYS_unlink, SYS_link, SYS_rename,
        SYS_chmod, SYS_dup2, SYS_pipe, SYS_poll, SYS_select, SYS_alarm, SYS_time, SYS_fork, SYS_vfork, SYS_arch_prctl,
        SYS_epoll_create, SYS_epoll_wait,
    ]
);

/// What code in a child of its own does: compute, speak over the socket that it has, and end. What makes memory
/// executable is refused apart.
pub(super) const GUEST: &[i64] = with_old!(
    [
        SYS_read, SYS_write, SYS_sendto, SYS_recvfrom, SYS_close,
        SYS_munmap, SYS_mremap, SYS_madvise, SYS_brk, SYS_futex, SYS_sched_yield,
        SYS_clock_gettime, SYS_clock_getres, SYS_getrandom, SYS_rt_sigreturn, SYS_sigaltstack, SYS_rt_sigprocmask,
        SYS_restart_syscall, SYS_exit, SYS_exit_group,
        // WASI's clocks and pipes wait on what was opened before.
        SYS_epoll_pwait, SYS_epoll_ctl, SYS_clock_nanosleep,
    ],
    old: [SYS_epoll_wait, SYS_time]
);

/// What neither the host nor the programs of the system that it starts have a need for.
pub(super) const NEVER: &[i64] = with_old!(
    [
        // Other processes.
        SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_process_madvise, SYS_kcmp, SYS_pidfd_getfd,
        SYS_perf_event_open, SYS_move_pages, SYS_migrate_pages,
        // The kernel's code.
        SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_bpf,
        // Mounts, namespaces, roots.
        SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_open_tree, SYS_move_mount, SYS_fsopen, SYS_fsconfig,
        SYS_fsmount, SYS_fspick, SYS_mount_setattr, SYS_unshare, SYS_swapon, SYS_swapoff, SYS_quotactl, SYS_quotactl_fd,
        SYS_acct,
        // Files without their names.
        SYS_open_by_handle_at, SYS_name_to_handle_at, SYS_fanotify_init, SYS_mknodat,
        // The machine.
        SYS_reboot, SYS_settimeofday, SYS_clock_settime, SYS_clock_adjtime, SYS_adjtimex, SYS_sethostname,
        SYS_setdomainname, SYS_syslog, SYS_vhangup, SYS_personality,
        // Keys of the kernel.
        SYS_keyctl, SYS_add_key, SYS_request_key,
        // What had many holes.
        SYS_userfaultfd, SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register, SYS_vmsplice, SYS_memfd_secret,
        SYS_nfsservctl, SYS_lookup_dcookie,
    ],
    old: [
        SYS_kexec_file_load, SYS_uselib, SYS_ustat, SYS_sysfs,
        SYS__sysctl, SYS_iopl, SYS_ioperm, SYS_modify_ldt, SYS_mknod,
    ]
);
