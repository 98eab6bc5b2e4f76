//! Uses handles as they must not be used.

use anyhow::Result;

use crate::lab::Lab;

pub fn used_after_drop(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(&["hostile", "handle"])
}

pub fn dropped_twice(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(&["hostile", "handle"])
}

pub fn guessed(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(&["hostile", "handle"])
}

pub fn of_another_type(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(&["hostile", "handle"])
}

pub fn link_that_outlives_its_namespace_handle(lab: &Lab<'_>) -> Result<()> {
    lab.harmless()
}

pub fn link_that_was_deleted(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&["look at the other end", "delete again"])
}

pub fn controller_of_another_namespace(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&[])
}

pub fn redirect_into_another_namespace(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&["redirect to the host's link", "redirect the host's link"])
}
