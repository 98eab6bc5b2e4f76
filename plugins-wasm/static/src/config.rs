//! The configuration, and the sources of addresses in their order.

use std::net::IpAddr;

use serde::Deserialize;
use weir_sdk::cni_spec::ip;
use weir_sdk::cni_spec::result::{Dns, IpConfig, Route};
use weir_sdk::cni_spec::version::Version;
use weir_sdk::{Error, IpNet, Request, Result};

/// What is given out.
#[derive(Debug)]
pub(crate) struct Ipam {
    pub(crate) ips: Vec<IpConfig>,
    pub(crate) routes: Vec<Route>,
    pub(crate) dns: Dns,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    ipam: Option<Section>,
    args: Args,
    runtime_config: Requested,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Section {
    addresses: Vec<IpConfig>,
    routes: Vec<Route>,
    dns: Dns,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Args {
    cni: Requested,
}

/// Addresses that the runtime asks for, in `args.cni` or `runtimeConfig`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Requested {
    ips: Vec<String>,
}

impl Ipam {
    /// Addresses of `ipam.addresses` and CNI_ARGS together; those of `args.cni.ips` replace them, and those of
    /// `runtimeConfig.ips` replace these.
    pub(crate) fn load(request: &Request) -> Result<Self> {
        let config: Config = request.config()?;
        let section = config.ipam.ok_or_else(|| Error::invalid_config("the configuration has no ipam section"))?;
        request.args().require_known(&["IP", "GATEWAY"])?;
        let mut ips = section.addresses;
        let from_args = request.args().get("IP").unwrap_or_default();
        for text in from_args.split(',').map(str::trim).filter(|_| !from_args.is_empty()) {
            ips.push(IpConfig::new(network(text, "IP in CNI_ARGS")?));
        }
        let gateways = request.args().get("GATEWAY").unwrap_or_default();
        for text in gateways.split(',').map(str::trim).filter(|_| !gateways.is_empty()) {
            let gateway: IpAddr = ip::parse_address(text)
                .map_err(|error| Error::invalid_environment(format!("GATEWAY in CNI_ARGS: {error}")))?;
            ips.iter_mut().filter(|ip| ip.address.contains(&gateway)).for_each(|ip| ip.gateway = Some(gateway));
        }
        for (requested, source) in
            [(config.args.cni.ips, "args.cni.ips"), (config.runtime_config.ips, "runtimeConfig.ips")]
        {
            if !requested.is_empty() {
                let networks: Result<Vec<_>> = requested.iter().map(|text| network(text, source)).collect();
                ips = networks?.into_iter().map(IpConfig::new).collect();
            }
        }
        ips.iter_mut().for_each(|ip| ip.interface = None);
        if request.version()? < Version::V0_3_0 {
            require_one_per_family(&ips)?;
        }
        Ok(Self { ips, routes: section.routes, dns: section.dns })
    }
}

fn network(text: &str, source: &str) -> Result<IpNet> {
    ip::parse_net(text).map_err(|error| Error::invalid_config(format!("{source}: {error}")))
}

/// Results before 0.3.0 have room for one address of each family.
fn require_one_per_family(ips: &[IpConfig]) -> Result<()> {
    let ipv4 = ips.iter().filter(|ip| ip.address.addr().is_ipv4()).count();
    if ipv4 > 1 || ips.len() - ipv4 > 1 {
        let text = "CNI versions before 0.3.0 have one address per family; set cniVersion to 0.3.0 or later";
        return Err(Error::invalid_config(text));
    }
    Ok(())
}
