//! What is refused before anything runs.

use libcni::cni_spec::names::NameKind;
use libcni::{Cni, Command, ConfigError, Error, ExecError, GcArgs, RuntimeConf};
use serde_json::json;

use crate::lab::{Lab, list, rt, single_of};

type Operation = fn(&dyn Cni, &RuntimeConf) -> Result<(), Error>;

/// Every operation that takes an attachment.
fn operations() -> Vec<(&'static str, Operation)> {
    fn single() -> libcni::PluginConfig {
        single_of(&json!({"cniVersion": "1.0.0", "name": "blue", "type": "a"}))
    }
    vec![
        ("add list", |cni, rt| cni.add_network_list(&list("1.0.0", &["a"]), rt).map(drop)),
        ("check list", |cni, rt| cni.check_network_list(&list("1.0.0", &["a"]), rt)),
        ("del list", |cni, rt| cni.del_network_list(&list("1.0.0", &["a"]), rt).map(drop)),
        ("result list", |cni, rt| cni.get_network_list_cached_result(&list("1.0.0", &["a"]), rt).map(drop)),
        ("config list", |cni, rt| cni.get_network_list_cached_config(&list("1.0.0", &["a"]), rt).map(drop)),
        ("add", |cni, rt| cni.add_network(&single(), rt).map(drop)),
        ("check", |cni, rt| cni.check_network(&single(), rt)),
        ("del", |cni, rt| cni.del_network(&single(), rt).map(drop)),
        ("result", |cni, rt| cni.get_network_cached_result(&single(), rt).map(drop)),
        ("config", |cni, rt| cni.get_network_cached_config(&single(), rt).map(drop)),
    ]
}

#[test]
fn bad_names_of_containers_and_interfaces_reach_no_plugin_and_no_file() {
    let lab = Lab::new(&["a"]);
    for (what, operation) in operations() {
        for bad in ["", "../x", "a/b", "-a", "a b"] {
            let error = operation(&lab.cni(), &RuntimeConf { container_id: bad.to_owned(), ..rt("") }).unwrap_err();
            assert!(
                matches!(&error, Error::Name(name) if name.kind == NameKind::ContainerId),
                "{what} {bad:?}: {error}"
            );
        }
        for bad in ["", "..", "a/b", "sixteen-bytes-ab", "a:b"] {
            let error = operation(&lab.cni(), &RuntimeConf { if_name: bad.to_owned(), ..rt("one") }).unwrap_err();
            assert!(
                matches!(&error, Error::Name(name) if name.kind == NameKind::InterfaceName),
                "{what} {bad:?}: {error}"
            );
        }
    }
    assert!(lab.ran().is_empty());
    assert!(!lab.path("cache").exists());
}

#[test]
fn bad_names_of_networks_are_refused_also_in_lists_that_the_caller_made() {
    let lab = Lab::new(&["a"]);
    let mut list = list("1.1.0", &["a"]);
    list.name = "../blue".to_owned();
    let cni = lab.cni();
    let refused = [
        cni.add_network_list(&list, &rt("one")).map(drop),
        cni.check_network_list(&list, &rt("one")),
        cni.del_network_list(&list, &rt("one")).map(drop),
        cni.get_network_list_cached_result(&list, &rt("one")).map(drop),
        cni.get_network_list_cached_config(&list, &rt("one")).map(drop),
        cni.gc_network_list(&list, &GcArgs::DeleteAll).map(drop),
        cni.get_status_network_list(&list),
        cni.validate_network_list(&list).map(drop),
    ];
    for error in refused.map(Result::unwrap_err) {
        assert!(matches!(&error, Error::Name(name) if name.kind == NameKind::NetworkName), "{error}");
    }
    assert!(lab.ran().is_empty());
}

#[test]
fn a_single_plugin_needs_a_name_and_a_known_version() {
    let lab = Lab::new(&["a"]);
    let cni = lab.cni();
    for (conf, expected) in [
        (json!({"type": "a"}), "has no name"),
        (json!({"type": "a", "name": "a/b"}), "invalid network name"),
        (json!({"type": "a", "name": "blue", "cniVersion": "3.0.0"}), "3.0.0"),
        (json!({"type": "a", "name": "blue", "cniVersion": 1}), "cniVersion"),
    ] {
        let net = single_of(&conf);
        let refused = [
            cni.add_network(&net, &rt("one")).map(drop),
            cni.check_network(&net, &rt("one")),
            cni.del_network(&net, &rt("one")).map(drop),
            cni.get_network_cached_result(&net, &rt("one")).map(drop),
            cni.get_network_cached_config(&net, &rt("one")).map(drop),
            cni.validate_network(&net).map(drop),
        ];
        for error in refused.map(Result::unwrap_err) {
            assert!(error.to_string().contains(expected), "{conf}: {error}");
        }
    }
    assert!(lab.ran().is_empty());
}

#[test]
fn args_that_plugins_would_read_differently_are_refused() {
    let lab = Lab::new(&["a"]);
    let args = vec![("IP".to_owned(), "10.0.0.2;MAC=1".to_owned())];
    let conf = RuntimeConf { args, ..rt("one") };
    let cni = lab.cni();
    let error = cni.add_network_list(&list("1.0.0", &["a"]), &conf).unwrap_err();
    assert!(matches!(&error, Error::Args(pair) if pair.key == "IP"), "{error}");
    let error = cni.del_network_list(&list("1.0.0", &["a"]), &conf).unwrap_err();
    assert!(matches!(error, Error::Args(_)), "{error}");
    assert!(lab.ran().is_empty());
    assert_eq!(lab.remembered(), 0);
}

#[test]
fn a_missing_plugin_fails_add_before_the_first_one_runs() {
    let lab = Lab::new(&["a"]);
    let error = lab.cni().add_network_list(&list("1.0.0", &["a", "nowhere"]), &rt("one")).unwrap_err();
    let Error::Plugin { plugin_type, command: Command::Add, source: ExecError::NotFound { paths } } = &error else {
        panic!("{error}");
    };
    assert_eq!((plugin_type.as_str(), paths.as_slice()), ("nowhere", [lab.path("bin")].as_slice()));
    assert!(error.to_string().contains("nowhere"), "{error}");
    assert!(lab.ran().is_empty());
    assert_eq!(lab.remembered(), 0);
}

#[test]
fn a_network_without_plugins_cannot_be_added_and_can_be_deleted() {
    let lab = Lab::new(&[]);
    let error = lab.cni().add_network_list(&list("1.0.0", &[]), &rt("one")).unwrap_err();
    assert!(matches!(&error, Error::Config(ConfigError::NoPlugins { name }) if name == "blue"), "{error}");
    assert!(lab.cni().del_network_list(&list("1.0.0", &[]), &rt("one")).unwrap().damaged.is_empty());
    assert_eq!(lab.remembered(), 0);
}
