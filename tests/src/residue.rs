//! What must not be left when attachments are gone.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::host::Host;

/// Addresses of a result, without prefix length.
pub fn addresses(result: &Value) -> Vec<String> {
    let ips = result.get("ips").and_then(Value::as_array).cloned().unwrap_or_default();
    let address = |ip: &Value| ip.get("address")?.as_str()?.split('/').next().map(str::to_owned);
    ips.iter().filter_map(address).collect()
}

/// Fail where something on the host still stands for these containers: links, firewall rules, files. `words` are
/// container IDs and addresses.
pub fn assert_none(host: &Host, words: &[String]) -> Result<()> {
    let links = host.json("ip", ["-json", "link", "show", "type", "veth"])?;
    let names: Vec<_> = links
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|link| link.get("ifname")?.as_str())
        .filter(|name| *name != "uplink")
        .collect();
    ensure!(names.is_empty(), "links stay: {names:?}");
    let rules = host.run("nft", ["list", "ruleset"])?;
    for line in rules.lines() {
        let mut parts = line.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | ':' | '-' | '_'));
        let stays = parts.any(|part| words.iter().any(|word| part == word));
        ensure!(!stays, "a rule stays: {line}\n{rules}");
    }
    for directory in ["/run/test", "/run/cni", "/var/lib/cni"] {
        search(Path::new(directory), words)?;
    }
    Ok(())
}

fn search(directory: &Path, words: &[String]) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            search(&path, words)?;
        } else {
            let ours = words.iter().any(|word| name == *word || name.starts_with(&format!("{word}_")));
            ensure!(!ours, "a file stays: {}", path.display());
        }
    }
    Ok(())
}
