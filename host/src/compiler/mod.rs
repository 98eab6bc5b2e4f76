//! From a component as its author shipped it to an entry of the registry with native code. Operators' side only:
//! `weir-cni` is built without this module.

mod component;
mod files;
mod install;
mod pack;
mod signed;

pub use component::{ComponentError, ComponentFacts, read_component};
pub use install::{Candidate, InstallError, InstallOptions, Installed, install, recompile_stale, remove, write_entry};
pub use pack::pack;
pub use signed::{SignatureOptions, verify_installed};
