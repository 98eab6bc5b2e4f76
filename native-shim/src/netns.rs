//! Network namespaces: open them, tell them apart, work inside them.

use std::cell::RefCell;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::statfs::fstatfs;

use crate::link::wait_until;
use crate::netfilter::Channel;
use crate::rtnetlink::Connection;
use crate::{Error, ErrorKind, Result, hosted, watchdog};

/// `NSFS_MAGIC` of linux/magic.h.
const NSFS_MAGIC: u32 = 0x6e73_6673;
/// The calling thread's own, whichever thread leads the process.
const OWN: &str = "/proc/thread-self/ns/net";
/// Time limit for answers of the kernel unless set otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

thread_local! {
    /// Where the thread is, once asked, so that it can go back there.
    static HERE: RefCell<Option<Arc<Place>>> = const { RefCell::new(None) };
}

/// What tells namespaces apart: device and inode of the namespace file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetnsIdentity {
    /// Device of the namespace file system.
    pub device: u64,
    /// Inode, as in `readlink /proc/self/ns/net`.
    pub inode: u64,
}

/// How a namespace is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Beside others that share it.
    Shared,
    /// Alone.
    Exclusive,
}

/// A lock of a namespace, see flock(2). Dropped with its file.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// An open namespace file.
#[derive(Debug)]
struct Place {
    file: OwnedFd,
    identity: NetnsIdentity,
}

/// An open network namespace. Its netlink socket is opened when first needed, and kept.
///
/// A thread that has used this module must not be moved to another namespace behind its back; [`Netns::current`] looks
/// again.
#[derive(Debug)]
pub struct Netns {
    place: Arc<Place>,
    route: Mutex<Option<Connection>>,
    netfilter: Mutex<Option<Channel>>,
    timeout: Mutex<Duration>,
}

impl Netns {
    /// Open the namespace that a path names (CNI_NETNS). `NotFound` where there is no file, `Invalid` where the file
    /// is no network namespace.
    pub fn open(path: &Path) -> Result<Self> {
        let doing = format!("open network namespace {}", path.display());
        Place::open(path, &doing).map(Self::at)
    }

    /// The namespace that the calling thread is in.
    pub fn current() -> Result<Self> {
        let place = Arc::new(Place::open(Path::new(OWN), "open the current network namespace")?);
        HERE.set(Some(Arc::clone(&place)));
        Ok(Self::at(place))
    }

