//! The address store shared by several processes: ours, ours killed at any moment, and the native host-local.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::HashMap;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use weir_native::ErrorKind;
use weir_native::ipam_store::{AddressRange, Attachment, Store};

const NATIVE: &str = "/usr/lib/cni/host-local";
const SUBNET: u32 = 0x0a01_0000;

/// 10.1.0.2 to 10.1.0.254, as host-local has it for 10.1.0.0/24.
fn ranges() -> [AddressRange; 1] {
    let at = |offset: u32| IpAddr::from(Ipv4Addr::from_bits(SUBNET + offset));
    [AddressRange { first: at(1), last: at(254), except: Some(at(1)) }]
}

/// This program again, running one of the ignored tests below as a process of its own.
fn spawn(role: &str, root: &Path, name: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([role, "--exact", "--ignored", "--nocapture"])
        .env("STORE_ROOT", root)
        .env("STORE_NAME", name)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn role() -> Option<(Store, String)> {
    let root = PathBuf::from(std::env::var_os("STORE_ROOT")?);
    Some((Store::open(&root, "net").unwrap(), std::env::var("STORE_NAME").unwrap()))
}

/// Role: add and delete for ever.
#[test]
#[ignore = "a part of the tests that start it as a process of its own"]
fn churner() {
    let Some((store, name)) = role() else { return };
    for n in 0_u32.. {
        let owner = Attachment::new(format!("{name}-{}", n % 7), "eth0");
        if n % 7 < 5 && store.find(&owner).unwrap().is_empty() {
            store.allocate(&owner, 0, &ranges()).unwrap();
        } else {
            store.release(&owner).unwrap();
        }
    }
}

/// Role: forty attachments, each checked, every other one deleted again.
#[test]
#[ignore = "a part of the tests that start it as a process of its own"]
fn forty() {
    let Some((store, name)) = role() else { return };
    for n in 0..40 {
        let owner = Attachment::new(format!("{name}-{n}"), "eth0");
        let got = store.allocate(&owner, 0, &ranges()).unwrap();
        assert_eq!(store.find(&owner).unwrap(), [got]);
        if n % 2 == 1 {
            assert_eq!(store.release(&owner).unwrap(), [got]);
        }
    }
}

fn native(command: &str, root: &Path, id: &str) -> Option<String> {
    let config = native_config(root);
    let mut child = Command::new(NATIVE)
        .env_clear()
        .envs([("CNI_COMMAND", command), ("CNI_CONTAINERID", id), ("CNI_IFNAME", "eth0")])
        .envs([("CNI_NETNS", "/nonexistent"), ("CNI_PATH", "/usr/lib/cni")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(config.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

fn native_config(root: &Path) -> String {
    let data = root.display();
    format!(
        r#"{{"cniVersion":"1.0.0","name":"net","type":"x",
        "ipam":{{"type":"host-local","dataDir":"{data}","ranges":[[{{"subnet":"10.1.0.0/24"}}]]}}}}"#
    )
}

fn native_is_here() -> bool {
    let here = Path::new(NATIVE).exists();
    if !here {
        println!("skipped: {NATIVE} is missing (package containernetworking-plugins)");
    }
    here
}

/// The address in host-local's result.
fn address_in(result: &str) -> IpAddr {
    let (_, rest) = result.split_once("\"address\": \"").unwrap();
    rest.split_once('/').unwrap().0.parse().unwrap()
}

/// What the files say, read without the store.
fn on_disk(root: &Path) -> HashMap<IpAddr, String> {
    let entries = std::fs::read_dir(root.join("net")).unwrap().map(|entry| entry.unwrap().path());
    let parse = |path: PathBuf| {
        let address = path.file_name()?.to_str()?.parse().ok()?;
        Some((address, std::fs::read_to_string(path).unwrap()))
    };
    entries.filter_map(parse).collect()
}

/// The store must say what the files say, to everybody.
fn assert_consistent(root: &Path) {
    let store = Store::open(root, "net").unwrap();
    let files = on_disk(root);
    let mut by_owner: HashMap<&str, Vec<IpAddr>> = HashMap::new();
    for (address, content) in &files {
        by_owner.entry(content).or_default().push(*address);
    }
    for (content, mut addresses) in by_owner {
        let (id, ifname) = content.split_once("\r\n").unwrap_or_else(|| panic!("half a file: {content:?}"));
        addresses.sort();
        assert_eq!(store.find(&Attachment::new(id, ifname)).unwrap(), addresses, "{content:?}");
    }
    assert_eq!(store.count_free(&ranges()).unwrap(), 253 - files.len() as u64);
    assert_eq!(store.list().unwrap().len(), files.len());
}

#[test]
fn processes_at_once_never_get_the_same_address() {
    let temp = tempfile::tempdir().unwrap();
    let children: Vec<_> = (0..6).map(|n| spawn("forty", temp.path(), &format!("p{n}"))).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(on_disk(temp.path()).len(), 6 * 20);
    assert_consistent(temp.path());
}

#[test]
fn a_process_killed_at_any_moment_leaves_files_and_index_right() {
    let temp = tempfile::tempdir().unwrap();
    for round in 0..60 {
        let mut children = [0, 1].map(|n| spawn("churner", temp.path(), &format!("r{}p{n}", round % 3)));
        std::thread::sleep(Duration::from_micros(15_000 + 700 * round));
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        if temp.path().join("net").exists() {
            assert_consistent(temp.path());
        }
    }
    assert!(temp.path().join("net").exists(), "the children got to work");
}

#[test]
fn addresses_of_the_native_host_local_and_ours_are_one_pool() {
    if !native_is_here() {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let store = Store::open(temp.path(), "net").unwrap();
    let ours = |n: u32| Attachment::new(format!("ours{n}"), "eth0");
    // In turns: each goes on where the other stopped.
    for n in 0..5 {
        let theirs = address_in(&native("ADD", temp.path(), &format!("theirs{n}")).unwrap());
        assert_eq!(theirs, IpAddr::from(Ipv4Addr::from_bits(SUBNET + 2 + 2 * n)));
        let mine = store.allocate(&ours(n), 0, &ranges()).unwrap();
        assert_eq!(mine, IpAddr::from(Ipv4Addr::from_bits(SUBNET + 3 + 2 * n)));
        assert_eq!(store.find(&Attachment::new(format!("theirs{n}"), "eth0")).unwrap(), [theirs]);
        native("CHECK", temp.path(), &format!("ours{n}")).unwrap();
    }
    // Each takes back what the other gave.
    native("DEL", temp.path(), "ours0").unwrap();
    assert!(store.find(&ours(0)).unwrap().is_empty());
    assert_eq!(store.release(&Attachment::new("theirs0", "eth0")).unwrap().len(), 1);
    assert!(native("CHECK", temp.path(), "theirs0").is_none());
    assert_consistent(temp.path());
    // A full pool is full for both.
    for n in 5..250 {
        store.allocate(&ours(n), 0, &ranges()).unwrap();
    }
    assert_eq!(store.allocate(&ours(999), 0, &ranges()).unwrap_err().kind, ErrorKind::Exhausted);
    assert!(native("ADD", temp.path(), "late").is_none());
}

#[test]
fn the_native_host_local_and_ours_at_once_never_give_the_same_address() {
    if !native_is_here() {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let children: Vec<_> = (0..2).map(|n| spawn("forty", temp.path(), &format!("p{n}"))).collect();
    let mut got = Vec::new();
    for n in 0..60 {
        let id = format!("theirs{n}");
        let address = address_in(&native("ADD", temp.path(), &id).unwrap());
        if n % 3 == 0 {
            native("DEL", temp.path(), &id).unwrap();
        } else {
            got.push((address, format!("{id}\r\neth0")));
        }
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let files = on_disk(temp.path());
    assert_eq!(files.len(), 2 * 20 + 40);
    for (address, content) in got {
        assert_eq!(files.get(&address), Some(&content));
    }
    assert_consistent(temp.path());
}
