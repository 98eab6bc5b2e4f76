//! What is trusted, and what is refused for which reason.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::{Value, json};

use super::*;

const ENGINE: &str = "engine-1";

/// A directory with a registry.
struct Installed {
    _directory: tempfile::TempDir,
    registry: Registry,
}

fn installed() -> Installed {
    let directory = tempfile::tempdir().unwrap();
    let registry = Registry::new(directory.path());
    for path in [registry.plugins_dir(), registry.root().join("compiled")] {
        std::fs::create_dir_all(path).unwrap();
    }
    Installed { _directory: directory, registry }
}

fn write(path: &Path, content: &[u8], mode: u32) {
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn manifest() -> Value {
    json!({
        "manifestVersion": 1, "name": "bridge", "description": "d", "version": "1.0", "cniVersions": ["1.0.0", "1.1.0"],
        "needs": [{"interface": "links", "reason": "r"}, {"interface": "log", "reason": "r"}],
    })
}

fn entry() -> Value {
    json!({
        "entryVersion": 1, "name": "bridge", "component": "00", "manifest": manifest(), "imports": ["links", "log"],
        "wasi": false, "grants": {"interfaces": ["links", "log"]},
    })
}

/// `document` with one key set.
fn with(mut document: Value, key: &str, value: Value) -> Value {
    document[key] = value;
    document
}

fn parse_manifest(document: &Value) -> Result<Manifest, String> {
    Manifest::parse(document.to_string().as_bytes())
}

fn parse_entry(document: &Value) -> Result<Entry, String> {
    Entry::parse(document.to_string().as_bytes())
}

#[test]
fn a_file_that_only_its_owner_may_write_is_trusted() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for mode in [0o400, 0o600, 0o644, 0o755] {
        write(file.path(), b"code", mode);
        let verified = VerifiedFile::open(file.path()).unwrap();
        assert_eq!(verified.read().unwrap(), b"code");
        assert_eq!(std::fs::read(verified.handle_path()).unwrap(), b"code");
        std::fs::set_permissions(file.path(), Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn a_file_that_others_may_write_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for mode in [0o620, 0o602, 0o666] {
        write(file.path(), b"code", mode);
        let error = VerifiedFile::open(file.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("mode {mode:04o} lets others write it")), "{error}");
    }
}

#[test]
fn a_file_of_another_user_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    if std::os::unix::fs::chown(file.path(), Some(12345), None).is_err() {
        println!("skipped: only root may give files away");
        return;
    }
    let error = VerifiedFile::open(file.path()).unwrap_err().to_string();
    assert!(error.contains("belongs to user 12345"), "{error}");
}

#[test]
fn links_directories_and_pipes_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    write(&path("target"), b"code", 0o600);
    symlink(path("target"), path("link")).unwrap();
    assert!(matches!(VerifiedFile::open(&path("link")), Err(RegistryError::Io { doing: "open", .. })));
    rustix::fs::mknodat(rustix::fs::CWD, path("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    for odd in [directory.path().to_owned(), path("pipe")] {
        let error = VerifiedFile::open(&odd).unwrap_err().to_string();
        assert!(error.contains("not a regular file"), "{error}");
    }
}

#[test]
fn content_must_have_its_digest() {
    let file = tempfile::NamedTempFile::new().unwrap();
    write(file.path(), b"code", 0o600);
    let verified = VerifiedFile::open(file.path()).unwrap();
    verified.verify_digest(blake3::hash(b"code").to_hex().as_str()).unwrap();
    for wrong in [blake3::hash(b"other").to_hex().as_str(), "", "code"] {
        assert!(verified.verify_digest(wrong).unwrap_err().to_string().contains("digest differs"));
    }
}