    /// Make a new, empty namespace; it is gone when nobody holds it. The calling thread stays where it is.
    pub fn create() -> Result<Self> {
        let doing = "make a network namespace";
        let home = here()?;
        // From here on the thread must come back: armed before it leaves.
        let _back = Return(home);
        unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| refused(doing, errno))?;
        let place = Place::open(Path::new(OWN), doing)?;
        Ok(Self::at(place))
    }

    fn at(place: impl Into<Arc<Place>>) -> Self {
        Self {
            place: place.into(),
            route: Mutex::new(None),
            netfilter: Mutex::new(None),
            timeout: Mutex::new(DEFAULT_TIMEOUT),
        }
    }

    /// What tells this namespace from others.
    pub fn identity(&self) -> NetnsIdentity {
        self.place.identity
    }

    /// A path by which other processes can open the namespace, as long as this one lives and keeps it open.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), self.place.file.as_raw_fd()))
    }

    /// Whether both are the same namespace.
    pub fn is_same(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }

    /// Run `work` with the calling thread inside the namespace, and come back whatever happens. Nothing is done where
    /// the thread is there already.
    ///
    /// Sockets and files under /proc/sys/net belong to the namespace of the thread that opens them, so this is for
    /// opening; everything else works from anywhere.
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> Result<T> {
        let home = here()?;
        if home.identity == self.place.identity {
            return Ok(work());
        }
        setns(self.place.file.as_fd(), CloneFlags::CLONE_NEWNET)
            .map_err(|errno| refused("enter the network namespace", errno))?;
        let _back = Return(home);
        HERE.set(Some(Arc::clone(&self.place)));
        Ok(work())
    }

    /// Open a netlink socket of a protocol (`libc::NETLINK_NETFILTER`, ...) that belongs to the namespace for good.
    pub(crate) fn open_netlink(&self, protocol: isize) -> Result<netlink_sys::Socket> {
        self.enter(|| netlink_sys::Socket::new(protocol))?.map_err(|error| Error::io("open a netlink socket", &error))
    }

    /// How long to wait for an answer of the kernel; 10 s if never set.
    pub fn set_timeout(&self, timeout: Duration) -> Result<()> {
        *self.timeout.lock().unwrap_or_else(PoisonError::into_inner) = timeout;
        match self.route.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(connection) => connection.set_timeout(timeout),
            None => Ok(()),
        }
    }

    /// The time limit for answers of the kernel.
    pub(crate) fn timeout(&self) -> Duration {
        watchdog::within(*self.timeout.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Work with the rtnetlink socket of the namespace.
    pub(crate) fn rtnetlink<T>(&self, work: impl FnOnce(&mut Connection) -> T) -> Result<T> {
        let mut slot = self.route.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = match slot.as_mut() {
            Some(connection) => connection,
            None => slot.insert(Connection::open(self, self.timeout())?),
        };
        Ok(work(connection))
    }

    /// Where the netfilter socket of the namespace is kept between uses.
    pub(crate) fn netfilter(&self) -> &Mutex<Option<Channel>> {
        &self.netfilter
    }

    /// Descriptor of the netfilter socket, where there is one.
    pub(crate) fn netfilter_descriptor(&self) -> Option<RawFd> {
        self.netfilter.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Channel::descriptor)
    }

    /// Take the netfilter socket away, where there is one.
    pub(crate) fn take_netfilter(&self) -> Option<Channel> {
        self.netfilter.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Lock the namespace against other processes of Weir that lock it, until the lock is dropped: for what must not
    /// happen between two requests to the kernel. Only for as long as these take.
    pub(crate) fn lock(&self, access: Access) -> Result<Lock> {
        let doing = "lock the network namespace";
        // A lock belongs to the open file, so this needs one of its own.
        let path = format!("/proc/self/fd/{}", self.place.file.as_raw_fd());
        let file = File::open(path).map_err(|error| Error::io(doing, &error))?;
        let locked = wait_until(self.timeout(), || {
            let outcome = match access {
                Access::Shared => file.try_lock_shared(),
                Access::Exclusive => file.try_lock(),
            };
            match outcome {
                Ok(()) => Ok(true),
                Err(TryLockError::WouldBlock) => Ok(false),
                Err(TryLockError::Error(error)) => Err(Error::io(doing, &error)),
            }
        })?;
        if locked {
            return Ok(Lock { _file: file });
        }
        Err(Error::new(ErrorKind::TimedOut, format!("{doing}: another process holds the lock; see /proc/locks")))
    }

    /// Descriptor of the namespace, for requests that name it.
    pub(crate) fn descriptor(&self) -> i32 {
        self.place.file.as_raw_fd()
    }
}

impl Place {
    fn open(path: &Path, doing: &str) -> Result<Self> {
        // Not blocking: the path may be a FIFO that nobody writes to.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)
            .map_err(|error| match error.raw_os_error() {
                Some(libc::ENOTDIR) => Error::new(ErrorKind::NotFound, format!("{doing}: {error}")),
                _ => Error::io(doing, &error),
            })?;
        let metadata = file.metadata().map_err(|error| Error::io(doing, &error))?;
        let file = OwnedFd::from(file);
        let system = fstatfs(&file).map_err(|errno| refused(doing, errno))?.filesystem_type();
        if u32::try_from(system.0).ok() != Some(NSFS_MAGIC) {
            let message = format!("{doing}: the file is no namespace; name one such as /run/netns/NAME");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        // SAFETY: NS_GET_NSTYPE takes no argument and only reads from the descriptor, which is open.
        let kind = unsafe { libc::ioctl(file.as_raw_fd(), libc::NS_GET_NSTYPE) };
        if kind != libc::CLONE_NEWNET {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("{doing}: this is a namespace, but not of the network"),
            ));
        }
        use std::os::unix::fs::MetadataExt;
        Ok(Self { file, identity: NetnsIdentity { device: metadata.dev(), inode: metadata.ino() } })
    }
}

/// Where the thread is.
fn here() -> Result<Arc<Place>> {
    if let Some(place) = HERE.with_borrow(Clone::clone) {
        return Ok(place);
    }
    let place = Arc::new(Place::open(Path::new(OWN), "open the current network namespace")?);
    HERE.set(Some(Arc::clone(&place)));
    Ok(place)
}

/// Takes the thread back when dropped, also while a panic unwinds.
struct Return(Arc<Place>);

impl Drop for Return {
    fn drop(&mut self) {
        if let Err(errno) = setns(self.0.file.as_fd(), CloneFlags::CLONE_NEWNET) {
            // Going on would change the wrong network.
            eprintln!("cannot return to the network namespace: {errno}");
            if hosted::is_hosted() {
                hosted::give_up();
            }
            std::process::abort();
        }
        HERE.set(Some(Arc::clone(&self.0)));
    }
}

fn refused(doing: &str, errno: nix::Error) -> Error {
    let mut error = Error::io(doing, &io::Error::from(errno));
    if errno == nix::Error::EPERM {
        error.message.push_str("; this needs CAP_SYS_ADMIN");
    }
    error
}
