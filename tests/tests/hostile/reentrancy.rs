//! Plugins that call plugins that call plugins.

use anyhow::Result;

use crate::lab::Lab;

pub fn calls_itself(lab: &Lab<'_>) -> Result<()> {
    lab.fails_with(&[7, 102], &["too deep"])
}

pub fn calls_an_accomplice_that_calls_back(lab: &Lab<'_>) -> Result<()> {
    lab.fails_with(&[7, 102], &["too deep"])
}

pub fn calls_itself_for_another_command(lab: &Lab<'_>) -> Result<()> {
    lab.fails_with(&[7, 101, 102, 120], &[])
}

pub fn calls_others_without_end(lab: &Lab<'_>) -> Result<()> {
    lab.fails_with(&[7, 101, 102, 120], &[])
}

pub fn spends_the_time_of_its_caller(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(&["hostile", "did not finish within"])
}
