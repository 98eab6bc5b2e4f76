//! VERSION, and whether a network's plugins are there and of its version.

use libcni::{Cni, Command, Error, ExecError, VersionInfo};
use serde_json::json;

use crate::lab::{Lab, list, list_of, single_of};

fn info(lab: &Lab, answer: &str) -> Result<VersionInfo, Error> {
    lab.answer("a", "VERSION", answer);
    lab.cni().get_version_info("a")
}

#[test]
fn answers_of_all_ages_are_understood() {
    let lab = Lab::new(&["a"]);
    for (answer, version, supported) in [
        (
            "echo '{\"cniVersion\":\"1.1.0\",\"supportedVersions\":[\"1.0.0\",\"7.0.0\"]}'",
            "1.1.0",
            vec!["1.0.0", "7.0.0"],
        ),
        ("echo '{\"cniVersion\":\"0.2.0\"}'", "0.2.0", vec!["0.1.0", "0.2.0"]),
        ("echo '{\"code\":4,\"msg\":\"unknown CNI_COMMAND: VERSION\"}'; exit 1", "0.1.0", vec!["0.1.0"]),
    ] {
        let info = info(&lab, answer).unwrap();
        assert_eq!(
            (info.cni_version.as_str(), info.supported_versions),
            (version, supported.iter().map(ToString::to_string).collect())
        );
    }
}

#[test]
fn what_is_no_answer_is_an_error() {
    let lab = Lab::new(&["a"]);
    for (answer, words) in [
        ("", "no valid answer"),
        ("echo nonsense", "nonsense"),
        ("echo null", "an object"),
        ("echo '[]'", "no valid answer"),
        ("echo '{\"supportedVersions\":[\"1.0.0\"]}'", "cniVersion is missing"),
        ("echo '{\"cniVersion\":\"1.0.0\"}'", "supportedVersions is missing"),
        ("echo '{\"cniVersion\":\"1.0.0\",\"supportedVersions\":\"1.0.0\"}'", "supportedVersions"),
        ("echo '{\"code\":4,\"msg\":\"something else\"}'; exit 1", "something else"),
        ("exit 3", "exit status 3"),
    ] {
        let error = info(&lab, answer).unwrap_err();
        assert!(matches!(&error, Error::Plugin { plugin_type, command: Command::Version, .. } if plugin_type == "a"));
        assert!(error.to_string().contains(words), "{answer}: {error}");
    }
    let error = lab.cni().get_version_info("nowhere").unwrap_err();
    assert!(matches!(&error, Error::Plugin { source: ExecError::NotFound { .. }, .. }), "{error}");
    for bad in ["", "..", "../a", "/bin/true"] {
        let error = lab.cni().get_version_info(bad).unwrap_err();
        assert!(matches!(&error, Error::Plugin { source: ExecError::InvalidType(_), .. }), "{bad:?}: {error}");
    }
}

#[test]
fn a_valid_network_tells_the_capabilities_that_are_on() {
    let lab = Lab::new(&["a", "b"]);
    let list = list_of(&json!({"cniVersion": "1.0.0", "name": "blue", "plugins": [
        {"type": "a", "capabilities": {"mac": true, "ips": false}},
        {"type": "b", "capabilities": {"portMappings": true, "mac": true}},
        {"type": "a"},
    ]}));
    assert_eq!(lab.cni().validate_network_list(&list).unwrap(), ["mac", "portMappings"]);
    assert_eq!(lab.ran(), ["a VERSION", "b VERSION"]);
    let net = single_of(&json!({"cniVersion": "0.4.0", "name": "red", "type": "a", "capabilities": {"ips": true}}));
    assert_eq!(lab.cni().validate_network(&net).unwrap(), ["ips"]);
}

#[test]
fn plugins_that_are_missing_or_of_other_versions_are_told() {
    let lab = Lab::new(&["a", "b"]);
    lab.answer("b", "VERSION", "echo '{\"cniVersion\":\"0.4.0\",\"supportedVersions\":[\"0.3.1\",\"0.4.0\"]}'");
    let error = lab.cni().validate_network_list(&list("1.0.0", &["a", "b"])).unwrap_err();
    let Error::UnsupportedVersion { plugin_type, version, supported } = &error else { panic!("{error}") };
    assert_eq!((plugin_type.as_str(), version.as_str(), supported.len()), ("b", "1.0.0", 2));

    let error = lab.cni().validate_network_list(&list("1.0.0", &["b", "nowhere", "a"])).unwrap_err();
    let Error::Several(errors) = &error else { panic!("{error}") };
    assert_eq!(errors.len(), 2);
    assert!(error.to_string().contains("nowhere") && error.to_string().contains("0.3.1"), "{error}");

    let net = single_of(&json!({"cniVersion": "0.3.0", "name": "red", "type": "a"}));
    let error = lab.cni().validate_network(&net).unwrap_err();
    assert!(matches!(error, Error::UnsupportedVersion { .. }), "{error}");
}
