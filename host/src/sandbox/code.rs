//! Compiled code: from the registry's entry to something that can be instantiated. A process that serves many commands
//! maps and links each plugin once.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cni_spec::error::{Error as CniError, INTERNAL};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use super::bindings::CniPluginPre;
use super::engine::{self, ENGINE_KEY};
use super::imports;
use super::side::Side;
use crate::contract::code;
use crate::registry::{Entry, FileIdentity, Registry, RegistryError, VerifiedFile};

/// Plugins that are kept ready; of more, those that were not used for the longest time are mapped anew.
const MOST_KEPT: usize = 64;

/// What commands share: the engine and, in a process that serves many of them, the code that is mapped.
pub struct Runtime {
    engine: Engine,
    kept: Option<Mutex<Vec<Kept>>>,
}

/// A plugin that is ready to be instantiated.
#[derive(Clone)]
struct Kept {
    digest: String,
    /// The file that was mapped. If another one is there now, or this one was touched, it is looked at again.
    file: FileIdentity,
    /// What was linked.
    imports: Vec<String>,
    wasi: bool,
    plugin: CniPluginPre<Side>,
}

/// Code of a plugin, found current and as it was installed.
pub(super) enum Code {
    /// It was mapped for an earlier command.
    Ready(CniPluginPre<Side>),
    /// It is to be mapped.
    File {
        /// The file that was checked.
        file: VerifiedFile,
        /// What is in it.
        digest: String,
    },
}

impl Runtime {
    /// For a process that ends with its one command: nothing need be kept, and nothing freed.
    ///
    /// # Errors
    /// Where the engine cannot be made on this machine.
    pub fn of_one_command() -> Result<Self, CniError> {
        Ok(Self { engine: start()?, kept: None })
    }

    /// For a process that serves commands and lives on.
    ///
    /// # Errors
    /// Where the engine cannot be made on this machine.
    pub fn lasting() -> Result<Self, CniError> {
        Ok(Self { engine: start()?, kept: Some(Mutex::default()) })
    }

    /// Whether the process lives on after the command.
    pub(super) fn is_lasting(&self) -> bool {
        self.kept.is_some()
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The code of an entry. After an upgrade of the host it is out of date: then the compiler that was installed beside
    /// it makes it anew, once, where `may_compile`. There is no compiler in this process.
    ///
    /// # Errors
    /// Code 100: there is no code for this engine, or its file is not trusted.
    pub(super) fn code(&self, registry: &Registry, entry: &Entry, may_compile: bool) -> Result<Code, CniError> {
        let unavailable = |e: RegistryError| CniError::new(code::PLUGIN_UNAVAILABLE, e.to_string());
        match self.find(registry, entry) {
            // A confined process can start no compiler.
            Err(stale @ RegistryError::Stale { .. }) if !may_compile => {
                let advice = format!("run `weir compile --bin-dir {}`", registry.bin_dir().display());
                Err(unavailable(stale).with_details(advice))
            }
            Err(stale @ RegistryError::Stale { .. }) => {
                crate::registry::recompile(registry).map_err(|e| {
                    CniError::new(code::PLUGIN_UNAVAILABLE, stale.to_string())
                        .with_details(format!("compiling it anew failed: {e}"))
                })?;
                let fresh = registry.entry(&entry.name).map_err(unavailable)?;
                self.find(registry, &fresh).map_err(unavailable)
            }
            other => other.map_err(unavailable),
        }
    }

    fn find(&self, registry: &Registry, entry: &Entry) -> Result<Code, RegistryError> {
        let (file, digest) = registry.compiled_file(entry, ENGINE_KEY)?;
        if let Some(plugin) = self.take_kept(entry, &file.identity(), &digest) {
            return Ok(Code::Ready(plugin));
        }
        if !entry.compiled.as_ref().is_some_and(|code| code.is_untouched(&file)) {
            file.verify_digest(&digest)?;
        }
        Ok(Code::File { file, digest })
    }

    fn kept(&self) -> Option<MutexGuard<'_, Vec<Kept>>> {
        Some(self.kept.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take_kept(&self, entry: &Entry, file: &FileIdentity, digest: &str) -> Option<CniPluginPre<Side>> {
        let mut kept = self.kept()?;
        let is_same = |one: &Kept| {
            one.digest == digest && one.file == *file && one.imports == entry.imports && one.wasi == entry.wasi
        };
        let index = kept.iter().position(is_same)?;
        let found = kept.remove(index);
        let plugin = found.plugin.clone();
        kept.push(found);
        Some(plugin)
    }

    /// Map and link code. What the entry imports must have been granted.
    ///
    /// # Errors
    /// Where the engine refuses it.
    pub(super) fn prepare(&self, entry: &Entry, code: Code) -> wasmtime::Result<CniPluginPre<Side>> {
        let (file, digest) = match code {
            Code::Ready(plugin) => return Ok(plugin),
            Code::File { file, digest } => (file, digest),
        };
        let component = map(&self.engine, &file)?;
        let mut linker = Linker::new(&self.engine);
        imports::link(&mut linker, &entry.imports, entry.wasi)?;
        let plugin = CniPluginPre::new(linker.instantiate_pre(&component)?)?;
        if let Some(mut kept) = self.kept() {
            // Another thread may have been quicker, or another file have been there.
            kept.retain(|one| one.digest != digest);
            if kept.len() >= MOST_KEPT {
                kept.remove(0);
            }
            let imports = entry.imports.clone();
            kept.push(Kept { digest, file: file.identity(), imports, wasi: entry.wasi, plugin: plugin.clone() });
        } else {
            // The rest ends with the process. To take it apart first takes a tenth of the time.
            std::mem::forget((component, linker));
        }
        Ok(plugin)
    }
}

fn start() -> Result<Engine, CniError> {
    engine::engine().map_err(|e| CniError::new(INTERNAL, "cannot start the engine").with_details(format!("{e:#}")))
}

#[expect(unsafe_code, reason = "the one place that maps compiled code; see the safety note")]
fn map(engine: &Engine, file: &VerifiedFile) -> wasmtime::Result<Component> {
    let path = file.handle_path();
    let path: &Path = &path;
    // SAFETY: the file was made by our own compiler and stored by the operator. The open handle was checked: it belongs
    // to root (or to the user that we are), nobody else may write it, and its content has the digest that the
    // registry recorded. The path leads to that same handle, so the name cannot be swapped in between, and files of
    // the registry are replaced by new ones, never written in place.
    unsafe { Component::deserialize_file(engine, path) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn code_that_the_engine_did_not_make_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let engine = engine::engine().unwrap();
        for content in [&b""[..], b"no code", b"\0asm\x0d\0\x01\0"] {
            std::fs::write(file.path(), content).unwrap();
            assert!(map(&engine, &VerifiedFile::open(file.path()).unwrap()).is_err(), "{content:?}");
        }
    }
}
