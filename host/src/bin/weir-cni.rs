//! What goes on CNI_PATH: one binary, called by the name of the plugin that it should run.

/// A start makes some ten thousand small allocations; musl's own allocator takes twice as long for them.
#[global_allocator]
static ALLOCATOR: weir_native::allocator::Heap = weir_native::allocator::Heap::new();

fn main() -> std::process::ExitCode {
    weir::contract::main()
}
