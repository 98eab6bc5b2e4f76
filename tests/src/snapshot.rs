//! What there is: links, addresses, routes, rules, firewall, settings, files. Taken before and after, to compare.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::container::Container;
use crate::host::{parse_json, run};

/// State of the host, of containers, and of directories, one text per thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    parts: BTreeMap<String, String>,
}

/// Fields that change by themselves.
const VOLATILE: [&str; 9] = [
    "operstate",
    "tentative",
    "valid_life_time",
    "preferred_life_time",
    "gc_timer",
    "hello_timer",
    "tcn_timer",
    "flags",
    "topology_change_timer",
];

impl Snapshot {
    /// The state of the host, of some containers, and of everything below /run, /var/lib/cni and /etc/cni.
    pub fn take(containers: &[&Container]) -> Result<Self> {
        Self::take_with(containers, &["/run", "/var/lib/cni", "/etc/cni"].map(Path::new))
    }

    /// The same with other directories.
    pub fn take_with(containers: &[&Container], directories: &[&Path]) -> Result<Self> {
        let mut parts = BTreeMap::new();
        network("host", &mut parts)?;
        for container in containers {
            let inside = container.enter(|| {
                let mut inside = BTreeMap::new();
                network(&container.id, &mut inside)?;
                Ok(inside)
            })?;
            parts.extend(inside);
        }
        for directory in directories {
            files(directory, &mut parts)?;
        }
        Ok(Self { parts })
    }

    /// Without what matches: for changes that are meant to stay, such as a bridge or a lock file.
    pub fn without(mut self, unwanted: impl Fn(&str) -> bool) -> Self {
        self.parts.retain(|name, _| !unwanted(name));
        self
    }

    /// Fail with the differences.
    pub fn assert_same(&self, later: &Self) -> Result<()> {
        let mut differences = Vec::new();
        for name in self.parts.keys().chain(later.parts.keys().filter(|name| !self.parts.contains_key(*name))) {
            let (before, after) = (self.parts.get(name), later.parts.get(name));
            if before != after {
                let show = |part: Option<&String>| part.map_or("nothing", String::as_str).to_owned();
                differences.push(format!("{name}\n  before: {}\n  after:  {}", show(before), show(after)));
            }
        }
        if differences.is_empty() {
            return Ok(());
        }
        bail!("what is there has changed:\n{}", differences.join("\n"))
    }
}

fn network(title: &str, parts: &mut BTreeMap<String, String>) -> Result<()> {
    let lists: [(&str, &[&str]); 4] = [
        ("link", &["-json", "-details", "link"]),
        ("address", &["-json", "address"]),
        ("route 4", &["-json", "-4", "route", "show", "table", "all"]),
        ("rule", &["-json", "rule"]),
    ];
    for (what, arguments) in lists {
        for mut entry in parse_json(&run("ip", arguments.iter().copied())?)?.as_array().cloned().unwrap_or_default() {
            strip(&mut entry);
            let name = entry.get("ifname").or(entry.get("dst")).or(entry.get("priority"));
            let name = name.map_or_else(|| "?".into(), ToString::to_string);
            parts.insert(format!("{title}: {what} {name} {}", hash_free(&entry)), entry.to_string());
        }
    }
    // Link-local and multicast routes of IPv6 come and go with the state of links.
    for line in run("ip", ["-6", "route", "show", "table", "all"])?.lines() {
        if !line.contains("fe80::") && !line.starts_with("multicast") && !line.contains("table local") {
            parts.insert(format!("{title}: route 6 {}", line.trim()), String::new());
        }
    }
    let mut table = String::new();
    for line in run("nft", ["list", "ruleset"])?.lines() {
        if let Some(name) = line.strip_prefix("table ") {
            table = name.trim_end_matches(" {").to_owned();
        }
        let text = parts.entry(format!("{title}: nftables {table}")).or_default();
        text.push_str(&without_counts(line));
        text.push('\n');
    }
    for setting in ["ipv4/ip_forward", "ipv6/conf/all/forwarding", "ipv4/conf/all/route_localnet"] {
        let value = std::fs::read_to_string(format!("/proc/sys/net/{setting}")).unwrap_or_default();
        parts.insert(format!("{title}: sysctl {setting}"), value);
    }
    Ok(())
}

/// Routes of one destination can be several: their device tells them apart.
fn hash_free(entry: &Value) -> String {
    ["dev", "table", "gateway", "metric"].iter().filter_map(|key| entry.get(key)).map(ToString::to_string).collect()
}

/// A line of nft's without the packets counted.
fn without_counts(line: &str) -> String {
    let mut words = line.split(' ').peekable();
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        kept.push(word);
        if word == "counter" && words.peek() == Some(&"packets") {
            words.by_ref().take(4).for_each(drop);
        }
    }
    kept.join(" ")
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !VOLATILE.contains(&key.as_str()));
            // A link-local address appears when a link comes up, some time later.
            if let Some(Value::Array(addresses)) = map.get_mut("addr_info") {
                addresses.retain(|address| address.get("scope") != Some(&Value::from("link")));
            }
            map.values_mut().for_each(strip);
        }
        Value::Array(list) => list.iter_mut().for_each(strip),
        _ => {}
    }
}

fn files(path: &Path, parts: &mut BTreeMap<String, String>) -> Result<()> {
    let Ok(metadata) = path.symlink_metadata() else { return Ok(()) };
    let name = format!("file {}", path.display());
    if metadata.is_dir() {
        if path != Path::new("/run/lab") {
            parts.insert(name, "directory".into());
            for entry in std::fs::read_dir(path)? {
                files(&entry?.path(), parts)?;
            }
        }
    } else if metadata.is_file() && metadata.len() < 1 << 20 {
        parts.insert(name, String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned());
    } else {
        parts.insert(name, "special".into());
    }
    Ok(())
}
