//! What can be read from a component without running it: its manifest and its imports.

use wasmparser::{Encoding, Parser, Payload, Validator};

use crate::broker::function::INTERFACES;
use crate::registry::{Manifest, manifest};

/// Facts about a component.
#[derive(Debug, Clone)]
pub struct ComponentFacts {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Interfaces of the contract that it imports and that hold functions, in kebab case, in order.
    pub imports: Vec<String>,
    /// WASI interfaces that it imports.
    pub wasi_imports: Vec<String>,
}

/// Why a file is no plugin.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// Not WebAssembly, or broken.
    #[error("not a valid WebAssembly component: {0}")]
    Invalid(String),
    /// A core module.
    #[error("this is a core module, not a component; `weir pack` makes a component of it")]
    CoreModule,
    /// No manifest.
    #[error("it has no manifest (custom section {section:?}); the SDK's manifest! macro writes one", section = manifest::SECTION)]
    NoManifest,
    /// More than one manifest.
    #[error("it has more than one manifest, so it is not clear what it asks for")]
    SeveralManifests,
    /// The manifest is wrong.
    #[error("{0}")]
    Manifest(String),
    /// It imports what no host gives.
    #[error("it imports {0:?}, which is neither of the contract weir:cni@0.1 nor of WASI 0.2")]
    UnknownImport(String),
    /// It imports what its manifest does not ask for.
    #[error("it imports {0:?}, but its manifest does not ask for it and gives no reason")]
    UndeclaredImport(String),
}

/// Read a component's manifest and imports, and check that they agree.
///
/// # Errors
/// Why it cannot be installed.
pub fn read_component(bytes: &[u8]) -> Result<ComponentFacts, ComponentError> {
    if Parser::is_core_wasm(bytes) {
        return Err(ComponentError::CoreModule);
    }
    let invalid = |e: wasmparser::BinaryReaderError| ComponentError::Invalid(e.to_string());
    Validator::new().validate_all(bytes).map_err(invalid)?;
    let mut manifests: Vec<&[u8]> = Vec::new();
    let mut import_names = Vec::new();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(invalid)? {
            Payload::Version { encoding, .. } => {
                if depth == 0 && encoding != Encoding::Component {
                    return Err(ComponentError::CoreModule);
                }
                depth = depth.saturating_add(1);
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if section.name() == manifest::SECTION => manifests.push(section.data()),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    import_names.push(import.map_err(invalid)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    let manifest = match manifests.as_slice() {
        [] => return Err(ComponentError::NoManifest),
        [one] => Manifest::parse(one).map_err(ComponentError::Manifest)?,
        _ => return Err(ComponentError::SeveralManifests),
    };
    let (imports, wasi_imports) = sort_imports(import_names)?;
    if let Some(undeclared) = imports.iter().find(|import| !manifest.asks_for(import)) {
        return Err(ComponentError::UndeclaredImport(undeclared.clone()));
    }
    Ok(ComponentFacts { manifest, imports, wasi_imports })
}

fn sort_imports(names: Vec<String>) -> Result<(Vec<String>, Vec<String>), ComponentError> {
    let (mut ours, mut wasi) = (Vec::new(), Vec::new());
    for name in names {
        if let Some(interface) = contract_interface(&name) {
            // Word lists (`types`, `namespaces`) hold no functions and no authority.
            if INTERFACES.contains(&interface) {
                ours.push(interface.to_owned());
            } else if !matches!(interface, "types" | "namespaces") {
                return Err(ComponentError::UnknownImport(name));
            }
        } else if name.starts_with("wasi:") && name.contains("@0.2.") {
            wasi.push(name);
        } else {
            return Err(ComponentError::UnknownImport(name));
        }
    }
    Ok((ours, wasi))
}

/// `links` of `weir:cni/links@0.1.0`; none for another package or another line of versions.
fn contract_interface(import: &str) -> Option<&str> {
    let (interface, version) = import.strip_prefix("weir:cni/")?.split_once('@')?;
    version.starts_with("0.1.").then_some(interface)
}
