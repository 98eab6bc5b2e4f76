//! CHECK.

use libcni::cni_spec::Version;
use libcni::{Cni, Command, Error};
use serde_json::json;

use crate::lab::{Lab, list, list_of, rt, single_of};

#[test]
fn every_plugin_gets_the_result_of_the_whole_add_in_order() {
    let lab = Lab::new(&["a", "b"]);
    let (cni, list) = (lab.cni(), list("1.0.0", &["a", "b"]));
    let result = cni.add_network_list(&list, &rt("one")).unwrap();
    lab.runs();
    cni.check_network_list(&list, &rt("one")).unwrap();
    let runs = lab.runs();
    assert_eq!(runs.iter().map(|run| run.what.as_str()).collect::<Vec<_>>(), ["a CHECK", "b CHECK"]);
    for run in runs {
        assert_eq!(run.config()["prevResult"], result.json);
    }
}

#[test]
fn a_single_plugin_is_checked_also_where_it_says_disable_check() {
    let lab = Lab::new(&["a"]);
    let net = single_of(&json!({"cniVersion": "0.4.0", "name": "red", "type": "a", "disableCheck": true}));
    lab.answer("a", "ADD", "echo '{\"cniVersion\":\"0.4.0\"}'");
    lab.cni().add_network(&net, &rt("one")).unwrap();
    lab.cni().check_network(&net, &rt("one")).unwrap();
    assert_eq!(lab.ran(), ["a ADD", "a CHECK"]);
}

#[test]
fn the_first_error_ends_it_and_the_attachment_stays() {
    let lab = Lab::new(&["a", "b"]);
    let (cni, list) = (lab.cni(), list("1.0.0", &["a", "b"]));
    cni.add_network_list(&list, &rt("one")).unwrap();
    lab.fail("a", "CHECK", 100, "the route is gone");
    lab.runs();
    let error = cni.check_network_list(&list, &rt("one")).unwrap_err();
    assert_eq!(error.plugin_error().map(|error| error.code), Some(100));
    assert_eq!(error.to_string(), "plugin a (CHECK): the route is gone (code 100)");
    assert_eq!(lab.ran(), ["a CHECK"]);
    assert_eq!(lab.remembered(), 1);
}

#[test]
fn versions_before_check_have_none() {
    let lab = Lab::new(&["a"]);
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1"] {
        let error = lab.cni().check_network_list(&list(version, &["a"]), &rt("one")).unwrap_err();
        let Error::NotSupported { command: Command::Check, network, version: said } = error else { panic!("{error}") };
        assert_eq!((network.as_str(), said.as_str()), ("blue", version));
        let net = single_of(&json!({"cniVersion": version, "name": "red", "type": "a"}));
        let error = lab.cni().check_network(&net, &rt("one")).unwrap_err();
        assert!(matches!(error, Error::NotSupported { version, .. } if version < Version::V0_4_0), "{error}");
    }
    assert!(lab.ran().is_empty());
}

#[test]
fn disable_check_runs_nothing() {
    let lab = Lab::new(&[]);
    for said in [json!(true), json!("true"), json!("TRUE")] {
        let list =
            list_of(&json!({"cniVersion": "1.0.0", "name": "blue", "disableCheck": said, "plugins": [{"type": "a"}]}));
        lab.cni().check_network_list(&list, &rt("one")).unwrap();
    }
}

#[test]
fn without_a_result_there_is_nothing_to_check_against() {
    let lab = Lab::new(&["a"]);
    let error = lab.cni().check_network_list(&list("1.0.0", &["a"]), &rt("one")).unwrap_err();
    assert!(matches!(&error, Error::NotAttached { network, .. } if network == "blue"), "{error}");
    let net = single_of(&json!({"cniVersion": "1.0.0", "name": "red", "type": "a"}));
    let error = lab.cni().check_network(&net, &rt("one")).unwrap_err();
    assert!(matches!(&error, Error::NotAttached { network, .. } if network == "red"), "{error}");
    assert!(lab.ran().is_empty());
}

#[test]
fn a_damaged_entry_is_an_error_that_names_the_file() {
    let lab = Lab::new(&["a"]);
    let (cni, list) = (lab.cni(), list("1.0.0", &["a"]));
    cni.add_network_list(&list, &rt("one")).unwrap();
    lab.runs();
    std::fs::write(lab.path("cache/results/blue-one-eth0"), "{").unwrap();
    let error = cni.check_network_list(&list, &rt("one")).unwrap_err();
    assert!(matches!(&error, Error::Cache(_)) && error.to_string().contains("blue-one-eth0"), "{error}");
    assert!(lab.ran().is_empty());
}
