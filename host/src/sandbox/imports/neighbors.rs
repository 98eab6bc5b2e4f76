//! `neighbors`.

use wasmtime::component::Resource;
use weir_native::neighbor as native;

use super::convert;
use crate::broker::Call;
use crate::sandbox::Guest;
use crate::sandbox::bindings::cni::neighbors::{self, Neighbor};
use crate::sandbox::guest::Answer;
use crate::sandbox::handles::NamespaceHandle;

impl neighbors::Host for Guest {
    fn list(&mut self, namespace: Resource<NamespaceHandle>, link: Option<u32>) -> Answer<Vec<Neighbor>> {
        let namespace = self.namespace(&namespace)?;
        self.call(Call::NeighborsList { namespace: &namespace }, || {
            let entries = native::list(&namespace.netns, link)?;
            Ok(entries
                .into_iter()
                .map(|entry| Neighbor {
                    link: entry.link,
                    address: convert::address_out(entry.address),
                    mac: entry.mac,
                    permanent: entry.permanent,
                    proxy: entry.proxy,
                })
                .collect())
        })
    }
}
