#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tempfile::TempDir;

use super::*;

/// As Go's libcni writes it: keys, their order, base64, pairs as lists.
const OF_GO: &str = concat!(
    r#"{"kind":"cniCacheV1","containerId":"c1","config":"eyJuYW1lIjoibmV0In0=","ifName":"eth0","networkName":"net","#,
    r#""netns":"/run/netns/c1","cniArgs":[["IgnoreUnknown","1"],["K8S_POD_NAME","pod"]],"#,
    r#""capabilityArgs":{"portMappings":[{"hostPort":8080}]},"#,
    r#""result":{"cniVersion":"1.0.0","ips":[{"address":"10.1.0.2/16"}]}}"#
);

fn cache() -> (TempDir, Cache) {
    let directory = tempfile::tempdir().unwrap();
    // Not there yet, as on a new machine.
    let cache = Cache::new(directory.path().join("lib/cni"));
    (directory, cache)
}

fn of_go() -> CacheEntry {
    CacheEntry {
        network: "net".into(),
        container_id: "c1".into(),
        if_name: "eth0".into(),
        net_ns: "/run/netns/c1".into(),
        config: br#"{"name":"net"}"#.to_vec(),
        cni_args: vec![("IgnoreUnknown".into(), "1".into()), ("K8S_POD_NAME".into(), "pod".into())],
        capability_args: BTreeMap::from([("portMappings".into(), json!([{"hostPort": 8080}]))]),
        result: Some(json!({"cniVersion": "1.0.0", "ips": [{"address": "10.1.0.2/16"}]})),
    }
}

fn named(network: &str, container_id: &str, if_name: &str) -> CacheEntry {
    CacheEntry { network: network.into(), container_id: container_id.into(), if_name: if_name.into(), ..of_go() }
}

/// Put something where the entry of `net`, `c1`, `eth0` belongs.
fn place(cache: &Cache, text: impl AsRef<[u8]>) -> PathBuf {
    fs::create_dir_all(cache.results()).unwrap();
    let path = cache.path("net", "c1", "eth0").unwrap();
    fs::write(&path, text).unwrap();
    path
}

fn names(cache: &Cache) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(cache.results()).unwrap().map(|item| item.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_file_is_the_one_that_go_writes() {
    let (_directory, cache) = cache();
    cache.write(&of_go()).unwrap();
    let path = cache.dir().join("results/net-c1-eth0");
    assert_eq!(fs::read_to_string(&path).unwrap(), OF_GO);
    assert_eq!(names(&cache), ["net-c1-eth0"]);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&cache.results()), mode(cache.dir())), (0o600, 0o700, 0o700));
}

#[test]
fn what_go_wrote_is_read() {
    let (_directory, cache) = cache();
    place(&cache, OF_GO);
    assert_eq!(cache.read("net", "c1", "eth0").unwrap(), Some(of_go()));
    assert_eq!(cache.entries().unwrap().0, [of_go()]);
}

#[test]
fn keys_may_be_missing_null_or_in_another_case() {
    let (_directory, cache) = cache();
    let bare = CacheEntry {
        network: "net".into(),
        container_id: "c1".into(),
        if_name: "eth0".into(),
        ..CacheEntry::default()
    };
    for text in [
        r#"{"kind":"cniCacheV1","containerId":"c1","ifName":"eth0","networkName":"net","config":""}"#,
        r#"{"kind":"cniCacheV1","containerId":"c1","ifName":"eth0","networkName":"net","config":null,"result":null,
            "cniArgs":null,"capabilityArgs":null,"netns":null}"#,
        r#"{"KIND":"cniCacheV1","ContainerID":"c1","IFNAME":"eth0","networkname":"net","more":[1]}"#,
    ] {
        place(&cache, text);
        assert_eq!(cache.read("net", "c1", "eth0").unwrap(), Some(bare.clone()), "{text}");
    }
    // What is empty is not written.
    cache.write(&bare).unwrap();
    let written = fs::read_to_string(cache.path("net", "c1", "eth0").unwrap()).unwrap();
    assert_eq!(written, r#"{"kind":"cniCacheV1","containerId":"c1","config":"","ifName":"eth0","networkName":"net"}"#);
}

#[test]
fn a_result_in_the_old_format_is_used_by_name_only() {
    let (_directory, cache) = cache();
    let result = json!({"cniVersion": "0.3.1", "ips": []});
    place(&cache, result.to_string());
    let entry = cache.read("net", "c1", "eth0").unwrap().unwrap();
    assert!(entry.is_of("net", "c1", "eth0"));
    assert_eq!((entry.result, entry.config), (Some(result), Vec::new()));
    let (entries, damaged) = cache.entries().unwrap();
    assert!(entries.is_empty());
    assert!(matches!(damaged[0].damage, Damage::OldFormat), "{damaged:?}");
    assert!(cache.remove("net", "c1", "eth0").unwrap());
    assert!(names(&cache).is_empty());
}

