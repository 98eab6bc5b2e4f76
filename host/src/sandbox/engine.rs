//! The engine's settings. The compiler and the runner must agree on every one of them, so there is this one function.

use wasmtime::{Config, Engine, ModuleVersionStrategy};

/// Names the engine that code was compiled for: wasmtime's exact version and the revision of the settings below.
/// Change the revision with the settings.
pub const ENGINE_KEY: &str = concat!("wasmtime-48.0.8/", env!("CARGO_PKG_VERSION"), "/1");

/// The target that code is compiled for: the baseline of this architecture, so that what one machine compiled runs on
/// every other.
#[cfg(feature = "compiler")]
const TARGET: &str =
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };

/// The settings.
///
/// # Errors
/// Where the engine refuses one of them.
pub fn config() -> wasmtime::Result<Config> {
    let mut config = Config::new();
    config.module_version(ModuleVersionStrategy::Custom(ENGINE_KEY.to_owned()))?;
    // Deterministic metering; needs no thread that ticks.
    config.consume_fuel(true);
    // Plugins compute little; what they do not use cannot be attacked.
    config.wasm_simd(false);
    config.wasm_relaxed_simd(false);
    config.wasm_multi_memory(false);
    config.wasm_memory64(false);
    config.wasm_tail_call(false);
    config.concurrency_support(false);
    // Address space, not memory: with 4 GiB reserved no access needs a bounds check, which makes the code smaller.
    // The limit on memory is counted apart (see `limiter`).
    config.memory_reservation(4 << 30);
    config.memory_reservation_for_growth(0);
    config.memory_guard_size(64 << 10);
    config.guard_before_linear_memory(false);
    config.memory_may_move(false);
    config.max_wasm_stack(512 << 10);
    // Smaller compiled code: it is mapped and its digest computed at every start.
    config.generate_address_map(false);
    config.native_unwind_info(false);
    config.debug_symbols(false);
    config.wasm_backtrace_max_frames(None);
    Ok(config)
}

/// An engine that runs what was compiled with these settings.
///
/// # Errors
/// Where the engine cannot be made on this machine.
pub fn engine() -> wasmtime::Result<Engine> {
    #[cfg_attr(not(feature = "compiler"), expect(unused_mut, reason = "there is no compiler to leave out"))]
    let mut config = config()?;
    // An engine with a compiler runs only what is compiled for the very target that the program itself was built for.
    #[cfg(feature = "compiler")]
    config.enable_compiler(false);
    Engine::new(&config)
}

/// An engine that compiles with these settings.
///
/// # Errors
/// Where the engine cannot be made on this machine.
#[cfg(feature = "compiler")]
pub fn compiler() -> wasmtime::Result<Engine> {
    let mut config = config()?;
    config.target(TARGET)?;
    config.cranelift_opt_level(wasmtime::OptLevel::SpeedAndSize);
    Engine::new(&config)
}

#[cfg(test)]
mod tests {
    use super::ENGINE_KEY;

    #[test]
    fn the_key_names_the_wasmtime_that_is_built_in() {
        let lock = include_str!("../../../Cargo.lock");
        let built = lock.split("\n\n").find(|package| package.contains("name = \"wasmtime\"\n"));
        let version = built.and_then(|package| package.split("version = \"").nth(1)?.split('"').next());
        assert_eq!(ENGINE_KEY.split('/').next().and_then(|key| key.strip_prefix("wasmtime-")), version);
    }
}