#[test]
fn a_name_that_is_swapped_after_the_check_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("code");
    write(&path, b"good", 0o600);
    let verified = VerifiedFile::open(&path).unwrap();
    write(&directory.path().join("new"), b"evil", 0o600);
    std::fs::rename(directory.path().join("new"), &path).unwrap();
    assert_eq!(std::fs::read(verified.handle_path()).unwrap(), b"good");
}

#[test]
fn an_entry_is_found_by_name_and_a_missing_one_says_how_to_install_it() {
    let Installed { registry, .. } = &installed();
    assert_eq!(registry.names().unwrap(), Vec::<String>::new());
    let error = registry.entry("bridge").unwrap_err();
    assert!(
        matches!(error, RegistryError::NotInstalled { .. }) && error.to_string().contains("weir install"),
        "{error}"
    );
    write(&registry.entry_path("bridge"), entry().to_string().as_bytes(), 0o644);
    assert_eq!(registry.entry("bridge").unwrap().name, "bridge");
    assert_eq!(registry.names().unwrap(), ["bridge"]);
}

#[test]
fn entries_that_others_may_write_or_that_do_not_parse_are_refused() {
    let Installed { registry, .. } = &installed();
    let path = registry.entry_path("bridge");
    write(&path, entry().to_string().as_bytes(), 0o666);
    assert!(matches!(registry.entry("bridge"), Err(RegistryError::NotTrusted { .. })));
    write(&path, b"{", 0o644);
    assert!(matches!(registry.entry("bridge"), Err(RegistryError::Damaged { .. })));
}

#[test]
fn unknown_fields_of_entries_and_grants_are_errors() {
    assert!(parse_entry(&with(entry(), "trusted", json!(true))).unwrap_err().contains("unknown field `trusted`"));
    let grants = json!({"interfaces": [], "everything": true});
    assert!(parse_entry(&with(entry(), "grants", grants)).unwrap_err().contains("unknown field `everything`"));
    let mut manifest = with(entry(), "manifest", with(manifest(), "x", json!(1)));
    assert!(parse_entry(&manifest).unwrap_err().contains("unknown field `x`"));
    manifest.as_object_mut().unwrap().remove("manifest");
    assert!(parse_entry(&manifest).unwrap_err().contains("missing field `manifest`"));
}

#[test]
fn entries_of_other_versions_are_refused() {
    assert!(parse_entry(&with(entry(), "entryVersion", json!(2))).is_ok());
    for version in [0, 3] {
        let error = parse_entry(&with(entry(), "entryVersion", json!(version))).unwrap_err();
        assert!(error.contains(&format!("entry version {version}")), "{error}");
    }
}

#[test]
fn the_import_that_was_not_granted_is_named() {
    let missing = |grants| parse_entry(&with(entry(), "grants", grants)).unwrap().missing_grant().map(str::to_owned);
    assert_eq!(missing(json!({"interfaces": ["log", "links", "routes"]})), None);
    assert_eq!(missing(json!({"interfaces": ["links"]})).as_deref(), Some("log"));
    assert!(
        parse_entry(&with(entry(), "grants", json!({"interfaces": ["LINKS", "log"]}))).unwrap_err().contains("LINKS")
    );
    assert_eq!(missing(json!({})).as_deref(), Some("links"));
}

#[test]
fn compiled_code_must_be_of_this_engine_and_as_it_was_recorded() {
    let Installed { registry, .. } = &installed();
    let mut entry = parse_entry(&entry()).unwrap();
    let refused = |entry: &Entry| registry.compiled_code(entry, ENGINE).unwrap_err();
    assert!(refused(&entry).to_string().contains("never compiled"));
    let digest = blake3::hash(b"code").to_hex().to_string();
    let path = registry.compiled_path(&digest);
    entry.compiled = Some(CompiledCode { stamp: None, digest, engine: "engine-0".to_owned() });
    assert!(refused(&entry).to_string().contains("made for engine engine-0"));
    entry.compiled.as_mut().unwrap().engine = ENGINE.to_owned();
    assert!(matches!(refused(&entry), RegistryError::Stale { reason, .. } if reason.contains("missing")));
    write(&path, b"code", 0o644);
    assert_eq!(registry.compiled_code(&entry, ENGINE).unwrap().read().unwrap(), b"code");
    write(&path, b"evil", 0o644);
    assert!(matches!(refused(&entry), RegistryError::NotTrusted { reason, .. } if reason.contains("digest")));
    write(&path, b"code", 0o666);
    assert!(matches!(refused(&entry), RegistryError::NotTrusted { reason, .. } if reason.contains("others")));
}

