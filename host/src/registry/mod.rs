//! What is installed: a directory that any runtime can have as CNI_PATH, with Weir's own files below `.weir`.
//!
//! ```text
//! DIR/weir-cni                 the host binary
//! DIR/bridge -> weir-cni       one link for each plugin
//! DIR/.weir/plugins/bridge.json        entry: digest, manifest, grants, compiled code
//! DIR/.weir/components/<sha-256>.wasm  the component as its author shipped it
//! DIR/.weir/compiled/<blake3>.cwasm    native code, made by our own compiler
//! DIR/.weir/bin/weir                   the compiler, for after an upgrade
//! DIR/.weir/policy.json                what the operator demands of all plugins
//! ```

pub mod artifact;
pub mod entry;
pub mod grant_values;
pub mod grants;
pub mod keys;
pub mod manifest;
pub mod policy_file;

use std::io;
use std::path::{Path, PathBuf};

pub use artifact::{FileIdentity, VerifiedFile};
pub use entry::{CompiledCode, Entry, Signer};
pub use grants::{GrantLine, Grants};
pub use manifest::{Ask, LimitAsk, Manifest, Need};
pub use policy_file::{Isolation, PolicyFile};

/// What can be wrong with the registry or an entry of it.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// There is no entry of this name.
    #[error(
        "plugin {name} is not installed in {directory}; `weir install --bin-dir {directory} {name}.wasm` installs it"
    )]
    NotInstalled {
        /// Plugin name.
        name: String,
        /// The bin directory.
        directory: String,
    },
    /// A file exists but may not be trusted.
    #[error("{path} is not trusted: {reason}; install the plugin again with `weir install`")]
    NotTrusted {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The compiled code is missing or was made for another engine.
    #[error("the compiled code of plugin {name} is out of date: {reason}")]
    Stale {
        /// Plugin name.
        name: String,
        /// Why.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("{doing} {path}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The policy of the directory does not admit a plugin.
    #[error("{reason} ({policy})")]
    NotAdmitted {
        /// The policy's file.
        policy: String,
        /// Why.
        reason: String,
    },
    /// The policy does not parse. Nothing runs without it.
    #[error("{path} is no policy: {reason}; mend it, or remove it to go without a policy")]
    BadPolicy {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// An entry grants what the manifest in it does not ask for.
    #[error("the entry of plugin {name} grants {surplus}, which its manifest does not ask for; `weir revoke {name} {key} '{value}'` takes it away", key = surplus.key, value = surplus.value)]
    GrantsTooMuch {
        /// Plugin name.
        name: String,
        /// What is too much.
        surplus: GrantLine,
    },
    /// An entry or a manifest does not parse.
    #[error("{path} is damaged: {reason}; install the plugin again with `weir install`")]
    Damaged {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
}

impl RegistryError {
    pub(crate) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.display().to_string(), source }
    }

    pub(crate) fn not_trusted(path: &Path, reason: impl Into<String>) -> Self {
        Self::NotTrusted { path: path.display().to_string(), reason: reason.into() }
    }
}

/// A bin directory with its registry.
#[derive(Debug, Clone)]
pub struct Registry {
    bin_dir: PathBuf,
}

impl Registry {
    /// The registry of a bin directory. Nothing is read yet.
    pub fn new(bin_dir: impl Into<PathBuf>) -> Self {
        Self { bin_dir: bin_dir.into() }
    }

    /// The registry beside the running program.
    ///
    /// # Errors
    /// Where `/proc/self/exe` cannot be read.
    pub fn of_this_program() -> Result<Self, RegistryError> {
        let link = Path::new("/proc/self/exe");
        let program = std::fs::read_link(link).map_err(|e| RegistryError::io("read", link, e))?;
        Ok(Self::new(program.parent().unwrap_or_else(|| Path::new("/"))))
    }

    /// The directory that goes on CNI_PATH.
    pub fn bin_dir(&self) -> &Path {
        &self.bin_dir
    }

    /// Weir's own directory below it.
    pub fn root(&self) -> PathBuf {
        self.bin_dir.join(".weir")
    }

    /// Where entries are.
    pub fn plugins_dir(&self) -> PathBuf {
        self.root().join("plugins")
    }

    /// The file of an entry.
    pub fn entry_path(&self, name: &str) -> PathBuf {
        self.plugins_dir().join(format!("{name}.json"))
    }

    /// The operator's policy for all plugins of the directory.
    pub fn policy_path(&self) -> PathBuf {
        self.root().join("policy.json")
    }

    /// The file of a component, by the SHA-256 of its bytes in hexadecimal.
    pub fn component_path(&self, digest: &str) -> PathBuf {
        self.root().join("components").join(format!("{digest}.wasm"))
    }

    /// The file of compiled code, by its BLAKE3 digest in hexadecimal.
    pub fn compiled_path(&self, digest: &str) -> PathBuf {
        self.root().join("compiled").join(format!("{digest}.cwasm"))
    }

    /// The compiler that `weir install` left here.
    pub fn compiler_path(&self) -> PathBuf {
        self.root().join("bin").join("weir")
    }

    /// The entry of a plugin, for running it. `name` must be a valid plugin name (no separators), which the contract checks.
    ///
    /// # Errors
    /// Where there is none, the file is not trusted or damaged, or it grants what the manifest does not ask for.
    pub fn entry(&self, name: &str) -> Result<Entry, RegistryError> {
        let entry = self.read_entry(name)?;
        let damaged = |reason| RegistryError::Damaged { path: self.entry_path(name).display().to_string(), reason };
        match entry.manifest.surplus(&entry.grants).map_err(damaged)?.into_iter().next() {
            None => Ok(entry),
            Some(surplus) => Err(RegistryError::GrantsTooMuch { name: name.to_owned(), surplus }),
        }
    }

    /// The entry of a plugin, for looking at it and for changing what it grants.
    ///
    /// # Errors
    /// Where there is none, or the file is not trusted or damaged.
    pub fn read_entry(&self, name: &str) -> Result<Entry, RegistryError> {
        let path = self.entry_path(name);
        let file = match VerifiedFile::open(&path) {
            Err(RegistryError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(RegistryError::NotInstalled {
                    name: name.to_owned(),
                    directory: self.bin_dir.display().to_string(),
                });
            }
            other => other?,
        };
        Entry::parse(&file.read()?)
            .map_err(|reason| RegistryError::Damaged { path: path.display().to_string(), reason })
    }

    /// The compiled code of an entry, checked and ready to be mapped.
    ///
    /// # Errors
    /// [`RegistryError::Stale`] where there is none for this engine, else why the file is refused.
    pub fn compiled_code(&self, entry: &Entry, engine_key: &str) -> Result<VerifiedFile, RegistryError> {
        let (file, digest) = self.compiled_file(entry, engine_key)?;
        file.verify_digest(&digest)?;
        Ok(file)
    }

    /// The file of an entry's compiled code, and the digest that its content must have.
    ///
    /// # Errors
    /// As [`Self::compiled_code`], but for the content, which is not looked at.
    pub fn compiled_file(&self, entry: &Entry, engine_key: &str) -> Result<(VerifiedFile, String), RegistryError> {
        let stale = |reason: &str| RegistryError::Stale { name: entry.name.clone(), reason: reason.to_owned() };
        let Some(compiled) = &entry.compiled else { return Err(stale("it was never compiled")) };
        if compiled.engine != engine_key {
            return Err(stale(&format!("made for engine {}, this host has {engine_key}", compiled.engine)));
        }
        let path = self.compiled_path(&compiled.digest);
        let file = match VerifiedFile::open(&path) {
            Err(RegistryError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(stale("its file is missing"));
            }
            other => other?,
        };
        Ok((file, compiled.digest.clone()))
    }

    /// Names of all entries, sorted. Empty where nothing was ever installed.
    ///
    /// # Errors
    /// Where the directory cannot be read.
    pub fn names(&self) -> Result<Vec<String>, RegistryError> {
        let directory = self.plugins_dir();
        let listing = match std::fs::read_dir(&directory) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|e| RegistryError::io("read", &directory, e))?,
        };
        let mut names: Vec<String> = listing
            .filter_map(|item| item.ok()?.file_name().to_str()?.strip_suffix(".json").map(str::to_owned))
            .collect();
        names.sort();
        Ok(names)
    }
}

/// How long the compiler may take for all plugins of a directory.
const RECOMPILE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(40);

/// Have the compiler that was installed beside the plugins compile what is out of date.
///
/// # Errors
/// A sentence that says why it could not.
pub fn recompile(registry: &Registry) -> Result<(), String> {
    let compiler = registry.compiler_path();
    // The check is on the open handle, and that handle is what runs.
    let file = VerifiedFile::open(&compiler).map_err(|e| e.to_string())?;
    let arguments = ["compile".into(), "--bin-dir".into(), registry.bin_dir().as_os_str().to_owned()];
    let output = weir_native::exec::run(&weir_native::exec::Invocation {
        path: &file.handle_path(),
        arguments: &arguments,
        environment: &[],
        input: &[],
        timeout: RECOMPILE_TIMEOUT,
        cancellation: None,
    })
    .map_err(|e| e.message)?;
    if output.status == Some(0) {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

#[cfg(test)]
mod tests;
