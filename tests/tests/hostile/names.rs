//! Names and paths that mean something else than they say.

use anyhow::Result;

use crate::lab::Lab;

pub fn interface_names_that_are_paths(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&["make \"..\"", "rename to \"a/b\"", "move as \"/etc\""])
}

pub fn interface_names_that_are_too_long(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&["make \"sixteen-bytes-16\"", "rename to \"seventeen-bytes-1\""])
}

pub fn interface_names_that_look_alike(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["make", "rename to"])
}

pub fn interface_names_with_formats(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&["make \"veth%d\"", "rename to \"a b\""])
}

pub fn sysctls_that_climb(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&["net/../kernel/core_pattern", "/proc/sys/kernel/hostname"])
}

pub fn sysctls_outside_the_network(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&["kernel/hostname", "vm/swappiness"])
}

pub fn sysctls_of_other_namespaces(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&["net/ipv4/conf/uplink/forwarding"])
}

pub fn directories_that_climb(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&["/run/cni/hostile/../tuning", "take an address"])
}

pub fn directories_that_are_too_long(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&[])
}

pub fn firewall_names_that_break_out(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&["table \"hostile; flush ruleset\"", "chain \"hostile\\n}\""])
}

pub fn iptables_words_that_break_out(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&["table \"filter\\n*nat\"", "word \"x\\n-I INPUT -j DROP\""])
}

pub fn comments_that_break_out(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&["flush ruleset"])
}

pub fn plugin_types_that_are_paths(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&["../bridge", "/bin/sh", "weir-cni"])
}

pub fn devices_that_are_paths(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&["/sys/devices/../../etc", "../../../../etc"])
}

pub fn zones_that_are_paths(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&["../trusted"])
}

pub fn texts_with_nul(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&["sysctl", "directory", "store", "resolver", "file"])
}
