//! Makes plugins of the attackers' code: gives it a manifest that asks for what the tests grant, and installs it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use weir_tests::programs;

/// What a moderate plugin from a stranger would be granted: an own pair of links, an own table, own directories. Limits
/// are low, so that attacks on them end soon.
pub fn grant() -> Value {
    json!({
        "linkKinds": ["veth"],
        "nftables": ["inet hostile"],
        "iptables": ["filter HOSTILE-*"],
        "containerSysctls": ["net/ipv4/conf/${ifname}/*"],
        "delegates": ["hostile", "accomplice", "${ipam.type}"],
        "directories": ["/run/cni/hostile", "/run/cni/hostile/*", "/var/lib/cni/networks"],
        "files": ["/run/hostile/*"],
    })
}

/// Limits that go with it.
pub fn limits() -> Value {
    json!({"fuel": 300_000_000, "wallTimeMs": 4000, "hostCalls": 20_000, "handles": 500})
}

/// A manifest of this name that asks for interfaces and values.
pub fn manifest(name: &str, values: &Value) -> Vec<u8> {
    let reason = "to attack";
    let needs: Vec<_> = INTERFACES.iter().map(|name| json!({"interface": name, "reason": reason})).collect();
    let values = values.as_object().into_iter().flatten();
    let asks: Vec<_> = values.map(|(key, values)| json!({"key": key, "values": values, "reason": reason})).collect();
    let manifest = json!({
        "manifestVersion": 2, "name": name, "description": "Attacks its host.", "version": "1.0.0",
        "cniVersions": ["0.4.0", "1.0.0", "1.1.0"], "needs": needs, "asks": asks,
    });
    manifest.to_string().into_bytes()
}

/// The whole of a grant: the values, limits, and the interfaces that the component imports.
pub fn whole(values: &Value, interfaces: &[&str]) -> Value {
    let mut whole = values.clone();
    if let Value::Object(whole) = &mut whole {
        whole.insert("interfaces".into(), json!(interfaces));
        whole.insert("limits".into(), limits());
    }
    whole
}

/// All interfaces of the contract that hold functions.
pub const INTERFACES: &[&str] = &[
    "addresses",
    "attachment-state",
    "bridges",
    "clock",
    "conntrack",
    "container-namespace",
    "container-state",
    "delegate",
    "dhcp",
    "environment-files",
    "firewalld",
    "host-devices",
    "host-namespace",
    "ipam-store",
    "iptables",
    "links",
    "log",
    "neighbors",
    "nftables",
    "resolver",
    "routes",
    "rules",
    "sysctls",
    "traffic-control",
    "virtual-links",
];

/// A component with a custom section at its end.
pub fn with_section(component: &[u8], name: &str, data: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    length(name.len(), &mut content);
    content.extend_from_slice(name.as_bytes());
    content.extend_from_slice(data);
    let mut whole = component.to_vec();
    whole.push(0);
    length(content.len(), &mut whole);
    whole.extend(content);
    whole
}

/// A number as WebAssembly writes lengths (LEB128).
fn length(mut number: usize, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or_default());
}

static INSTALLED: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();

/// The directory with attacker, accomplice, and the plugins that others use. Installed once for all tests.
pub fn installed() -> Result<PathBuf> {
    let installed = INSTALLED.get_or_init(|| install_all().map_err(|error| format!("{error:#}")));
    installed.clone().map_err(|error| anyhow!(error))
}

fn install_all() -> Result<PathBuf> {
    let dist = programs::dist();
    let guest =
        std::fs::read(dist.join("guests/hostile.wasm")).context("read hostile.wasm: run `make build-guests`")?;
    let attackers =
        ["hostile", "accomplice"].map(|name| (name, with_section(&guest, "weir:manifest", &manifest(name, &grant()))));
    let others = ["bridge", "host-local", "portmap"].map(|name| dist.join(format!("plugins/{name}.wasm")));
    // Once for a build: compiling takes some seconds. /run is different in each test, this is not.
    let mut hasher = DefaultHasher::new();
    attackers.hash(&mut hasher);
    limits().to_string().hash(&mut hasher);
    for file in others.iter().chain([&dist.join("bin/weir"), &dist.join("bin/weir-cni")]) {
        let metadata = file.metadata().with_context(|| format!("look at {}", file.display()))?;
        (metadata.len(), metadata.modified()?).hash(&mut hasher);
    }
    let all = dist.join("installed");
    let directory = all.join(format!("hostile-{:016x}", hasher.finish()));
    if directory.exists() {
        return Ok(directory);
    }
    std::fs::create_dir_all(&all)?;
    let unfinished = tempfile::Builder::new().prefix(".unfinished-").tempdir_in(&all)?;
    let mut components = Vec::new();
    for (name, component) in &attackers {
        let path = unfinished.path().join(format!("{name}.component"));
        std::fs::write(&path, component)?;
        components.push(path);
    }
    // A grant is for one plugin.
    let grant = whole(&grant(), INTERFACES);
    let attackers = components.into_iter().map(|component| (vec![component], Some(&grant)));
    for (components, grant) in attackers.chain([(others.to_vec(), None)]) {
        let output = install(unfinished.path(), &components, grant)?;
        ensure!(output.status.success(), "weir install: {}", String::from_utf8_lossy(&output.stderr));
    }
    std::fs::set_permissions(unfinished.path(), PermissionsExt::from_mode(0o755))?;
    match std::fs::rename(unfinished.keep(), &directory) {
        Err(error) if !directory.exists() => Err(error).context("keep what was installed"),
        _ => Ok(directory),
    }
}

/// `weir install` of these components with a grant, or with all that they ask for.
pub fn install(directory: &Path, components: &[PathBuf], grant: Option<&Value>) -> Result<Output> {
    let mut command = Command::new(programs::dist().join("bin/weir"));
    command.args(["install", "--bin-dir"]).arg(directory);
    match grant {
        None => command.arg("--grant-requested"),
        Some(grant) => {
            let file = directory.join("grant.json");
            std::fs::write(&file, grant.to_string())?;
            command.arg("--grant").arg(file)
        }
    };
    command.args(components).output().context("run weir install")
}
