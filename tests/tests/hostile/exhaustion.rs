//! Takes more than its share.

use anyhow::{Result, ensure};

use crate::lab::Lab;

pub fn spin_in_add(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(&["hostile", "units of computing"])
}

pub fn spin_in_del(lab: &Lab<'_>) -> Result<()> {
    lab.stopped_in("DEL", &["hostile", "units of computing"])
}

pub fn spin_in_check(lab: &Lab<'_>) -> Result<()> {
    lab.stopped_in("CHECK", &["hostile", "units of computing"])
}

pub fn spin_in_gc(lab: &Lab<'_>) -> Result<()> {
    lab.stopped_in("GC", &["hostile", "units of computing"])
}

pub fn spin_in_status(lab: &Lab<'_>) -> Result<()> {
    lab.stopped_in("STATUS", &["hostile", "units of computing"])
}

/// The stack that the compiler keeps in memory ends before the engine's own does.
pub fn recursion(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(&["hostile", "out of bounds memory access"])
}

pub fn memory_past_the_cap(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(&["hostile"])
}

pub fn memory_in_one_step(lab: &Lab<'_>) -> Result<()> {
    let error = lab.add_fails()?;
    ensure!(error.code == 150, "{error:?}");
    let pages: usize = error.msg.parse()?;
    // 64 MiB in pages of 64 KiB.
    ensure!((16..=1024).contains(&pages), "it got {pages} pages");
    Ok(())
}

pub fn panic_with_a_flood_of_text(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(&["hostile"])
}

pub fn abort(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(&["hostile", "panicked or aborted"])
}

/// Lines above the budget are dropped; it is no error to have logged them.
pub fn log_flood(lab: &Lab<'_>) -> Result<()> {
    let answer = lab.call("ADD")?;
    answer.ok()?;
    ensure!(answer.stderr.lines().count() < 2000, "it wrote {} lines", answer.stderr.lines().count());
    lab.unchanged()
}

pub fn log_line_without_end(lab: &Lab<'_>) -> Result<()> {
    let answer = lab.call("ADD")?;
    ensure!(answer.stderr.len() < 64 << 10, "it logged {} bytes", answer.stderr.len());
    lab.unchanged()
}

pub fn log_line_that_forges_another(lab: &Lab<'_>) -> Result<()> {
    let answer = lab.call("ADD")?;
    answer.ok()?;
    for line in answer.stderr.lines() {
        ensure!(!line.starts_with("weir: bridge"), "a forged line: {line:?}");
        ensure!(!line.contains(|c: char| c.is_control() || c == '\u{2028}'), "it controls the terminal: {line:?}");
    }
    lab.unchanged()
}

pub fn call_flood(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(&["hostile", "host calls"])
}

pub fn handle_flood(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(&["hostile"])
}

pub fn sleep_past_the_deadline(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(&["hostile", "did not finish within"])
}

pub fn wait_for_a_link_past_the_deadline(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(&["hostile", "did not finish within"])
}

pub fn huge_text_to_the_host(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(&["hostile"])
}

pub fn huge_list_to_the_host(lab: &Lab<'_>) -> Result<()> {
    lab.fails_with(&[101, 102, 107, 120], &[])
}

pub fn lists_of_lists(lab: &Lab<'_>) -> Result<()> {
    lab.fails_with(&[102, 107, 120], &[])
}

pub fn huge_document(lab: &Lab<'_>) -> Result<()> {
    lab.fails_with(&[102, 107, 120], &[])
}

pub fn huge_result(lab: &Lab<'_>) -> Result<()> {
    lab.stopped(&["hostile", "result of more than"])
}

/// The runtime gets an error of some size.
pub fn huge_error(lab: &Lab<'_>) -> Result<()> {
    let answer = lab.call("ADD")?;
    answer.error()?;
    ensure!(answer.stdout.len() < 64 << 10, "an error of {} bytes", answer.stdout.len());
    lab.unchanged()
}

/// There are more than can be counted in 64 bits, and a thousand times over.
pub fn count_all_of_ipv6(lab: &Lab<'_>) -> Result<()> {
    lab.fails_with(&[107, 120, 150], &[])
}
