//! Make tap links: through /dev/net/tun, or with ip(8) where they must belong to an SELinux context.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::statfs;

use super::{LinkOptions, TapOptions, undone};
use crate::exec::{self, Invocation, PROGRAM_DIRECTORIES, program_directories};
use crate::link::{self, LinkChanges, check_name};
use crate::netns::Netns;
use crate::{Error, ErrorKind, Result};

/// Where tap links come from.
const DEVICE: &str = "/dev/net/tun";
/// Where the SELinux file system is, where SELinux is on.
const SELINUX: &str = "/sys/fs/selinux";
/// The context of the program that the thread starts next.
const NEXT_CONTEXT: &str = "/proc/thread-self/attr/exec";

/// Make a tap link that stays when nobody has it open; returns its index. Nothing is left after a failure.
pub(super) fn create(namespace: &Netns, name: &str, tap: &TapOptions, options: &LinkOptions) -> Result<u32> {
    check_name(name)?;
    match &tap.selinux_context {
        None => with_device(namespace, name, tap, options),
        Some(context) => with_program(namespace, name, tap, options, context),
    }
}

/// Open a queue of a tap link that is there, as a virtual machine does: each read is a frame that the link sends, each
/// write one that it receives, with a `struct virtio_net_hdr` of ten bytes before it. `multi_queue` as it was made.
pub fn open_queue(namespace: &Netns, name: &str, multi_queue: bool) -> Result<File> {
    check_name(name)?;
    let doing = format!("open a queue of tap {name}");
    if link::find(namespace, name)?.is_none() {
        return Err(Error::new(ErrorKind::NotFound, format!("{doing}: there is no such link")));
    }
    let device = open_device(namespace, &doing)?;
    let flags = if multi_queue { libc::IFF_MULTI_QUEUE } else { 0 };
    if attach(&device, name, flags) { Ok(device) } else { Err(Error::io(doing, &io::Error::last_os_error())) }
}

/// The link will belong to the namespace of whoever opens the device.
fn open_device(namespace: &Netns, doing: &str) -> Result<File> {
    let open = || OpenOptions::new().read(true).write(true).custom_flags(libc::O_CLOEXEC).open(DEVICE);
    namespace.enter(open)?.map_err(|error| match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => {
            let message = format!("{doing}: open {DEVICE}: {error}; load the kernel module \"tun\"");
            Error::new(ErrorKind::Unsupported, message)
        }
        _ => Error::io(format_args!("{doing}: open {DEVICE}"), &error),
    })
}

fn with_device(namespace: &Netns, name: &str, tap: &TapOptions, options: &LinkOptions) -> Result<u32> {
    let doing = format!("create tap {name}");
    let device = open_device(namespace, &doing)?;
    let failed = |step: &str| {
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EBUSY) => Error::new(ErrorKind::AlreadyExists, format!("{doing}: the name is taken")),
            _ => Error::io(format_args!("{doing}: {step}"), &error),
        }
    };
    let several = if tap.multi_queue { libc::IFF_MULTI_QUEUE } else { 0 };
    if !attach(&device, name, libc::IFF_TUN_EXCL | several) {
        return Err(failed("attach"));
    }
    let finished = finish(namespace, name, tap, options, &device);
    if finished.is_err()
        && let Ok(Some(made)) = link::find(namespace, name)
    {
        // It would go with the descriptor, but somebody may be forking just now and hold that a moment longer.
        let _ = link::delete(namespace, made.index);
    }
    finished
}

/// What comes after the link is there; it does not stay before the last step.
fn finish(namespace: &Netns, name: &str, tap: &TapOptions, options: &LinkOptions, device: &File) -> Result<u32> {
    let doing = format!("create tap {name}");
    let failed = |step: &str| Error::io(format_args!("{doing}: {step}"), &io::Error::last_os_error());
    for (request, number, step) in
        [(libc::TUNSETOWNER, tap.owner, "set the owner"), (libc::TUNSETGROUP, tap.group, "set the group")]
    {
        if number.is_some_and(|number| !tell(device, request, number)) {
            return Err(failed(step));
        }
    }
    let index = configure(namespace, name, options, &doing)?;
    if !tell(device, libc::TUNSETPERSIST, 1) {
        return Err(failed("make it stay"));
    }
    Ok(index)
}

