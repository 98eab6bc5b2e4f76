//! Results written in all versions.

use ipnet::IpNet;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{AddResult, ConversionError, IpConfig, Route};
use crate::version::Version;

pub(super) fn write(result: &AddResult, version: Version) -> Result<Value, ConversionError> {
    let mut object = Map::new();
    object.insert("cniVersion".to_owned(), version.as_str().into());
    // Up to 0.4.0 Go prints settings that are empty, and there are readers that look for the key.
    if version < Version::V1_0_0 || !result.dns.is_empty() {
        object.insert("dns".to_owned(), value(&result.dns));
    }
    if version < Version::V0_3_0 {
        write_families(result, version, &mut object)?;
    } else {
        insert_list(&mut object, "interfaces", interfaces(result, version));
        insert_list(&mut object, "ips", result.ips.iter().map(|ip| address(ip, version)).collect());
        insert_list(&mut object, "routes", result.routes.iter().map(value).collect());
    }
    Ok(Value::Object(object))
}

/// 0.1.0 and 0.2.0: the first address of each family, with the routes of that family.
fn write_families(
    result: &AddResult,
    version: Version,
    object: &mut Map<String, Value>,
) -> Result<(), ConversionError> {
    let mut found = false;
    for (key, is_v4) in [("ip4", true), ("ip6", false)] {
        let of_family = |net: &IpNet| net.addr().is_ipv4() == is_v4;
        let Some(ip) = result.ips.iter().find(|ip| of_family(&ip.address)) else { continue };
        found = true;
        let mut family = Map::new();
        family.insert("ip".to_owned(), ip.address.to_string().into());
        if let Some(gateway) = ip.gateway {
            family.insert("gateway".to_owned(), gateway.to_string().into());
        }
        let routes = result.routes.iter().filter(|route| of_family(&route.dst));
        let routes = routes.map(|route| value(&Route::new(route.dst, route.gw)));
        insert_list(&mut family, "routes", routes.collect());
        object.insert(key.to_owned(), Value::Object(family));
    }
    if found { Ok(()) } else { Err(ConversionError::NoAddress(version)) }
}

fn interfaces(result: &AddResult, version: Version) -> Vec<Value> {
    let mut list: Vec<Value> = result.interfaces.iter().map(value).collect();
    if version < Version::V1_0_0 {
        for object in list.iter_mut().filter_map(Value::as_object_mut) {
            for key in ["mtu", "socketPath", "pciID"] {
                object.remove(key);
            }
        }
    }
    list
}

fn address(ip: &IpConfig, version: Version) -> Value {
    let mut ip_value = value(ip);
    if version < Version::V1_0_0
        && let Some(object) = ip_value.as_object_mut()
    {
        let family = if ip.address.addr().is_ipv4() { "4" } else { "6" };
        object.insert("version".to_owned(), family.into());
    }
    ip_value
}

fn insert_list(object: &mut Map<String, Value>, key: &str, list: Vec<Value>) {
    if !list.is_empty() {
        object.insert(key.to_owned(), Value::Array(list));
    }
}

/// The types of this module have texts for keys and no fallible parts, so they always become values.
fn value<T: Serialize>(part: &T) -> Value {
    serde_json::to_value(part).unwrap_or_default()
}
