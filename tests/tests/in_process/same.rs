//! The same results and the same state of the kernel, both ways.

use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use weir_tests::{Host, Programs, Snapshot, traffic};

use super::{chain_of_five, plugins, ports};

const WORKERS: usize = 8;
const ROUNDS: usize = 5;

/// Two hosts, one for each way: what ADD returns and makes is the same, but for what is chosen by lot.
pub(crate) fn chain(_: &Host) -> Result<()> {
    let [executed, in_process] = [false, true].map(|in_process| {
        let thread = std::thread::spawn(move || -> Result<(Value, Snapshot)> {
            let host = Host::new()?;
            let programs = Programs::weir()?;
            let programs = if in_process { programs.in_process(&host)? } else { programs };
            let (chain, container) = (chain_of_five(&programs), host.container("one")?);
            let result = chain.add(&container)?;
            chain.check(&container, &result)?;
            chain.status()?;
            chain.gc(&[("one", "eth0")])?;
            let is_by_lot = |name: &str| {
                [".weir-index", "/run/weir", "/run/test/embedding", "/run/lab"].iter().any(|part| name.contains(part))
            };
            Ok((result, Snapshot::take(&[&container])?.without(is_by_lot).rewritten(without_lots)))
        });
        thread.join().unwrap_or_else(|_| Err(anyhow!("a host panicked")))
    });
    let (executed, in_process) = (executed.context("executed")?, in_process.context("in process")?);
    let (one, other) = (without_lots(&executed.0.to_string()), without_lots(&in_process.0.to_string()));
    ensure!(one == other, "executed:\n{one}\nin process:\n{other}");
    ensure!(executed.0["interfaces"].as_array().is_some_and(|interfaces| interfaces.len() >= 3), "{one}");
    executed.1.assert_same(&in_process.1)
}

/// Without names and addresses that are chosen by lot.
fn without_lots(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(length) = lot(rest) {
            out.push('*');
            rest = &rest[length..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// The length of what was chosen by lot, at the beginning of a text: a hardware address, the name of a pair's end.
fn lot(text: &str) -> Option<usize> {
    if let Some(length) = hardware_address(text) {
        return Some(length);
    }
    let name = text.strip_prefix("veth")?;
    let digits = name.bytes().take_while(u8::is_ascii_hexdigit).count();
    (digits >= 8).then_some(4 + digits)
}

/// Six numbers; the kernel leaves zeros out in the IDs of bridges.
fn hardware_address(text: &str) -> Option<usize> {
    let mut length = 0;
    for number in 0..6 {
        if number > 0 {
            length += text[length..].strip_prefix(':').map(|_| 1)?;
        }
        let digits = text[length..].bytes().take_while(u8::is_ascii_hexdigit).count();
        if !(1..=2).contains(&digits) {
            return None;
        }
        length += digits;
    }
    Some(length)
}

/// What a runtime does, with libcni, in one process.
pub(crate) fn network(host: &Host) -> Result<()> {
    let programs = Programs::weir()?.in_process(host)?;
    let embedding = programs.embedding().context("no process")?;
    let list = json!({"cniVersion": "1.1.0", "name": "net", "plugins": plugins()});
    let cache = host.directory("cache")?;
    let ask = |command: &str, id: &str, valid: &[&str]| -> Result<Value> {
        let answer = embedding.ask(&json!({"network": {
            "command": command, "list": list, "cniPath": programs.directories, "cacheDir": cache,
            "containerId": id, "netNs": Path::new("/run/netns").join(id), "capabilityArgs": ports(), "valid": valid,
        }}))?;
        answer.get("ok").cloned().with_context(|| format!("{command} {id}: {answer}"))
    };
    let (first, one, two) = (host.container("first")?, host.container("one")?, host.container("two")?);
    ask("STATUS", "first", &[])?;
    // The first attachment makes what stays.
    ask("ADD", &first.id, &[])?;
    ask("DEL", &first.id, &[])?;
    let state = || {
        let is_mark = |name: &str| name.contains("last_reserved_ip") || name.contains(".weir-index");
        Ok::<_, anyhow::Error>(Snapshot::take(&[&one])?.with_processes()?.without(is_mark))
    };
    let before = state()?;
    let result = ask("ADD", &one.id, &[])?;
    ensure!(result["ips"][0]["gateway"] == "10.90.0.1", "{result}");
    traffic::ping(&one, "10.90.0.1")?;
    ask("CHECK", &one.id, &[])?;
    // Not valid: its DEL is GC's, which spares the other.
    ask("ADD", &two.id, &[])?;
    ask("GC", "", &["one"])?;
    ensure!(!two.has_link("eth0") && one.has_link("eth0"), "GC");
    ask("CHECK", &one.id, &[])?;
    ask("DEL", &one.id, &[])?;
    before.await_same(state)
}

/// Containers of one network, at once in one process.
pub(crate) fn at_once(host: &Host) -> Result<()> {
    let programs = Programs::weir()?.in_process(host)?;
    let (chain, first) = (chain_of_five(&programs).capabilities(json!({})), host.container("first")?);
    let result = chain.add(&first)?;
    chain.del(&first, &result)?;
    first.unmount()?;
    let state = || {
        let is_mark = |name: &str| name.contains("last_reserved_ip") || name.contains(".weir-index");
        Ok::<_, anyhow::Error>(Snapshot::take(&[])?.with_processes()?.without(is_mark))
    };
    let before = state()?;
    let live = |worker: usize| -> Result<()> {
        for round in 0..ROUNDS {
            let container = host.container(&format!("w{worker}r{round}"))?;
            let result = chain.add(&container).context("ADD")?;
            chain.check(&container, &result).context("CHECK")?;
            traffic::ping(&container, "10.90.0.1")?;
            chain.del(&container, &result).context("DEL")?;
            container.unmount()?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let live = &live;
        let workers: Vec<_> = (0..WORKERS).map(|worker| scope.spawn(move || live(worker))).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|_| Err(anyhow!("a worker panicked"))))
    })?;
    before.await_same(state)
}
