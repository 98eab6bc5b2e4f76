//! The configuration: ranges, and addresses that were asked for, from all their sources.

use std::net::IpAddr;

use serde::Deserialize;
use weir_sdk::cni_spec::ip::{self, ParseIpError};
use weir_sdk::cni_spec::{Args, Route, Version};
use weir_sdk::{Error, Request, Result, StatusRequest};

use crate::range::{self, RangeConfig, RangeSet};

/// A configuration that has been checked.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) range_sets: Vec<RangeSet>,
    pub(crate) requested: Vec<IpAddr>,
    pub(crate) routes: Vec<Route>,
    pub(crate) resolv_conf: String,
    pub(crate) directory: Directory,
}

/// The one key that DEL and GC need.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Directory {
    ipam: DirectoryIpam,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DirectoryIpam {
    data_dir: String,
}

impl Directory {
    /// Where the addresses are kept; none: the default.
    pub(crate) fn path(&self) -> Option<&str> {
        Some(self.ipam.data_dir.as_str()).filter(|path| !path.is_empty())
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Document {
    cni_version: Version,
    ipam: Option<Ipam>,
    runtime_config: RuntimeConfig,
    args: TopArgs,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ipam {
    #[serde(default)]
    ranges: Vec<Vec<RangeConfig>>,
    // One range, as configurations had it before `ranges`.
    #[serde(default, with = "ip::optional_net")]
    subnet: Option<weir_sdk::IpNet>,
    #[serde(default, with = "ip::optional_address")]
    range_start: Option<IpAddr>,
    #[serde(default, with = "ip::optional_address")]
    range_end: Option<IpAddr>,
    #[serde(default, with = "ip::optional_address")]
    gateway: Option<IpAddr>,
    #[serde(default)]
    routes: Vec<Route>,
    #[serde(default)]
    data_dir: String,
    #[serde(default)]
    resolv_conf: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RuntimeConfig {
    ip_ranges: Vec<Vec<RangeConfig>>,
    ips: Vec<RequestedAddress>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TopArgs {
    cni: CniArgs,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CniArgs {
    ips: Vec<RequestedAddress>,
}

/// `10.1.0.5` or `10.1.0.5/16`: the prefix length is that of the range in any case.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct RequestedAddress(IpAddr);

impl TryFrom<String> for RequestedAddress {
    type Error = ParseIpError;

    fn try_from(text: String) -> Result<Self, ParseIpError> {
        if text.contains('/') {
            ip::parse_net(&text).map(|net| Self(net.addr().to_canonical()))
        } else {
            ip::parse_address(&text).map(Self)
        }
    }
}

impl Config {
    /// Read and check the configuration of ADD and CHECK.
    pub(crate) fn load(request: &Request) -> Result<Self> {
        request.args().require_known(&["IP"])?;
        Self::check(request.config()?, request.args())
    }

    /// Read and check the configuration of STATUS.
    pub(crate) fn load_for_status(request: &StatusRequest) -> Result<Self> {
        Self::check(request.config()?, &Args::default())
    }

    fn check(document: Document, args: &Args) -> Result<Self> {
        let ipam = document.ipam.ok_or_else(|| Error::invalid_config("the network configuration has no ipam"))?;
        let single = ipam.subnet.map(|_| {
            let Ipam { subnet, range_start, range_end, gateway, .. } = ipam;
            vec![RangeConfig { subnet, range_start, range_end, gateway }]
        });
        let sets = document.runtime_config.ip_ranges.into_iter().chain(single).chain(ipam.ranges);
        let range_sets = range::check_sets(sets)?;
        one_of_each_family_before_0_3(&range_sets, document.cni_version)?;

        let mut requested = Vec::new();
        if let Some(text) = args.get("IP").filter(|text| !text.is_empty()) {
            let address = RequestedAddress::try_from(text.to_owned())
                .map_err(|error| Error::invalid_environment(format!("CNI_ARGS: IP: {error}")))?;
            requested.push(address.0);
        }
        for address in document.args.cni.ips.into_iter().chain(document.runtime_config.ips) {
            requested.push(address.0);
        }
        Ok(Self {
            range_sets,
            requested,
            routes: ipam.routes,
            resolv_conf: ipam.resolv_conf,
            directory: Directory { ipam: DirectoryIpam { data_dir: ipam.data_dir } },
        })
    }
}

/// Results before 0.3.0 have room for one address of each family.
fn one_of_each_family_before_0_3(sets: &[RangeSet], version: Version) -> Result<()> {
    let of_v4 = sets.iter().filter(|set| set.is_ipv4()).count();
    if version < Version::V0_3_0 && (of_v4 > 1 || sets.len() - of_v4 > 1) {
        return Err(Error::invalid_config(format!(
            "cniVersion {version} allows one range set of each family; set cniVersion to 0.3.0 or later"
        )));
    }
    Ok(())
}

/// Which set each requested address is for: the first that contains it and has none yet.
pub(crate) fn assign(sets: &[RangeSet], requested: &[IpAddr]) -> Result<Vec<Option<IpAddr>>> {
    let mut assigned = vec![None; sets.len()];
    let mut left = Vec::new();
    for address in requested {
        if assigned.contains(&Some(*address)) {
            continue;
        }
        let free = assigned.iter_mut().zip(sets).find_map(|(slot, set)| Some((slot, set.find(*address)?)));
        match free {
            Some((_, range)) if range.gateway == *address => {
                return Err(Error::invalid_config(format!("requested address {address} is the gateway of {range}")));
            }
            Some((slot, _)) if slot.is_none() => *slot = Some(*address),
            _ => left.push(address.to_string()),
        }
    }
    if left.is_empty() {
        return Ok(assigned);
    }
    Err(Error::invalid_config(format!("no range set is left for the requested addresses {}", left.join(", ")))
        .with_details("each range set gives one address, and only from its own ranges"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn sets() -> Vec<RangeSet> {
        let range = |subnet: &str| RangeConfig { subnet: subnet.parse().ok(), ..RangeConfig::default() };
        range::check_sets([vec![range("10.1.0.0/24"), range("10.2.0.0/24")], vec![range("2001:db8::/64")]]).unwrap()
    }

    #[test]
    fn requested_addresses_go_to_the_set_that_contains_them() {
        let wanted = [address("2001:db8::7"), address("10.2.0.7"), address("2001:db8::7")];
        assert_eq!(assign(&sets(), &wanted), Ok(vec![Some(address("10.2.0.7")), Some(address("2001:db8::7"))]));
        assert_eq!(assign(&sets(), &[]), Ok(vec![None, None]));
    }

    #[test]
    fn requested_addresses_that_no_set_can_give_are_refused() {
        for wanted in [["10.3.0.1", "2001:db8::7"], ["10.1.0.7", "10.2.0.7"], ["10.1.0.255", "10.1.0.7"]] {
            let error = assign(&sets(), &wanted.map(address)).unwrap_err();
            assert_eq!(error.code, 7, "{wanted:?}");
        }
        let error = assign(&sets(), &[address("10.2.0.1")]).unwrap_err();
        assert!(error.msg.contains("gateway"), "{error}");
    }

    #[test]
    fn a_requested_address_may_have_a_prefix_length() {
        for text in ["10.1.0.7", "10.1.0.7/16"] {
            assert_eq!(RequestedAddress::try_from(text.to_owned()).unwrap().0, address("10.1.0.7"));
        }
        for text in ["", "/", "10.1.0.7/", "10.1.0.7/33", "x"] {
            assert!(RequestedAddress::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }
}
