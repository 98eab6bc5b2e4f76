//! Kernel parameters of a namespace.

use libtest_mimic::Trial;
use weir_native::ErrorKind;
use weir_native::netns::Netns;
use weir_native::sysctl;

use super::support::test;

pub(crate) fn tests() -> Vec<Trial> {
    vec![test("a_value_is_written_in_its_namespace_only", write), test("failures_name_the_key", failures)]
}

fn write(namespace: &Netns) {
    let other = Netns::create().unwrap();
    let key = "net/ipv4/conf/lo/arp_notify";
    assert_eq!(sysctl::get(namespace, key).unwrap(), "0");
    sysctl::set(namespace, key, "1").unwrap();
    assert_eq!(sysctl::get(namespace, key).unwrap(), "1");
    assert_eq!(sysctl::get(&other, key).unwrap(), "0");
    sysctl::set(namespace, "net/ipv4/ip_local_port_range", "20000 30000").unwrap();
    assert_eq!(sysctl::get(namespace, "net/ipv4/ip_local_port_range").unwrap(), "20000\t30000");
}

fn failures(namespace: &Netns) {
    let cases = [
        ("net/ipv4/conf/nosuch/arp_notify", "1", ErrorKind::NotFound),
        ("net/ipv4/conf/lo/arp_notify", "many", ErrorKind::Invalid),
        ("net/../kernel/hostname", "x", ErrorKind::Invalid),
    ];
    for (key, value, kind) in cases {
        let error = sysctl::set(namespace, key, value).unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(key), "{error}");
    }
    assert_eq!(sysctl::get(namespace, "net/ipv4/conf/nosuch/x").unwrap_err().kind, ErrorKind::NotFound);
}