#[test]
fn a_file_that_was_touched_is_told_from_the_one_that_was_stored() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("code");
    let open = || VerifiedFile::open(&path).unwrap();
    write(&path, b"code", 0o644);
    let stored = |stamp| CompiledCode { stamp, digest: String::new(), engine: ENGINE.to_owned() };
    let code = stored(Some(open().identity().stamp()));
    assert!(code.is_untouched(&open()));
    assert!(!stored(None).is_untouched(&open()));
    // As large as before, in the same file, with the old time of modification.
    let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    std::fs::write(&path, b"evil").unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    assert!(!code.is_untouched(&open()));
    // A copy is another file, and a change of its mode is a change.
    write(&path, b"code", 0o644);
    let code = stored(Some(open().identity().stamp()));
    std::fs::copy(&path, directory.path().join("copy")).unwrap();
    assert!(!code.is_untouched(&VerifiedFile::open(&directory.path().join("copy")).unwrap()));
    std::thread::sleep(std::time::Duration::from_millis(20));
    write(&path, b"code", 0o600);
    assert!(!code.is_untouched(&open()));
}

#[test]
fn a_good_manifest_is_read() {
    let manifest = parse_manifest(&manifest()).unwrap();
    assert_eq!((manifest.name.as_str(), manifest.cni_versions.len()), ("bridge", 2));
    assert!(manifest.asks_for("links") && !manifest.asks_for("routes"));
}