/// Give it what every link can be given; returns its index.
fn configure(namespace: &Netns, name: &str, options: &LinkOptions, doing: &str) -> Result<u32> {
    let made = link::find(namespace, name)?.ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("{doing}: the link was gone at once; somebody else deleted it"))
    })?;
    let changes = LinkChanges {
        up: options.up.then_some(true),
        mtu: options.mtu,
        mac: options.mac.clone(),
        alias: options.alias.clone(),
        ..LinkChanges::default()
    };
    link::update(namespace, made.index, &changes)?;
    Ok(made.index)
}

/// Bind the descriptor to the tap link of this name, which the kernel makes where it is missing.
fn attach(device: &File, name: &str, more: libc::c_int) -> bool {
    let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR | more;
    // SAFETY: all zeros are a valid `ifreq`: it holds numbers and bytes only.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The name was checked to leave room for the NUL at the end.
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    // The bits of IFF_TUN_EXCL do not fit a signed number; the kernel takes the field for bits.
    request.ifr_ifru.ifru_flags = flags as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes one `ifreq`, which lives until the call is over.
    unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, &raw mut request) == 0 }
}

/// A request whose argument is a number.
fn tell(device: &File, request: libc::Ioctl, number: u32) -> bool {
    // SAFETY: these requests take a number and no memory.
    unsafe { libc::ioctl(device.as_raw_fd(), request, libc::c_ulong::from(number)) == 0 }
}

/// SELinux labels a tap link with the context of the task that makes it, not with that for new sockets, and a task
/// cannot in general change its own. What it can choose is the context of a program that it starts.
fn with_program(namespace: &Netns, name: &str, tap: &TapOptions, options: &LinkOptions, context: &str) -> Result<u32> {
    let doing = format!("create tap {name} in the SELinux context {context:?}");
    let is_on = statfs(SELINUX).is_ok_and(|system| system.f_type as u64 & 0xffff_ffff == libc::SELINUX_MAGIC as u64);
    if !is_on {
        let message = format!("{doing}: SELinux is off on this host; remove selinuxContext from the configuration");
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let path = exec::find("ip", &program_directories()).map_err(|_| {
        let places = PROGRAM_DIRECTORIES.join(", ");
        Error::new(ErrorKind::Unsupported, format!("{doing}: ip is neither in PATH nor in {places}: install iproute2"))
    })?;
    let mut arguments: Vec<OsString> =
        ["tuntap", "add", "dev", name, "mode", "tap", "vnet_hdr"].into_iter().map(OsString::from).collect();
    if tap.multi_queue {
        arguments.push("multi_queue".into());
    }
    for (word, number) in [("user", tap.owner), ("group", tap.group)] {
        arguments.extend(number.into_iter().flat_map(|number| [word.into(), number.to_string().into()]));
    }
    let invocation = Invocation {
        path: &path,
        arguments: &arguments,
        environment: &[],
        input: &[],
        timeout: namespace.timeout(),
        cancellation: None,
    };
    if link::find(namespace, name)?.is_some() {
        return Err(Error::new(ErrorKind::AlreadyExists, format!("{doing}: the name is taken")));
    }
    let ended = {
        let _context = NextContext::set(context).map_err(|error| Error::io(&doing, &error))?;
        namespace.enter(|| exec::run(&invocation))??
    };
    if ended.status != Some(0) {
        let said = String::from_utf8_lossy(&ended.stderr);
        return Err(Error::new(ErrorKind::Io, format!("{doing}: ip says: {}", said.trim())));
    }
    configure(namespace, name, options, &doing).map_err(|error| match link::find(namespace, name) {
        Ok(Some(made)) => undone(namespace, made.index, error),
        _ => error,
    })
}

/// The context of programs that this thread starts, until this is dropped.
struct NextContext;

impl NextContext {
    fn set(context: &str) -> io::Result<Self> {
        std::fs::write(NEXT_CONTEXT, context)?;
        Ok(Self)
    }
}

impl Drop for NextContext {
    fn drop(&mut self) {
        // A line end alone stands for none.
        if let Err(error) = std::fs::write(NEXT_CONTEXT, "\n") {
            eprintln!("cannot forget the SELinux context of programs to start: {error}");
        }
    }
}
