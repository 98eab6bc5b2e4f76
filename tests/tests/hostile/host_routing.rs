//! Reaches for where the host sends its packets.

use anyhow::Result;

use crate::lab::Lab;

pub fn default_route_added(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["0.0.0.0/0"])
}

pub fn default_route_replaced(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["0.0.0.0/0"])
}

pub fn default_route_deleted(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["0.0.0.0/0"])
}

pub fn route_to_a_neighbour_stolen(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["10.88.0.2"])
}

pub fn route_in_another_table(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["0.0.0.0/0"])
}

pub fn policy_rule_added(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["4242"])
}

pub fn policy_rule_deleted(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["254"])
}

pub fn forwarding_off(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["net/ipv4/ip_forward"])
}

pub fn settings_of_the_uplink(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["uplink"])
}

pub fn core_pattern(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&["kernel/core_pattern"])
}

pub fn zone_of_firewalld(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["trusted"])
}
