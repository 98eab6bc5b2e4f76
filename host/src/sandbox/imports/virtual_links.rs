//! `virtual-links`.

use wasmtime::component::Resource;
use weir_native::virtual_link as native;

use crate::broker::{Call, Made};
use crate::sandbox::Guest;
use crate::sandbox::bindings::cni::virtual_links::{
    self, IpvlanMode, LinkKind, LinkOptions, MacvlanMode, MacvlanOptions, TapOptions,
};
use crate::sandbox::guest::Answer;
use crate::sandbox::handles::{LinkHandle, NamespaceHandle};

type LinkResource = Resource<LinkHandle>;

impl virtual_links::Host for Guest {
    fn create(
        &mut self,
        namespace: Resource<NamespaceHandle>,
        name: String,
        kind: LinkKind,
        options: LinkOptions,
        lower: Option<LinkResource>,
    ) -> Answer<LinkResource> {
        let namespace = self.namespace(&namespace)?;
        let lower = lower.map(|lower| self.link(&lower)).transpose()?;
        let mut options =
            native::LinkOptions { mtu: options.mtu, mac: options.mac, up: options.up, alias: options.alias };
        let kind = self::kind(kind);
        if has_address_by_lot(&kind) {
            // Chosen here, so that the ledger can tell the link from others before it is made.
            options.mac.get_or_insert_with(|| weir_native::link::random_mac().to_vec());
        }
        let call = Call::VirtualLinksCreate {
            namespace: &namespace,
            name: &name,
            kind: &kind,
            options: &options,
            lower: lower.as_ref(),
        };
        let act = || {
            let lower = lower.as_ref().map(|lower| (&*lower.namespace.netns, lower.index));
            native::create(&namespace.netns, &name, &kind, &options, lower)
        };
        let made = self.call_making(call, act, |index| Made::Link(*index))?;
        Ok(match made {
            Ok(index) => Ok(self.hand_out_link(&namespace, index)?),
            Err(failure) => Err(failure),
        })
    }

    fn describe(&mut self, link: LinkResource) -> Answer<Option<LinkKind>> {
        let link = self.link(&link)?;
        self.call(Call::VirtualLinksDescribe { link: &link }, || {
            Ok(native::describe(&link.namespace.netns, link.index)?.map(kind_out))
        })
    }
}

/// Whether the kernel would choose an address by lot; links of other kinds have that of their lower link, or none.
fn has_address_by_lot(kind: &native::LinkKind) -> bool {
    match kind {
        native::LinkKind::Macvlan(options) => options.mode != native::MacvlanMode::Passthru,
        native::LinkKind::Dummy => true,
        native::LinkKind::Ipvlan(_)
        | native::LinkKind::Vlan(_)
        | native::LinkKind::Ifb
        | native::LinkKind::Vrf(_)
        | native::LinkKind::Tap(_) => false,
    }
}

fn kind(kind: LinkKind) -> native::LinkKind {
    match kind {
        LinkKind::Macvlan(options) => native::LinkKind::Macvlan(native::MacvlanOptions {
            mode: match options.mode {
                MacvlanMode::Bridge => native::MacvlanMode::Bridge,
                MacvlanMode::Private => native::MacvlanMode::Private,
                MacvlanMode::Vepa => native::MacvlanMode::Vepa,
                MacvlanMode::Passthru => native::MacvlanMode::Passthru,
                MacvlanMode::Source => native::MacvlanMode::Source,
            },
            broadcast_queue_length: options.broadcast_queue_length,
        }),
        LinkKind::Ipvlan(mode) => native::LinkKind::Ipvlan(match mode {
            IpvlanMode::L2 => native::IpvlanMode::L2,
            IpvlanMode::L3 => native::IpvlanMode::L3,
            IpvlanMode::L3s => native::IpvlanMode::L3s,
        }),
        LinkKind::Vlan(id) => native::LinkKind::Vlan(id),
        LinkKind::Dummy => native::LinkKind::Dummy,
        LinkKind::Ifb => native::LinkKind::Ifb,
        LinkKind::Vrf(table) => native::LinkKind::Vrf(table),
        LinkKind::Tap(tap) => native::LinkKind::Tap(native::TapOptions {
            multi_queue: tap.multi_queue,
            owner: tap.owner,
            group: tap.group,
            selinux_context: tap.selinux_context,
        }),
    }
}

fn kind_out(kind: native::LinkKind) -> LinkKind {
    match kind {
        native::LinkKind::Macvlan(options) => LinkKind::Macvlan(MacvlanOptions {
            mode: match options.mode {
                native::MacvlanMode::Bridge => MacvlanMode::Bridge,
                native::MacvlanMode::Private => MacvlanMode::Private,
                native::MacvlanMode::Vepa => MacvlanMode::Vepa,
                native::MacvlanMode::Passthru => MacvlanMode::Passthru,
                native::MacvlanMode::Source => MacvlanMode::Source,
            },
            broadcast_queue_length: options.broadcast_queue_length,
        }),
        native::LinkKind::Ipvlan(mode) => LinkKind::Ipvlan(match mode {
            native::IpvlanMode::L2 => IpvlanMode::L2,
            native::IpvlanMode::L3 => IpvlanMode::L3,
            native::IpvlanMode::L3s => IpvlanMode::L3s,
        }),
        native::LinkKind::Vlan(id) => LinkKind::Vlan(id),
        native::LinkKind::Dummy => LinkKind::Dummy,
        native::LinkKind::Ifb => LinkKind::Ifb,
        native::LinkKind::Vrf(table) => LinkKind::Vrf(table),
        native::LinkKind::Tap(tap) => LinkKind::Tap(TapOptions {
            multi_queue: tap.multi_queue,
            owner: tap.owner,
            group: tap.group,
            selinux_context: tap.selinux_context,
        }),
    }
}
