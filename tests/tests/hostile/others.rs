//! Reaches for what belongs to other attachments, other networks and other plugins.

use anyhow::Result;

use crate::lab::Lab;

pub fn link_set_down(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["another's link down"])
}

pub fn link_deleted(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["another's link"])
}

pub fn link_moved_into_the_container(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["another's link"])
}

pub fn bridge_changed(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["cni0"])
}

pub fn bridge_joined(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["cni0"])
}

pub fn bridge_deleted(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["cni0"])
}

pub fn container_link_of_another_attachment(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["side0"])
}

pub fn nftables_table_deleted(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["inet admin"])
}

pub fn nftables_chain_flushed(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["inet admin"])
}

pub fn nftables_rule_first(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["inet admin"])
}

pub fn nftables_rules_deleted(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["inet admin"])
}

pub fn nftables_elements(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["inet admin"])
}

pub fn nftables_chain_before_all(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["inet admin"])
}

pub fn iptables_chain_flushed(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["ADMIN", "INPUT"])
}

pub fn iptables_accept_first(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["INPUT", "FORWARD"])
}

pub fn iptables_rule_deleted(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["ADMIN", "INPUT"])
}

pub fn documents_forgotten(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&["attachments", "containers"])
}

pub fn documents_of_another_plugin(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["/run/cni/tuning"])
}

pub fn store_of_another_directory(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["/run/secrets"])
}

pub fn address_of_another_taken(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&["take it"])
}

pub fn leases_of_others_released(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&["release all"])
}

pub fn addresses_of_others_released(lab: &Lab<'_>) -> Result<()> {
    lab.harmless()
}
