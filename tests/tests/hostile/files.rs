//! Has the host read files that are nobody's business.

use anyhow::Result;

use crate::lab::Lab;

pub fn shadow(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&["/etc/shadow"])
}

pub fn environment_of_a_process(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["/proc/1/environ"])
}

pub fn device(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&["/dev/zero"])
}

pub fn pipe(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&["/run/hostile/pipe"])
}

pub fn directory(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&["/run/hostile"])
}
