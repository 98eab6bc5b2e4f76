//! Hands what libFuzzer makes up to the target that WEIR_FUZZ_TARGET names.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use weir_fuzz::Target;

fn chosen() -> &'static Target {
    static TARGET: OnceLock<Target> = OnceLock::new();
    TARGET.get_or_init(|| {
        let name = std::env::var("WEIR_FUZZ_TARGET").unwrap_or_default();
        weir_fuzz::target(&name).unwrap_or_else(|| {
            let names: Vec<_> = weir_fuzz::TARGETS.iter().map(|target| target.name).collect();
            eprintln!("WEIR_FUZZ_TARGET={name:?} is none of {}", names.join(", "));
            std::process::exit(2)
        })
    })
}

fuzz_target!(|bytes: &[u8]| (chosen().run)(bytes));
