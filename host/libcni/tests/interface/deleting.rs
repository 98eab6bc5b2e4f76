//! DEL.

use libcni::{Cni, Command, Error, ExecError, RuntimeConf};
use serde_json::json;

use crate::lab::{Lab, list, rt, single_of};

#[test]
fn the_last_plugin_is_first_and_each_gets_the_result_of_the_whole_add() {
    let lab = Lab::new(&["a", "b", "c"]);
    let (cni, list) = (lab.cni(), list("1.0.0", &["a", "b", "c"]));
    let result = cni.add_network_list(&list, &rt("one")).unwrap();
    lab.runs();
    assert!(cni.del_network_list(&list, &rt("one")).unwrap().damaged.is_empty());
    let runs = lab.runs();
    assert_eq!(runs.iter().map(|run| run.what.as_str()).collect::<Vec<_>>(), ["c DEL", "b DEL", "a DEL"]);
    for run in runs {
        assert_eq!(run.config()["prevResult"], result.json);
    }
    assert_eq!(lab.remembered(), 0);
}

#[test]
fn a_single_plugin_is_deleted() {
    let lab = Lab::new(&["a"]);
    let net = single_of(&json!({"cniVersion": "1.0.0", "name": "red", "type": "a"}));
    lab.cni().add_network(&net, &rt("one")).unwrap();
    let _ = lab.cni().del_network(&net, &rt("one")).unwrap();
    let runs = lab.runs();
    assert_eq!(
        (runs[1].what.as_str(), &runs[1].config()["prevResult"]["interfaces"]),
        ("a DEL", &json!([{"name": "a"}]))
    );
    assert_eq!(lab.remembered(), 0);
}

#[test]
fn old_versions_get_no_result() {
    let lab = Lab::new(&["a"]);
    lab.answer("a", "ADD", "echo '{\"cniVersion\":\"0.3.1\"}'");
    let list = list("0.3.1", &["a"]);
    lab.cni().add_network_list(&list, &rt("one")).unwrap();
    let _ = lab.cni().del_network_list(&list, &rt("one")).unwrap();
    assert_eq!(lab.runs()[1].config().get("prevResult"), None);
}

#[test]
fn what_is_not_known_is_deleted_all_the_same_without_a_namespace_too() {
    let lab = Lab::new(&["a", "b"]);
    let conf = RuntimeConf { net_ns: String::new(), ..rt("never-seen") };
    assert!(lab.cni().del_network_list(&list("1.0.0", &["a", "b"]), &conf).unwrap().damaged.is_empty());
    let runs = lab.runs();
    assert_eq!(runs.len(), 2);
    assert_eq!(runs[0].config().get("prevResult"), None);
    assert_eq!(runs[0].environment["CNI_NETNS"], "");
}

#[test]
fn the_first_error_ends_it_and_the_attachment_stays_for_the_next_try() {
    let lab = Lab::new(&["a", "b"]);
    let (cni, list) = (lab.cni(), list("1.0.0", &["a", "b"]));
    cni.add_network_list(&list, &rt("one")).unwrap();
    lab.fail("b", "DEL", 11, "later");
    lab.runs();
    let error = cni.del_network_list(&list, &rt("one")).unwrap_err();
    assert_eq!(error.plugin_error().map(|error| error.code), Some(11));
    assert_eq!((lab.ran(), lab.remembered()), (vec!["b DEL".to_owned()], 1));
    lab.recover("b", "DEL");
    let _ = cni.del_network_list(&list, &rt("one")).unwrap();
    assert_eq!((lab.ran().len(), lab.remembered()), (2, 0));
}

#[test]
fn a_plugin_that_is_gone_is_an_error() {
    let lab = Lab::new(&["a", "b"]);
    let (cni, list) = (lab.cni(), list("1.0.0", &["a", "b"]));
    cni.add_network_list(&list, &rt("one")).unwrap();
    std::fs::remove_file(lab.path("bin/b")).unwrap();
    lab.runs();
    let error = cni.del_network_list(&list, &rt("one")).unwrap_err();
    let Error::Plugin { plugin_type, command: Command::Del, source: ExecError::NotFound { .. } } = &error else {
        panic!("{error}");
    };
    assert_eq!((plugin_type.as_str(), lab.remembered()), ("b", 1));
}

#[test]
fn damage_in_the_cache_is_told_and_stops_nothing() {
    for damage in ["", "{\"kind\":\"cniCacheV1\",\"contai", "not json", "[]", "{\"kind\":\"somebody else's\"}"] {
        let lab = Lab::new(&["a"]);
        let (cni, list) = (lab.cni(), list("1.0.0", &["a"]));
        cni.add_network_list(&list, &rt("one")).unwrap();
        lab.runs();
        let file = lab.path("cache/results/blue-one-eth0");
        std::fs::write(&file, damage).unwrap();
        let deleted = cni.del_network_list(&list, &rt("one")).unwrap();
        assert_eq!(deleted.damaged.iter().map(|entry| &entry.path).collect::<Vec<_>>(), [&file], "{damage:?}");
        let runs = lab.runs();
        assert_eq!((runs.len(), runs[0].config().get("prevResult")), (1, None), "{damage:?}");
        assert!(!file.exists());
    }
}

#[test]
fn a_result_that_cannot_be_read_is_told_and_stops_nothing() {
    let lab = Lab::new(&["a"]);
    let (cni, list) = (lab.cni(), list("1.0.0", &["a"]));
    cni.add_network_list(&list, &rt("one")).unwrap();
    lab.runs();
    let file = lab.path("cache/results/blue-one-eth0");
    let mut entry: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    entry["result"] = json!({"cniVersion": "1.0.0", "ips": [{"address": "no address"}]});
    std::fs::write(&file, entry.to_string()).unwrap();
    let deleted = cni.del_network_list(&list, &rt("one")).unwrap();
    assert_eq!(deleted.damaged.len(), 1);
    assert_eq!(deleted.damaged[0].path, file);
    assert_eq!(lab.runs()[0].config().get("prevResult"), None);
    assert_eq!(lab.remembered(), 0);
}
