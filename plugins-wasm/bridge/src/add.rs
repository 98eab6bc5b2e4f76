//! ADD. What it made is taken away again where a later step fails.

use std::time::Duration;

use weir_sdk::cni_spec::result::Interface;
use weir_sdk::delegate::Delegate;
use weir_sdk::interface::{self, DuplicateDetection, Target};
use weir_sdk::masquerade::{Backend, Masquerade};
use weir_sdk::net::{LinkInfo, OperationalState};
use weir_sdk::{AddResult, Context, Error, IpNet, Link, Netns, Request, Result};

use crate::config::Config;
use crate::gateway;
use crate::port::Pair;
use crate::spoof_check::SpoofCheck;
use crate::switch::{self, Switch};

/// Index of the container's interface in the result: after the bridge and the port.
const CONTAINER: usize = 2;
/// How long the port may take until it passes packets.
const PORT_TIMEOUT: Duration = Duration::from_millis(2550);

pub(crate) fn add(request: &Request) -> Result<AddResult> {
    let config = Config::load(request)?;
    let container = request.netns()?;
    let host = Netns::host().context("open the host's network namespace")?;
    let mut switch = Switch::ensure(&host, &config)?;
    let mut add = Add { request, config: &config, host: &host, begun: Begun::default() };
    let outcome = add.run(&container, &mut switch);
    if outcome.is_err() {
        report(switch.undo(&host, &config));
    }
    outcome
}

/// Make the pair's end a port of the bridge. Where another ADD made the bridge and failed, it may have taken the bridge away
/// again, unaware of this ADD.
pub(crate) fn attach(host: &Netns, config: &Config, switch: &mut Switch, pair: &Pair) -> Result<LinkInfo> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let outcome = pair.attach(host, switch, config.port, &config.vlans);
        if outcome.is_ok() || attempt == switch::ATTEMPTS || !switch.is_gone() {
            return outcome;
        }
        *switch = Switch::ensure(host, config)?;
    }
}

/// Undoing goes on whatever fails; what is left is left to DEL.
fn report(outcome: Result<()>) {
    if let Err(error) = outcome {
        weir_sdk::error!("undo the failed ADD: {}", error.msg);
    }
}

/// What was begun, the veth pair aside.
#[derive(Default)]
struct Begun {
    ipam: bool,
    spoof_check: bool,
    masquerade: Option<Vec<IpNet>>,
}

struct Add<'a> {
    request: &'a Request,
    config: &'a Config,
    host: &'a Netns,
    begun: Begun,
}

