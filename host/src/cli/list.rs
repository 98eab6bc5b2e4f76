//! `weir list`.

use std::fs;
use std::path::Path;

use crate::registry::Registry;
use crate::sandbox::engine::ENGINE_KEY;

pub(super) fn run(registry: &Registry) -> anyhow::Result<()> {
    let names = registry.names()?;
    if names.is_empty() {
        println!("no plugins are installed in {}", registry.bin_dir().display());
        return Ok(());
    }
    println!("{:<16} {:<10} {:<10} {:<12} DIGEST", "NAME", "VERSION", "CODE", "CALLED");
    for name in names {
        let entry = match registry.entry(&name) {
            Ok(entry) => entry,
            Err(error) => {
                println!("{name:<16} {error}");
                continue;
            }
        };
        let code = match registry.compiled_code(&entry, ENGINE_KEY) {
            Ok(_) => "ready",
            Err(crate::registry::RegistryError::Stale { .. }) => "stale",
            Err(_) => "refused",
        };
        let link = registry.bin_dir().join(&name);
        let called = if fs::read_link(&link).is_ok_and(|target| target == Path::new("weir-cni")) {
            "yes"
        } else if link.exists() {
            "no (native)"
        } else {
            "no"
        };
        let digest: String = entry.component.chars().take(12).collect();
        println!("{name:<16} {:<10} {code:<10} {called:<12} {digest}", entry.manifest.version);
    }
    Ok(())
}
