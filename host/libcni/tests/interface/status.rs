//! STATUS.

use libcni::{Cni, Error, ExecError};

use crate::lab::{Lab, list};

#[test]
fn every_plugin_is_asked_and_the_first_error_is_returned() {
    let lab = Lab::new(&["a", "b", "c"]);
    let (cni, list) = (lab.cni(), list("1.1.0", &["a", "b", "c"]));
    cni.get_status_network_list(&list).unwrap();
    assert_eq!(lab.ran(), ["a STATUS", "b STATUS", "c STATUS"]);
    lab.fail("b", "STATUS", 50, "not ready");
    let error = cni.get_status_network_list(&list).unwrap_err();
    assert_eq!(error.plugin_error().map(|error| (error.code, error.msg.as_str())), Some((50, "not ready")));
    assert_eq!(lab.ran(), ["a STATUS", "b STATUS"]);
}

#[test]
fn before_1_1_0_it_is_success_without_a_run() {
    let lab = Lab::new(&[]);
    for version in ["0.1.0", "0.4.0", "1.0.0"] {
        lab.cni().get_status_network_list(&list(version, &["not there"])).unwrap();
    }
    let error = lab.cni().get_status_network_list(&list("1.1.0", &["not there"])).unwrap_err();
    assert!(matches!(&error, Error::Plugin { source: ExecError::NotFound { .. }, .. }), "{error}");
}
