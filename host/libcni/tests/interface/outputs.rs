//! What plugins may answer, and what is made of it when they may not.

use libcni::{Cni, Error, ExecError};

use crate::lab::{Lab, list, rt};

fn add(answer: &str) -> (Lab, ExecError) {
    let lab = Lab::new(&["a"]);
    lab.answer("a", "ADD", answer);
    match lab.cni().add_network_list(&list("1.0.0", &["a"]), &rt("one")).unwrap_err() {
        Error::Plugin { source, .. } => (lab, source),
        other => panic!("{other}"),
    }
}

#[test]
fn success_without_a_result_is_a_failure_and_is_taken_back() {
    for (answer, words) in [
        ("exit 0", "without a result"),
        ("echo; echo", "without a result"),
        ("echo null", "an object"),
        ("echo '[]'", "an object"),
        ("echo 1", "an object"),
        ("echo this is no JSON", "this is no JSON"),
        ("echo '{\"cniVersion\":\"1.0.0\"'", "not valid JSON"),
        ("echo '{}{}'", "not valid JSON"),
        ("echo '{\"cniVersion\":\"9.0.0\"}'", "9.0.0"),
        ("echo '{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"x\"}]}'", "ips[0].address"),
        ("printf '\\377'", "no valid answer"),
    ] {
        let (lab, error) = add(answer);
        assert!(matches!(error, ExecError::BadOutput { .. }), "{answer}: {error}");
        assert!(error.to_string().contains(words), "{answer}: {error}");
        assert_eq!((lab.ran(), lab.remembered()), (vec!["a ADD".into(), "a DEL".into()], 0), "{answer}");
    }
}

#[test]
fn a_failure_tells_the_plugins_error_or_all_that_there_is() {
    for (answer, expected) in [
        ("echo '{\"code\":11,\"msg\":\"busy\",\"details\":\"very\"}'; exit 1", "busy; very (code 11)"),
        ("echo '{\"CODE\":11,\"Msg\":\"busy\"}'; exit 1", "busy (code 11)"),
        // As plugins do that find out after their work that it was in vain.
        ("echo '{\"cniVersion\":\"1.0.0\"}'; echo '{\"code\":8,\"msg\":\"same\"}'; exit 1", "same (code 8)"),
    ] {
        let (_, error) = add(answer);
        assert!(matches!(&error, ExecError::Plugin(_)), "{answer}: {error}");
        assert_eq!(error.to_string(), expected);
    }
    for (answer, words) in [
        ("echo broken >&2; exit 7", ["exit status 7", "broken"]),
        ("echo out; exit 7", ["exit status 7", "out"]),
        ("kill -9 $$", ["signal 9", ""]),
        ("echo '{\"msg\":\"no code\"}'; exit 1", ["exit status 1", "no code"]),
        ("echo null; exit 1", ["exit status 1", "null"]),
    ] {
        let (_, error) = add(answer);
        assert!(matches!(&error, ExecError::Failed { .. }), "{answer}: {error}");
        assert!(words.iter().all(|words| error.to_string().contains(words)), "{answer}: {error}");
    }
}

#[test]
fn output_without_end_is_stopped() {
    let (lab, error) = add("exec yes");
    assert!(matches!(error, ExecError::TooMuchOutput { .. }), "{error}");
    assert_eq!(lab.ran(), ["a ADD", "a DEL"]);
}

#[test]
fn long_words_are_shortened_in_errors() {
    let (_, error) = add("yes | head -c 100000; exit 1");
    assert!(error.to_string().len() < 2000, "{}", error.to_string().len());
}

#[test]
fn what_plugins_print_on_success_of_other_commands_is_of_no_importance() {
    let lab = Lab::new(&["a"]);
    for command in ["CHECK", "DEL", "GC", "STATUS"] {
        lab.answer("a", command, "echo no JSON at all");
    }
    let (cni, list) = (lab.cni(), list("1.1.0", &["a"]));
    cni.add_network_list(&list, &rt("one")).unwrap();
    cni.check_network_list(&list, &rt("one")).unwrap();
    cni.get_status_network_list(&list).unwrap();
    let _ = cni.del_network_list(&list, &rt("one")).unwrap();
    let _ = cni.gc_network_list(&list, &libcni::GcArgs::DeleteAll).unwrap();
    assert_eq!(lab.ran().len(), 5);
}
