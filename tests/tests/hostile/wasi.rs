//! Asks WASI for what it must not have.

use anyhow::{Result, ensure};

use crate::lab::Lab;

/// The guest's own code: all attempts failed.
const NOTHING: &[i64] = &[120];

pub fn reads_files(lab: &Lab<'_>) -> Result<()> {
    lab.fails_with(NOTHING, &["/etc/shadow"])
}

pub fn writes_files(lab: &Lab<'_>) -> Result<()> {
    lab.fails_with(NOTHING, &["write", "rename"])
}

pub fn sees_no_environment(lab: &Lab<'_>) -> Result<()> {
    lab.fails_with(NOTHING, &["it sees nothing"])
}

pub fn connects(lab: &Lab<'_>) -> Result<()> {
    lab.fails_with(NOTHING, &["127.0.0.1", "datagram"])
}

pub fn listens(lab: &Lab<'_>) -> Result<()> {
    lab.fails_with(NOTHING, &["0.0.0.0"])
}

pub fn resolves_names(lab: &Lab<'_>) -> Result<()> {
    lab.fails_with(NOTHING, &["localhost"])
}

/// Exit status 0 of a plugin that returned nothing is no success.
pub fn exits_with_success(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(&["hostile"])
}

pub fn exits_with_failure(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(&["hostile"])
}

pub fn sleeps_past_the_deadline(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(&["hostile", "did not finish within"])
}

/// The standard library hides that standard error is full; what counts is what comes out.
pub fn prints_without_end(lab: &Lab<'_>) -> Result<()> {
    let answer = lab.call("ADD")?;
    ensure!(answer.stderr.len() < 256 << 10, "it printed {} bytes", answer.stderr.len());
    lab.unchanged()
}

pub fn asks_for_much_randomness(lab: &Lab<'_>) -> Result<()> {
    lab.fails_with(NOTHING, &["1000"])
}
