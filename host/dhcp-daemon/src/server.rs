//! The daemon's side of the socket: one request and one answer per connection.

use std::io::{self, BufReader};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use weir_native::dhcp::protocol::{self, Answer, Request};
use weir_native::{Error, ErrorKind};

use crate::keeper::{Keeper, STACK};
use crate::log;

/// Plugins that are served at the same time.
const CONNECTIONS: usize = 512;
/// A plugin says what it wants at once, and takes the answer at once.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause where connections cannot be taken, for instance because there are no descriptors left.
const BREATH: Duration = Duration::from_millis(100);

/// Serve for ever.
pub(crate) fn run(listener: &UnixListener, keeper: &Arc<Keeper>) -> ! {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) => {
                if error.kind() != io::ErrorKind::Interrupted {
                    log::warn(format_args!("accept: {error}"));
                    std::thread::sleep(BREATH);
                }
                continue;
            }
        };
        let place = Place::take(&open);
        let keeper = Arc::clone(keeper);
        let serve = move || match place {
            Some(_place) => serve(stream, &keeper),
            None => refuse(stream),
        };
        let spawned = std::thread::Builder::new().name("plugin".to_owned()).stack_size(STACK).spawn(serve);
        if let Err(error) = spawned {
            log::warn(format_args!("cannot start a thread: {error}"));
        }
    }
}

/// One of the places for connections; free again when dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(open: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self(Arc::clone(open));
        (open.fetch_add(1, Ordering::Relaxed) < CONNECTIONS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn refuse(mut stream: UnixStream) {
    let _ = stream.set_write_timeout(Some(PATIENCE));
    let busy = Error::new(ErrorKind::Busy, "the DHCP daemon has too much to do; try again later");
    let _ = protocol::write(&mut stream, &Answer::from(busy));
}

fn serve(mut stream: UnixStream, keeper: &Keeper) {
    let prepared = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
    let request = prepared.and_then(|()| protocol::read::<Request>(&mut BufReader::new(&stream)));
    let (answer, acquired) = match request {
        Ok(request) => {
            let acquired = match &request {
                Request::Acquire(acquire) => Some(acquire.owner.clone()),
                _ => None,
            };
            (answer(request, keeper), acquired)
        }
        // Somebody who only looks whether the socket is alive.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return,
        Err(error) => (Error::new(ErrorKind::Invalid, format!("the request cannot be read: {error}")).into(), None),
    };
    let written = protocol::write(&mut stream, &answer);
    // A plugin that has given up by now does not know of the lease, and maybe nobody will ever give it back.
    if let (Err(error), Answer::Lease(_), Some(owner)) = (written, &answer, acquired) {
        log::warn(format_args!("{owner}: the plugin hung up before it had its lease: {error}"));
        if let Err(error) = keeper.release(&owner) {
            log::warn(error);
        }
    }
}

fn answer(request: Request, keeper: &Keeper) -> Answer {
    let done = match request {
        Request::Acquire(acquire) => {
            let owner = acquire.owner.clone();
            keeper.acquire(acquire).map(Answer::Lease).inspect_err(|error| log::warn(format_args!("{owner}: {error}")))
        }
        Request::Confirm { owner } => keeper.confirm(&owner).map(Answer::Lease),
        Request::Release { owner } => keeper.release(&owner).map(|()| Answer::Released(vec![owner])),
        Request::Retain { network, valid } => keeper.retain(&network, &valid).map(Answer::Released),
        Request::Ping => Ok(Answer::Ready),
    };
    done.unwrap_or_else(Answer::from)
}