#[test]
fn nothing_remembered_is_no_error() {
    let (_directory, cache) = cache();
    assert_eq!(cache.read("net", "c1", "eth0").unwrap(), None);
    assert!(!cache.remove("net", "c1", "eth0").unwrap());
    let (entries, damaged) = cache.entries().unwrap();
    assert!(entries.is_empty() && damaged.is_empty());
    assert!(!cache.dir().exists(), "reading makes nothing");
}

#[test]
fn an_entry_is_replaced_as_a_whole() {
    let (_directory, cache) = cache();
    cache.write(&of_go()).unwrap();
    let kept = fs::File::open(cache.path("net", "c1", "eth0").unwrap()).unwrap();
    let shorter = CacheEntry { result: None, ..of_go() };
    cache.write(&shorter).unwrap();
    assert_eq!(cache.read("net", "c1", "eth0").unwrap(), Some(shorter));
    // Whoever has the old file open reads it to its end.
    assert_eq!(std::io::read_to_string(kept).unwrap(), OF_GO);
    assert_eq!(names(&cache), ["net-c1-eth0"]);
}

#[test]
fn attachments_that_share_a_file_name_are_told_apart() {
    let (_directory, cache) = cache();
    let first = named("a-b", "c", "d");
    cache.write(&first).unwrap();
    assert_eq!(cache.path("a", "b-c", "d").unwrap(), cache.path("a-b", "c", "d").unwrap());
    assert_eq!(cache.read("a", "b-c", "d").unwrap(), None);
    assert!(!cache.remove("a", "b-c", "d").unwrap());
    let error = cache.write(&named("a", "b-c", "d")).unwrap_err();
    assert!(matches!(&error, CacheError::Taken { by, .. } if **by == first), "{error}");
    assert!(error.to_string().contains("network \"a-b\""), "{error}");
    assert_eq!(cache.read("a-b", "c", "d").unwrap(), Some(first.clone()));
    assert_eq!(cache.entries_of_network("a").unwrap().0, []);
    assert_eq!(cache.entries_of_container("b").unwrap().0, []);
    assert_eq!(cache.entries_of_container("c").unwrap().0, [first]);
}

#[test]
fn entries_are_found_by_network_and_by_container() {
    let (_directory, cache) = cache();
    let all = [
        named("net", "c1", "eth0"),
        named("net", "c1", "eth1"),
        named("net", "c2", "eth0"),
        named("two", "c1", "eth0"),
    ];
    for entry in all.iter().rev() {
        cache.write(entry).unwrap();
    }
    assert_eq!(cache.entries().unwrap().0, all, "in the order of their names");
    assert_eq!(cache.entries_of_network("net").unwrap().0, all[..3]);
    assert_eq!(cache.entries_of_container("c1").unwrap().0, [all[0].clone(), all[1].clone(), all[3].clone()]);
    assert_eq!(cache.entries_of_network("ne").unwrap().0, []);
    let attachment = |id: &str, name: &str| Attachment { container_id: id.to_owned(), interface_name: name.to_owned() };
    let of_network = [attachment("c1", "eth0"), attachment("c1", "eth1"), attachment("c2", "eth0")];
    assert_eq!(cache.attachments_of_network("net").unwrap(), (of_network.to_vec(), Vec::new()));
    assert_eq!(cache.attachments_of_network("ne").unwrap().0, []);
    let counts = cache.attachments_by_network().unwrap();
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [("net".to_owned(), 3), ("two".to_owned(), 1)]);
}

