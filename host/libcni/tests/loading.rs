//! Configurations out of texts, files and directories.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use libcni::cni_spec::Version;
use libcni::{
    ConfigError, NetworkConfigList, conf_files, conf_list_from_conf, load_network_conf, network_conf_from_bytes,
    network_conf_from_cache, network_conf_from_file, network_confs, network_plugin_conf_from_bytes,
    network_plugin_conf_from_file, network_plugin_confs_from_files,
};

/// A directory with these files.
fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

fn types(list: &NetworkConfigList) -> Vec<&str> {
    list.plugins.iter().map(|plugin| plugin.plugin_type()).collect()
}

#[test]
fn a_list_tells_what_it_says() {
    let text = br#"{"cniVersion": "1.0.0", "name": "blue", "disableCheck": true, "disableGC": "true",
        "loadOnlyInlinedPlugins": true, "unknown": {}, "plugins": [
        {"type": "a", "name": "x", "capabilities": {"mac": true, "ips": false}, "ipam": {"type": "i"}}, {"type": "b"}]}"#;
    let list = network_conf_from_bytes(text).unwrap();
    assert_eq!((list.name.as_str(), list.cni_version), ("blue", Version::V1_0_0));
    assert!(list.disable_check && list.disable_gc && list.load_only_inlined_plugins);
    assert_eq!((types(&list), list.bytes.as_slice()), (vec!["a", "b"], text.as_slice()));
    let first = &list.plugins[0];
    assert_eq!((first.name(), first.ipam_type()), ("x", "i"));
    assert_eq!((first.capabilities().get("mac"), first.capabilities().get("ips")), (Some(&true), Some(&false)));
    assert!(first.bytes().starts_with(b"{\"type\": \"a\", \"name\"") && first.bytes().ends_with(b"\"i\"}}"));
    assert_eq!((list.plugins[1].name(), list.plugins[1].ipam_type()), ("", ""));
}

