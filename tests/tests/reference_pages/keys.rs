//! The keys of a plugin's configuration, as its source declares them, are all on its page.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// What every configuration has by the specification.
const COMMON: [&str; 7] = ["cniVersion", "name", "type", "prevResult", "runtimeConfig", "args", "cni"];

/// Fail where the page does not name a key that the plugin's source declares.
pub(crate) fn named(plugin: &str, page: &str) -> Result<()> {
    let keys = declared(&workspace().join("plugins-wasm").join(plugin).join("src"))?;
    let words: BTreeSet<_> = words(page).map(str::to_lowercase).collect();
    let is_named = |key: &str| COMMON.contains(&key) || words.contains(&key.to_lowercase());
    let missing: Vec<_> = keys.iter().filter(|key| !is_named(key)).collect();
    ensure!(missing.is_empty(), "docs/reference/plugins/{plugin}.md does not name these keys: {missing:?}");
    Ok(())
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')
}

/// Names of all fields that are read from JSON.
fn declared(directory: &Path) -> Result<BTreeSet<String>> {
    let mut keys = BTreeSet::new();
    for file in sources(directory)? {
        let text = std::fs::read_to_string(&file)?;
        for (n, part) in text.split("#[derive(").enumerate().skip(1) {
            let (traits, rest) = part.split_once(")]").with_context(|| format!("{}: derive {n}", file.display()))?;
            if traits.contains("Deserialize") {
                fields(rest, &mut keys);
            }
        }
    }
    Ok(keys)
}

fn sources(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            files.extend(sources(&path)?);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            files.push(path);
        }
    }
    Ok(files)
}

/// The fields of the structure that begins here. Formatted code has one on a line.
fn fields(text: &str, keys: &mut BTreeSet<String>) {
    let is_camel_case = text.split('{').next().is_some_and(|head| head.contains("rename_all = \"camelCase\""));
    let head = text.lines().find(|line| line.contains("struct ") || line.contains("enum "));
    if !head.is_some_and(|line| line.contains("struct ") && line.trim_end().ends_with('{')) {
        return;
    }
    let mut renamed = None;
    for line in text.lines().skip_while(|line| !line.contains("struct ")).skip(1).take_while(|line| *line != "}") {
        let line = line.trim();
        if line.starts_with("#[serde(") {
            renamed = line.split_once("rename = \"").and_then(|(_, rest)| rest.split('"').next());
            if line.contains("flatten") || line.contains("skip") {
                renamed = Some("");
            }
        } else if !line.starts_with('#') && !line.starts_with("//") {
            let field = line.split_once(": ").map_or("", |(field, _)| field).rsplit(' ').next().unwrap_or_default();
            let key = match renamed.take() {
                Some(name) => name.to_owned(),
                None if is_camel_case => camel_case(field.trim_start_matches("r#")),
                None => field.trim_start_matches("r#").to_owned(),
            };
            keys.extend(Some(key).filter(|key| !key.is_empty()));
        }
    }
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut text = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        text.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        text.push_str(letters.as_str());
    }
    text
}
