//! Lists the components of `tests/wat`, so that one without a test does not compile.

use std::env;
use std::fs;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=wat");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let entries = fs::read_dir(root.join("wat")).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".wat")?.to_owned())).collect();
    names.sort();
    let list = names.join(", ");
    let code = format!(
        "/// Calls a macro with the name of every file.\nmacro_rules! for_each_wat {{ ($then:ident) => {{ $then! {{ {list} }} }}; }}\n"
    );
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("wat.rs");
    if let Err(error) = fs::write(&out, code) {
        println!("cargo::error=write {}: {error}", out.display());
    }
}