#[test]
fn a_manifest_that_says_something_unknown_or_nothing_is_refused() {
    let need = |interface: &str| json!({"interface": interface, "reason": "r"});
    for (key, value, reason) in [
        ("manifestVersion", json!(3), "manifest version 3"),
        ("asks", json!([{"key": "linkKinds", "values": ["veth"], "reason": "r"}]), "version 1 has no asks"),
        ("limits", json!([{"limit": "fuel", "value": 1, "reason": "r"}]), "version 1 has no"),
        ("cniVersions", json!([]), "cniVersions is empty"),
        ("cniVersions", json!(["9.9.9"]), "9.9.9"),
        ("needs", json!([need("disks")]), "\"disks\", which is no interface"),
        ("needs", json!([need("Links")]), "no interface"),
        ("needs", json!([need("types")]), "no interface"),
        ("needs", json!([need("links"), need("log"), need("links")]), "\"links\" twice"),
        ("needs", json!([{"interface": "links", "reason": "r", "silently": true}]), "unknown field"),
        ("extra", json!(1), "unknown field"),
    ] {
        let error = parse_manifest(&with(manifest(), key, value)).unwrap_err();
        assert!(error.contains(reason), "{key}: {error}");
    }
    let twice = manifest().to_string().replacen('{', r#"{"name": "other", "#, 1);
    assert!(Manifest::parse(twice.as_bytes()).unwrap_err().contains("duplicate field `name`"));
}

fn manifest_2() -> Value {
    let ask = |key: &str, values: Value| json!({"key": key, "values": values, "reason": "r"});
    let asks = [ask("hostLinks", json!(["cni0", "${bridge}"])), ask("hostLinks", json!(["cni0", "veth*"]))];
    with(with(manifest(), "manifestVersion", json!(2)), "asks", json!(asks))
}

#[test]
fn what_a_manifest_asks_for_is_a_grant() {
    let requested = parse_manifest(&manifest_2()).unwrap().requested().unwrap();
    let expected = json!({"interfaces": ["links", "log"], "hostLinks": ["cni0", "${bridge}", "veth*"]});
    assert_eq!(serde_json::to_value(requested).unwrap(), expected);
    let of_version_1 = parse_manifest(&manifest()).unwrap().requested().unwrap();
    assert_eq!(serde_json::to_value(of_version_1).unwrap(), json!({"interfaces": ["links", "log"]}));
}

#[test]
fn a_manifest_that_asks_for_what_cannot_be_granted_is_refused() {
    let ask = |key: &str, value: &str| json!([{"key": key, "values": [value], "reason": "r"}]);
    for (asks, reason) in [
        (ask("hostDisks", "*"), "\"hostDisks\", which is no key"),
        (ask("interfaces", "links"), "no key"),
        (ask("nativeDelegates", "whereabouts"), "no key"),
        (ask("limits", "fuel"), "no key"),
        (ask("hostLinks", "a*b"), "cannot be granted"),
        (ask("hostLinks", ""), "cannot be granted"),
        (ask("linkKinds", "gre"), "cannot be granted"),
        (json!([{"key": "hostLinks", "values": "cni0", "reason": "r"}]), "invalid type"),
        (json!([{"key": "hostLinks", "values": ["cni0"]}]), "missing field `reason`"),
        (json!([{"key": "hostLinks", "values": vec!["x"; 201], "reason": "r"}]), "201 values"),
        (json!([{"key": "hostLinks", "values": ["x"], "reason": "\u{1b}[2J"}]), "not for display"),
        (json!([{"key": "hostLinks", "values": ["x"], "reason": "\u{202e}x"}]), "not for display"),
        (json!([{"key": "hostLinks", "values": ["x"], "reason": "x".repeat(1001)}]), "longer than 1000"),
    ] {
        let error = parse_manifest(&with(manifest_2(), "asks", asks.clone())).unwrap_err();
        assert!(error.contains(reason), "{asks}: {error}");
    }
    let description = with(manifest_2(), "description", json!("a\nb"));
    assert!(parse_manifest(&description).unwrap_err().contains("not for display"));
}

#[test]
fn an_entry_that_grants_what_the_manifest_does_not_ask_for_does_not_run() {
    let Installed { registry, .. } = &installed();
    let put = |grants: Value| {
        let entry = with(with(with(entry(), "entryVersion", json!(2)), "manifest", manifest_2()), "grants", grants);
        write(&registry.entry_path("bridge"), entry.to_string().as_bytes(), 0o644);
    };
    put(json!({"interfaces": ["links", "log"], "hostLinks": ["veth1", "${bridge}"]}));
    assert!(registry.entry("bridge").is_ok());
    for (grants, named) in [
        (json!({"interfaces": ["links", "log", "routes"]}), "interfaces \"routes\""),
        (json!({"interfaces": ["links", "log"], "hostLinks": ["*"]}), "hostLinks \"*\""),
        (json!({"interfaces": ["links", "log"], "lowerLinks": ["cni0"]}), "lowerLinks \"cni0\""),
        (json!({"interfaces": ["links", "log"], "nativeDelegates": ["ipam"]}), "nativeDelegates \"ipam\""),
    ] {
        put(grants);
        let error = registry.entry("bridge").unwrap_err().to_string();
        assert!(error.contains(named) && error.contains("weir revoke bridge"), "{error}");
        assert!(registry.read_entry("bridge").is_ok());
    }
}

#[test]
fn a_plugin_cannot_have_a_name_that_leads_elsewhere() {
    for name in ["", ".", "..", "../bridge", "a/b", "/bridge", ".weir", "weir-cni", "a\0b", "a\nb"] {
        assert!(parse_manifest(&with(manifest(), "name", json!(name))).is_err(), "{name:?}");
    }
}
