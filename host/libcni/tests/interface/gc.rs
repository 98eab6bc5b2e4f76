//! GC.

use libcni::cni_spec::Attachment;
use libcni::{Cni, Error, GcArgs, RuntimeConf};
use serde_json::json;

use crate::lab::{Lab, list, list_of, rt, single_of};

fn valid(pairs: &[(&str, &str)]) -> GcArgs {
    let attachment = |(container_id, interface_name): &(&str, &str)| Attachment {
        container_id: (*container_id).to_owned(),
        interface_name: (*interface_name).to_owned(),
    };
    GcArgs::ValidAttachments(pairs.iter().map(attachment).collect())
}

fn names(attachments: &[Attachment]) -> Vec<String> {
    attachments.iter().map(|one| format!("{} {}", one.container_id, one.interface_name)).collect()
}

#[test]
fn what_is_not_valid_is_deleted_with_what_add_was_told_and_what_lives_is_not_asked() {
    let lab = Lab::new(&["a", "b"]);
    let (cni, list) = (lab.cni(), list("1.1.0", &["a", "b"]));
    for container in ["one", "two", "three"] {
        cni.add_network_list(&list, &rt(container)).unwrap();
    }
    let args = vec![("K".to_owned(), "v".to_owned())];
    let second = RuntimeConf { if_name: "eth1".to_owned(), args, net_ns: "/other".to_owned(), ..rt("one") };
    cni.add_network_list(&list, &second).unwrap();
    lab.runs();
    let collected =
        cni.gc_network_list(&list, &valid(&[("one", "eth0"), ("three", "eth0"), ("unknown", "x")])).unwrap();
    assert_eq!(names(&collected.deleted), ["one eth1", "two eth0"]);
    let runs = lab.runs();
    let seen: Vec<_> = runs.iter().map(|run| format!("{} {}", run.what, run.environment["CNI_CONTAINERID"])).collect();
    assert_eq!(seen, ["b DEL one", "a DEL one", "b DEL two", "a DEL two", "a GC ", "b GC "]);
    let environment = &runs[0].environment;
    assert_eq!((environment["CNI_ARGS"].as_str(), environment["CNI_NETNS"].as_str()), ("K=v", "/other"));
    assert!(runs[..4].iter().all(|run| run.config().get("prevResult").is_some()));
    assert_eq!(lab.remembered(), 2);
}

#[test]
fn nothing_valid_and_delete_all_delete_everything_of_this_network_alone() {
    for args in [valid(&[]), GcArgs::DeleteAll] {
        let lab = Lab::new(&["a"]);
        let cni = lab.cni();
        let red = list_of(&json!({"cniVersion": "1.1.0", "name": "red", "plugins": [{"type": "a"}]}));
        cni.add_network_list(&list("1.1.0", &["a"]), &rt("one")).unwrap();
        cni.add_network_list(&list("1.1.0", &["a"]), &rt("two")).unwrap();
        cni.add_network_list(&red, &rt("one")).unwrap();
        lab.runs();
        let collected = cni.gc_network_list(&list("1.1.0", &["a"]), &args).unwrap();
        assert_eq!(names(&collected.deleted), ["one eth0", "two eth0"]);
        let runs = lab.runs();
        assert_eq!(runs.len(), 3);
        assert_eq!(runs[2].config()["cni.dev/valid-attachments"], json!([]));
        assert!(lab.path("cache/results/red-one-eth0").exists());
        assert_eq!(lab.remembered(), 1);
    }
}

#[test]
fn names_that_run_together_in_a_files_name_are_told_apart() {
    let lab = Lab::new(&["a"]);
    let cni = lab.cni();
    let named = |name: &str| list_of(&json!({"cniVersion": "1.0.0", "name": name, "plugins": [{"type": "a"}]}));
    cni.add_network_list(&named("x"), &rt("y-z")).unwrap();
    lab.runs();
    let collected = cni.gc_network_list(&named("x-y"), &GcArgs::DeleteAll).unwrap();
    assert!(collected.deleted.is_empty() && lab.ran().is_empty());
    assert_eq!(lab.remembered(), 1);
}

