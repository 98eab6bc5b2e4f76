//! A veth pair with one end as port of the bridge.

use weir_sdk::net::{LinkInfo, VethEnd};
use weir_sdk::{Context, Link, MacAddress, Netns, Result};

use crate::switch::{Switch, ignore_router_advertisements};
use crate::vlan::PortVlans;

/// The pair. Deleting either end deletes both.
pub(crate) struct Pair {
    /// The end that is used: the container's interface, or the gateway's.
    pub(crate) inner: Link,
    /// The end that is the port.
    pub(crate) port: Link,
}

impl Pair {
    /// Make the pair, both ends down: the inner one where it is used, so that no link has to change its namespace.
    pub(crate) fn create(
        netns: &Netns,
        name: &str,
        mac: Option<&MacAddress>,
        mtu: Option<u32>,
        host: &Netns,
    ) -> Result<Self> {
        let end = VethEnd { name: Some(name.to_owned()), mac: mac.cloned().map(Into::into), mtu };
        let peer = VethEnd { mtu, ..VethEnd::default() };
        let (inner, port) =
            netns.create_veth(&end, host, &peer).with_context(|| format!("make the veth pair {name}"))?;
        Ok(Self { inner, port })
    }

    /// Make one end a port of the bridge, up, in its VLANs. Returns what the port is.
    pub(crate) fn attach(
        &self,
        host: &Netns,
        switch: &Switch,
        options: weir_sdk::net::PortOptions,
        vlans: &PortVlans,
    ) -> Result<LinkInfo> {
        let info = self.port.info().context("look at the new veth pair")?;
        let name = &info.name;
        ignore_router_advertisements(host, name);
        let doing = || format!("attach {name} to the bridge {}", switch.info.name);
        switch.link.attach(&self.port, options).with_context(doing)?;
        vlans.apply(&self.port, name)?;
        Ok(info)
    }
}
