#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::super::CacheEntry;
use super::*;

fn cache() -> (TempDir, Cache) {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::new(directory.path().join("lib/cni"));
    (directory, cache)
}

#[test]
fn gc_has_the_network_for_itself() {
    let (_directory, cache) = cache();
    let (never, short) = (&|| false, Duration::from_millis(30));
    let one = cache.lock("net", LockMode::Shared, short, never).unwrap();
    let two = cache.lock("net", LockMode::Shared, short, never).unwrap();
    let error = cache.lock("net", LockMode::Exclusive, short, never).unwrap_err();
    assert!(matches!(&error, CacheError::Locked { waited, .. } if *waited >= short), "{error}");
    assert!(matches!(
        cache.lock("net", LockMode::Exclusive, Duration::from_secs(60), &|| true).unwrap_err(),
        CacheError::Cancelled { .. }
    ));
    // Another network is not concerned, whatever its name.
    drop(cache.lock("net.gc", LockMode::Exclusive, short, never).unwrap());
    drop((one, two));
    let gc = cache.lock("net", LockMode::Exclusive, short, never).unwrap();
    assert!(matches!(cache.lock("net", LockMode::Shared, short, never).unwrap_err(), CacheError::Locked { .. }));
    assert!(matches!(cache.lock("net", LockMode::Exclusive, short, never).unwrap_err(), CacheError::Locked { .. }));
    drop(gc);
    drop(cache.lock("net", LockMode::Shared, short, never).unwrap());
    assert!(matches!(cache.lock("..", LockMode::Shared, short, never).unwrap_err(), CacheError::Name { .. }));
    // Beside the entries, which Go's reader takes all files for.
    assert!(!cache.results().exists());
}

#[test]
fn gc_comes_in_although_there_is_always_an_add() {
    let (_directory, cache) = cache();
    let (never, long) = (&|| false, Duration::from_secs(60));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let (cache, done) = (&cache, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let _lock = cache.lock("net", LockMode::Shared, long, &|| false).unwrap();
                    std::thread::sleep(Duration::from_millis(40));
                }
            });
        }
        std::thread::sleep(Duration::from_millis(100));
        let start = Instant::now();
        let gc = cache.lock("net", LockMode::Exclusive, long, never);
        done.store(true, Ordering::Relaxed);
        assert!(gc.is_ok() && start.elapsed() < Duration::from_secs(30), "{gc:?} after {:?}", start.elapsed());
    });
}

#[test]
fn a_lock_that_cannot_be_had_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), "").unwrap();
    let cache = Cache::new(directory.path().join("file"));
    let entry =
        CacheEntry { network: "net".into(), container_id: "c1".into(), if_name: "eth0".into(), ..Default::default() };
    let error = cache.lock("net", LockMode::Shared, Duration::ZERO, &|| false).unwrap_err();
    assert!(matches!(error, CacheError::Io { .. }), "{error}");
    assert!(matches!(cache.write(&entry).unwrap_err(), CacheError::Io { .. }));
    // Nothing can be remembered there, so nothing is.
    assert!(matches!(cache.read("net", "c1", "eth0").unwrap_err(), CacheError::Damaged(_)));
}
