//! The container's interface: find it, and make it what a lease says.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use weir_native::address::{self, NewAddress};
use weir_native::dhcp::protocol::{Identity, LeaseRoute};
use weir_native::link::{self, LinkChanges, LinkInfo};
use weir_native::netns::Netns;
use weir_native::route::{self, Conflict, Route};
use weir_native::{Error, ErrorKind, Result};

use crate::log;
use crate::record::Record;
use crate::terms::Terms;

/// RT_SCOPE_LINK.
const LINK_SCOPE: u8 = 253;
/// How long a link that was just set up may take until packets pass.
const LINK_PATIENCE: Duration = Duration::from_secs(1);

/// An interface in a container. The namespace is open only while this lives: an open one would outlive its container.
#[derive(Debug)]
pub(crate) struct Interface {
    pub(crate) netns: Netns,
    pub(crate) link: LinkInfo,
}

impl Interface {
    /// Find it by name, and set it up where it is down.
    pub(crate) fn by_name(path: &Path, identity: Identity, name: &str) -> Result<Self> {
        let netns = open(path, identity)?;
        let Some(mut link) = link::find(&netns, name)? else {
            let text = format!("there is no interface {name} in {}", path.display());
            return Err(Error::new(ErrorKind::NotFound, text));
        };
        if !link.up {
            link::update(&netns, link.index, &LinkChanges { up: Some(true), ..LinkChanges::default() })?;
            link::wait_operational(&netns, link.index, LINK_PATIENCE)?;
            link.up = true;
        }
        Ok(Self { netns, link })
    }

    /// Find that of a record. `NotFound` where it is gone.
    pub(crate) fn of(record: &Record, path: &Path) -> Result<Self> {
        let netns = open(path, record.identity)?;
        match link::find_by_index(&netns, record.link)? {
            Some(link) => Ok(Self { netns, link }),
            None => Err(Error::new(ErrorKind::NotFound, format!("the interface of {} is gone", record.owner))),
        }
    }

    /// Change from old terms to new ones, and touch nothing that is the same in both. What fails is told; the rest is done.
    pub(crate) fn change(&self, old: Option<&Terms>, new: Option<&Terms>, priority: u32) {
        let same_address = old.map(|terms| terms.address) == new.map(|terms| terms.address);
        let routes =
            |terms: Option<&Terms>| -> Vec<LeaseRoute> { terms.map(|terms| terms.routes.clone()).unwrap_or_default() };
        let (mut gone, mut come) = (routes(old), routes(new));
        if same_address {
            let stays: Vec<_> = gone.iter().filter(|route| come.contains(route)).cloned().collect();
            gone.retain(|route| !stays.contains(route));
            come.retain(|route| !stays.contains(route));
        }
        let kernel =
            |routes: &[LeaseRoute]| -> Vec<Route> { routes.iter().map(|route| self.route(route, priority)).collect() };
        let name = &self.link.name;
        self.tell(route::remove(&self.netns, &kernel(&gone)));
        if !same_address {
            if let Some(old) = old {
                self.tell(address::remove(&self.netns, self.link.index, &[IpNet::V4(old.address)]));
                log::info(format_args!("removed {} from {name}", old.address));
            }
            if let Some(new) = new {
                let address = NewAddress { network: IpNet::V4(new.address), no_dad: false, no_prefix_route: false };
                match address::add(&self.netns, self.link.index, &[address]) {
                    Err(error) if error.kind == ErrorKind::AlreadyExists => {}
                    added => self.tell(added),
                }
                log::info(format_args!("added {} to {name}", new.address));
            }
        }
        for route in kernel(&come) {
            match route::add(&self.netns, &[route], Conflict::Append) {
                Err(error) if error.kind == ErrorKind::AlreadyExists => {}
                added => self.tell(added),
            }
        }
        if let Some(new) = new.filter(|_| !same_address) {
            self.tell(address::announce(&self.netns, self.link.index, &[new.address.addr().into()]));
        }
    }

    fn tell(&self, done: Result<()>) {
        if let Err(error) = done {
            log::warn(format_args!("{}: {error}", self.link.name));
        }
    }

    /// As interface plugins make it of the result that the dhcp plugin gives.
    fn route(&self, route: &LeaseRoute, priority: u32) -> Route {
        Route {
            gateway: route.gateway.map(Into::into),
            link: Some(self.link.index),
            priority: Some(priority).filter(|priority| *priority != 0),
            scope: route.gateway.is_none().then_some(LINK_SCOPE),
            ..Route::to(IpNet::V4(route.destination))
        }
    }
}

/// Open a namespace, which must be the one that the plugin saw.
fn open(path: &Path, identity: Identity) -> Result<Netns> {
    let netns = Netns::open(path)?;
    if Identity::from(netns.identity()) == identity {
        return Ok(netns);
    }
    let text = format!(
        "{} is another namespace than the container's; where the daemon has mounts of its own, see --hostprefix",
        path.display()
    );
    Err(Error::new(ErrorKind::NotFound, text))
}

/// Whether the namespace of a record is still there; only where it surely is not, no.
pub(crate) fn is_there(record: &Record, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match std::fs::metadata(path) {
        Ok(file) => Identity { device: file.dev(), inode: file.ino() } == record.identity,
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

/// A path of the host as the daemon sees it.
pub(crate) fn prefixed(prefix: &Path, path: &str) -> PathBuf {
    if prefix.as_os_str().is_empty() {
        return PathBuf::from(path);
    }
    prefix.join(path.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_host_get_the_prefix() {
        assert_eq!(prefixed(Path::new(""), "/run/netns/a"), Path::new("/run/netns/a"));
        assert_eq!(prefixed(Path::new("/host"), "/run/netns/a"), Path::new("/host/run/netns/a"));
    }
}
