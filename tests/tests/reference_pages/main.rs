//! The reference pages are right: each bundled plugin has one, its example works as it stands there, and it names every
//! key that the plugin reads.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod fixtures;
mod keys;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_tests::{Chain, Host, Programs, configs, programs, run, test};

fn main() -> ExitCode {
    let makefile = std::fs::read_to_string(workspace().join("Makefile")).unwrap();
    let plugins = programs::bundled(&makefile);
    assert!(!plugins.is_empty(), "the Makefile names no plugins");
    let mut tests = Vec::new();
    for plugin in plugins {
        let (one, two) = (plugin.clone(), plugin.clone());
        tests.push(test(format!("{plugin}_example_works"), move |host| example(host, &one)));
        tests.push(test(format!("{plugin}_page_names_every_key"), move |_| keys::named(&two, &page(&two)?)));
    }
    tests.push(test("every_page_is_of_a_plugin_and_in_the_summary", |_| pages()));
    run(tests)
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page(plugin: &str) -> Result<String> {
    let path = workspace().join(format!("docs/reference/plugins/{plugin}.md"));
    std::fs::read_to_string(&path).with_context(|| format!("the plugin has no page: {}", path.display()))
}

fn pages() -> Result<()> {
    let plugins = programs::bundled(&std::fs::read_to_string(workspace().join("Makefile"))?);
    let summary = std::fs::read_to_string(workspace().join("docs/SUMMARY.md"))?;
    let table = std::fs::read_to_string(workspace().join("docs/reference/plugins.md"))?;
    for entry in std::fs::read_dir(workspace().join("docs/reference/plugins"))? {
        let name = entry?.path().file_stem().unwrap_or_default().to_string_lossy().into_owned();
        ensure!(plugins.contains(&name), "docs/reference/plugins/{name}.md is of no plugin that the Makefile builds");
    }
    for plugin in plugins {
        ensure!(summary.contains(&format!("(reference/plugins/{plugin}.md)")), "{plugin} is not in docs/SUMMARY.md");
        ensure!(table.contains(&format!("(plugins/{plugin}.md)")), "{plugin} is not in docs/reference/plugins.md");
    }
    Ok(())
}

/// The first example of a page.
fn first_example(page: &str) -> Result<Value> {
    let (_, rest) = page.split_once("```json\n").context("the page has no example")?;
    let (block, _) = rest.split_once("```").context("the example does not end")?;
    serde_json::from_str(block).with_context(|| format!("the example is not JSON: {block}"))
}

/// The network that an example describes: a list as it is; of a single plugin what it needs around it.
fn network(plugin: &str, example: &Value) -> Result<Chain> {
    let name = example["name"].as_str().unwrap_or("net");
    let plugins = match example["plugins"].as_array() {
        Some(plugins) => plugins.clone(),
        None if fixtures::is_ipam(plugin) && example.get("ipam").is_none() => {
            vec![json!({"type": plugin, "ipam": example})]
        }
        None if fixtures::is_chained(plugin) => {
            vec![configs::bridge(&["10.60.0.0/24", "fd00:60::/64"]), example.clone()]
        }
        None => vec![example.clone()],
    };
    let types: Vec<_> = plugins.iter().map(|plugin| plugin["type"].to_string()).collect();
    let is_shown = plugins.iter().any(|one| one["type"] == plugin || one["ipam"]["type"] == plugin);
    ensure!(is_shown, "the example is not of {plugin}, but of {}", types.join(", "));
    let version = example["cniVersion"].as_str().unwrap_or("1.1.0");
    Ok(Chain::new(&Programs::weir()?, name, &plugins).version(version).capabilities(json!({
        "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}],
        "bandwidth": {"ingressRate": 8_000_000, "ingressBurst": 800_000, "egressRate": 8_000_000, "egressBurst": 800_000},
        "mac": "02:11:22:33:44:55",
    })))
}

fn example(host: &Host, plugin: &str) -> Result<()> {
    let example = first_example(&page(plugin)?)?;
    let network = network(plugin, &example)?;
    let _fixture = fixtures::prepare(host, plugin, &network)?;
    let one = host.container("one")?;
    fixtures::prepare_container(plugin, &one)?;
    let result = network.add(&one).context("ADD")?;
    weir_tests::lifecycle::shape(&network.version, &result)?;
    if matches!(network.version.as_str(), "0.4.0" | "1.0.0" | "1.1.0") {
        network.check(&one, &result).context("CHECK")?;
    }
    if network.version == "1.1.0" {
        network.status().context("STATUS")?;
    }
    network.del(&one, &result).context("DEL")?;
    network.del(&one, &result).context("DEL again")
}
