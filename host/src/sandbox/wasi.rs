//! WASI for components built for wasm32-wasip2. Nothing is inherited: no files, no network, no environment, no
//! arguments. What they print goes to the log.

use std::sync::{Arc, Barrier};

use tokio::runtime::Handle;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxView};

use super::side::Side;
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

    /// What the component printed.
    pub(super) fn printed(&self) -> Vec<u8> {
        self.output.contents().to_vec()
    }

    pub(super) fn view<'a>(&'a mut self, table: &'a mut ResourceTable) -> WasiCtxView<'a> {
        WasiCtxView { ctx: &mut self.context, table }
    }
}

/// Write what a component printed to the log.
pub(super) fn log_output(printed: &[u8], plugin: &str, budget: &Budget) {
    for text in String::from_utf8_lossy(printed).lines() {
        budget.log(plugin, Level::Info, text);
    }
}

/// Have the threads that serve WASI's clocks started by now, and done with what a thread asks of the kernel when it begins;
/// there are none before somebody needs them.
pub(super) fn start_threads() {
    wasmtime_wasi::runtime::with_ambient_tokio_runtime(|| {
        let runtime = Handle::current();
        let threads = runtime.metrics().num_workers();
        // Each waits for all the others, so each of them has one of these.
        let all_there = Arc::new(Barrier::new(threads + 1));
        for _ in 0..threads {
            let all_there = all_there.clone();
            runtime.spawn(async move { all_there.wait() });
        }
        all_there.wait();
    });
}

pub(super) fn add_to_linker(linker: &mut Linker<Side>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_sync(linker)
}
