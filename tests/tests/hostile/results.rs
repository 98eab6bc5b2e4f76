//! Answers that are no answers.

use anyhow::{Result, ensure};

use crate::lab::Lab;

const NO_RESULT: &[&str] = &["plugin hostile returned no valid result"];

pub fn not_json(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(NO_RESULT)
}

pub fn no_object(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(NO_RESULT)
}

pub fn empty(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(NO_RESULT)
}

pub fn with_a_second_document(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(NO_RESULT)
}

pub fn of_wrong_types(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(NO_RESULT)
}

pub fn with_impossible_addresses(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(NO_RESULT)
}

pub fn with_indices_that_point_nowhere(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(NO_RESULT)
}

pub fn nested_without_end(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(NO_RESULT)
}

/// Nothing of it reaches the runtime but what a result has.
pub fn keys_without_end(lab: &Lab<'_>) -> Result<()> {
    let answer = lab.call("ADD")?;
    ensure!(answer.stdout.len() < 64 << 10, "it printed {} bytes", answer.stdout.len());
    lab.unchanged()
}

/// Of two readers one may take the first and one the second.
pub fn keys_twice(lab: &Lab<'_>) -> Result<()> {
    let answer = lab.call("ADD")?;
    let both = answer.stdout.contains("first") && answer.stdout.contains("second");
    ensure!(!both, "both are passed on: {}", answer.stdout);
    lab.unchanged()
}

pub fn of_a_version_to_come(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(NO_RESULT)
}

/// A runtime may take code 0 for a success.
pub fn error_with_code_zero(lab: &Lab<'_>) -> Result<()> {
    let error = lab.add_fails()?;
    ensure!(error.code != 0 && error.msg.contains("hostile"), "{error:?}");
    Ok(())
}

pub fn error_with_control_characters(lab: &Lab<'_>) -> Result<()> {
    let answer = lab.call("ADD")?;
    answer.error()?;
    let raw = answer.stdout.trim_end();
    ensure!(!raw.contains(|c: char| c.is_control() && c != '\n'), "control characters as they were: {raw:?}");
    ensure!(!answer.stderr.contains('\u{1b}'), "they reach the terminal: {:?}", answer.stderr);
    lab.unchanged()
}

/// Code and text are the plugin's own; it gains nothing by them.
pub fn error_that_poses_as_the_host(lab: &Lab<'_>) -> Result<()> {
    lab.fails_with(&[101], &["plugin bridge"])
}
