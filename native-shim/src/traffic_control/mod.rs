//! Traffic control: how fast packets leave by a link, and where those go that come in. See tc(8).

mod redirect;
pub(crate) mod token_bucket;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage};

pub use redirect::{redirect, redirects, remove_redirect};
pub use token_bucket::{TokenBucket, remove_shaper, shape, shaper};

use crate::netns::Netns;
use crate::{Error, ErrorKind, Result};

/// A message about a queueing discipline or a filter below `parent` of the link with this index.
fn message(link: u32, parent: TcHandle, handle: TcHandle, kind: Option<&str>) -> Result<TcMessage> {
    let index = i32::try_from(link).ok().filter(|index| *index > 0);
    let index = index.ok_or_else(|| Error::new(ErrorKind::Invalid, format!("{link} is no interface index")))?;
    let mut message = TcMessage::with_index(index);
    message.header.parent = parent;
    message.header.handle = handle;
    message.attributes.extend(kind.map(|kind| TcAttribute::Kind(kind.to_owned())));
    Ok(message)
}

/// Remove the discipline of this kind below `parent`. None there, or one of another kind, is no failure.
fn remove(namespace: &Netns, link: u32, parent: TcHandle, kind: &str) -> Result<()> {
    let message = message(link, parent, TcHandle::UNSPEC, Some(kind))?;
    let outcome =
        namespace.rtnetlink(|connection| connection.act(RouteNetlinkMessage::DelQueueDiscipline(message), 0))?;
    match outcome {
        // ENOENT: none, or the kernel's own. EINVAL: of another kind.
        Err(fault) if fault.errno == libc::ENOENT || fault.errno == libc::EINVAL => Ok(()),
        other => other.map_err(|fault| {
            fault.during(format_args!("remove the queueing discipline {kind} of link with index {link}"))
        }),
    }
}
