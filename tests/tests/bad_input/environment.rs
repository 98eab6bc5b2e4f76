//! Variables, names and namespaces.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::code::{CONTAINER, ENVIRONMENT, SAME_NAMESPACE};
use crate::{Case, call};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        call("command_unknown", ENVIRONMENT, |c, _| c.env("CNI_COMMAND", "UPDATE")),
        call("command_in_lower_case", ENVIRONMENT, |c, _| c.env("CNI_COMMAND", "add")),
        call("command_with_a_space", ENVIRONMENT, |c, _| c.env("CNI_COMMAND", "ADD ")),
        call("container_missing", ENVIRONMENT, |c, _| c.unset("CNI_CONTAINERID")),
        call("container_empty", ENVIRONMENT, |c, _| c.env("CNI_CONTAINERID", "")),
        call("container_climbs", ENVIRONMENT, |c, _| c.env("CNI_CONTAINERID", "../../etc")),
        call("container_with_a_slash", ENVIRONMENT, |c, _| c.env("CNI_CONTAINERID", "a/b")),
        call("container_starts_with_a_dash", ENVIRONMENT, |c, _| c.env("CNI_CONTAINERID", "-a")),
        call("container_starts_with_a_dot", ENVIRONMENT, |c, _| c.env("CNI_CONTAINERID", ".a")),
        call("container_with_a_space", ENVIRONMENT, |c, _| c.env("CNI_CONTAINERID", "a b")),
        call("container_with_a_line_break", ENVIRONMENT, |c, _| c.env("CNI_CONTAINERID", "a\nb")),
        call("container_not_ascii", ENVIRONMENT, |c, _| c.env("CNI_CONTAINERID", "käfig")),
        call("container_not_utf8", ENVIRONMENT, |c, _| c.env("CNI_CONTAINERID", OsString::from_vec(vec![0x61, 0xff]))),
        call("interface_missing", ENVIRONMENT, |c, _| c.unset("CNI_IFNAME")),
        call("interface_too_long", ENVIRONMENT, |c, _| c.env("CNI_IFNAME", "sixteen-letters-")),
        call("interface_with_a_slash", ENVIRONMENT, |c, _| c.env("CNI_IFNAME", "a/b")),
        call("interface_with_a_colon", ENVIRONMENT, |c, _| c.env("CNI_IFNAME", "eth0:1")),
        call("interface_is_a_dot", ENVIRONMENT, |c, _| c.env("CNI_IFNAME", ".")),
        call("interface_is_two_dots", ENVIRONMENT, |c, _| c.env("CNI_IFNAME", "..")),
        call("interface_with_a_space", ENVIRONMENT, |c, _| c.env("CNI_IFNAME", "eth 0")),
        call("interface_with_a_wide_space", ENVIRONMENT, |c, _| c.env("CNI_IFNAME", "eth\u{2003}0")),
        call("namespace_missing", ENVIRONMENT, |c, _| c.unset("CNI_NETNS")),
        call("namespace_empty", ENVIRONMENT, |c, _| c.env("CNI_NETNS", "")),
        call("namespace_gone", CONTAINER, |c, _| c.env("CNI_NETNS", "/run/netns/gone")),
        call("namespace_is_a_plain_file", ENVIRONMENT, |c, _| c.env("CNI_NETNS", "/etc/passwd")),
        call("namespace_is_a_directory", ENVIRONMENT, |c, _| c.env("CNI_NETNS", "/run")),
        call("namespace_is_a_device", ENVIRONMENT, |c, _| c.env("CNI_NETNS", "/dev/null")),
        call("namespace_of_another_kind", ENVIRONMENT, |c, _| c.env("CNI_NETNS", "/proc/self/ns/mnt")),
        call("namespace_is_the_callers", SAME_NAMESPACE, |c, _| c.env("CNI_NETNS", "/proc/self/ns/net")),
        call("arguments_without_a_value", ENVIRONMENT, |c, _| c.env("CNI_ARGS", "MAC")),
        call("arguments_with_two_values", ENVIRONMENT, |c, _| c.env("CNI_ARGS", "MAC=a=b")),
        call("arguments_not_utf8", ENVIRONMENT, |c, _| c.env("CNI_ARGS", OsString::from_vec(b"MAC=\xff".to_vec()))),
        call("gc_without_a_path", ENVIRONMENT, |c, _| {
            c.unset("CNI_PATH").input(r#"{"cniVersion":"1.1.0","name":"net","type":"bridge"}"#)
        })
        .command("GC"),
        call("del_without_container", ENVIRONMENT, |c, _| c.unset("CNI_CONTAINERID")).command("DEL"),
        call("del_without_interface", ENVIRONMENT, |c, _| c.unset("CNI_IFNAME")).command("DEL"),
        call("del_of_a_container_that_climbs", ENVIRONMENT, |c, _| c.env("CNI_CONTAINERID", "../x")).command("DEL"),
        call("check_without_namespace", ENVIRONMENT, |c, _| c.unset("CNI_NETNS")).command("CHECK"),
        call("check_without_anything", ENVIRONMENT, |c, _| {
            c.unset("CNI_NETNS").unset("CNI_IFNAME").unset("CNI_CONTAINERID")
        })
        .command("CHECK"),
    ]
}

/// What the host refuses for any plugin.
pub(crate) fn cases_of_each(plugins: &[String]) -> Vec<Case> {
    let mut cases = Vec::new();
    for plugin in plugins.iter().filter(|plugin| *plugin != "bridge") {
        cases.push(
            call("namespace_is_the_callers", SAME_NAMESPACE, |c, _| c.env("CNI_NETNS", "/proc/self/ns/net"))
                .plugin(plugin),
        );
    }
    cases
}
