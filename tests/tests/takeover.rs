//! Addresses given out by the native host-local and by ours are one pool, also while both run.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_tests::{Call, Host, Programs, configs, residue, run, test};

const DATA: &str = "/run/test/ipam";

fn main() -> ExitCode {
    run(vec![
        test("addresses_of_the_native_plugin_are_honoured_checked_and_released", native_first),
        test("addresses_of_ours_are_honoured_checked_and_released_by_the_native_plugin", ours_first),
        test("both_at_once_never_give_an_address_twice", both_at_once),
        test("gc_takes_back_what_the_native_plugin_gave_out_and_lost", collected),
        test("a_pool_that_the_native_plugin_filled_is_not_available", exhausted),
        test("containers_of_the_native_bridge_are_checked_and_deleted_by_ours", bridges),
    ])
}

fn call(programs: &Programs, command: &str, id: &str) -> Result<Call> {
    call_in(programs, command, id, &["10.50.0.0/24", "fd00:50::/64"])
}

fn call_in(programs: &Programs, command: &str, id: &str, subnets: &[&str]) -> Result<Call> {
    let plugin = json!({"type": "host-local", "ipam": configs::host_local(subnets)});
    let mut config = configs::alone("1.0.0", &plugin);
    if command == "CHECK" {
        config["prevResult"] = json!({"cniVersion": "1.0.0", "ips": []});
    }
    // The namespace is not looked at for addresses alone; but it must be one that could be another container's.
    Ok(Call::new(programs, "host-local", command)?.env("CNI_CONTAINERID", id).config(&config))
}

/// ADD in a namespace that exists: ours looks.
fn add(host: &Host, programs: &Programs, id: &str) -> Result<Value> {
    let container = host.container(id)?;
    call(programs, "ADD", id)?.container(&container).ok()
}

fn in_turns(host: &Host, first: &Programs, second: &Programs) -> Result<()> {
    let given = add(host, first, "first")?;
    ensure!(residue::addresses(&given) == ["10.50.0.2", "fd00:50::2"], "{given}");
    // The next one goes on behind.
    let next = add(host, second, "second")?;
    ensure!(residue::addresses(&next) == ["10.50.0.3", "fd00:50::3"], "{next}");
    let there = |programs: &Programs, id: &str| -> Result<Call> {
        Ok(call(programs, "CHECK", id)?.env("CNI_NETNS", format!("/run/netns/{id}")))
    };
    there(second, "first")?.ok().context("CHECK of the other's")?;
    there(first, "second")?.ok().context("CHECK of the other's")?;
    call(second, "DEL", "first")?.ok()?;
    ensure!(host.leases(Path::new(DATA), "net")? == ["10.50.0.3", "fd00:50::3"]);
    there(first, "first")?.error().context("CHECK of what the other released")?;
    call(first, "DEL", "second")?.ok()?;
    ensure!(host.leases(Path::new(DATA), "net")?.is_empty());
    // Round robin goes on, whoever gave out last.
    let third = add(host, first, "third")?;
    let fourth = add(host, second, "fourth")?;
    ensure!(residue::addresses(&third)[0] == "10.50.0.4" && residue::addresses(&fourth)[0] == "10.50.0.5");
    Ok(())
}

fn native_first(host: &Host) -> Result<()> {
    in_turns(host, &Programs::native()?, &Programs::weir()?)
}

fn ours_first(host: &Host) -> Result<()> {
    in_turns(host, &Programs::weir()?, &Programs::native()?)
}

