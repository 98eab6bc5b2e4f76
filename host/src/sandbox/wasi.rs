//! WASI for components built for wasm32-wasip2. Nothing is inherited: no files, no network, no environment, no
//! arguments. What they print goes to the log.

use wasmtime::component::Linker;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::Guest;
use crate::broker::Budget;
use crate::broker::trace::Level;

/// The WASI side of one instance.
pub(super) struct Wasi {
    context: WasiCtx,
    output: MemoryOutputPipe,
}

impl Wasi {
    /// More output than `output_bytes` makes the component's next write fail.
    pub(super) fn new(output_bytes: usize) -> Self {
        // A full pipe counts as closed, so it has one byte to spare.
        let output = MemoryOutputPipe::new(output_bytes.saturating_add(1));
        let mut builder = WasiCtx::builder();
        builder.stdout(output.clone()).stderr(output.clone()).allow_tcp(false).allow_udp(false);
        Self { context: builder.build(), output }
    }

    /// Write what the component printed to the log.
    pub(super) fn flush_output(&self, plugin: &str, budget: &Budget) {
        for text in String::from_utf8_lossy(&self.output.contents()).lines() {
            budget.log(plugin, Level::Info, text);
        }
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        // Linked only where the instance was made with a context; an empty one serves every other case the same.
        let wasi = self.wasi.get_or_insert_with(|| Wasi::new(0));
        WasiCtxView { ctx: &mut wasi.context, table: &mut self.table }
    }
}

pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_sync(linker)
}
