//! Directories, files and other plugins.

use std::path::{Component, Path};

use serde_json::Value;

use super::check::{Check, Verdict};
use super::pattern::Pattern;
use super::{Granted, Refused};

/// The delegate that the configuration names as its IPAM plugin.
const IPAM_TYPE: &str = "${ipam.type}";

impl Check<'_> {
    pub(super) fn directory(&self, what: &str, path: &Path) -> Verdict {
        self.path(what, path, "directories", &self.grants.directories)
    }

    pub(super) fn file(&self, path: &Path) -> Verdict {
        self.path("file", path, "files", &self.grants.files)
    }

    fn path(&self, what: &str, path: &Path, key: &'static str, patterns: &[Pattern]) -> Verdict {
        let shown = path.display().to_string();
        let object = format!("{what} {shown}");
        let climbs = path.components().any(|part| part == Component::ParentDir);
        let Some(text) = path.to_str().filter(|_| path.is_absolute() && !climbs) else {
            return Err(Refused::new(object, key, &shown));
        };
        // `/a//b/./c/` is `/a/b/c`; configurations are written both ways.
        let plain: std::path::PathBuf = path.components().collect();
        let plain = plain.to_string_lossy();
        let fits = |pattern: &&Pattern| pattern.matches(&plain, self.names) || pattern.matches(text, self.names);
        match patterns.iter().find(fits) {
            Some(pattern) => Ok(Granted::by(key, pattern)),
            None => Err(Refused::new(object, key, &plain)),
        }
    }

    /// The IPAM plugin of the configuration gets the configuration as it is. Any other gets what the caller writes, for
    /// the network of the command.
    pub(super) fn delegate(&self, plugin_type: &str, config: &str) -> Verdict {
        let mut fitting = self.grants.delegates.iter().filter(|pattern| pattern.matches(plugin_type, self.names));
        let named = |pattern: &&Pattern| pattern.as_str() != IPAM_TYPE;
        let (first, free) = (fitting.clone().next(), fitting.find(named));
        let Some(first) = first else {
            return Err(Refused::new(format!("plugin {plugin_type}"), "delegates", plugin_type));
        };
        let Some(free) = free else {
            if is_same(config, self.names.config()) {
                return Ok(Granted::by("delegates", first));
            }
            let object = format!("plugin {plugin_type} with another configuration than the command's");
            return Err(Refused::new(object, "delegates", plugin_type));
        };
        if network_of(config).as_deref() != Some(self.facts.network()) {
            let object = format!("plugin {plugin_type} for another network than {}", self.facts.network());
            return Err(Refused::new(object, "delegates", plugin_type).never());
        }
        Ok(Granted::by("delegates", free))
    }
}

fn parse(config: &str) -> Option<Value> {
    cni_spec::json::parse(config.as_bytes()).ok()
}

fn is_same(one: &str, other: &str) -> bool {
    one == other || parse(one).is_some_and(|one| Some(one) == parse(other))
}

fn network_of(config: &str) -> Option<String> {
    let document = parse(config)?;
    Some(cni_spec::json::get(document.as_object()?, "name")?.as_str()?.to_owned())
}