fn both_at_once(host: &Host) -> Result<()> {
    const EACH: usize = 30;
    let (native, weir) = (Programs::native()?, Programs::weir()?);
    let container = host.container("shared")?;
    let netns = container.path.clone();
    let worker = |programs: Programs, prefix: &'static str| {
        let netns = netns.clone();
        move || -> Result<Vec<String>> {
            let mut got = Vec::new();
            for n in 0..EACH {
                let id = format!("{prefix}{n}");
                let result = call(&programs, "ADD", &id)?.env("CNI_NETNS", netns.as_os_str()).ok()?;
                if n % 3 == 0 {
                    call(&programs, "DEL", &id)?.ok()?;
                } else {
                    got.extend(residue::addresses(&result));
                }
            }
            Ok(got)
        }
    };
    let workers = [worker(native.clone(), "n"), worker(weir.clone(), "w"), worker(native, "m"), worker(weir, "v")];
    let given = std::thread::scope(|scope| {
        let threads: Vec<_> = workers.into_iter().map(|worker| scope.spawn(worker)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Result<Vec<_>>>()
    })?;
    let all: Vec<_> = given.into_iter().flatten().collect();
    let distinct: BTreeSet<_> = all.iter().cloned().collect();
    ensure!(distinct.len() == all.len(), "an address was given out twice");
    let files: BTreeSet<_> = host.leases(Path::new(DATA), "net")?.into_iter().collect();
    ensure!(files == distinct, "files and results differ");
    Ok(())
}

fn collected(host: &Host) -> Result<()> {
    let (native, weir) = (Programs::native()?, Programs::weir()?);
    for id in ["kept", "lost"] {
        add(host, &native, id)?;
    }
    add(host, &weir, "ours")?;
    let plugin = json!({"type": "host-local", "ipam": configs::host_local(&["10.50.0.0/24", "fd00:50::/64"])});
    let mut config = configs::alone("1.1.0", &plugin);
    config["cni.dev/valid-attachments"] = json!([{"containerID": "kept", "ifname": "eth0"}]);
    Call::new(&weir, "host-local", "GC")?.config(&config).ok()?;
    let left = host.leases(Path::new(DATA), "net")?;
    ensure!(left == ["10.50.0.2", "fd00:50::2"], "{left:?}");
    Ok(())
}

fn exhausted(host: &Host) -> Result<()> {
    let (native, weir) = (Programs::native()?, Programs::weir()?);
    let subnets = &["10.51.0.0/30"];
    let container = host.container("one")?;
    let status = |programs: &Programs| -> Result<Call> {
        let plugin = json!({"type": "host-local", "ipam": configs::host_local(subnets)});
        Ok(Call::new(programs, "host-local", "STATUS")?.config(&configs::alone("1.1.0", &plugin)))
    };
    status(&weir)?.ok()?;
    call_in(&native, "ADD", "one", subnets)?.container(&container).ok()?;
    let error = status(&weir)?.error()?;
    ensure!(error.code == 50 || error.code == 51, "{error:?}");
    let error = call_in(&weir, "ADD", "two", subnets)?.env("CNI_NETNS", container.path.as_os_str()).error()?;
    ensure!(error.msg.len() > 10, "{error:?}");
    call_in(&weir, "DEL", "one", subnets)?.ok()?;
    status(&weir)?.ok().map(drop)
}

/// A node is switched from the native plugins to ours while containers run.
fn bridges(host: &Host) -> Result<()> {
    let (native, weir) = (Programs::native()?, Programs::weir()?);
    let chain = |programs: &Programs| {
        let bridge = configs::with(&configs::bridge(&["10.52.0.0/24"]), json!({"ipMasq": true}));
        weir_tests::Chain::new(programs, "net", &[bridge, configs::tuning(), configs::portmap("iptables")])
            .version("1.0.0")
            .capabilities(json!({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}))
    };
    let one = host.container("one")?;
    let result = chain(&native).add(&one)?;
    chain(&weir).check(&one, &result)?;
    let two = host.container("two")?;
    let mut plain = chain(&weir);
    plain.capabilities = json!({});
    let second = plain.add(&two)?;
    weir_tests::traffic::ping(&two, &residue::addresses(&result)[0])?;
    weir_tests::traffic::ping(&one, &residue::addresses(&second)[0])?;
    chain(&weir).del(&one, &result)?;
    plain.del(&two, &second)?;
    residue::assert_none(host, &["one".into(), "two".into(), "10.52.0.2".into(), "10.52.0.3".into()])
}
