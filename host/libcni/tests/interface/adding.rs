//! ADD that succeeds.

use libcni::cni_spec::Version;
use libcni::{Cni, Error};
use serde_json::json;

use crate::lab::{Lab, list, list_of, rt, single_of};

#[test]
fn each_plugin_gets_the_result_of_the_one_before_and_the_last_is_that_of_the_network() {
    let lab = Lab::new(&["a", "b", "c"]);
    lab.answer("c", "ADD", "echo '{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"10.0.0.2/24\"}],\"vendor\":[1]}'");
    let result = lab.cni().add_network_list(&list("1.1.0", &["a", "b", "c"]), &rt("one")).unwrap();
    let last = json!({"cniVersion": "1.1.0", "ips": [{"address": "10.0.0.2/24"}], "vendor": [1]});
    assert_eq!(result.json, last);
    assert_eq!((result.version, result.result.ips.len()), (Version::V1_1_0, 1));
    let runs = lab.runs();
    assert_eq!(runs.iter().map(|run| run.what.as_str()).collect::<Vec<_>>(), ["a ADD", "b ADD", "c ADD"]);
    let previous = |name: &str| json!({"cniVersion": "1.1.0", "interfaces": [{"name": name}]});
    assert_eq!(runs[0].config().get("prevResult"), None);
    assert_eq!(runs[1].config()["prevResult"], previous("a"));
    assert_eq!(runs[2].config()["prevResult"], previous("b"));
    assert_eq!(lab.remembered(), 1);
}

#[test]
fn a_single_plugin_is_added_by_its_own_name_and_version() {
    let lab = Lab::new(&["a"]);
    let net = single_of(&json!({"cniVersion": "1.0.0", "name": "red", "type": "a", "key": 1}));
    let result = lab.cni().add_network(&net, &rt("one")).unwrap();
    assert_eq!(result.json, json!({"cniVersion": "1.0.0", "interfaces": [{"name": "a"}]}));
    let runs = lab.runs();
    assert_eq!(runs[0].config(), json!({"cniVersion": "1.0.0", "name": "red", "type": "a", "key": 1}));
    assert!(lab.path("cache/results/red-one-eth0").exists());
}

#[test]
fn results_of_other_versions_are_brought_to_that_of_the_network() {
    let lab = Lab::new(&["a", "b"]);
    let old = r#"{"cniVersion":"0.4.0","interfaces":[{"name":"x"}],"ips":[{"version":"4","address":"10.0.0.2/24"}]}"#;
    lab.answer("a", "ADD", &format!("echo '{old}'"));
    lab.answer("b", "ADD", &format!("echo '{old}'"));
    let result = lab.cni().add_network_list(&list("1.0.0", &["a", "b"]), &rt("one")).unwrap();
    let new = json!({"cniVersion": "1.0.0", "interfaces": [{"name": "x"}], "ips": [{"address": "10.0.0.2/24"}]});
    assert_eq!(result.json, new);
    assert_eq!(lab.runs()[1].config()["prevResult"], new);

    let result = lab.cni().add_network_list(&list("0.2.0", &["a"]), &rt("two")).unwrap();
    assert_eq!(result.json["ip4"], json!({"ip": "10.0.0.2/24"}));
}

#[test]
fn a_result_without_a_version_is_of_that_of_the_network() {
    let lab = Lab::new(&["a"]);
    lab.answer("a", "ADD", "echo '{\"ips\":[{\"version\":\"4\",\"address\":\"10.0.0.2/24\"}]}'");
    let result = lab.cni().add_network_list(&list("0.3.1", &["a"]), &rt("one")).unwrap();
    assert_eq!(result.json["cniVersion"], "0.3.1");
    lab.answer("a", "ADD", "echo '{\"cniVersion\":\"0.2.0\",\"dns\":{}}'");
    let result = lab.cni().add_network_list(&list("0.2.0", &["a"]), &rt("two")).unwrap();
    assert_eq!(result.json, json!({"cniVersion": "0.2.0", "dns": {}}));
}

#[test]
fn the_highest_version_of_the_list_is_used() {
    let lab = Lab::new(&["a"]);
    let list = list_of(&json!({
        "cniVersion": "0.4.0", "cniVersions": ["9.0.0", "1.0.0", "0.3.1"], "name": "blue", "plugins": [{"type": "a"}],
    }));
    lab.cni().add_network_list(&list, &rt("one")).unwrap();
    assert_eq!(lab.runs()[0].config()["cniVersion"], "1.0.0");
}

#[test]
fn what_is_attached_is_not_added_again_and_nothing_of_it_is_touched() {
    let lab = Lab::new(&["a"]);
    let list = list("1.0.0", &["a"]);
    lab.cni().add_network_list(&list, &rt("one")).unwrap();
    lab.runs();
    let error = lab.cni().add_network_list(&list, &rt("one")).unwrap_err();
    assert!(matches!(&error, Error::AlreadyAttached { container_id, .. } if container_id == "one"), "{error}");
    assert!(lab.ran().is_empty());
    assert_eq!(lab.remembered(), 1);

    let other = libcni::RuntimeConf { if_name: "eth1".to_owned(), ..rt("one") };
    lab.cni().add_network_list(&list, &other).unwrap();
    let _ = lab.cni().del_network_list(&list, &rt("one")).unwrap();
    lab.cni().add_network_list(&list, &rt("one")).unwrap();
    assert_eq!(lab.remembered(), 2);
}

#[test]
fn before_the_first_plugin_runs_the_attachment_is_in_the_cache() {
    let lab = Lab::new(&["a"]);
    lab.answer("a", "ADD", "ls \"$lab/cache/results\" >\"$lab/seen\"; echo '{\"cniVersion\":\"1.0.0\"}'");
    lab.cni().add_network_list(&list("1.0.0", &["a"]), &rt("one")).unwrap();
    assert_eq!(std::fs::read_to_string(lab.path("seen")).unwrap(), "blue-one-eth0\n");
}
