//! A row for each limit.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use crate::grantable::{KEYS, LimitsGrant};
use crate::lab::Lab;

/// What is tried for one limit.
pub(crate) type Row = fn(&Lab) -> Result<()>;

const PAGE: u64 = 64 << 10;

/// All rows. Who adds a limit to the host's list adds one here, or this does not compile.
pub(crate) fn rows() -> Vec<(&'static str, Row)> {
    let LimitsGrant {
        memory_bytes: _,
        table_elements: _,
        instances: _,
        memories: _,
        tables: _,
        fuel: _,
        wall_time_ms: _,
        host_calls: _,
        call_bytes: _,
        total_bytes: _,
        handles: _,
        log_lines: _,
        log_bytes: _,
        result_bytes: _,
        delegation_depth: _,
        output_bytes: _,
        document_bytes: _,
        list_entries: _,
    } = LimitsGrant::default();
    let rows: [Row; KEYS.len()] = [
        memory,
        |lab| lab.threshold("tableElements", 20_000, "none", 0).map(drop),
        |lab| lab.threshold("instances", 64, "none", 0).map(drop),
        |lab| lab.threshold("memories", 8, "none", 0).map(drop),
        |lab| lab.threshold("tables", 64, "none", 0).map(drop),
        fuel,
        wall_time,
        host_calls,
        call_bytes,
        total_bytes,
        handles,
        log_lines,
        log_bytes,
        result,
        depth,
        output,
        document,
        list,
    ];
    KEYS.iter().copied().zip(rows).collect()
}

fn memory(lab: &Lab) -> Result<()> {
    let key = "memoryBytes";
    lab.passes(key, 64 * PAGE + 1, "pages", 64)?;
    lab.passes(key, 64 * PAGE, "pages", 64)?;
    let error = lab.fails(key, 64 * PAGE - 1, "pages", 64)?;
    ensure!(error.msg.contains("used more than 4194303 bytes of memory"), "{error:?}");
    // More than the default, with a grant for more.
    lab.fails(key, 64 << 20, "pages", 1025)?;
    lab.passes(key, (64 << 20) + PAGE, "pages", 1025)?;
    // Two plugins of one command get no more than one.
    lab.passes(key, 128 * PAGE, "pages-in-two-plugins", 64)?;
    let error = lab.run(key, 127 * PAGE, "pages-in-two-plugins", 64)?.error()?;
    ensure!(error.details.contains("limit memoryBytes of plugin unruly is"), "{error:?}");
    Ok(())
}

fn fuel(lab: &Lab) -> Result<()> {
    let least = lab.threshold("fuel", 1 << 30, "compute", 1_000_000)?;
    ensure!(least > 1_000_000, "{least} units for a million rounds");
    // Deterministic: each round costs the same, in every run.
    let more = lab.threshold("fuel", 1 << 30, "compute", 1_000_100)?;
    let still_more = lab.threshold("fuel", 1 << 30, "compute", 1_000_200)?;
    ensure!(more > least && more - least == still_more - more, "{least}, {more}, {still_more}");
    Ok(())
}

fn wall_time(lab: &Lab) -> Result<()> {
    let start = Instant::now();
    lab.passes("wallTimeMs", 5000, "pause", 100)?;
    let error = lab.fails("wallTimeMs", 100, "pause", 20_000)?;
    ensure!(error.msg.contains("did not finish within 100 ms"), "{error:?}");
    ensure!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    // One that only computes gets no more fuel than fits into its time.
    lab.limit(&json!({"wallTimeMs": 20, "fuel": 1_000_000_000_000_000_u64}))?;
    let error = lab.call("spin", 0)?.error()?;
    ensure!(error.code == 102 && error.details.contains("limit wallTimeMs of plugin unruly is 20;"), "{error:?}");
    ensure!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    Ok(())
}

fn host_calls(lab: &Lab) -> Result<()> {
    let error = lab.fails("hostCalls", 49, "host-calls", 50)?;
    ensure!(error.msg.contains("made more than 49 host calls"), "{error:?}");
    lab.exact("hostCalls", 50, "host-calls", 50)?;
    lab.fails("hostCalls", 100_000, "host-calls", 100_001)?;
    lab.passes("hostCalls", 100_001, "host-calls", 100_001)?;
    // 10 in each of two plugins, and the call from one to the other.
    lab.exact("hostCalls", 21, "host-calls-in-two-plugins", 10)
}

fn call_bytes(lab: &Lab) -> Result<()> {
    // The runtime's own strings, such as the result, count as well, each call for itself.
    let least = lab.threshold("callBytes", 1 << 20, "message", 100_000)?;
    ensure!((100_000..101_000).contains(&least), "{least} bytes for a message of 100000");
    lab.fails("callBytes", 16 << 20, "message", (16 << 20) + 1)?;
    lab.passes("callBytes", 20 << 20, "message", (16 << 20) + 1)
}

