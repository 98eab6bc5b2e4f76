//! Fills a bin directory: the host binary, the compiler, components with their native code, and a link for each plugin.

use std::fs;
use std::path::{Path, PathBuf};

use super::component::{ComponentError, read_component};
use super::files;
use super::signed::{self, SignatureOptions};
use crate::registry::{CompiledCode, Entry, Grants, Manifest, Registry, RegistryError, VerifiedFile};
use crate::sandbox::engine::{self, ENGINE_KEY};

/// Name of the host binary in a bin directory.
const HOST_BINARY: &str = "weir-cni";

/// How to install.
#[derive(Debug, Clone)]
pub struct InstallOptions {
    /// The host binary to copy into the directory.
    pub host_binary: PathBuf,
    /// The compiler to copy beside it: this program.
    pub compiler: PathBuf,
    /// Take the place of a native plugin of the same name.
    pub overwrite_native: bool,
    /// Whose signatures count, and whether one is demanded.
    pub signatures: SignatureOptions,
}

/// A component about to be installed, for the operator to decide on.
#[derive(Debug)]
pub struct Candidate<'a> {
    /// What it says of itself and asks for.
    pub manifest: &'a Manifest,
    /// SHA-256 of the component, in hexadecimal.
    pub digest: &'a str,
    /// The plugin of this name that is installed.
    pub installed: Option<&'a Entry>,
}

/// What was installed.
#[derive(Debug)]
pub struct Installed {
    /// The entry.
    pub entry: Entry,
    /// What there is to say of its signature.
    pub signature: String,
    /// The version that was installed before, where it was newer.
    pub newer_before: Option<String>,
    /// Whether a native plugin kept its place, so that runtimes still call that one.
    pub native_kept: bool,
}

/// Why installing failed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A file of the registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The file is no plugin.
    #[error("{path}: {source}")]
    Component {
        /// The file.
        path: String,
        /// Why.
        source: ComponentError,
    },
    /// Its signature is missing or wrong.
    #[error("{component}: {source}")]
    Signature {
        /// The component.
        component: String,
        /// Why.
        source: crate::signing::SigningError,
    },
    /// The compiler refused it.
    #[error("cannot compile plugin {name}: {reason}")]
    Compile {
        /// Plugin name.
        name: String,
        /// Why.
        reason: String,
    },
    /// The operator did not agree.
    #[error("plugin {name} was not installed: {reason}")]
    NotGranted {
        /// Plugin name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// The grant holds what the manifest does not ask for.
    #[error("plugin {name} was not installed: its manifest does not ask for {surplus}, so that is not granted")]
    GrantsTooMuch {
        /// Plugin name.
        name: String,
        /// What is too much.
        surplus: String,
    },
}