#[test]
fn keys_match_in_any_case_and_nothing_is_off_unless_said() {
    let list =
        network_conf_from_bytes(br#"{"NAME": "blue", "PlugIns": [{"TYPE": "a"}], "disablegc": "False"}"#).unwrap();
    assert_eq!((list.name.as_str(), types(&list), list.cni_version), ("blue", vec!["a"], Version::V0_1_0));
    assert!(!list.disable_check && !list.disable_gc && !list.load_only_inlined_plugins);
    for empty in [r#"{"name": "blue"}"#, r#"{"name": "blue", "plugins": null}"#, r#"{"name": "blue", "plugins": [ ]}"#]
    {
        assert!(network_conf_from_bytes(empty.as_bytes()).unwrap().plugins.is_empty());
    }
    let twice =
        network_conf_from_bytes(br#"{"name": "x", "plugins": [{"type": "a"}], "plugins": [{"type": "b"}]}"#).unwrap();
    assert_eq!(types(&twice), ["b"]);
    let both = br#"{"name": "x", "plugins": [{"type": "a"}], "PLUGINS": [{"type": "b"}]}"#;
    assert_eq!(types(&network_conf_from_bytes(both).unwrap()), ["a"]);
}

#[test]
fn a_list_that_is_wrong_says_why_and_where() {
    for (text, words) in [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        (r#"{"plugins": [{"type": "a"}]}"#, "has no name"),
        (r#"{"name": "", "plugins": []}"#, "has no name"),
        (r#"{"name": 1}"#, "name: "),
        (r#"{"name": "a b"}"#, "invalid network name"),
        (r#"{"name": "../x"}"#, "invalid network name"),
        (r#"{"name": "x", "cniVersion": "1.2.0"}"#, "1.2.0"),
        (r#"{"name": "x", "cniVersions": ["1.2.0"]}"#, "1.2.0"),
        (r#"{"name": "x", "disableCheck": 1}"#, "disableCheck"),
        (r#"{"name": "x", "disableGC": "maybe"}"#, "disableGC"),
        (r#"{"name": "x", "loadOnlyInlinedPlugins": []}"#, "loadOnlyInlinedPlugins"),
        (r#"{"name": "x", "loadOnlyInlinedPlugins": true}"#, "has no plugins"),
        (r#"{"name": "x", "plugins": {"type": "a"}}"#, "plugins: "),
        (r#"{"name": "x", "plugins": "a"}"#, "plugins: "),
        (r#"{"name": "x", "plugins": [{"type": "a"}, 5]}"#, "plugins[1]"),
        (r#"{"name": "x", "plugins": [{"type": "a"}, {}]}"#, "has no type"),
        (r#"{"name": "x", "plugins": [{"type": "../a"}]}"#, "invalid plugin type"),
        (r#"{"name": "x", "plugins": [{"type": "a", "capabilities": {"mac": 1}}]}"#, "plugins[0].capabilities.mac"),
    ] {
        let error = network_conf_from_bytes(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
    assert!(network_conf_from_bytes(b"{\"name\": \"\xff\"}").is_err());
}

#[test]
fn one_plugin_needs_a_type_alone_and_becomes_a_list_where_it_has_a_name() {
    let conf = network_plugin_conf_from_bytes(br#" {"type": "a", "n": 1.0} "#).unwrap();
    assert_eq!((conf.plugin_type(), conf.name(), conf.cni_version().unwrap()), ("a", "", Version::V0_1_0));
    assert!(matches!(conf_list_from_conf(&conf).unwrap_err(), ConfigError::NoName));
    for bad in ["", "[]", "{}", r#"{"type": ""}"#, r#"{"type": "a/b"}"#, r#"{"type": "a", "ipam": 1}"#] {
        assert!(network_plugin_conf_from_bytes(bad.as_bytes()).is_err(), "{bad}");
    }

    let text = br#" {"cniVersion": "0.4.0", "cniVersions": ["1.0.0"], "name": "red", "type": "a", "n": 1.0} "#;
    let conf = network_plugin_conf_from_bytes(text).unwrap();
    let list = conf_list_from_conf(&conf).unwrap();
    assert_eq!((list.name.as_str(), list.cni_version, types(&list)), ("red", Version::V1_0_0, vec!["a"]));
    let again = network_conf_from_bytes(&list.bytes).unwrap();
    assert_eq!((again.name.as_str(), again.cni_version), ("red", Version::V1_0_0));
    assert!(String::from_utf8(list.bytes.clone()).unwrap().contains("\"n\": 1.0"));

    let bad = network_plugin_conf_from_bytes(br#"{"type": "a", "name": "a b"}"#).unwrap();
    assert!(matches!(conf_list_from_conf(&bad).unwrap_err(), ConfigError::Name(_)));
    let bad = network_plugin_conf_from_bytes(br#"{"type": "a", "name": "x", "cniVersion": "8.0.0"}"#).unwrap();
    assert!(matches!(conf_list_from_conf(&bad).unwrap_err(), ConfigError::Version(_)));
    assert_eq!(types(&network_conf_from_cache(text).unwrap()), ["a"]);
    assert_eq!(types(&network_conf_from_cache(&list.bytes).unwrap()), ["a"]);
    assert!(network_conf_from_cache(b"{\"name\": \"x\"}").is_err());
}

#[test]
fn a_file_gets_the_plugins_of_its_networks_folder_in_lexical_order() {
    let files = [
        ("10-blue.conflist", r#"{"cniVersion": "1.1.0", "name": "blue", "x": 1.0, "plugins": [{"type": "a"}]}"#),
        ("blue/20-c.conf", r#"{"type": "c"}"#),
        ("blue/10-b.conf", r#" {"type": "b", "n": 12345678901234567890123} "#),
        ("blue/30-d.json", r#"{"type": "d"}"#),
        ("blue/40-e.conflist", r#"{"type": "e"}"#),
        ("blue/folder.conf/x", "not a file of configuration"),
        ("20-green.conflist", r#"{"name": "green"}"#),
        ("green/only.conf", r#"{"type": "g"}"#),
        ("30-inline.conflist", r#"{"name": "inline", "loadOnlyInlinedPlugins": true, "plugins": [{"type": "i"}]}"#),
        ("inline/no.conf", r#"{"type": "n"}"#),
        ("40-none.conflist", r#"{"name": "none", "plugins": []}"#),
        ("50-broken.conflist", r#"{"name": "broken", "plugins": [{"type": "a"}]}"#),
        ("broken/x.conf", r#"{"no": "type"}"#),
    ];
    let directory = directory(&files);
    let file = |name: &str| network_conf_from_file(&directory.path().join(name));
    let blue = file("10-blue.conflist").unwrap();
    assert_eq!(types(&blue), ["a", "b", "c"]);
    let written = String::from_utf8(blue.bytes.clone()).unwrap();
    assert!(written.contains("12345678901234567890123") && written.contains("\"x\":1.0"), "{written}");
    assert_eq!(network_conf_from_bytes(&blue.bytes).unwrap().plugins.len(), 3);
    assert_eq!(types(&file("20-green.conflist").unwrap()), ["g"]);
    let inline = file("30-inline.conflist").unwrap();
    assert_eq!((types(&inline), inline.bytes.as_slice()), (vec!["i"], files[8].1.as_bytes()));

    let error = file("40-none.conflist").unwrap_err();
    assert!(error.to_string().contains("40-none.conflist") && error.to_string().contains("no plugins"), "{error}");
    let error = file("50-broken.conflist").unwrap_err();
    assert!(error.to_string().contains("broken/x.conf") && error.to_string().contains("no type"), "{error}");
    let error = file("missing.conflist").unwrap_err();
    assert!(matches!(&error, ConfigError::Read { path, .. } if path.ends_with("missing.conflist")), "{error}");
    let error = network_plugin_conf_from_file(&directory.path().join("missing.conf")).unwrap_err();
    assert!(matches!(&error, ConfigError::Read { path, .. } if path.ends_with("missing.conf")), "{error}");
    let error = network_plugin_conf_from_file(&directory.path().join("broken/x.conf")).unwrap_err();
    assert!(matches!(&error, ConfigError::File { path, .. } if path.ends_with("x.conf")), "{error}");

    assert!(network_plugin_confs_from_files(directory.path(), "nobody").unwrap().is_empty());
    assert!(network_plugin_confs_from_files(directory.path(), "../etc").is_err());
}

#[test]
fn a_network_is_found_by_its_name_lists_first() {
    let directory = directory(&[
        ("05-single.conf", r#"{"cniVersion": "0.4.0", "name": "blue", "type": "single"}"#),
        ("20-b.conflist", r#"{"cniVersion": "1.0.0", "name": "blue", "plugins": [{"type": "second"}]}"#),
        ("10-a.conflist", r#"{"cniVersion": "1.0.0", "name": "blue", "plugins": [{"type": "first"}]}"#),
        ("30-c.json", r#"{"cniVersion": "0.4.0", "name": "red", "type": "json"}"#),
        ("40-d.conf", r#"{"cniVersion": "0.4.0", "name": "red", "type": "conf"}"#),
        ("50-e.txt", r#"{"name": "text", "type": "text"}"#),
    ]);
    assert_eq!(types(&load_network_conf(directory.path(), "blue").unwrap()), ["first"]);
    let red = load_network_conf(directory.path(), "red").unwrap();
    assert_eq!((types(&red), red.cni_version), (vec!["json"], Version::V0_4_0));
    let error = load_network_conf(directory.path(), "text").unwrap_err();
    assert!(
        matches!(&error, ConfigError::NotFound { dir, name } if dir == directory.path() && name == "text"),
        "{error}"
    );
}

#[test]
fn no_files_and_no_directory_are_told_apart_from_no_such_network() {
    let empty = directory(&[("readme.txt", "")]);
    for dir in [empty.path().to_owned(), empty.path().join("missing")] {
        let error = load_network_conf(&dir, "blue").unwrap_err();
        assert!(matches!(&error, ConfigError::NoConfigsFound { dir: said } if *said == dir), "{error}");
        assert!(matches!(network_confs(&dir).unwrap_err(), ConfigError::NoConfigsFound { .. }));
        assert!(conf_files(&dir, &["conf"]).unwrap().is_empty());
    }
    let file = empty.path().join("readme.txt");
    assert!(matches!(load_network_conf(&file, "blue").unwrap_err(), ConfigError::Read { path, .. } if path == file));
}

#[test]
fn a_wrong_file_hides_no_other_network_and_is_told_where_it_could_have_the_one() {
    let directory = directory(&[
        ("10-broken.conflist", "{"),
        ("20-wrong.conflist", r#"{"name": "wrong", "cniVersion": "9.0.0", "plugins": [{"type": "a"}]}"#),
        ("30-good.conflist", r#"{"name": "good", "plugins": [{"type": "a"}]}"#),
    ]);
    assert_eq!(types(&load_network_conf(directory.path(), "good").unwrap()), ["a"]);
    let error = load_network_conf(directory.path(), "absent").unwrap_err();
    assert!(error.to_string().contains("10-broken.conflist"), "{error}");
    fs::remove_file(directory.path().join("10-broken.conflist")).unwrap();
    let error = load_network_conf(directory.path(), "wrong").unwrap_err();
    assert!(error.to_string().contains("20-wrong.conflist") && error.to_string().contains("9.0.0"), "{error}");
    let error = load_network_conf(directory.path(), "absent").unwrap_err();
    assert!(matches!(error, ConfigError::NotFound { .. }), "{error}");
}

#[test]
fn all_networks_of_a_directory_are_listed_in_lexical_order() {
    let directory = directory(&[
        ("20-b.conf", r#"{"name": "b", "type": "x"}"#),
        ("10-a.conflist", r#"{"name": "a", "plugins": [{"type": "x"}]}"#),
        ("30-c.json", r#"{"name": "c", "type": "x"}"#),
        ("15-broken.conflist", "{"),
        ("25-nameless.conf", r#"{"type": "x"}"#),
        ("a/folder.conf", r#"{"type": "y"}"#),
        ("40-d.yaml", ""),
    ]);
    let files = network_confs(directory.path()).unwrap();
    let told: Vec<(PathBuf, Option<String>)> = files
        .iter()
        .map(|file| {
            let name = file.network.as_ref().ok().map(|list| list.name.clone());
            (file.path.strip_prefix(directory.path()).unwrap().to_owned(), name)
        })
        .collect();
    let expected = [
        ("10-a.conflist", Some("a")),
        ("15-broken.conflist", None),
        ("20-b.conf", Some("b")),
        ("25-nameless.conf", None),
        ("30-c.json", Some("c")),
    ];
    let expected: Vec<_> = expected.map(|(file, name)| (Path::new(file).to_owned(), name.map(str::to_owned))).to_vec();
    assert_eq!(told, expected);
    assert_eq!(types(files[0].network.as_ref().unwrap()), ["x", "y"]);
}
