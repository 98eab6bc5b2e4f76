//! With 5,000 attachments in the cache, an operation runs the plugins that it has to, and none for those that live.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::sync::Arc;

use in_memory::{Recorder, Run};
use libcni::cni_spec::Attachment;
use libcni::{Cache, CacheEntry, Cni, CniConfig, GcArgs, NetworkConfigList, RuntimeConf};
use serde_json::json;

mod in_memory;

const ATTACHMENTS: usize = 5_000;
/// Of a network whose name begins in the same way.
const OTHERS: usize = 50;
const PLUGINS: [&str; 2] = ["first", "second"];

struct Lab {
    _directory: tempfile::TempDir,
    cni: CniConfig,
    recorder: Arc<Recorder>,
    list: NetworkConfigList,
}

fn id(number: usize) -> String {
    format!("container-{number:05}")
}

/// 5,000 attachments of the network `net`, and some of `net-2`.
fn lab(version: &str) -> Lab {
    let plugins: Vec<_> = PLUGINS.iter().map(|plugin| json!({"type": plugin})).collect();
    let config = json!({"cniVersion": version, "name": "net", "plugins": plugins}).to_string().into_bytes();
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::new(directory.path());
    // One is written as all are; a real write waits for the disk, 5,000 times.
    let model = CacheEntry {
        network: "NETWORK".into(),
        container_id: "CONTAINER".into(),
        if_name: "eth0".into(),
        net_ns: "/run/netns/CONTAINER".into(),
        config: config.clone(),
        result: Some(json!({"cniVersion": version, "ips": [{"address": "10.1.0.2/16"}]})),
        ..CacheEntry::default()
    };
    cache.write(&model).unwrap();
    let path = cache.path("NETWORK", "CONTAINER", "eth0").unwrap();
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let own = (0..ATTACHMENTS).map(|number| ("net", id(number)));
    for (network, id) in own.chain((0..OTHERS).map(|number| ("net-2", id(number)))) {
        let text = text.replace("NETWORK", network).replace("CONTAINER", &id);
        fs::write(cache.path(network, &id, "eth0").unwrap(), text).unwrap();
    }
    let recorder = Arc::new(Recorder::default());
    let cni = CniConfig::new(vec!["/nowhere".into()]).with_cache_dir(directory.path()).with_exec(recorder.clone());
    let list = libcni::network_conf_from_bytes(&config).unwrap();
    Lab { _directory: directory, cni, recorder, list }
}

impl Lab {
    fn runs(&self) -> Vec<Run> {
        self.recorder.take()
    }

    fn count(&self) -> usize {
        self.cni.get_cached_attachments(None).unwrap().attachments.len()
    }
}

/// All but the numbers 7, 77 and 777.
fn valid() -> GcArgs {
    let stays = (0..ATTACHMENTS).filter(|number| ![7, 77, 777].contains(number));
    GcArgs::ValidAttachments(
        stays.map(|number| Attachment { container_id: id(number), interface_name: "eth0".into() }).collect(),
    )
}

#[test]
fn gc_runs_del_for_what_is_gone_only() {
    let lab = lab("1.1.0");
    let collected = lab.cni.gc_network_list(&lab.list, &valid()).unwrap();
    let gone: Vec<_> = collected.deleted.iter().map(|attachment| attachment.container_id.clone()).collect();
    assert_eq!(gone, [id(7), id(77), id(777)]);
    let runs = lab.runs();
    let told: Vec<_> =
        runs.iter().map(|run| (run.command.as_str(), run.plugin.as_str(), run.container_id.as_str())).collect();
    let (one, two, three) = (id(7), id(77), id(777));
    let expected = [
        ("DEL", "second", one.as_str()),
        ("DEL", "first", &one),
        ("DEL", "second", &two),
        ("DEL", "first", &two),
        ("DEL", "second", &three),
        ("DEL", "first", &three),
        ("GC", "first", ""),
        ("GC", "second", ""),
    ];
    assert_eq!(told, expected);
    for run in &runs[6..] {
        assert_eq!(run.input["cni.dev/valid-attachments"].as_array().unwrap().len(), ATTACHMENTS - 3);
    }
    assert_eq!(lab.count(), ATTACHMENTS + OTHERS - 3);
    // Nothing is left to be done but what the plugins do for themselves.
    let collected = lab.cni.gc_network_list(&lab.list, &valid()).unwrap();
    assert_eq!((collected.deleted.len(), lab.runs().len()), (0, PLUGINS.len()));
}

#[test]
fn gc_of_an_old_version_runs_nothing_where_nothing_is_gone() {
    let lab = lab("1.0.0");
    let collected = lab.cni.gc_network_list(&lab.list, &valid()).unwrap();
    assert_eq!((collected.deleted.len(), lab.runs().len()), (3, 3 * PLUGINS.len()));
    let collected = lab.cni.gc_network_list(&lab.list, &valid()).unwrap();
    assert_eq!((collected.deleted.len(), lab.runs().len()), (0, 0));
    assert_eq!(lab.count(), ATTACHMENTS + OTHERS - 3);
}

#[test]
fn deleting_all_leaves_other_networks_alone() {
    let lab = lab("1.1.0");
    let collected = lab.cni.gc_network_list(&lab.list, &GcArgs::DeleteAll).unwrap();
    assert_eq!(collected.deleted.len(), ATTACHMENTS);
    assert_eq!(lab.runs().len(), (ATTACHMENTS + 1) * PLUGINS.len());
    assert_eq!(lab.count(), OTHERS);
}

#[test]
fn listing_and_reading_run_no_plugin_and_status_each_once() {
    let lab = lab("1.1.0");
    assert_eq!(lab.count(), ATTACHMENTS + OTHERS);
    let of_one = lab.cni.get_cached_attachments(Some(&id(3))).unwrap().attachments;
    let networks: Vec<_> = of_one.iter().map(|attachment| attachment.network.as_str()).collect();
    assert_eq!(networks, ["net", "net-2"]);
    let rt = RuntimeConf { container_id: id(3), if_name: "eth0".into(), ..RuntimeConf::default() };
    assert!(lab.cni.get_network_list_cached_result(&lab.list, &rt).unwrap().is_some());
    assert!(lab.cni.get_network_list_cached_config(&lab.list, &rt).unwrap().is_some());
    assert!(lab.runs().is_empty());
    lab.cni.get_status_network_list(&lab.list).unwrap();
    let runs: Vec<_> = lab.runs().into_iter().map(|run| (run.command, run.plugin)).collect();
    assert_eq!(runs, [("STATUS".to_owned(), "first".to_owned()), ("STATUS".to_owned(), "second".to_owned())]);
}