/// Install one component. `decide` says what it may do, or why it is not to be installed.
///
/// # Errors
/// Where a file cannot be read or written, the component is none, or the grant was refused.
pub fn install(
    registry: &Registry,
    component: &Path,
    options: &InstallOptions,
    decide: impl FnOnce(&Candidate<'_>) -> Result<Grants, String>,
) -> Result<Installed, InstallError> {
    let bytes = fs::read(component).map_err(|e| RegistryError::io("read", component, e))?;
    let facts = read_component(&bytes)
        .map_err(|source| InstallError::Component { path: component.display().to_string(), source })?;
    let name = facts.manifest.name.clone();
    let found = signed::look(registry, &options.signatures, component, &bytes, &name)?;
    let digest = sha256(&bytes);
    let installed = registry.read_entry(&name).ok();
    let before = installed.as_ref().map(|entry| entry.manifest.version.clone());
    let newer_before = before.filter(|before| signed::is_older(&facts.manifest.version, before));
    let candidate = Candidate { manifest: &facts.manifest, digest: &digest, installed: installed.as_ref() };
    let grants = match decide(&candidate) {
        Ok(grants) => grants,
        Err(reason) => return Err(InstallError::NotGranted { name, reason }),
    };
    let surplus = match facts.manifest.surplus(&grants) {
        Ok(surplus) => surplus,
        Err(reason) => return Err(InstallError::NotGranted { name, reason }),
    };
    if !surplus.is_empty() {
        let surplus: Vec<String> = surplus.iter().map(ToString::to_string).collect();
        return Err(InstallError::GrantsTooMuch { name, surplus: surplus.join(", ") });
    }
    for directory in ["plugins", "components", "compiled", "bin"] {
        files::create_directory(&registry.root().join(directory))?;
    }
    install_binaries(registry, options)?;
    files::replace(&registry.component_path(&digest), &bytes, 0o644)?;
    let mut entry = Entry::new(facts.manifest, digest, facts.imports, !facts.wasi_imports.is_empty(), grants);
    found.keep(registry, &entry.component)?;
    entry.signer = found.signer;
    compile(registry, &mut entry, &bytes)?;
    write_entry(registry, &entry)?;
    let native_kept = !link(registry, &name, options.overwrite_native)?;
    remove_unused(registry)?;
    Ok(Installed { entry, signature: found.note, newer_before, native_kept })
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn install_binaries(registry: &Registry, options: &InstallOptions) -> Result<(), RegistryError> {
    for (from, to) in
        [(&options.host_binary, registry.bin_dir().join(HOST_BINARY)), (&options.compiler, registry.compiler_path())]
    {
        let bytes = fs::read(from).map_err(|e| RegistryError::io("read", from, e))?;
        if fs::read(&to).is_ok_and(|present| present == bytes) {
            continue;
        }
        files::replace(&to, &bytes, 0o755)?;
    }
    Ok(())
}

fn compile(registry: &Registry, entry: &mut Entry, component: &[u8]) -> Result<(), InstallError> {
    let refused = |e: wasmtime::Error| InstallError::Compile { name: entry.name.clone(), reason: format!("{e:#}") };
    let engine = engine::compiler().map_err(refused)?;
    let code = engine.precompile_component(component).map_err(refused)?;
    let digest = blake3::hash(&code).to_hex().to_string();
    let path = registry.compiled_path(&digest);
    files::replace(&path, &code, 0o644)?;
    let file = VerifiedFile::open(&path)?;
    file.verify_digest(&digest)?;
    let stamp = Some(file.identity().stamp());
    entry.compiled = Some(CompiledCode { stamp, digest, engine: ENGINE_KEY.to_owned() });
    Ok(())
}

/// Write the entry of a plugin, in one step.
///
/// # Errors
/// Where it cannot be written.
pub fn write_entry(registry: &Registry, entry: &Entry) -> Result<(), RegistryError> {
    let path = registry.entry_path(&entry.name);
    let mut text = serde_json::to_vec_pretty(entry)
        .map_err(|e| RegistryError::Damaged { path: path.display().to_string(), reason: e.to_string() })?;
    text.push(b'\n');
    files::replace(&path, &text, 0o644)
}

/// Whether a name in the bin directory is one of our links.
fn is_our_link(path: &Path) -> bool {
    fs::read_link(path).is_ok_and(|target| target == Path::new(HOST_BINARY))
}

/// Make the link that runtimes call. False: a native plugin is there and stays.
fn link(registry: &Registry, name: &str, overwrite_native: bool) -> Result<bool, RegistryError> {
    let path = registry.bin_dir().join(name);
    let is_there = fs::symlink_metadata(&path).is_ok();
    if is_there && is_our_link(&path) {
        return Ok(true);
    }
    if is_there && !overwrite_native {
        return Ok(false);
    }
    files::replace_link(&path, HOST_BINARY)?;
    Ok(true)
}

/// Compile every entry whose code was made for another engine. Returns the names.
///
/// # Errors
/// At the first entry that cannot be compiled.
pub fn recompile_stale(registry: &Registry) -> Result<Vec<String>, InstallError> {
    let mut done = Vec::new();
    for name in registry.names()? {
        let mut entry = registry.entry(&name)?;
        match registry.compiled_code(&entry, ENGINE_KEY) {
            Err(RegistryError::Stale { .. }) => {}
            other => {
                other?;
                continue;
            }
        }
        let path = registry.component_path(&entry.component);
        let bytes = VerifiedFile::open(&path)?.read()?;
        if sha256(&bytes) != entry.component {
            return Err(
                RegistryError::not_trusted(&path, "its content is not what was installed (digest differs)").into()
            );
        }
        compile(registry, &mut entry, &bytes)?;
        write_entry(registry, &entry)?;
        done.push(name);
    }
    remove_unused(registry)?;
    Ok(done)
}

/// Remove a plugin: its link and its entry. A native plugin of the same name is not touched.
///
/// # Errors
/// Where there is no such entry, or a file cannot be removed.
pub fn remove(registry: &Registry, name: &str) -> Result<(), InstallError> {
    registry.entry(name)?;
    let link = registry.bin_dir().join(name);
    if is_our_link(&link) {
        fs::remove_file(&link).map_err(|e| RegistryError::io("remove", &link, e))?;
    }
    let path = registry.entry_path(name);
    fs::remove_file(&path).map_err(|e| RegistryError::io("remove", &path, e))?;
    remove_unused(registry)?;
    Ok(())
}

/// Remove components and compiled code that no entry refers to. A process that has one open keeps it. While an entry
/// cannot be read, nobody knows what it refers to, so all stays.
fn remove_unused(registry: &Registry) -> Result<(), RegistryError> {
    let mut used = Vec::new();
    for name in registry.names()? {
        let Ok(entry) = registry.entry(&name) else { return Ok(()) };
        let component = registry.component_path(&entry.component);
        used.extend(entry.signer.is_some().then(|| crate::signing::path_beside(&component)));
        used.push(component);
        used.extend(entry.compiled.map(|compiled| registry.compiled_path(&compiled.digest)));
    }
    for directory in ["components", "compiled"] {
        let directory = registry.root().join(directory);
        let listing = fs::read_dir(&directory).map_err(|e| RegistryError::io("read", &directory, e))?;
        for path in listing.filter_map(|item| Some(item.ok()?.path())) {
            let is_hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
            if !is_hidden && !used.contains(&path) {
                fs::remove_file(&path).map_err(|e| RegistryError::io("remove", &path, e))?;
            }
        }
    }
    Ok(())
}
