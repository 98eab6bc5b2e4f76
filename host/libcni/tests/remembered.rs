//! What operations make of the cache: damage does not keep DEL from the plugins, old and foreign entries are what they
//! are, and GC is kept apart from ADD and DEL.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use in_memory::{RESULT, Recorder};
use libcni::{
    Cache, CacheError, Cancellation, Cni, CniConfig, Damage, Error, GcArgs, LockMode, NetworkConfigList, RuntimeConf,
};
use serde_json::{Value, json};

mod in_memory;

struct Lab {
    directory: tempfile::TempDir,
    cni: CniConfig,
    recorder: Arc<Recorder>,
    list: NetworkConfigList,
    rt: RuntimeConf,
    deleting: &'static str,
}

fn lab() -> Lab {
    let directory = tempfile::tempdir().unwrap();
    let recorder = Arc::new(Recorder::default());
    let cni = CniConfig::new(vec!["/nowhere".into()]).with_cache_dir(directory.path()).with_exec(recorder.clone());
    let plugins = json!([{"type": "first"}, {"type": "second"}]);
    let list = json!({"cniVersion": "1.1.0", "name": "net", "plugins": plugins}).to_string();
    let rt = RuntimeConf {
        container_id: "c1".into(),
        net_ns: "/run/netns/c1".into(),
        if_name: "eth0".into(),
        args: vec![("IgnoreUnknown".into(), "1".into())],
        ..RuntimeConf::default()
    };
    let list = libcni::network_conf_from_bytes(list.as_bytes()).unwrap();
    Lab { directory, cni, recorder, list, rt, deleting: "c1" }
}

impl Lab {
    fn add(&self) {
        self.cni.add_network_list(&self.list, &self.rt).unwrap();
        self.recorder.take();
    }

    fn file(&self) -> PathBuf {
        self.cni.cache().path("net", "c1", "eth0").unwrap()
    }

    /// What each DEL got as `prevResult`.
    fn previous(&self) -> Vec<Value> {
        let runs = self.recorder.take();
        let told: Vec<_> = runs.iter().map(|run| (run.command.as_str(), run.plugin.as_str())).collect();
        assert_eq!(told, [("DEL", "second"), ("DEL", "first")]);
        assert!(runs.iter().all(|run| run.container_id == self.deleting), "{runs:?}");
        runs.into_iter().map(|run| run.input["prevResult"].clone()).collect()
    }
}

#[test]
fn an_attachment_is_remembered_and_forgotten() {
    let lab = lab();
    lab.add();
    let result = lab.cni.get_network_list_cached_result(&lab.list, &lab.rt).unwrap().unwrap();
    let expected: Value = serde_json::from_str(RESULT).unwrap();
    assert_eq!(result.json, expected);
    let asked = RuntimeConf { args: Vec::new(), ..lab.rt.clone() };
    let config = lab.cni.get_network_list_cached_config(&lab.list, &asked).unwrap().unwrap();
    assert_eq!((config.config, config.runtime_conf), (lab.list.bytes.clone(), lab.rt.clone()));
    assert!(lab.cni.del_network_list(&lab.list, &lab.rt).unwrap().damaged.is_empty());
    assert_eq!(lab.previous(), [expected.clone(), expected]);
    assert!(!lab.file().exists());
    assert!(lab.cni.get_network_list_cached_result(&lab.list, &lab.rt).unwrap().is_none());
}

#[test]
fn a_cached_result_comes_in_the_version_of_the_network() {
    let lab = lab();
    lab.add();
    for (version, has_ip_version) in [("1.0.0", false), ("0.4.0", true)] {
        let text = String::from_utf8(lab.list.bytes.clone()).unwrap().replace("1.1.0", version);
        let older = libcni::network_conf_from_bytes(text.as_bytes()).unwrap();
        let result = lab.cni.get_network_list_cached_result(&older, &lab.rt).unwrap().unwrap();
        assert_eq!(result.json["cniVersion"], version);
        assert_eq!(result.json["ips"][0].get("version").is_some(), has_ip_version, "{}", result.json);
    }
}

