//! Ranges of addresses: defaults, checks, membership. No I/O.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Deserialize;
use weir_sdk::cni_spec::ip;
use weir_sdk::ipam_store::AddressRange;
use weir_sdk::{Error, IpNet, Result};

/// A range as it is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RangeConfig {
    #[serde(with = "ip::optional_net")]
    pub(crate) subnet: Option<IpNet>,
    #[serde(with = "ip::optional_address")]
    pub(crate) range_start: Option<IpAddr>,
    #[serde(with = "ip::optional_address")]
    pub(crate) range_end: Option<IpAddr>,
    #[serde(with = "ip::optional_address")]
    pub(crate) gateway: Option<IpAddr>,
}

/// A range that has been checked: `first` to `last` lie in `subnet`, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    subnet: IpNet,
    first: IpAddr,
    last: IpAddr,
    pub(crate) gateway: IpAddr,
}

/// Ranges of one family, of which a container gets one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RangeSet(Vec<Range>);

impl Range {
    fn check(config: &RangeConfig) -> Result<Self, String> {
        let subnet = config.subnet.ok_or("subnet is missing")?;
        if subnet.addr().to_canonical() != subnet.addr() {
            return Err(format!("subnet {subnet} is an IPv4 subnet written as IPv6; write it as IPv4"));
        }
        if subnet.addr() != subnet.network() {
            return Err(format!("subnet {subnet} has host bits set; the subnet is {}", subnet.trunc()));
        }
        if subnet.prefix_len() + 2 > subnet.max_prefix_len() {
            return Err(format!("subnet {subnet} is too small to give addresses from"));
        }
        let second = offset(subnet.network(), 1);
        let usable_end = if subnet.addr().is_ipv4() { offset(subnet.broadcast(), -1) } else { subnet.broadcast() };
        let first = config.range_start.unwrap_or(second);
        let last = config.range_end.unwrap_or(usable_end);
        for (key, address) in [("rangeStart", first), ("rangeEnd", last)] {
            if !subnet.contains(&address) {
                return Err(format!("{key} {address} is not in subnet {subnet}"));
            }
        }
        if first > last {
            return Err(format!("rangeStart {first} comes after rangeEnd {last}"));
        }
        // A gateway in another subnet is unusual and works, so it is let through.
        let gateway = config.gateway.unwrap_or(second);
        if gateway.is_ipv4() != subnet.addr().is_ipv4() {
            return Err(format!("gateway {gateway} is not of the family of subnet {subnet}"));
        }
        Ok(Self { subnet, first, last, gateway })
    }

    fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && self.first <= address && address <= self.last
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.first) || other.contains(self.first)
    }

    /// An address of this range with the prefix length of the subnet.
    pub(crate) fn with_prefix(&self, address: IpAddr) -> IpNet {
        IpNet::new(address, self.subnet.prefix_len()).unwrap_or_else(|_| address.into())
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl RangeSet {
    fn check(configs: &[RangeConfig]) -> Result<Self, String> {
        let ranges = configs.iter().map(Range::check).collect::<Result<Vec<_>, String>>()?;
        let family = ranges.first().ok_or("it is empty")?.first.is_ipv4();
        if ranges.iter().any(|range| range.first.is_ipv4() != family) {
            return Err("it mixes IPv4 and IPv6; give each family a range set of its own".to_owned());
        }
        for (position, range) in ranges.iter().enumerate() {
            if let Some(other) = ranges.iter().skip(position + 1).find(|other| range.overlaps(other)) {
                return Err(format!("its ranges {range} and {other} overlap"));
            }
        }
        Ok(Self(ranges))
    }

    pub(crate) fn is_ipv4(&self) -> bool {
        self.0.first().is_some_and(|range| range.first.is_ipv4())
    }

    /// The range that an address belongs to.
    pub(crate) fn find(&self, address: IpAddr) -> Option<&Range> {
        self.0.iter().find(|range| range.contains(address))
    }

    pub(crate) fn for_store(&self) -> Vec<AddressRange> {
        let except = |range: &Range| Some(range.gateway).filter(|gateway| range.contains(*gateway));
        self.0
            .iter()
            .map(|range| AddressRange { first: range.first, last: range.last, except: except(range) })
            .collect()
    }
}

impl fmt::Display for RangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, range) in self.0.iter().enumerate() {
            write!(f, "{}{range}", if position == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// Check all range sets of a configuration, in order, and against each other.
pub(crate) fn check_sets(configs: impl IntoIterator<Item = Vec<RangeConfig>>) -> Result<Vec<RangeSet>> {
    let mut sets: Vec<RangeSet> = Vec::new();
    for (index, config) in configs.into_iter().enumerate() {
        let set = RangeSet::check(&config)
            .map_err(|problem| Error::invalid_config(format!("range set {index} is invalid: {problem}")))?;
        let overlaps = |other: &RangeSet| set.0.iter().any(|range| other.0.iter().any(|other| range.overlaps(other)));
        if let Some(other) = sets.iter().position(overlaps) {
            return Err(Error::invalid_config(format!("range sets {other} and {index} overlap")));
        }
        sets.push(set);
    }
    if sets.is_empty() {
        return Err(Error::invalid_config("no ranges are given: set ipam.ranges or ipam.subnet"));
    }
    Ok(sets)
}

/// The address `step` after another; at the end of the family's addresses it stays.
fn offset(address: IpAddr, step: i8) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from(u32::from(address).saturating_add_signed(step.into())).into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address).saturating_add_signed(step.into())).into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn range(subnet: &str, start: &str, end: &str, gateway: &str) -> RangeConfig {
        RangeConfig {
            subnet: subnet.parse().ok(),
            range_start: start.parse().ok(),
            range_end: end.parse().ok(),
            gateway: gateway.parse().ok(),
        }
    }

    fn subnet(text: &str) -> RangeConfig {
        range(text, "", "", "")
    }

    fn problem(sets: &[&[RangeConfig]]) -> String {
        let error = check_sets(sets.iter().map(|set| set.to_vec())).unwrap_err();
        assert_eq!(error.code, 7);
        error.msg
    }

    #[test]
    fn missing_ends_and_gateways_have_defaults() {
        for (text, first, last, gateway) in [
            ("10.1.0.0/24", "10.1.0.1", "10.1.0.254", "10.1.0.1"),
            ("10.1.0.0/30", "10.1.0.1", "10.1.0.2", "10.1.0.1"),
            ("0.0.0.0/0", "0.0.0.1", "255.255.255.254", "0.0.0.1"),
            ("2001:db8::/64", "2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", "2001:db8::1"),
            ("2001:db8::/126", "2001:db8::1", "2001:db8::3", "2001:db8::1"),
        ] {
            let checked = Range::check(&subnet(text)).unwrap();
            assert_eq!(
                (checked.first, checked.last, checked.gateway),
                (first.parse().unwrap(), last.parse().unwrap(), gateway.parse().unwrap())
            );
        }
    }

    #[test]
    fn what_is_given_is_kept_with_the_prefix_length_of_the_subnet() {
        let checked = Range::check(&range("10.1.0.0/16", "10.1.2.0", "10.1.2.9", "10.1.255.255")).unwrap();
        assert_eq!(checked.to_string(), "10.1.2.0-10.1.2.9");
        assert_eq!(checked.gateway.to_string(), "10.1.255.255");
        assert_eq!(checked.with_prefix("10.1.2.3".parse().unwrap()).to_string(), "10.1.2.3/16");
    }

    #[test]
    fn the_store_is_told_of_gateways_inside_the_range_only() {
        let set =
            RangeSet::check(&[range("10.1.0.0/24", "10.1.0.10", "10.1.0.20", "10.1.0.15"), subnet("10.2.0.0/24")]);
        let excepted: Vec<_> =
            set.unwrap().for_store().iter().map(|range| range.except.map(|ip| ip.to_string())).collect();
        assert_eq!(excepted, [Some("10.1.0.15".to_owned()), Some("10.2.0.1".to_owned())]);
        let outside = RangeSet::check(&[range("10.1.0.0/24", "10.1.0.10", "", "10.3.0.1")]).unwrap();
        assert!(outside.for_store().iter().all(|range| range.except.is_none()));
    }

    #[test]
    fn impossible_ranges_are_refused_with_the_reason() {
        for (config, reason) in [
            (subnet(""), "subnet is missing"),
            (subnet("10.1.0.1/24"), "host bits"),
            (subnet("10.1.0.0/31"), "too small"),
            (subnet("10.1.0.0/32"), "too small"),
            (subnet("2001:db8::/127"), "too small"),
            (subnet("::ffff:10.0.0.0/120"), "written as IPv6"),
            (range("10.1.0.0/24", "10.2.0.1", "", ""), "rangeStart 10.2.0.1 is not in subnet"),
            (range("10.1.0.0/24", "", "10.2.0.1", ""), "rangeEnd 10.2.0.1 is not in subnet"),
            (range("10.1.0.0/24", "2001:db8::1", "", ""), "is not in subnet"),
            (range("10.1.0.0/24", "10.1.0.9", "10.1.0.8", ""), "comes after"),
            (range("10.1.0.0/24", "", "", "2001:db8::1"), "family"),
        ] {
            let told = problem(&[&[config]]);
            assert!(told.starts_with("range set 0 is invalid: ") && told.contains(reason), "{told}");
        }
    }

    #[test]
    fn sets_are_of_one_family_and_do_not_overlap() {
        assert!(problem(&[]).contains("no ranges"));
        assert!(problem(&[&[]]).contains("empty"));
        assert!(problem(&[&[subnet("10.1.0.0/24"), subnet("2001:db8::/64")]]).contains("mixes"));
        assert!(problem(&[&[subnet("10.1.0.0/24"), subnet("10.1.0.128/25")]]).contains("overlap"));
        assert!(problem(&[&[subnet("10.1.0.0/24")], &[subnet("10.0.0.0/8")]]).contains("range sets 0 and 1 overlap"));
        let side_by_side = [
            vec![range("10.1.0.0/24", "", "10.1.0.99", "")],
            vec![range("10.1.0.0/24", "10.1.0.100", "", "")],
            vec![subnet("::a00:0/120")],
        ];
        assert_eq!(check_sets(side_by_side).unwrap().len(), 3);
    }
}
