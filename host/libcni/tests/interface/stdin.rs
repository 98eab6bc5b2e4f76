//! The exact bytes that plugins read.

use std::collections::BTreeMap;

use libcni::cni_spec::Attachment;
use libcni::{Cni, GcArgs, RuntimeConf};
use serde_json::{Value, json};

use crate::lab::{Lab, rt};

/// Keys that a reader and writer of JSON would change.
const WRITTEN: &str = r#"{
  "cniVersion": "1.1.0", "name": "blue",
  "plugins": [
    { "z": 12345678901234567890123, "type": "a", "html": "<&>", "\u0061b": 1.50, "e":1E300 , "list": [ 1,  2 ], "NAME": "other",
      "capabilities": {"portMappings": true, "bandwidth": false}, "ipam": {"type": "b", "deep": {"n": 9007199254740993}}, "CniVersion": "0.1.0" }
  ]
}"#;

const KEPT: &str = r#""z":12345678901234567890123,"type":"a","html":"<&>","\u0061b":1.50,"e":1E300,"list":[ 1,  2 ],"ipam":{"type": "b", "deep": {"n": 9007199254740993}}"#;

fn attachment() -> RuntimeConf {
    let capability_args = BTreeMap::from([
        ("portMappings".to_owned(), json!([{"hostPort": 8080, "containerPort": 80}])),
        ("bandwidth".to_owned(), json!({"ingressRate": 1})),
        ("mac".to_owned(), json!("02:00:00:00:00:01")),
    ]);
    RuntimeConf { capability_args, ..rt("one") }
}

#[test]
fn keys_go_on_as_they_were_written_and_the_runtimes_own_are_set() {
    let lab = Lab::new(&["a"]);
    let list = libcni::network_conf_from_bytes(WRITTEN.as_bytes()).unwrap();
    let cni = lab.cni();
    lab.answer("a", "ADD", "echo '{\"cniVersion\": \"1.1.0\"}'");
    cni.add_network_list(&list, &attachment()).unwrap();
    cni.check_network_list(&list, &attachment()).unwrap();
    let _ = cni.del_network_list(&list, &attachment()).unwrap();
    cni.get_status_network_list(&list).unwrap();
    let valid = vec![Attachment { container_id: "two".to_owned(), interface_name: "eth1".to_owned() }];
    let _ = cni.gc_network_list(&list, &GcArgs::ValidAttachments(valid)).unwrap();
    let _ = cni.gc_network_list(&list, &GcArgs::DeleteAll).unwrap();

    let head = format!("{{{KEPT},\"cniVersion\":\"1.1.0\",\"name\":\"blue\"");
    let runtime_config = r#","runtimeConfig":{"portMappings":[{"containerPort":80,"hostPort":8080}]}"#;
    let previous = r#","prevResult":{"cniVersion":"1.1.0"}"#;
    let two = r#"[{"containerID":"two","ifname":"eth1"}]"#;
    let expected = [
        ("a ADD", format!("{head}{runtime_config}}}")),
        ("a CHECK", format!("{head}{runtime_config}{previous}}}")),
        ("a DEL", format!("{head}{runtime_config}{previous}}}")),
        ("a STATUS", format!("{head}}}")),
        ("a GC", format!("{head},\"cni.dev/valid-attachments\":{two},\"cni.dev/attachments\":{two}}}")),
        ("a GC", format!("{head},\"cni.dev/valid-attachments\":[],\"cni.dev/attachments\":[]}}")),
    ];
    let runs = lab.runs();
    let seen: Vec<_> = runs.iter().map(|run| (run.what.as_str(), run.stdin.clone())).collect();
    assert_eq!(seen, expected);
}

#[test]
fn the_runtimes_keys_take_the_place_of_the_users_and_nothing_takes_the_place_of_others() {
    let with = r#"{"name":"blue","cniVersion":"1.0.0","plugins":[{"type":"a","capabilities":{"mac":true},
        "runtimeConfig":{"mac":"x"},"prevResult":{"cniVersion":"1.0.0","dns":{"domain":"users"}}}]}"#;
    let list = libcni::network_conf_from_bytes(with.as_bytes()).unwrap();
    let lab = Lab::new(&["a"]);
    lab.cni().add_network_list(&list, &attachment()).unwrap();
    let config = lab.runs()[0].config();
    assert_eq!(config["runtimeConfig"], json!({"mac": "02:00:00:00:00:01"}));
    assert_eq!(config["prevResult"]["dns"]["domain"], "users");
    lab.cni().check_network_list(&list, &rt("one")).unwrap();
    let config = lab.runs()[0].config();
    assert_eq!(config["runtimeConfig"], json!({"mac": "x"}));
    assert_eq!(config["prevResult"], json!({"cniVersion": "1.0.0", "interfaces": [{"name": "a"}]}));
}

#[test]
fn each_plugin_of_a_chain_gets_the_capabilities_that_it_declares() {
    let list = json!({"name": "blue", "cniVersion": "1.0.0", "plugins": [
        {"type": "a", "capabilities": {"mac": true}},
        {"type": "b", "capabilities": {"portMappings": true, "mac": true, "ips": true}},
        {"type": "c", "capabilities": {"mac": false}},
        {"type": "d"},
    ]});
    let list = libcni::network_conf_from_bytes(list.to_string().as_bytes()).unwrap();
    let lab = Lab::new(&["a", "b", "c", "d"]);
    lab.cni().add_network_list(&list, &attachment()).unwrap();
    let configs: Vec<Value> = lab.runs().iter().map(|run| run.config()).collect();
    let (mac, ports) = (json!("02:00:00:00:00:01"), json!([{"hostPort": 8080, "containerPort": 80}]));
    assert_eq!(configs[0]["runtimeConfig"], json!({"mac": mac}));
    assert_eq!(configs[1]["runtimeConfig"], json!({"mac": mac, "portMappings": ports}));
    assert!(configs.iter().all(|config| config.get("capabilities").is_none()));
    assert!(configs[2].get("runtimeConfig").is_none() && configs[3].get("runtimeConfig").is_none());
}

#[test]
fn version_is_asked_for_by_its_newest_form() {
    let lab = Lab::new(&["a"]);
    lab.cni().get_version_info("a").unwrap();
    assert_eq!(lab.runs()[0].stdin, "{\"cniVersion\":\"1.1.0\"}");
}
