//! Opening, telling apart and entering network namespaces.

use std::path::Path;

use libtest_mimic::Trial;
use weir_native::ErrorKind;
use weir_native::netns::Netns;

use super::support::test;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("a_path_that_is_not_there_is_not_found", |_| missing_path()),
        test("what_is_no_network_namespace_is_refused_without_waiting", |_| foreign_files()),
        test("handles_of_one_namespace_are_the_same_and_of_two_are_not", identity),
        test("work_happens_inside_and_the_thread_comes_back", inside_and_back),
        test("the_thread_comes_back_from_a_panic", back_from_panic),
        test("entries_nest", nested),
        test("a_new_namespace_leaves_the_thread_where_it_is", |_| creation_stays()),
        test("handles_work_from_other_threads", other_threads),
    ]
}

/// Inode of the namespace that the calling thread is in, seen from outside the code under test.
fn where_am_i() -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/thread-self/ns/net").unwrap().ino()
}

fn missing_path() {
    let error = Netns::open(Path::new("/run/netns/surely-not-there")).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.message.contains("/run/netns/surely-not-there"), "{error}");
    assert_eq!(Netns::open(Path::new("/dev/null/x")).unwrap_err().kind, ErrorKind::NotFound);
}

fn foreign_files() {
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("plain");
    std::fs::write(&plain, "").unwrap();
    let fifo = directory.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for path in [plain.as_path(), &fifo, directory.path(), Path::new("/proc/self/ns/uts"), Path::new("/proc/self/maps")]
    {
        let error = Netns::open(path).expect_err("this is no network namespace");
        assert_eq!(error.kind, ErrorKind::Invalid, "{path:?}: {error}");
    }
}

fn identity(namespace: &Netns) {
    let again = namespace.enter(Netns::current).unwrap().unwrap();
    assert!(namespace.is_same(&again));
    assert!(!namespace.is_same(&Netns::current().unwrap()));
    assert_eq!(namespace.identity().inode, namespace.enter(where_am_i).unwrap());
}

fn inside_and_back(namespace: &Netns) {
    let outside = where_am_i();
    let inside = namespace.enter(where_am_i).unwrap();
    assert_eq!(inside, namespace.identity().inode);
    assert_ne!(inside, outside);
    assert_eq!(where_am_i(), outside);
}

fn back_from_panic(namespace: &Netns) {
    let outside = where_am_i();
    std::panic::set_hook(Box::new(|_| {}));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| namespace.enter(|| panic!("on purpose"))));
    drop(std::panic::take_hook());
    assert!(result.is_err());
    assert_eq!(where_am_i(), outside);
    assert_eq!(namespace.enter(where_am_i).unwrap(), namespace.identity().inode);
}

fn nested(outer: &Netns) {
    let outside = where_am_i();
    let inner = Netns::create().unwrap();
    let seen = outer
        .enter(|| {
            let there = inner.enter(|| (where_am_i(), outer.enter(where_am_i).unwrap(), where_am_i())).unwrap();
            (there, where_am_i())
        })
        .unwrap();
    let (outer_inode, inner_inode) = (outer.identity().inode, inner.identity().inode);
    assert_eq!(seen, ((inner_inode, outer_inode, inner_inode), outer_inode));
    assert_eq!(where_am_i(), outside);
}

fn creation_stays() {
    let outside = where_am_i();
    let made = Netns::create().unwrap();
    assert_eq!(where_am_i(), outside);
    assert_ne!(made.identity().inode, outside);
}

fn other_threads(namespace: &Netns) {
    let expected = namespace.identity().inode;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let outside = where_am_i();
                for _ in 0..50 {
                    assert_eq!(namespace.enter(where_am_i).unwrap(), expected);
                    assert_eq!(weir_native::link::list(namespace).unwrap().len(), 1);
                    assert_eq!(where_am_i(), outside);
                }
            });
        }
    });
}
