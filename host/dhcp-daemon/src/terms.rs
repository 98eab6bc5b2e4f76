//! What a server grants: address, routes, names and times, read from the options of its ACK.

use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use weir_native::dhcp::protocol::{Lease, LeaseRoute};

use crate::message::{Message, code};
use crate::names;

/// Lease time where the server does not say one.
const DEFAULT_LEASE: u32 = 3600;
/// "For ever".
const INFINITE: u32 = u32::MAX;

/// The terms of a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Terms {
    /// Address with the subnet's prefix length.
    pub(crate) address: Ipv4Net,
    /// Who granted it.
    pub(crate) server: Ipv4Addr,
    /// Hardware address that its answer came from: the server's, or that of the router before it.
    pub(crate) server_hardware: Vec<u8>,
    pub(crate) routers: Vec<Ipv4Addr>,
    pub(crate) routes: Vec<LeaseRoute>,
    pub(crate) name_servers: Vec<Ipv4Addr>,
    pub(crate) domain: String,
    pub(crate) search: Vec<String>,
    /// Seconds; none: for ever.
    pub(crate) times: Option<Times>,
}

/// Seconds from the ACK on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Times {
    /// T1: ask the server for more.
    pub(crate) renew: u32,
    /// T2: ask any server.
    pub(crate) rebind: u32,
    /// The lease is over.
    pub(crate) expire: u32,
}

impl Terms {
    /// Read an ACK. The error says what is missing in it.
    pub(crate) fn read(ack: &Message, server_hardware: &[u8]) -> Result<Self, String> {
        if ack.yours.is_unspecified() {
            return Err("it gives no address".to_owned());
        }
        let mask = ack.address(code::SUBNET_MASK).ok_or("it gives no subnet mask (option 1)")?;
        let address = Ipv4Net::with_netmask(ack.yours, mask).map_err(|_| format!("{mask} is no subnet mask"))?;
        let server = ack.address(code::SERVER).ok_or("it does not name the server (option 54)")?;
        let routers = addresses(ack.option(code::ROUTERS));
        let text = |code: u8| {
            let value = ack.option(code).unwrap_or_default();
            names::printable(String::from_utf8_lossy(value).trim_end_matches('\0'))
        };
        Ok(Self {
            address,
            server,
            server_hardware: server_hardware.to_vec(),
            routes: routes(ack, routers.first().copied()),
            routers,
            name_servers: addresses(ack.option(code::NAME_SERVERS)),
            domain: text(code::DOMAIN_NAME),
            search: ack.option(code::DOMAIN_SEARCH).map(names::search_list).unwrap_or_default(),
            times: Times::read(ack),
        })
    }

    /// The same for the plugin.
    pub(crate) fn lease(&self, left: Option<Duration>) -> Lease {
        Lease {
            address: self.address,
            routers: self.routers.clone(),
            routes: self.routes.clone(),
            name_servers: self.name_servers.clone(),
            domain: self.domain.clone(),
            search: self.search.clone(),
            seconds_left: left.map(|left| left.as_secs()),
        }
    }
}

impl Times {
    /// RFC 2131, 4.4.5: T1 is half of the time and T2 seven eighths, unless the server says otherwise.
    fn read(ack: &Message) -> Option<Self> {
        let expire = ack.number(code::LEASE_TIME).unwrap_or(DEFAULT_LEASE);
        if expire == INFINITE {
            return None;
        }
        let within = |seconds: &u32| *seconds < expire;
        let eighths = |count: u64| u32::try_from(u64::from(expire) * count / 8).unwrap_or(expire);
        let rebind = ack.number(code::REBINDING_TIME).filter(within).unwrap_or_else(|| eighths(7));
        let renew = ack.number(code::RENEWAL_TIME).filter(within).unwrap_or_else(|| eighths(4));
        Some(Self { renew: renew.min(rebind), rebind, expire })
    }
}

fn addresses(value: Option<&[u8]>) -> Vec<Ipv4Addr> {
    let (whole, _) = value.unwrap_or_default().as_chunks::<4>();
    whole.iter().map(|octets| Ipv4Addr::from(*octets)).filter(|address| !address.is_unspecified()).collect()
}

/// The classless routes (RFC 3442), which take the place of all others; else the static ones and the default route.
fn routes(ack: &Message, router: Option<Ipv4Addr>) -> Vec<LeaseRoute> {
    let classless = ack.option(code::CLASSLESS_ROUTES).map(classless).unwrap_or_default();
    if !classless.is_empty() {
        return classless;
    }
    let mut routes = Vec::new();
    let (pairs, _) = ack.option(code::STATIC_ROUTES).unwrap_or_default().as_chunks::<8>();
    for [a, b, c, d, gateway @ ..] in pairs {
        let destination = Ipv4Addr::new(*a, *b, *c, *d);
        // The default route is not allowed here.
        if !destination.is_unspecified()
            && let Ok(network) = Ipv4Net::new(destination, classful_prefix(destination))
        {
            routes.push(LeaseRoute { destination: network.trunc(), gateway: given(Ipv4Addr::from(*gateway)) });
        }
    }
    if let Some(router) = router {
        routes.push(LeaseRoute { destination: Ipv4Net::default(), gateway: Some(router) });
    }
    routes
}