#[test]
fn del_goes_on_where_the_entry_is_damaged() {
    type Spoil = fn(&Path);
    let cases: [(&str, Spoil); 9] = [
        ("it is empty", |file| fs::write(file, "").unwrap()),
        ("not valid JSON", |file| {
            let text = fs::read(file).unwrap();
            fs::write(file, &text[..text.len() / 2]).unwrap();
        }),
        ("neither an entry nor a result", |file| fs::write(file, r#"{"a": 1}"#).unwrap()),
        ("its result cannot be used", |file| {
            let text = fs::read_to_string(file).unwrap();
            fs::write(file, text.replace("10.1.0.2/16", "nonsense")).unwrap();
        }),
        ("cniCacheV9", |file| {
            let text = fs::read_to_string(file).unwrap();
            fs::write(file, text.replace("cniCacheV1", "cniCacheV9")).unwrap();
        }),
        ("symbolic link", |file| {
            fs::remove_file(file).unwrap();
            symlink("/nowhere", file).unwrap();
        }),
        ("no regular file", |file| {
            fs::remove_file(file).unwrap();
            fs::create_dir(file).unwrap();
        }),
        ("more than any entry", |file| fs::File::create(file).unwrap().set_len(1 << 40).unwrap()),
        ("it cannot be removed", |file| {
            fs::remove_file(file).unwrap();
            fs::create_dir_all(file.join("full")).unwrap();
        }),
    ];
    for (words, spoil) in cases {
        let lab = lab();
        lab.add();
        spoil(&lab.file());
        let checked = lab.cni.check_network_list(&lab.list, &lab.rt).unwrap_err();
        assert!(matches!(&checked, Error::Cache(CacheError::Damaged(_))), "{words}: {checked}");
        let deleted = lab.cni.del_network_list(&lab.list, &lab.rt).unwrap();
        assert_eq!(lab.previous(), [Value::Null, Value::Null], "{words}");
        assert!(deleted.damaged.iter().all(|damaged| damaged.path == lab.file()), "{deleted:?}");
        assert!(deleted.damaged.iter().any(|damaged| damaged.to_string().contains(words)), "{words}: {deleted:?}");
        assert_eq!(lab.file().exists(), words == "it cannot be removed", "{words}");
    }
}

#[test]
fn a_damaged_entry_does_not_stop_gc_and_stays() {
    let lab = lab();
    lab.add();
    let half = lab.cni.cache().path("net", "c2", "eth0").unwrap();
    fs::write(&half, "{").unwrap();
    let collected = lab.cni.gc_network_list(&lab.list, &GcArgs::DeleteAll).unwrap();
    assert_eq!((collected.deleted.len(), collected.damaged.len()), (1, 1));
    assert!(matches!(collected.damaged[0].damage, Damage::NotJson(_)) && half.exists());
    let shown = lab.cni.get_cached_attachments(None).unwrap();
    assert_eq!((shown.attachments.len(), shown.damaged), (0, collected.damaged));
}

#[test]
fn a_result_in_the_old_format_serves_check_and_del() {
    let lab = lab();
    fs::create_dir_all(lab.directory.path().join("results")).unwrap();
    fs::write(lab.file(), RESULT).unwrap();
    lab.cni.check_network_list(&lab.list, &lab.rt).unwrap();
    let told = lab.recorder.take();
    assert_eq!(told[0].input["prevResult"]["ips"][0]["address"], "10.1.0.2/16");
    assert!(lab.cni.get_network_list_cached_config(&lab.list, &lab.rt).unwrap().is_none());
    assert!(lab.cni.del_network_list(&lab.list, &lab.rt).unwrap().damaged.is_empty());
    assert!(lab.previous().iter().all(|previous| previous["ips"][0]["address"] == "10.1.0.2/16"));
    assert!(!lab.file().exists());
}

#[test]
fn another_attachment_of_the_same_file_name_is_left_alone() {
    let lab = Lab { deleting: "b-c", ..lab() };
    let named = |name: &str| {
        let text = String::from_utf8(lab.list.bytes.clone()).unwrap().replace("\"net\"", &format!("{name:?}"));
        libcni::network_conf_from_bytes(text.as_bytes()).unwrap()
    };
    let rt = |id: &str| RuntimeConf { container_id: id.into(), ..lab.rt.clone() };
    let (first, second) = ((named("a-b"), rt("c")), (named("a"), rt("b-c")));
    lab.cni.add_network_list(&first.0, &first.1).unwrap();
    lab.recorder.take();
    // Nothing runs for what could not be remembered.
    let error = lab.cni.add_network_list(&second.0, &second.1).unwrap_err();
    assert!(matches!(error, Error::Cache(CacheError::Taken { .. })), "{error}");
    assert!(lab.recorder.take().is_empty());
    assert!(lab.cni.get_network_list_cached_result(&second.0, &second.1).unwrap().is_none());
    assert!(lab.cni.del_network_list(&second.0, &second.1).unwrap().damaged.is_empty());
    assert_eq!(lab.previous(), [Value::Null, Value::Null]);
    assert!(lab.cni.gc_network_list(&second.0, &GcArgs::DeleteAll).unwrap().deleted.is_empty());
    assert!(lab.cni.get_network_list_cached_result(&first.0, &first.1).unwrap().is_some());
}

#[test]
fn gc_waits_for_add_and_del_and_they_for_gc() {
    let lab = lab();
    lab.add();
    let short = Duration::from_millis(40);
    let cni = lab.cni.clone().with_timeout(short);
    let other = Cache::new(lab.directory.path());
    let hold = |mode| other.lock("net", mode, short, &|| false).unwrap();

    let adding = hold(LockMode::Shared);
    let error = cni.gc_network_list(&lab.list, &GcArgs::DeleteAll).unwrap_err();
    assert!(error.is_timeout() && matches!(error, Error::Cache(CacheError::Locked { .. })), "{error}");
    drop(adding);

    let collecting = hold(LockMode::Exclusive);
    let second = RuntimeConf { container_id: "c2".into(), ..lab.rt.clone() };
    assert!(cni.add_network_list(&lab.list, &second).unwrap_err().is_timeout());
    assert!(cni.del_network_list(&lab.list, &lab.rt).unwrap_err().is_timeout());
    let cancellation = Cancellation::new().unwrap();
    cancellation.cancel();
    let cancelled = lab.cni.clone().with_cancellation(cancellation);
    assert!(cancelled.add_network_list(&lab.list, &second).unwrap_err().is_cancelled());
    // Nothing was run, and what only looks does not wait.
    assert!(lab.recorder.take().is_empty());
    cni.check_network_list(&lab.list, &lab.rt).unwrap();
    assert_eq!(cni.get_cached_attachments(None).unwrap().attachments.len(), 1);
    drop(collecting);

    assert_eq!(cni.gc_network_list(&lab.list, &GcArgs::DeleteAll).unwrap().deleted.len(), 1);
}

#[test]
fn del_runs_although_the_lock_cannot_be_had() {
    let lab = lab();
    lab.add();
    let locks = lab.directory.path().join("results.locks");
    fs::remove_dir_all(&locks).unwrap();
    fs::write(&locks, "no directory").unwrap();
    let second = RuntimeConf { container_id: "c2".into(), ..lab.rt.clone() };
    assert!(matches!(lab.cni.add_network_list(&lab.list, &second).unwrap_err(), Error::Cache(CacheError::Io { .. })));
    assert!(lab.recorder.take().is_empty());
    assert!(lab.cni.del_network_list(&lab.list, &lab.rt).unwrap().damaged.is_empty());
    assert_eq!(lab.previous().len(), 2);
    assert!(!lab.file().exists());
}
