//! What there is: links, addresses, routes, rules, queueing disciplines with their filters, firewall, settings, files,
//! processes. Taken before and after, to compare.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};

use crate::container::Container;
use crate::host::{parse_json, run};

/// State of the host, of containers, and of directories, one text per thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    parts: BTreeMap<String, String>,
}

/// How long the kernel may take to clean up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Fields that change by themselves.
const VOLATILE: [&str; 6] =
    ["operstate", "tentative", "valid_life_time", "preferred_life_time", "flags", "config_pending"];

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

    /// And the processes in the namespaces of this thread: programs that a plugin has started and left behind.
    pub fn with_processes(mut self) -> Result<Self> {
        let own = std::fs::read_link("/proc/thread-self/ns/mnt")?;
        for entry in std::fs::read_dir("/proc")? {
            let path = entry?.path();
            // Those of others cannot be read, nor those that have just ended.
            let Ok(namespace) = std::fs::read_link(path.join("ns/mnt")) else { continue };
            let id = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if namespace == own && id.parse::<u32>().is_ok_and(|id| id != std::process::id()) {
                let command = std::fs::read(path.join("cmdline")).unwrap_or_default();
                let command = String::from_utf8_lossy(&command).replace('\0', " ");
                self.parts.insert(format!("process {id}"), command);
            }
        }
        Ok(self)
    }

    /// Without what matches: for changes that are meant to stay, such as a bridge or a lock file.
    pub fn without(mut self, unwanted: impl Fn(&str) -> bool) -> Self {
        self.parts.retain(|name, _| !unwanted(name));
        self
    }

    /// With other words, for what is called differently each time.
    pub fn rewritten(self, rewrite: impl Fn(&str) -> String) -> Self {
        Self { parts: self.parts.into_iter().map(|(name, text)| (rewrite(&name), rewrite(&text))).collect() }
    }

    /// Wait until what `take` sees is the same, as the kernel takes links of ended namespaces away in the background.
    /// Fail with the differences.
    pub fn await_same(&self, take: impl Fn() -> Result<Self>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let outcome = self.assert_same(&take()?);
            if outcome.is_ok() || Instant::now() > deadline {
                return outcome;
            }
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Fail with the differences.
    pub fn assert_same(&self, later: &Self) -> Result<()> {
        let mut differences = Vec::new();
        for name in self.parts.keys().chain(later.parts.keys().filter(|name| !self.parts.contains_key(*name))) {
            let (before, after) = (self.parts.get(name), later.parts.get(name));
            // A process may have been about to end.
            if before != after && !(name.starts_with("process ") && after.is_none()) {
                let (before, after) = brief(before, after);
                differences.push(format!("{name}\n  before: {before}\n  after:  {after}"));
            }
        }
        if differences.is_empty() {
            return Ok(());
        }
        bail!("what is there has changed:\n{}", differences.join("\n"))
    }
}

fn network(title: &str, parts: &mut BTreeMap<String, String>) -> Result<()> {
    let names: [&[&str]; 2] = [&["link", "address 4", "route 4", "rule 4"], &["address 6", "route 6", "rule 6"]];
    let batches = [
        ("-4", "link show\naddress show\nroute show table all\nrule show\n"),
        ("-6", "address show\nroute show table all\nrule show\n"),
    ];
    for ((family, commands), names) in batches.into_iter().zip(names) {
        let lists = batch(family, commands)?;
        ensure!(lists.len() == names.len(), "ip -batch printed {} lists: {lists:?}", lists.len());
        for (what, list) in names.iter().zip(lists) {
            for mut entry in list.as_array().cloned().unwrap_or_default() {
                strip(&mut entry);
                if *what == "route 6" && comes_and_goes(&entry) {
                    continue;
                }
                // A link is listed here only from when it gets its link-local address, which is stripped.
                if *what == "address 6" && entry.get("addr_info").and_then(Value::as_array).is_none_or(Vec::is_empty) {
                    continue;
                }
                let name = entry.get("ifname").or(entry.get("dst")).or(entry.get("priority"));
                let name = name.map_or_else(|| "?".into(), ToString::to_string);
                parts.insert(format!("{title}: {what} {name} {}", hash_free(&entry)), entry.to_string());
            }
        }
    }
    queues(title, parts)?;
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

/// Several commands of ip(8) in one process, which saves most of the time; the list that each prints.
fn batch(family: &str, commands: &str) -> Result<Vec<Value>> {
    let mut command = Command::new("ip");
    command.args(["-json", "-details", family, "-batch", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("run ip")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(commands.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "ip -batch: {}", String::from_utf8_lossy(&output.stderr));
    let lists = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    lists.collect::<Result<_, _>>().with_context(|| format!("not JSON: {}", String::from_utf8_lossy(&output.stdout)))
}

/// Link-local and multicast routes of IPv6 come and go with the state of links.
fn comes_and_goes(route: &Value) -> bool {
    let text = |key: &str| route.get(key).and_then(Value::as_str).unwrap_or_default();
    text("dst").starts_with("fe80:") || text("type") == "multicast" || text("table") == "local"
}

/// What shapes and redirects packets: queueing disciplines, and the filters of those that take what comes in.
fn queues(title: &str, parts: &mut BTreeMap<String, String>) -> Result<()> {
    let disciplines = parse_json(&run("tc", ["-json", "qdisc", "show"])?)?;
    for discipline in disciplines.as_array().into_iter().flatten() {
        let text = |key: &str| discipline.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (link, kind) = (text("dev"), text("kind"));
        parts.insert(format!("{title}: qdisc {link} {kind} {}", text("handle")), discipline.to_string());
        if matches!(kind.as_str(), "ingress" | "clsact") {
            // A link that has just been deleted can be in the list still.
            if let Ok(filters) = run("tc", ["filter", "show", "dev", link.as_str(), "parent", "ffff:"]) {
                parts.insert(format!("{title}: filters {link}"), filters);
            }
        }
    }
    Ok(())
}

/// What differs between two parts, to be read.
fn brief(before: Option<&String>, after: Option<&String>) -> (String, String) {
    let parse = |part: Option<&String>| part.and_then(|text| serde_json::from_str::<Value>(text).ok());
    if let (Some(Value::Object(mut before)), Some(Value::Object(mut after))) = (parse(before), parse(after)) {
        let same = |key: &String, value: &mut Value, other: &Map<String, Value>| other.get(key) == Some(value);
        let unspoilt = before.clone();
        before.retain(|key, value| !same(key, value, &after));
        after.retain(|key, value| !same(key, value, &unspoilt));
        return (Value::Object(before).to_string(), Value::Object(after).to_string());
    }
    let show = |part: Option<&String>| part.map_or("nothing", String::as_str).to_owned();
    (show(before), show(after))
}

/// Routes of one destination, or rules of one priority, can be several: these tell them apart.
fn hash_free(entry: &Value) -> String {
    ["dev", "table", "gateway", "metric", "src", "srclen"]
        .iter()
        .filter_map(|key| entry.get(key))
        .map(ToString::to_string)
        .collect()
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
            map.retain(|key, _| !VOLATILE.contains(&key.as_str()) && !key.ends_with("_timer"));
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