#[test]
fn before_1_1_0_plugins_have_no_gc_but_attachments_are_deleted() {
    let lab = Lab::new(&["a"]);
    let (cni, list) = (lab.cni(), list("1.0.0", &["a"]));
    cni.add_network_list(&list, &rt("one")).unwrap();
    lab.runs();
    assert_eq!(cni.gc_network_list(&list, &GcArgs::DeleteAll).unwrap().deleted.len(), 1);
    assert_eq!(lab.ran(), ["a DEL"]);
}

#[test]
fn disable_gc_does_nothing_at_all() {
    let lab = Lab::new(&["a"]);
    let cni = lab.cni();
    let list = list_of(&json!({"cniVersion": "1.1.0", "name": "blue", "disableGC": true, "plugins": [{"type": "a"}]}));
    cni.add_network_list(&list, &rt("one")).unwrap();
    lab.runs();
    let collected = cni.gc_network_list(&list, &GcArgs::DeleteAll).unwrap();
    assert!(collected.deleted.is_empty() && lab.ran().is_empty());
    assert_eq!(lab.remembered(), 1);
}

#[test]
fn the_configuration_that_add_used_is_used_also_where_the_network_has_changed() {
    let lab = Lab::new(&["a", "b"]);
    let cni = lab.cni();
    cni.add_network_list(&list("1.1.0", &["a", "b"]), &rt("one")).unwrap();
    let single = single_of(&json!({"cniVersion": "1.0.0", "name": "blue", "type": "b"}));
    cni.add_network(&single, &rt("two")).unwrap();
    lab.runs();
    let _ = cni.gc_network_list(&list("1.1.0", &["a"]), &GcArgs::DeleteAll).unwrap();
    assert_eq!(lab.ran(), ["b DEL", "a DEL", "b DEL", "a GC"]);
}

#[test]
fn errors_stop_nothing_and_all_are_told() {
    let lab = Lab::new(&["a", "b"]);
    let (cni, list) = (lab.cni(), list("1.1.0", &["a", "b"]));
    for container in ["one", "two"] {
        cni.add_network_list(&list, &rt(container)).unwrap();
    }
    lab.runs();
    lab.answer("b", "DEL", "[ $CNI_CONTAINERID = two ] || { echo '{\"code\":101,\"msg\":\"no\"}'; exit 1; }");
    lab.fail("a", "GC", 102, "no");
    lab.fail("b", "GC", 103, "no");
    let error = cni.gc_network_list(&list, &GcArgs::DeleteAll).unwrap_err();
    let Error::Gc { errors, collected } = &error else { panic!("{error}") };
    let codes: Vec<_> = errors.iter().map(|error| error.plugin_error().unwrap().code).collect();
    assert_eq!((codes, names(&collected.deleted)), (vec![101, 102, 103], vec!["two eth0".to_owned()]));
    assert!(matches!(&errors[0], Error::Attachment { container_id, .. } if container_id == "one"), "{error}");
    assert!(error.to_string().contains("container one"), "{error}");
    assert_eq!(lab.ran(), ["b DEL", "b DEL", "a DEL", "a GC", "b GC"]);
    assert_eq!(lab.remembered(), 1);
}

#[test]
fn damaged_entries_are_told_and_left_alone() {
    let lab = Lab::new(&["a"]);
    let (cni, list) = (lab.cni(), list("1.1.0", &["a"]));
    cni.add_network_list(&list, &rt("one")).unwrap();
    let damaged = lab.path("cache/results/blue-two-eth0");
    std::fs::write(&damaged, "").unwrap();
    lab.runs();
    let collected = cni.gc_network_list(&list, &GcArgs::DeleteAll).unwrap();
    assert_eq!(names(&collected.deleted), ["one eth0"]);
    assert_eq!(collected.damaged.iter().map(|entry| &entry.path).collect::<Vec<_>>(), [&damaged]);
    assert!(damaged.exists());
}
