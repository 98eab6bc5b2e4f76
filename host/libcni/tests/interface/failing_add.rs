//! ADD that fails: what had been done is taken back, and both errors are told.

use libcni::{Cni, Command, Error};
use serde_json::json;

use crate::lab::{Lab, list, rt, single_of};

#[test]
fn what_ran_is_deleted_in_reverse_with_the_last_result_and_nothing_is_remembered() {
    let lab = Lab::new(&["a", "b", "c", "d"]);
    lab.fail("c", "ADD", 11, "later");
    let error = lab.cni().add_network_list(&list("1.0.0", &["a", "b", "c", "d"]), &rt("one")).unwrap_err();
    assert_eq!(error.plugin_error().map(|error| error.code), Some(11));
    assert_eq!(error.to_string(), "plugin c (ADD): later (code 11)");
    let runs = lab.runs();
    let ran: Vec<_> = runs.iter().map(|run| run.what.as_str()).collect();
    assert_eq!(ran, ["a ADD", "b ADD", "c ADD", "c DEL", "b DEL", "a DEL"]);
    for run in &runs[3..] {
        assert_eq!(run.config()["prevResult"], json!({"cniVersion": "1.0.0", "interfaces": [{"name": "b"}]}));
    }
    assert_eq!(lab.remembered(), 0);
}

#[test]
fn a_single_plugin_is_deleted_too_and_old_versions_get_no_result() {
    let lab = Lab::new(&["a", "b"]);
    lab.fail("a", "ADD", 7, "no");
    let net = single_of(&json!({"cniVersion": "1.0.0", "name": "red", "type": "a"}));
    let error = lab.cni().add_network(&net, &rt("one")).unwrap_err();
    assert!(matches!(&error, Error::Plugin { command: Command::Add, .. }), "{error}");
    assert_eq!(lab.ran(), ["a ADD", "a DEL"]);

    lab.answer("b", "ADD", "echo '{\"cniVersion\":\"0.3.1\"}'");
    lab.cni().add_network_list(&list("0.3.1", &["b", "a"]), &rt("one")).unwrap_err();
    let runs = lab.runs();
    assert_eq!((runs.len(), runs[2].config().get("prevResult")), (4, None));
}

#[test]
fn where_deleting_fails_too_both_are_told_and_the_attachment_is_remembered_for_later() {
    let lab = Lab::new(&["a", "b"]);
    lab.fail("b", "ADD", 101, "first");
    lab.fail("b", "DEL", 102, "second");
    lab.fail("a", "DEL", 103, "third");
    let (cni, list) = (lab.cni(), list("1.0.0", &["a", "b"]));
    let error = cni.add_network_list(&list, &rt("one")).unwrap_err();
    let Error::CleanupFailed { cause, cleanup } = &error else { panic!("{error}") };
    let codes: Vec<_> = cleanup.iter().map(|error| error.plugin_error().unwrap().code).collect();
    assert_eq!((cause.plugin_error().unwrap().code, codes), (101, vec![102, 103]));
    assert_eq!(error.plugin_error().unwrap().code, 101);
    assert!(["first", "second", "third"].iter().all(|words| error.to_string().contains(words)), "{error}");
    assert_eq!(lab.ran(), ["a ADD", "b ADD", "b DEL", "a DEL"]);
    let attachments = cni.get_cached_attachments(None).unwrap().attachments;
    assert_eq!((attachments.len(), attachments[0].container_id.as_str()), (1, "one"));
    assert_eq!(cni.get_network_list_cached_result(&list, &rt("one")).unwrap(), None);

    lab.recover("b", "DEL");
    lab.recover("a", "DEL");
    let collected = cni.gc_network_list(&list, &libcni::GcArgs::ValidAttachments(Vec::new())).unwrap();
    assert_eq!((collected.deleted.len(), lab.ran(), lab.remembered()), (1, vec!["b DEL".into(), "a DEL".into()], 0));
}

#[test]
fn a_caller_can_keep_what_had_been_done_and_delete_it_later() {
    let lab = Lab::new(&["a", "b"]);
    lab.fail("b", "ADD", 7, "no");
    let (cni, list) = (lab.cni().keep_on_failed_add(true), list("1.0.0", &["a", "b"]));
    cni.add_network_list(&list, &rt("one")).unwrap_err();
    assert_eq!((lab.ran(), lab.remembered()), (vec!["a ADD".to_owned(), "b ADD".to_owned()], 1));
    let _ = cni.del_network_list(&list, &rt("one")).unwrap();
    assert_eq!((lab.ran(), lab.remembered()), (vec!["b DEL".to_owned(), "a DEL".to_owned()], 0));
}

#[test]
fn a_failed_add_can_be_tried_again() {
    let lab = Lab::new(&["a"]);
    for keep in [false, true] {
        lab.fail("a", "ADD", 11, "later");
        let cni = lab.cni().keep_on_failed_add(keep);
        cni.add_network_list(&list("1.0.0", &["a"]), &rt("one")).unwrap_err();
        lab.recover("a", "ADD");
        cni.add_network_list(&list("1.0.0", &["a"]), &rt("one")).unwrap();
        let _ = cni.del_network_list(&list("1.0.0", &["a"]), &rt("one")).unwrap();
    }
}

#[test]
fn a_cache_that_cannot_be_written_fails_add_before_and_after_the_plugins() {
    let lab = Lab::new(&["a"]);
    std::fs::write(lab.path("cache"), "a file").unwrap();
    let error = lab.cni().add_network_list(&list("1.0.0", &["a"]), &rt("one")).unwrap_err();
    assert!(matches!(error, Error::Cache(_)), "{error}");
    assert!(lab.ran().is_empty());

    std::fs::remove_file(lab.path("cache")).unwrap();
    lab.answer("a", "ADD", "rm -r \"$lab/cache\"; touch \"$lab/cache\"; echo '{\"cniVersion\":\"1.0.0\"}'");
    let error = lab.cni().add_network_list(&list("1.0.0", &["a"]), &rt("one")).unwrap_err();
    let written = |error: &Error| matches!(error, Error::Cache(_));
    let is_told = match &error {
        Error::CleanupFailed { cause, .. } => written(cause),
        other => written(other),
    };
    assert!(is_told, "{error}");
    assert_eq!(lab.ran(), ["a ADD", "a DEL"]);
}