impl Add<'_> {
    fn run(&mut self, container: &Netns, switch: &mut Switch) -> Result<AddResult> {
        let (request, config) = (self.request, self.config);
        let pair = Pair::create(container, &request.interface_name, config.mac.as_ref(), config.mtu, self.host)?;
        let outcome = self.connect(container, switch, &pair);
        if outcome.is_err() {
            self.undo(&pair);
        }
        outcome
    }

    fn connect(&mut self, container: &Netns, switch: &mut Switch, pair: &Pair) -> Result<AddResult> {
        let (request, config, host) = (self.request, self.config, self.host);
        let name = &request.interface_name;
        let Pair { inner, port } = pair;
        let inner_info = inner.info().with_context(|| format!("look at {name}"))?;
        let port_info = attach(host, config, switch, pair)?;
        if config.spoof_check {
            self.begun.spoof_check = true;
            let check = SpoofCheck::of(&request.attachment());
            check.add(host, &request.network, &port_info.name, &inner_info.mac)?;
        }
        let target = Target { netns: container, link: inner, index: inner_info.index, name };
        let mut result = AddResult { interfaces: self.interfaces(&inner_info), ..AddResult::default() };
        match &config.ipam {
            Some(ipam) => self.add_addresses(&target, switch, ipam, &mut result)?,
            None if config.container_up => inner.set_up().with_context(|| format!("set {name} up"))?,
            None => {}
        }
        let port_info = self.wait_for_port(port)?;
        if config.detect_duplicates && result.ips.iter().any(|ip| ip.address.addr().is_ipv6()) {
            interface::settle(&target)?;
        }
        // The first port changes the bridge's hardware address, and services of the host may change that of the port.
        let bridge_info = switch.link.info().with_context(|| format!("look at {}", config.bridge))?;
        for (interface, info) in result.interfaces.iter_mut().zip([bridge_info, port_info]) {
            interface.name = info.name;
            interface.mac = info.mac.to_string();
        }
        if !config.dns.is_empty() {
            result.dns = config.dns.clone();
        }
        Ok(result)
    }

    /// Bridge and port, to be filled in at the end, and the container's interface.
    fn interfaces(&self, inner: &LinkInfo) -> Vec<Interface> {
        let container = Interface {
            name: inner.name.clone(),
            mac: inner.mac.to_string(),
            sandbox: self.request.netns_path.clone().unwrap_or_default(),
            ..Interface::default()
        };
        vec![Interface::default(), Interface::default(), container]
    }

    fn add_addresses(
        &mut self,
        target: &Target<'_>,
        switch: &Switch,
        ipam: &str,
        result: &mut AddResult,
    ) -> Result<()> {
        let (config, host) = (self.config, self.host);
        // Even an ADD that fails must be followed by DEL.
        self.begun.ipam = true;
        let leased = Delegate::ipam(ipam).add(&self.request.raw_config)?;
        if leased.ips.is_empty() {
            return Err(Error::internal(format!("the IPAM plugin {ipam} returned no address")));
        }
        result.ips = leased.ips;
        result.routes = leased.routes;
        result.dns = leased.dns;
        result.ips.iter_mut().for_each(|ip| ip.interface = Some(CONTAINER));
        gateway::complete(result, config)?;
        self.prepare(target);
        let detection = if config.detect_duplicates { DuplicateDetection::Wait } else { DuplicateDetection::Skip };
        interface::configure(target, result, detection)?;
        if config.gateway {
            let own = gateway::serve(host, switch, config, result)?;
            result.interfaces.extend(own);
        }
        if config.masquerade {
            let backend = config.masquerade_backend.unwrap_or_else(|| Backend::detect(host));
            let addresses: Vec<IpNet> = result.ips.iter().map(|ip| ip.address).collect();
            self.begun.masquerade = Some(addresses.clone());
            Masquerade::of(self.request).add(host, backend, &addresses)?;
        }
        Ok(())
    }

    /// Settings of the container's interface that must stand before it is up. Kernels without IPv6 lack some of them.
    fn prepare(&self, target: &Target<'_>) {
        let name = target.name;
        let set = |key: String, value: &str| {
            if let Err(failure) = target.netns.set_sysctl(&key, value) {
                weir_sdk::debug!("{}", failure.message);
            }
        };
        if self.config.detect_duplicates {
            set(format!("net/ipv6/conf/{name}/enhanced_dad"), "1");
            set(format!("net/ipv6/conf/{name}/accept_dad"), "1");
        } else {
            set(format!("net/ipv6/conf/{name}/accept_dad"), "0");
        }
        set(format!("net/ipv4/conf/{name}/arp_notify"), "1");
    }

    /// The port must pass packets before the runtime starts the container. It nearly always does already.
    fn wait_for_port(&self, port: &Link) -> Result<LinkInfo> {
        let doing = || format!("wait for the bridge port of {}", self.request.interface_name);
        let info = port.info().with_context(doing)?;
        if !self.config.container_up || info.operational_state == OperationalState::Up {
            return Ok(info);
        }
        if port.wait_operational(PORT_TIMEOUT).with_context(doing)? {
            return Ok(info);
        }
        Err(Error::try_again_later(format!(
            "{}: {} is not up after {} ms",
            doing(),
            info.name,
            PORT_TIMEOUT.as_millis()
        )))
    }

    /// Take away what was made, the bridge aside.
    fn undo(&self, pair: &Pair) {
        let Self { request, config, host, begun } = self;
        report(pair.port.delete_if_exists().map(drop).map_err(Error::from));
        if let (true, Some(ipam)) = (begun.ipam, &config.ipam) {
            report(Delegate::ipam(ipam).del(&request.raw_config));
        }
        if begun.spoof_check {
            report(SpoofCheck::of(&request.attachment()).remove(host));
        }
        if let Some(addresses) = &begun.masquerade {
            report(Masquerade::of(request).remove(host, config.masquerade_backend, addresses));
        }
    }
}
