//! Has others do what it may not.

use anyhow::Result;

use crate::lab::Lab;

pub fn type_that_was_not_granted(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["bridge"])
}

pub fn native_type(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["native"])
}

pub fn with_another_network(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&[])
}

pub fn with_another_store(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&[])
}

pub fn gc_of_all_others(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&[])
}

pub fn gc_during_del(lab: &Lab<'_>) -> Result<()> {
    lab.fails("DEL")?;
    Ok(())
}

pub fn address_that_the_accomplice_made_up(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["10.88.0.2"])
}
