//! Time and cancellation.

use std::time::{Duration, Instant};

use libcni::{Cancellation, Cni, Error};

use crate::lab::{Lab, list, rt};

const SOON: Duration = Duration::from_millis(400);
/// For plugins that do not hang, on a machine that has much else to do.
const ENOUGH: Duration = Duration::from_secs(10);
/// Far beyond what anything below takes, and far below what the plugins would.
const LATE: Duration = Duration::from_secs(60);

/// A plugin that hangs with a child of its own.
const HANG: &str = "sleep 1000 & echo $! >\"$lab/child\"; wait";

fn assert_child_is_gone(lab: &Lab) {
    let child = std::fs::read_to_string(lab.path("child")).unwrap();
    let has_ended = |stat: std::io::Result<String>| stat.map_or(true, |stat| stat.contains(") Z "));
    for _ in 0..200 {
        if has_ended(std::fs::read_to_string(format!("/proc/{}/stat", child.trim()))) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("process {child} survived");
}

#[test]
fn a_plugin_that_takes_too_long_is_killed_with_its_children_and_add_is_taken_back() {
    let lab = Lab::new(&["a", "b"]);
    lab.answer("b", "ADD", HANG);
    let started = Instant::now();
    let cni = lab.cni().with_plugin_timeout(ENOUGH);
    let error = cni.add_network_list(&list("1.0.0", &["a", "b"]), &rt("one")).unwrap_err();
    assert!(error.is_timeout() && !error.is_cancelled(), "{error}");
    assert!(started.elapsed() < LATE);
    assert_child_is_gone(&lab);
    assert_eq!(lab.ran(), ["a ADD", "b ADD", "b DEL", "a DEL"]);
    assert_eq!(lab.remembered(), 0);
}

#[test]
fn the_time_of_the_whole_is_shared_by_the_plugins_and_taking_back_has_its_own() {
    let lab = Lab::new(&["a", "b", "c"]);
    lab.answer("b", "ADD", HANG);
    let cni = lab.cni().with_timeout(ENOUGH);
    let error = cni.add_network_list(&list("1.0.0", &["a", "b", "c"]), &rt("one")).unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(lab.ran(), ["a ADD", "b ADD", "b DEL", "a DEL"]);
    assert_eq!(lab.remembered(), 0);
}

#[test]
fn without_any_time_nothing_runs() {
    let lab = Lab::new(&["a"]);
    let error = lab.cni().with_timeout(Duration::ZERO).get_status_network_list(&list("1.1.0", &["a"])).unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert!(lab.ran().is_empty());
}

#[test]
fn every_other_command_is_bounded_too() {
    let lab = Lab::new(&["a"]);
    let list = list("1.1.0", &["a"]);
    lab.cni().add_network_list(&list, &rt("one")).unwrap();
    for command in ["CHECK", "DEL", "GC", "STATUS", "VERSION"] {
        lab.answer("a", command, "exec sleep 1000");
    }
    let cni = lab.cni().with_plugin_timeout(SOON);
    let started = Instant::now();
    for (what, result) in [
        ("CHECK", cni.check_network_list(&list, &rt("one"))),
        ("DEL", cni.del_network_list(&list, &rt("one")).map(drop)),
        ("GC", cni.gc_network_list(&list, &libcni::GcArgs::DeleteAll).map(drop)),
        ("STATUS", cni.get_status_network_list(&list)),
        ("VERSION", cni.get_version_info("a").map(drop)),
        ("VERSION", cni.validate_network_list(&list).map(drop)),
    ] {
        let error = result.unwrap_err();
        assert!(error.is_timeout(), "{what}: {error}");
    }
    assert!(started.elapsed() < LATE);
    assert_eq!(lab.remembered(), 1);
}

#[test]
fn another_thread_cancels_and_add_is_taken_back_before_it_returns() {
    let lab = Lab::new(&["a", "b", "c"]);
    lab.answer("b", "ADD", HANG);
    let cancellation = Cancellation::new().unwrap();
    let cni = lab.cni().with_cancellation(cancellation.clone());
    let error = std::thread::scope(|scope| {
        let adding = scope.spawn(|| cni.add_network_list(&list("1.0.0", &["a", "b", "c"]), &rt("one")).unwrap_err());
        while !lab.path("child").exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(100));
        cancellation.cancel();
        adding.join().unwrap()
    });
    assert!(error.is_cancelled() && !error.is_timeout(), "{error}");
    assert_child_is_gone(&lab);
    assert_eq!(lab.ran(), ["a ADD", "b ADD", "b DEL", "a DEL"]);
    assert_eq!(lab.remembered(), 0);
}

#[test]
fn once_cancelled_no_plugin_is_run() {
    let lab = Lab::new(&["a"]);
    let list = list("1.1.0", &["a"]);
    lab.cni().add_network_list(&list, &rt("one")).unwrap();
    lab.runs();
    let cancellation = Cancellation::new().unwrap();
    cancellation.cancel();
    let cni = lab.cni().with_cancellation(cancellation);
    let results: [Result<(), Error>; 6] = [
        cni.add_network_list(&list, &rt("two")).map(drop),
        cni.check_network_list(&list, &rt("one")),
        cni.del_network_list(&list, &rt("one")).map(drop),
        cni.gc_network_list(&list, &libcni::GcArgs::DeleteAll).map(drop),
        cni.get_status_network_list(&list),
        cni.get_version_info("a").map(drop),
    ];
    for (index, result) in results.into_iter().enumerate() {
        let error = result.unwrap_err();
        assert!(error.is_cancelled(), "{index}: {error}");
    }
    assert!(lab.ran().is_empty());
    assert_eq!(lab.remembered(), 1);
}

#[test]
fn gc_as_a_whole_has_the_time_of_the_whole_and_says_once_that_it_is_over() {
    let lab = Lab::new(&["a"]);
    let list = list("1.1.0", &["a"]);
    for container in ["one", "two", "three"] {
        lab.cni().add_network_list(&list, &rt(container)).unwrap();
    }
    lab.runs();
    lab.answer("a", "DEL", "exec sleep 1000");
    let started = Instant::now();
    let error = lab.cni().with_timeout(SOON).gc_network_list(&list, &libcni::GcArgs::DeleteAll).unwrap_err();
    assert!(started.elapsed() < LATE && error.is_timeout(), "{error}");
    let Error::Gc { errors, collected } = &error else { panic!("{error}") };
    assert!(errors.len() <= 2 && collected.deleted.is_empty(), "{error}");
    assert!(lab.ran().iter().all(|what| what == "a DEL"));
    assert_eq!(lab.remembered(), 3);
}
