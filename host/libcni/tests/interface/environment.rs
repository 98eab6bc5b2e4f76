//! The environment that plugins see.

use std::collections::BTreeMap;
use std::process::Command;

use libcni::{Cni, CniConfig, GcArgs, RuntimeConf};

use crate::lab::{Lab, Run, list, rt};

fn variables(run: &Run) -> BTreeMap<&str, &str> {
    let own = run.environment.iter().filter(|(name, _)| name.starts_with("CNI_"));
    own.map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn each_command_has_its_six_variables() {
    let lab = Lab::new(&["a"]);
    let second = lab.path("second");
    let cni = CniConfig::new(vec![lab.path("bin"), second.clone()]).with_cache_dir(lab.path("cache"));
    let path = format!("{}:{}", lab.path("bin").display(), second.display());
    let args = vec![("IgnoreUnknown".to_owned(), "1".to_owned()), ("K8S_POD_NAME".to_owned(), "web".to_owned())];
    let conf = RuntimeConf { args, ..rt("one") };
    let list = list("1.1.0", &["a"]);
    cni.add_network_list(&list, &conf).unwrap();
    cni.check_network_list(&list, &conf).unwrap();
    let _ = cni.del_network_list(&list, &conf).unwrap();
    let _ = cni.gc_network_list(&list, &GcArgs::DeleteAll).unwrap();
    cni.get_status_network_list(&list).unwrap();
    cni.get_version_info("a").unwrap();

    let attachment = ["one", "/run/netns/one", "IgnoreUnknown=1;K8S_POD_NAME=web", "eth0"];
    let (nothing, dummy) = ([""; 4], ["dummy", "dummy", "", "dummy"]);
    let expected = [
        ("ADD", attachment),
        ("CHECK", attachment),
        ("DEL", attachment),
        ("GC", nothing),
        ("STATUS", nothing),
        ("VERSION", dummy),
    ];
    let runs = lab.runs();
    assert_eq!(runs.len(), expected.len());
    for (run, (command, [container, namespace, args, interface])) in runs.iter().zip(expected) {
        let expected = BTreeMap::from([
            ("CNI_COMMAND", command),
            ("CNI_CONTAINERID", container),
            ("CNI_NETNS", namespace),
            ("CNI_ARGS", args),
            ("CNI_IFNAME", interface),
            ("CNI_PATH", path.as_str()),
        ]);
        assert_eq!(variables(run), expected);
        assert_eq!(run.environment.get("PATH"), std::env::var("PATH").ok().as_ref());
    }
}

/// Started by the test below, with variables as a caller has that is itself a tool of CNI.
#[test]
#[ignore = "a process that the test below starts with an environment of its own"]
fn as_a_caller_with_variables_of_its_own() {
    let lab = Lab::new(&["a"]);
    lab.cni().add_network_list(&list("1.1.0", &["a"]), &rt("one")).unwrap();
    lab.cni().get_status_network_list(&list("1.1.0", &["a"])).unwrap();
    for run in lab.runs() {
        let seen = variables(&run);
        assert_eq!((seen["CNI_ARGS"], seen["CNI_NETNS_OVERRIDE"]), ("", "1"));
        assert_eq!(seen["CNI_NETNS"], if run.what == "a ADD" { "/run/netns/one" } else { "" });
        assert_eq!(run.environment["OF_THE_CALLER"], "yes");
    }
}

#[test]
fn variables_of_the_caller_are_inherited_but_for_those_of_the_command() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "environment::as_a_caller_with_variables_of_its_own", "--ignored"])
        .envs([("CNI_ARGS", "IP=1"), ("CNI_NETNS", "/x"), ("CNI_NETNS_OVERRIDE", "1"), ("OF_THE_CALLER", "yes")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
