//! What is remembered of ADD.

use std::collections::BTreeMap;

use libcni::{Cni, RuntimeConf};
use serde_json::json;

use crate::lab::{Lab, list, list_of, rt, single_of};

#[test]
fn the_result_comes_back_in_the_version_of_the_network() {
    let lab = Lab::new(&["a"]);
    let cni = lab.cni();
    let result = "{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"10.0.0.2/24\"}]}";
    lab.answer("a", "ADD", &format!("echo '{result}'"));
    let added = cni.add_network_list(&list("1.0.0", &["a"]), &rt("one")).unwrap();
    assert_eq!(cni.get_network_list_cached_result(&list("1.0.0", &["a"]), &rt("one")).unwrap(), Some(added.clone()));
    let older = cni.get_network_list_cached_result(&list("0.4.0", &["a"]), &rt("one")).unwrap().unwrap();
    assert_eq!(
        (older.json["ips"][0]["version"].as_str(), older.json["cniVersion"].as_str()),
        (Some("4"), Some("0.4.0"))
    );
    assert_eq!(older.result, added.result);
    assert_eq!(cni.get_network_list_cached_result(&list("1.0.0", &["a"]), &rt("other")).unwrap(), None);

    let net = single_of(&json!({"cniVersion": "1.0.0", "name": "red", "type": "a"}));
    assert_eq!(cni.get_network_cached_result(&net, &rt("one")).unwrap(), None);
    let added = cni.add_network(&net, &rt("one")).unwrap();
    assert_eq!(cni.get_network_cached_result(&net, &rt("one")).unwrap(), Some(added));
}

#[test]
fn the_configuration_comes_back_with_what_add_was_told() {
    let lab = Lab::new(&["a"]);
    let cni = lab.cni();
    let list = list("1.0.0", &["a"]);
    let told = RuntimeConf {
        args: vec![("K".to_owned(), "v".to_owned())],
        capability_args: BTreeMap::from([("mac".to_owned(), json!("02:00:00:00:00:01"))]),
        ..rt("one")
    };
    assert_eq!(cni.get_network_list_cached_config(&list, &rt("one")).unwrap(), None);
    cni.add_network_list(&list, &told).unwrap();
    let cached = cni.get_network_list_cached_config(&list, &rt("one")).unwrap().unwrap();
    assert_eq!((cached.config, cached.runtime_conf), (list.bytes, told.clone()));

    let net = single_of(&json!({"cniVersion": "1.0.0", "name": "red", "type": "a"}));
    assert_eq!(cni.get_network_cached_config(&net, &rt("one")).unwrap(), None);
    cni.add_network(&net, &told).unwrap();
    let cached = cni.get_network_cached_config(&net, &rt("one")).unwrap().unwrap();
    assert_eq!((cached.config.as_slice(), cached.runtime_conf), (net.bytes(), told));
}

#[test]
fn plugins_of_the_networks_folder_are_part_of_what_is_remembered() {
    let lab = Lab::new(&["a", "b"]);
    let conf = lab.path("net.d");
    std::fs::create_dir_all(conf.join("blue")).unwrap();
    let text = json!({"cniVersion": "1.1.0", "name": "blue", "plugins": [{"type": "a"}]}).to_string();
    std::fs::write(conf.join("10-blue.conflist"), text).unwrap();
    std::fs::write(conf.join("blue/10-b.conf"), "{\"type\": \"b\", \"n\": 1.0}").unwrap();
    let list = libcni::load_network_conf(&conf, "blue").unwrap();
    let cni = lab.cni();
    cni.add_network_list(&list, &rt("one")).unwrap();
    std::fs::remove_dir_all(&conf).unwrap();
    let cached = cni.get_network_list_cached_config(&list, &rt("one")).unwrap().unwrap();
    let again = libcni::network_conf_from_bytes(&cached.config).unwrap();
    assert_eq!(again.plugins, list.plugins);
    assert_eq!(lab.ran(), ["a ADD", "b ADD"]);
    let empty = list_of(&json!({"cniVersion": "1.1.0", "name": "blue", "plugins": []}));
    let _ = cni.gc_network_list(&empty, &libcni::GcArgs::DeleteAll).unwrap();
    assert_eq!(lab.ran(), ["b DEL", "a DEL"]);
}

#[test]
fn attachments_are_those_of_one_container_or_all() {
    let lab = Lab::new(&["a"]);
    let cni = lab.cni();
    assert_eq!(cni.get_cached_attachments(None).unwrap(), libcni::CachedAttachments::default());
    let red = list_of(&json!({"cniVersion": "1.0.0", "name": "red", "plugins": [{"type": "a"}]}));
    for (list, container) in [(&red, "one"), (&list("1.0.0", &["a"]), "two"), (&list("1.0.0", &["a"]), "one")] {
        cni.add_network_list(list, &rt(container)).unwrap();
    }
    let of = |container: Option<&str>| -> Vec<String> {
        let cached = cni.get_cached_attachments(container).unwrap();
        cached.attachments.iter().map(|one| format!("{} {} {}", one.network, one.container_id, one.if_name)).collect()
    };
    assert_eq!(of(None), ["blue one eth0", "blue two eth0", "red one eth0"]);
    assert_eq!(of(Some("one")), ["blue one eth0", "red one eth0"]);
    assert!(of(Some("nobody")).is_empty());
}
