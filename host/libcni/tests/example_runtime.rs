//! The example `runtime` does what it says: its own functions, with a plugin that writes down what it is asked.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[allow(dead_code, unreachable_pub, missing_docs, reason = "a program, of which this uses the functions")]
#[path = "../examples/runtime.rs"]
mod runtime;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use libcni::cni_spec::Attachment;
use runtime::{Container, Networks};

/// Fails as often as there are files `fail-COMMAND-*`, with what they hold.
const PLUGIN: &str = r#"#!/bin/sh
here=${0%/*}
cat >/dev/null
echo "$CNI_COMMAND $CNI_CONTAINERID $CNI_ARGS" >>"$here/calls"
for failure in "$here/fail-$CNI_COMMAND"-*; do
    if [ -e "$failure" ]; then cat "$failure"; rm "$failure"; exit 1; fi
done
case $CNI_COMMAND in
    ADD) echo '{"cniVersion": "1.1.0", "ips": [{"address": "192.0.2.7/24"}]}' ;;
    VERSION) echo '{"cniVersion": "1.1.0", "supportedVersions": ["1.1.0"]}' ;;
esac
"#;

/// A node with one network.
struct Node {
    directory: tempfile::TempDir,
    networks: Networks,
}

impl Node {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["net.d", "bin"] {
            fs::create_dir(at(name)).unwrap();
        }
        let list = r#"{"cniVersion": "1.1.0", "name": "blue", "plugins": [{"type": "recorder"}]}"#;
        fs::write(at("net.d/10-blue.conflist"), list).unwrap();
        fs::write(at("bin/recorder"), PLUGIN).unwrap();
        fs::set_permissions(at("bin/recorder"), fs::Permissions::from_mode(0o755)).unwrap();
        let networks = Networks::new(at("net.d"), vec![at("bin")], at("cache"));
        Self { directory, networks }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn fail(&self, command: &str, number: u32, code: u32) {
        let error = format!(r#"{{"cniVersion": "1.1.0", "code": {code}, "msg": "no"}}"#);
        fs::write(self.at(&format!("bin/fail-{command}-{number}")), error).unwrap();
    }

    /// The commands since the last time.
    fn commands(&self) -> Vec<String> {
        let text = fs::read_to_string(self.at("bin/calls")).unwrap_or_default();
        let _ = fs::remove_file(self.at("bin/calls"));
        text.lines().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect()
    }
}

fn container(id: &str) -> Container {
    Container { id: id.to_owned(), netns: format!("/run/netns/{id}") }
}

#[test]
fn a_container_is_attached_checked_and_detached() {
    let node = Node::new();
    let one = container("one");
    node.networks.is_ready("blue").unwrap();
    let result = node.networks.attach("blue", &one, "eth0").unwrap();
    assert_eq!(result.result.ips[0].address.to_string(), "192.0.2.7/24");
    node.networks.check("blue", &one, "eth0").unwrap();
    node.networks.detach("blue", &one, "eth0").unwrap();
    // Again, as after a crash.
    node.networks.detach("blue", &one, "eth0").unwrap();
    let calls = fs::read_to_string(node.at("bin/calls")).unwrap();
    assert!(calls.contains("ADD one IgnoreUnknown=1\n"), "{calls}");
    assert_eq!(node.commands(), ["STATUS", "ADD", "CHECK", "DEL", "DEL"]);
}

#[test]
fn a_plugin_that_says_so_is_asked_again_and_no_other_is() {
    let node = Node::new();
    node.fail("ADD", 1, 11);
    node.fail("ADD", 2, 11);
    node.networks.attach("blue", &container("one"), "eth0").unwrap();
    assert_eq!(node.commands(), ["ADD", "DEL", "ADD", "DEL", "ADD"]);
    node.fail("ADD", 1, 7);
    let error = node.networks.attach("blue", &container("two"), "eth0").unwrap_err();
    assert_eq!(error.plugin_error().unwrap().code, 7);
    assert_eq!(node.commands(), ["ADD", "DEL"]);
}

#[test]
fn what_a_crashed_start_has_attached_is_attached_anew() {
    let node = Node::new();
    node.networks.attach("blue", &container("one"), "eth0").unwrap();
    node.networks.attach("blue", &container("one"), "eth0").unwrap();
    assert_eq!(node.commands(), ["ADD", "DEL", "ADD"]);
}

#[test]
fn clean_up_deletes_what_is_not_alive() {
    let node = Node::new();
    for id in ["one", "two"] {
        node.networks.attach("blue", &container(id), "eth0").unwrap();
    }
    node.commands();
    let alive = Attachment { container_id: "one".to_owned(), interface_name: "eth0".to_owned() };
    assert!(node.networks.clean_up(&[alive]).is_empty());
    assert_eq!(node.commands(), ["DEL", "GC"]);
    // A broken file beside it is told and stops nothing.
    fs::write(node.at("net.d/00-broken.conflist"), "{").unwrap();
    assert_eq!(node.networks.clean_up(&[]).len(), 1);
    assert_eq!(node.commands(), ["DEL", "GC"]);
    let nothing = Networks::new(Path::new("/nonexistent").to_owned(), Vec::new(), node.at("cache"));
    assert!(nothing.clean_up(&[]).is_empty());
}

#[test]
fn a_container_is_detached_although_its_network_has_been_removed() {
    let node = Node::new();
    node.networks.attach("blue", &container("one"), "eth0").unwrap();
    fs::remove_file(node.at("net.d/10-blue.conflist")).unwrap();
    node.networks.detach("blue", &container("one"), "eth0").unwrap();
    assert_eq!(node.commands(), ["ADD", "DEL"]);
    // Nothing is known of this one.
    assert!(node.networks.detach("blue", &container("two"), "eth0").is_err());
}

#[test]
fn a_node_that_is_not_ready_says_so() {
    let node = Node::new();
    node.fail("STATUS", 1, 50);
    assert_eq!(node.networks.is_ready("blue").unwrap_err().plugin_error().unwrap().code, 50);
    node.networks.is_ready("blue").unwrap();
    assert!(node.networks.is_ready("green").is_err());
}