fn classless(mut rest: &[u8]) -> Vec<LeaseRoute> {
    let mut routes = Vec::new();
    while let Some((&prefix, after)) = rest.split_first() {
        let Some((significant, after)) = after.split_at_checked(usize::from(prefix).div_ceil(8)) else { break };
        let Some((gateway, after)) = after.split_first_chunk::<4>() else { break };
        rest = after;
        let mut octets = [0; 4];
        octets.iter_mut().zip(significant).for_each(|(place, byte)| *place = *byte);
        let Ok(network) = Ipv4Net::new(octets.into(), prefix) else { break };
        routes.push(LeaseRoute { destination: network.trunc(), gateway: given(Ipv4Addr::from(*gateway)) });
    }
    routes
}

/// Router 0.0.0.0 means: on the link.
fn given(gateway: Ipv4Addr) -> Option<Ipv4Addr> {
    Some(gateway).filter(|gateway| !gateway.is_unspecified())
}

fn classful_prefix(address: Ipv4Addr) -> u8 {
    match address.octets() {
        [..128, _, _, _] => 8,
        [..192, _, _, _] => 16,
        [..224, _, _, _] => 24,
        _ => 32,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::message::Kind;

    fn ack(options: &[(u8, &[u8])]) -> Message {
        let mut all = vec![(1, vec![255, 255, 255, 0]), (54, vec![10, 0, 0, 1])];
        all.extend(options.iter().map(|(code, value)| (*code, value.to_vec())));
        Message {
            kind: Kind::Ack,
            xid: 1,
            seconds: 0,
            broadcast: false,
            client: Ipv4Addr::UNSPECIFIED,
            yours: [10, 0, 0, 7].into(),
            hardware: Vec::new(),
            options: all,
        }
    }

    fn routes_of(options: &[(u8, &[u8])]) -> Vec<String> {
        let gateway =
            |route: &LeaseRoute| route.gateway.map_or_else(|| "link".to_owned(), |gateway| gateway.to_string());
        let terms = Terms::read(&ack(options), &[]).unwrap();
        terms.routes.iter().map(|route| format!("{} {}", route.destination, gateway(route))).collect()
    }

    #[test]
    fn classless_routes_take_the_place_of_all_others() {
        let router: (u8, &[u8]) = (3, &[10, 0, 0, 1]);
        let fixed: (u8, &[u8]) = (33, &[192, 168, 5, 9, 10, 0, 0, 2, 20, 0, 0, 0, 10, 0, 0, 3, 0, 0, 0, 0, 9, 9, 9, 9]);
        assert_eq!(routes_of(&[router]), ["0.0.0.0/0 10.0.0.1"]);
        assert_eq!(
            routes_of(&[router, fixed]),
            ["192.168.5.0/24 10.0.0.2", "20.0.0.0/8 10.0.0.3", "0.0.0.0/0 10.0.0.1"]
        );
        let classless: (u8, &[u8]) = (121, &[25, 10, 9, 8, 128, 10, 0, 0, 4, 0, 10, 0, 0, 5, 8, 30, 0, 0, 0, 0]);
        let expected = ["10.9.8.128/25 10.0.0.4", "0.0.0.0/0 10.0.0.5", "30.0.0.0/8 link"];
        assert_eq!(routes_of(&[router, fixed, classless]), expected);
        assert_eq!(routes_of(&[router, (121, &[33, 1, 1, 1, 1, 1, 1, 1, 1, 1])]), ["0.0.0.0/0 10.0.0.1"]);
        assert!(routes_of(&[(121, &[24, 10])]).is_empty());
    }

    #[test]
    fn times_are_the_servers_or_those_of_the_standard() {
        let times = |options: &[(u8, &[u8])]| {
            Terms::read(&ack(options), &[]).unwrap().times.map(|times| (times.renew, times.rebind, times.expire))
        };
        assert_eq!(times(&[]), Some((1800, 3150, 3600)));
        assert_eq!(times(&[(51, &[0, 0, 0, 80])]), Some((40, 70, 80)));
        assert_eq!(times(&[(51, &[0, 0, 0, 80]), (58, &[0, 0, 0, 5]), (59, &[0, 0, 0, 9])]), Some((5, 9, 80)));
        assert_eq!(times(&[(51, &[0, 0, 0, 80]), (58, &[0, 0, 0, 75]), (59, &[0, 0, 0, 99])]), Some((70, 70, 80)));
        assert_eq!(times(&[(51, &[255, 255, 255, 255])]), None);
    }

    #[test]
    fn a_lease_needs_address_mask_and_server() {
        assert!(Terms::read(&ack(&[]), &[]).is_ok());
        let mut bad = ack(&[]);
        bad.yours = Ipv4Addr::UNSPECIFIED;
        assert!(Terms::read(&bad, &[]).is_err());
        for code in [1, 54] {
            let mut bad = ack(&[]);
            bad.options.retain(|(other, _)| *other != code);
            assert!(Terms::read(&bad, &[]).is_err(), "{code}");
        }
        let mut bad = ack(&[]);
        bad.options.first_mut().unwrap().1 = vec![255, 0, 255, 0];
        assert!(Terms::read(&bad, &[]).unwrap_err().contains("255.0.255.0"));
    }

    #[test]
    fn names_are_read() {
        let terms = Terms::read(
            &ack(&[(6, &[9, 9, 9, 9, 8, 8, 8, 8, 1]), (15, b"a.example\0"), (119, b"\x01b\x07example\0")]),
            &[],
        );
        let terms = terms.unwrap();
        assert_eq!(terms.name_servers, [Ipv4Addr::new(9, 9, 9, 9), Ipv4Addr::new(8, 8, 8, 8)]);
        assert_eq!((terms.domain.as_str(), terms.search), ("a.example", vec!["b.example".to_owned()]));
    }
}