fn total_bytes(lab: &Lab) -> Result<()> {
    let least = lab.threshold("totalBytes", 1 << 20, "message", 100_000)?;
    ensure!((100_000..101_000).contains(&least), "{least} bytes for a message of 100000");
    let megabytes = lab.threshold("totalBytes", 64 << 20, "messages-of-a-megabyte", 20)?;
    ensure!(megabytes >> 20 == 20, "{megabytes} bytes for 20 MiB");
    lab.fails("totalBytes", 256 << 20, "messages-of-a-megabyte", 256)?;
    lab.passes("totalBytes", 257 << 20, "messages-of-a-megabyte", 256)
}

fn handles(lab: &Lab) -> Result<()> {
    lab.exact("handles", 100, "handles", 100)?;
    lab.fails("handles", 4096, "handles", 4097)?;
    lab.passes("handles", 4097, "handles", 4097)
}

/// How many lines came, and whether one said that others did not.
fn lines(lab: &Lab, key: &str, limit: u64, count: u64) -> Result<(usize, bool)> {
    let answer = lab.run(key, limit, "lines", count)?;
    ensure!(answer.status == Some(0), "{answer:?}");
    let dropped = format!("further lines are dropped: limit {key} of plugin unruly is {limit}");
    let written = answer.stderr.lines().filter(|line| line.ends_with("a line")).count();
    let notices = answer.stderr.lines().filter(|line| line.contains(&dropped)).count();
    ensure!(notices < 2, "{}", answer.stderr);
    Ok((written, notices == 1))
}

fn log_lines(lab: &Lab) -> Result<()> {
    ensure!(lines(lab, "logLines", 21, 20)? == (20, false));
    ensure!(lines(lab, "logLines", 20, 20)? == (20, false));
    ensure!(lines(lab, "logLines", 19, 20)? == (19, true));
    ensure!(lines(lab, "logLines", 0, 20)? == (0, true));
    ensure!(lines(lab, "logLines", 1000, 2000)? == (1000, true));
    ensure!(lines(lab, "logLines", 2000, 2000)? == (2000, false));
    Ok(())
}

fn log_bytes(lab: &Lab) -> Result<()> {
    let length = "a line".len() as u64;
    ensure!(lines(lab, "logBytes", 20 * length + 1, 20)? == (20, false));
    ensure!(lines(lab, "logBytes", 20 * length, 20)? == (20, false));
    ensure!(lines(lab, "logBytes", 20 * length - 1, 20)? == (19, true));
    Ok(())
}

fn result(lab: &Lab) -> Result<()> {
    let least = lab.threshold("resultBytes", 1 << 20, "result", 1000)?;
    ensure!((1000..2000).contains(&least), "{least} bytes for a result with 1000");
    lab.fails("resultBytes", 1 << 20, "result", 1 << 20)?;
    lab.passes("resultBytes", (1 << 20) + 1000, "result", 1 << 20)
}

fn depth(lab: &Lab) -> Result<()> {
    let key = "delegationDepth";
    lab.passes(key, 3, "nest", 2)?;
    lab.passes(key, 2, "nest", 2)?;
    for (limit, count) in [(1, 2), (0, 1), (4, 5)] {
        let error = lab.run(key, limit, "nest", count)?.error()?;
        ensure!(error.msg.contains("limit delegationDepth"), "{error:?}");
    }
    lab.passes(key, 5, "nest", 5)
}

/// The plugin gets the refusal, and passes it on.
fn refused(lab: &Lab, key: &str, limit: u64, deed: &str, count: u64) -> Result<String> {
    let error = lab.run(key, limit, deed, count)?.error()?;
    Ok(error.msg)
}

fn output(lab: &Lab) -> Result<()> {
    let key = "outputBytes";
    lab.passes(key, 1001, "print", 1000)?;
    lab.passes(key, 1000, "print", 1000)?;
    let message = refused(lab, key, 999, "print", 1000)?;
    ensure!(message.contains("could not print 1000 bytes"), "{message}");
    refused(lab, key, 64 << 10, "print", (64 << 10) + 1)?;
    lab.passes(key, (64 << 10) + 1, "print", (64 << 10) + 1)
}

fn document(lab: &Lab) -> Result<()> {
    let key = "documentBytes";
    lab.passes(key, 1001, "document", 1000)?;
    lab.passes(key, 1000, "document", 1000)?;
    let message = refused(lab, key, 999, "document", 1000)?;
    ensure!(message.contains("1000 bytes is larger than 999 (limit documentBytes)"), "{message}");
    refused(lab, key, 1 << 20, "document", (1 << 20) + 1)?;
    lab.passes(key, 2 << 20, "document", (1 << 20) + 1)
}

fn list(lab: &Lab) -> Result<()> {
    let gc = |limit: u64, count: usize| {
        lab.limit(&json!({ "listEntries": limit }))?;
        let valid: Vec<_> = (0..count).map(|n| json!({"containerID": format!("c{n}"), "ifname": "eth0"})).collect();
        let config =
            json!({"cniVersion": "1.1.0", "name": "net", "type": "unruly", "cni.dev/valid-attachments": valid});
        lab.prepare("GC", &config)?.run()
    };
    for limit in [101, 100] {
        let answer = gc(limit, 100)?;
        ensure!(answer.status == Some(0), "{answer:?}");
    }
    let error = gc(99, 100)?.error()?;
    ensure!(error.code == 102 && error.details.contains("limit listEntries of plugin unruly is 99;"), "{error:?}");
    Ok(())
}