#[test]
fn however_it_is_spelled_an_entry_is_the_same() {
    let (_directory, cache) = cache();
    let written = serde_json::from_str::<Value>(OF_GO).unwrap();
    for text in [
        serde_json::to_string_pretty(&written).unwrap(),
        OF_GO.replacen('{', r#"{"later":{"added":[1]},"#, 1),
        OF_GO.replace("networkName", "NetworkName"),
        OF_GO.replace(r#""eth0""#, r#""eth\u0030""#),
        OF_GO.replace("networkName", r"\u006eetworkName"),
        // Of two the last counts, of two spellings the exact one.
        OF_GO.replacen('{', r#"{"containerId":"c2","#, 1),
        OF_GO.replacen('{', r#"{"CONTAINERID":"c2","#, 1),
    ] {
        place(&cache, &text);
        assert_eq!(cache.entries().unwrap(), (vec![of_go()], Vec::new()), "{text}");
        let whose = [Attachment { container_id: "c1".into(), interface_name: "eth0".into() }];
        assert_eq!(cache.attachments_of_network("net").unwrap(), (whose.to_vec(), Vec::new()), "{text}");
    }
}

#[test]
fn names_cannot_lead_elsewhere() {
    let (_directory, cache) = cache();
    for (network, id, interface) in [
        ("../x", "c1", "eth0"),
        ("net", "c/1", "eth0"),
        ("net", "c1", "/"),
        ("", "c1", "eth0"),
        ("net", "", "eth0"),
        ("net", "c1", ""),
    ] {
        let name = |error| matches!(error, CacheError::Name { .. });
        assert!(name(cache.write(&named(network, id, interface)).unwrap_err()));
        assert!(name(cache.read(network, id, interface).unwrap_err()));
        assert!(name(cache.remove(network, id, interface).unwrap_err()));
    }
    assert!(!cache.dir().exists());
}

#[test]
fn damaged_files_are_reported_removed_and_written_over() {
    type Is = fn(&Damage) -> bool;
    let half = &OF_GO[..OF_GO.len() / 2];
    let nested = "[".repeat(100_000);
    let cases: [(&str, Is); 15] = [
        ("", |d| matches!(d, Damage::Empty)),
        (" \n", |d| matches!(d, Damage::Empty)),
        (half, |d| matches!(d, Damage::NotJson(_))),
        ("\0\0\0\0", |d| matches!(d, Damage::NotJson(_))),
        (&nested, |d| matches!(d, Damage::NotJson(_))),
        ("[]", |d| matches!(d, Damage::Foreign(_))),
        ("{}", |d| matches!(d, Damage::Foreign(_))),
        (r#"{"kind":1}"#, |d| matches!(d, Damage::Foreign(_))),
        (r#"{"kind":"cniCacheV2"}"#, |d| matches!(d, Damage::UnknownKind(_))),
        (r#"{"kind":"cniCacheV1"}"#, |d| matches!(d, Damage::Foreign(_))),
        (r#"{"kind":"cniCacheV1","containerId":"c1","networkName":"net","ifName":""}"#, |d| {
            matches!(d, Damage::Foreign(_))
        }),
        (r#"{"kind":"cniCacheV1","containerId":"c1","networkName":"net","ifName":"eth0","config":"*"}"#, |d| {
            matches!(d, Damage::Foreign(_))
        }),
        (r#"{"kind":"cniCacheV1","containerId":"c1","networkName":"net","ifName":"eth0","result":7}"#, |d| {
            matches!(d, Damage::Foreign(_))
        }),
        (r#"{"kind":"cniCacheV1","containerId":"c1","networkName":"net","ifName":"eth0","cniArgs":[["a"]]}"#, |d| {
            matches!(d, Damage::Foreign(_))
        }),
        (r#"{"kind":"cniCacheV1","containerId":"c1","networkName":"net","ifName":"eth0","capabilityArgs":[]}"#, |d| {
            matches!(d, Damage::Foreign(_))
        }),
    ];
    let (_directory, cache) = cache();
    for (text, expected) in cases {
        let path = place(&cache, text);
        let brief = &text[..text.len().min(80)];
        match cache.read("net", "c1", "eth0").unwrap_err() {
            CacheError::Damaged(found) => {
                assert!(expected(&found.damage), "{brief}: {found:?}");
                assert_eq!(found.path, path);
                assert!(found.to_string().contains(path.to_str().unwrap()), "{found}");
            }
            other => panic!("{brief}: {other}"),
        }
        let (entries, damaged) = cache.entries().unwrap();
        assert!(entries.is_empty() && damaged.len() == 1 && expected(&damaged[0].damage), "{brief}: {damaged:?}");
        assert_eq!(cache.attachments_of_network("net").unwrap(), (Vec::new(), damaged), "{brief}");
        assert!(cache.remove("net", "c1", "eth0").unwrap(), "{brief}");
        place(&cache, text);
        cache.write(&of_go()).unwrap();
        assert_eq!(cache.read("net", "c1", "eth0").unwrap(), Some(of_go()), "{brief}");
    }
}

#[test]
fn what_is_no_file_is_reported_and_removed() {
    let (directory, cache) = cache();
    let path = place(&cache, "");
    let target = directory.path().join("target");
    fs::write(&target, OF_GO).unwrap();
    let damage = || match cache.read("net", "c1", "eth0") {
        Err(CacheError::Damaged(found)) => found.damage,
        other => panic!("{other:?}"),
    };

    fs::remove_file(&path).unwrap();
    symlink(&target, &path).unwrap();
    assert!(matches!(damage(), Damage::Link));
    assert!(cache.remove("net", "c1", "eth0").unwrap());
    assert!(target.exists(), "only the link goes");

    // Would wait for a writer if it were opened as a file is.
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    assert!(matches!(damage(), Damage::NotAFile));
    assert!(cache.remove("net", "c1", "eth0").unwrap());

    fs::create_dir(&path).unwrap();
    assert!(matches!(damage(), Damage::NotAFile));
    assert!(matches!(cache.write(&of_go()).unwrap_err(), CacheError::Io { doing: Doing::Write, .. }));
    assert_eq!(names(&cache), ["net-c1-eth0"], "nothing unfinished stays");
    assert!(cache.remove("net", "c1", "eth0").unwrap());

    fs::create_dir_all(path.join("full")).unwrap();
    assert!(matches!(cache.remove("net", "c1", "eth0").unwrap_err(), CacheError::Io { doing: Doing::Remove, .. }));
    fs::remove_dir_all(&path).unwrap();

    let file = fs::File::create(&path).unwrap();
    file.set_len(1 << 40).unwrap();
    assert!(matches!(damage(), Damage::TooLarge { size } if size == 1 << 40));
    assert!(cache.remove("net", "c1", "eth0").unwrap());
}

#[test]
fn an_unreadable_file_is_reported_and_removed() {
    let (_directory, cache) = cache();
    let path = place(&cache, OF_GO);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    // Root may read all files.
    if !rustix::process::geteuid().is_root() {
        let error = cache.read("net", "c1", "eth0").unwrap_err();
        assert!(matches!(&error, CacheError::Damaged(DamagedEntry { damage: Damage::Unreadable(_), .. })), "{error}");
        assert_eq!(cache.entries().unwrap().1.len(), 1);
    }
    assert!(cache.remove("net", "c1", "eth0").unwrap());
}

#[test]
fn a_copy_is_no_second_attachment() {
    let (_directory, cache) = cache();
    cache.write(&of_go()).unwrap();
    fs::write(cache.results().join("net-c1-eth0.bak"), OF_GO).unwrap();
    let (entries, damaged) = cache.entries().unwrap();
    assert_eq!(entries, [of_go()]);
    assert!(matches!(&damaged[0].damage, Damage::Misnamed { proper } if proper == "net-c1-eth0"), "{damaged:?}");
    assert_eq!(damaged.len(), 1);
}

#[test]
fn what_is_too_large_is_not_written() {
    let (_directory, cache) = cache();
    let large = CacheEntry { config: vec![b' '; 50 << 20], ..of_go() };
    assert!(matches!(cache.write(&large).unwrap_err(), CacheError::TooLarge { .. }));
    assert_eq!(cache.read("net", "c1", "eth0").unwrap(), None);
}

#[test]
fn what_a_killed_writer_left_is_no_entry_and_goes() {
    let (_directory, cache) = cache();
    cache.write(&of_go()).unwrap();
    let unfinished = cache.results().join(write::UNFINISHED);
    for clean in [
        (|cache: &Cache| cache.entries().map(|(entries, damaged)| assert!(entries.len() == 1 && damaged.is_empty())))
            as fn(&Cache) -> Result<(), CacheError>,
        |cache| cache.remove("other", "c1", "eth0").map(drop),
    ] {
        fs::create_dir(&unfinished).unwrap();
        fs::write(unfinished.join("1-0"), OF_GO).unwrap();
        fs::write(unfinished.join("1-1"), "").unwrap();
        clean(&cache).unwrap();
        assert_eq!(names(&cache), ["net-c1-eth0"]);
    }
    // A file that somebody is writing stays.
    fs::create_dir(&unfinished).unwrap();
    let writing = fs::File::create(unfinished.join("1-2")).unwrap();
    rustix::fs::flock(&writing, rustix::fs::FlockOperation::LockExclusive).unwrap();
    cache.entries().unwrap();
    assert!(unfinished.join("1-2").exists());
    // A name of the same process number is in nobody's way.
    cache.write(&of_go()).unwrap();
    drop(writing);
    cache.entries().unwrap();
    assert_eq!(names(&cache), ["net-c1-eth0"]);
}

#[test]
fn writers_and_readers_do_not_meet_half_an_entry() {
    let (_directory, cache) = cache();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let cache = &cache;
            let entry = CacheEntry { config: vec![b'a'; 10_000 * thread], ..of_go() };
            scope.spawn(move || (0..25).for_each(|_| cache.write(&entry).unwrap()));
        }
        let (cache, done) = (&cache, &done);
        let reader = scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                if let Some(entry) = cache.read("net", "c1", "eth0").unwrap() {
                    assert_eq!(entry.config.len() % 10_000, 0);
                }
                assert!(cache.entries().unwrap().1.is_empty());
            }
        });
        for _ in 0..25 {
            cache.write(&named("net", "c2", "eth0")).unwrap();
            cache.remove("net", "c2", "eth0").unwrap();
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    assert_eq!(names(&cache), ["net-c1-eth0"]);
}
