//! The same errors both ways: code, message and details.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_tests::configs::{alone, bridge, portmap, tuning, with};
use weir_tests::{Answer, Call, Container, Host, Programs, Snapshot};

use super::copy_of_installed;

/// What is done to a good ADD of bridge, and the code that comes of it.
struct Case {
    name: &'static str,
    code: i64,
    spoil: Spoil,
}

enum Spoil {
    /// Variables or input.
    Call(fn(Call) -> Call),
    /// Keys of the configuration.
    Keys(Value),
    /// Another plugin with another configuration.
    Plugin(&'static str, Value),
    /// Keys of the entry of a plugin.
    Entry(&'static str, fn(&mut Value)),
    /// A file of the registry, to be written over; its text.
    File(&'static str, &'static str),
    /// All addresses are taken.
    Exhausted,
}

fn limit(entry: &mut Value, key: &str, value: u64) {
    entry["grants"]["limits"] = json!({ key: value });
}

fn cases() -> Vec<Case> {
    fn case(name: &'static str, code: i64, spoil: Spoil) -> Case {
        Case { name, code, spoil }
    }
    use Spoil::{Call, Entry, Exhausted, File, Keys, Plugin};
    vec![
        case("no JSON", 6, Call(|call| call.input("{"))),
        case("a list", 6, Call(|call| call.input("[]"))),
        case("nothing on standard input", 6, Call(|call| call.input(""))),
        case("not UTF-8", 6, Call(|call| call.input([0xff, 0xfe]))),
        case("a command that does not exist", 4, Call(|call| call.env("CNI_COMMAND", "ATTACH"))),
        case("no namespace given", 4, Call(|call| call.unset("CNI_NETNS"))),
        case("a namespace that is gone", 3, Call(|call| call.env("CNI_NETNS", "/run/netns/gone"))),
        case("a file that is no namespace", 4, Call(|call| call.env("CNI_NETNS", "/etc/passwd"))),
        case("a container ID that climbs", 4, Call(|call| call.env("CNI_CONTAINERID", "../x"))),
        case("an interface name that is too long", 4, Call(|call| call.interface("an-interface-name"))),
        case("arguments that are none", 4, Call(|call| call.env("CNI_ARGS", "IgnoreUnknown"))),
        case("CHECK without prevResult", 7, Call(|call| call.env("CNI_COMMAND", "CHECK"))),
        case("a version of the future", 1, Keys(json!({"cniVersion": "9.0.0"}))),
        case("GC in a version without it", 1, Plugin("bridge GC", json!({"type": "bridge", "cniVersion": "1.0.0"}))),
        case("no network name", 7, Keys(json!({"name": ""}))),
        case("a bridge that is none", 7, Keys(json!({"bridge": "lo"}))),
        case("IPAM that is not installed", 101, Keys(json!({"ipam": {"type": "nobody"}}))),
        case("no free address", 0, Exhausted),
        case(
            "a sysctl that is not allowed",
            0,
            Plugin("tuning", with(&tuning(), json!({"sysctl": {"kernel.x": "1"}}))),
        ),
        case("no result before", 0, Plugin("portmap", portmap("nftables"))),
        case(
            "an interface that is not granted",
            101,
            Entry("bridge", |entry| entry["grants"]["interfaces"] = json!([])),
        ),
        case(
            "no addresses for the delegate",
            0,
            Entry("host-local", |entry| {
                entry["grants"]["interfaces"] = json!([]);
            }),
        ),
        case("too few host calls", 102, Entry("bridge", |entry| limit(entry, "hostCalls", 3))),
        case("too little computing", 102, Entry("bridge", |entry| limit(entry, "fuel", 1000))),
        case("too little memory: a trap", 102, Entry("bridge", |entry| limit(entry, "memoryBytes", 1_200_000))),
        case("the delegate computes too much", 102, Entry("host-local", |entry| limit(entry, "fuel", 1000))),
        case("an entry that is damaged", 100, File(".weir/plugins/bridge.json", "{")),
        case("a policy that is none", 100, File(".weir/policy.json", "[]")),
        case("a policy that demands signatures", 100, File(".weir/policy.json", r#"{"requireSignatures": true}"#)),
    ]
}

pub(crate) fn same(host: &Host) -> Result<()> {
    let directory = copy_of_installed(host, "bin")?;
    let ways = [Programs::of(&directory), Programs::of(&directory).in_process(host)?];
    let container = host.container("one")?;
    // The first attachment makes what stays.
    let good = |programs: &Programs| -> Result<Call> {
        let config = alone("1.1.0", &bridge(&["10.96.0.0/30"]));
        Ok(Call::new(programs, "bridge", "ADD")?.container(&container).config(&config))
    };
    for programs in &ways {
        good(programs)?.ok()?;
        good(programs)?.env("CNI_COMMAND", "DEL").ok()?;
    }
    let mut wrong = Vec::new();
    for case in cases() {
        let outcome = compare(&case, &ways, &directory, &container, &good);
        if let Err(error) = outcome.with_context(|| case.name) {
            wrong.push(format!("{error:#}"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{} faulty inputs, each both ways", cases().len());
    Ok(())
}

fn compare(
    case: &Case,
    ways: &[Programs; 2],
    directory: &Path,
    container: &Container,
    good: &impl Fn(&Programs) -> Result<Call>,
) -> Result<()> {
    let state = || {
        let is_ours = |name: &str| name.contains(".weir-index") || name.contains("last_reserved_ip");
        Ok::<_, anyhow::Error>(Snapshot::take(&[container])?.without(is_ours))
    };
    let before = state()?;
    let answers = ways.each_ref().map(|programs| {
        let answer = ask(case, programs, directory, container, good)?;
        before.await_same(state)?;
        Ok::<Answer, anyhow::Error>(answer)
    });
    let [executed, in_process] = answers;
    let (executed, in_process) = (executed.context("executed")?, in_process.context("in process")?);
    let (one, mut other) = (executed.error().context("executed")?, in_process.error().context("in process")?);
    // Only a printed object has one.
    other.version.clone_from(&one.version);
    ensure!(one == other, "executed: {one:?}, in process: {other:?}");
    ensure!(case.code == 0 || one.code == case.code, "code {}, not {}: {one:?}", one.code, case.code);
    Ok(())
}

fn ask(
    case: &Case,
    programs: &Programs,
    directory: &Path,
    container: &Container,
    good: &impl Fn(&Programs) -> Result<Call>,
) -> Result<Answer> {
    let config = alone("1.1.0", &bridge(&["10.96.0.0/30"]));
    match &case.spoil {
        Spoil::Call(spoil) => spoil(good(programs)?).run(),
        Spoil::Keys(keys) => good(programs)?.config(&with(&config, keys.clone())).run(),
        Spoil::Plugin(words, own) => {
            let (plugin, command) = words.split_once(' ').unwrap_or((words, "ADD"));
            let config = with(&alone("1.1.0", own), own.clone());
            Call::new(programs, plugin, command)?.container(container).config(&config).run()
        }
        Spoil::Entry(plugin, spoil) => {
            let path = directory.join(format!(".weir/plugins/{plugin}.json"));
            let mut entry: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
            spoil(&mut entry);
            with_file(&path, entry.to_string().as_bytes(), || good(programs)?.run())
        }
        Spoil::File(path, text) => with_file(&directory.join(path), text.as_bytes(), || good(programs)?.run()),
        Spoil::Exhausted => {
            // 10.96.0.1 is the gateway's.
            let taken = PathBuf::from("/run/test/ipam/net/10.96.0.2");
            with_file(&taken, b"other\r\neth0", || good(programs)?.run())
        }
    }
}

/// Do something while a file has another content.
fn with_file<T>(path: &Path, content: &[u8], work: impl FnOnce() -> Result<T>) -> Result<T> {
    let before = std::fs::read(path).ok();
    std::fs::write(path, content)?;
    let outcome = work();
    match before {
        Some(before) => std::fs::write(path, before)?,
        None => std::fs::remove_file(path)?,
    }
    outcome
}
