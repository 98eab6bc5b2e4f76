//! The heap of a program that lives for milliseconds: dlmalloc, with a lock that costs next to nothing as long as there is
//! one thread. Memory comes in small pieces, and pages of it as they are touched: to have them mapped beforehand made the
//! shortest commands a tenth of a millisecond slower.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, Ordering};

use dlmalloc::Dlmalloc;

/// To be used as `#[global_allocator]`. Any number of threads may use it; several that often do should have another one.
pub struct Heap {
    taken: AtomicBool,
    heap: UnsafeCell<Dlmalloc>,
}

// SAFETY: the heap is reached through `Heap::locked` alone, which lets in one thread at a time.
unsafe impl Sync for Heap {}

impl Heap {
    /// An empty heap.
    pub const fn new() -> Self {
        Self { taken: AtomicBool::new(false), heap: UnsafeCell::new(Dlmalloc::new()) }
    }

    fn locked<T>(&self, work: impl FnOnce(&mut Dlmalloc) -> T) -> T {
        while self.taken.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            std::thread::yield_now();
        }
        // SAFETY: who has set `taken` is alone with the heap until it is unset below. dlmalloc does not unwind, and calls
        // nothing that allocates.
        let result = work(unsafe { &mut *self.heap.get() });
        self.taken.store(false, Ordering::Release);
        result
    }
}

impl Default for Heap {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: dlmalloc gives memory of the size and alignment that was asked for, which nobody else has until it is freed; what
// is given back to it was its own, with the same layout, by the contract of this trait.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the layout's alignment is a power of two.
        self.locked(|heap| unsafe { heap.malloc(layout.size(), layout.align()) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: by the contract of this trait it was allocated here with this layout.
        self.locked(|heap| unsafe { heap.free(memory, layout.size(), layout.align()) });
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the layout's alignment is a power of two.
        self.locked(|heap| unsafe { heap.calloc(layout.size(), layout.align()) })
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: by the contract of this trait it was allocated here with this layout.
        self.locked(|heap| unsafe { heap.realloc(memory, layout.size(), layout.align(), new_size) })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    /// Fill, grow, shrink and free many blocks; each must keep what was written to it.
    fn work(heap: &Heap, seed: u8) {
        let mut blocks = Vec::new();
        for round in 0..2000_usize {
            let layout = Layout::from_size_align(1 + (round * 37) % 5000, 1 << (round % 7)).unwrap();
            // SAFETY: the layout is not empty; blocks are used within their sizes and freed once, with their layouts.
            unsafe {
                let block = if round % 3 == 0 { heap.alloc_zeroed(layout) } else { heap.alloc(layout) };
                assert!(!block.is_null() && block.addr() % layout.align() == 0);
                assert!(round % 3 != 0 || std::slice::from_raw_parts(block, layout.size()).iter().all(|b| *b == 0));
                block.write_bytes(seed, layout.size());
                let size = layout.size() * 2 + 100_000 * usize::from(round % 500 == 0);
                let block = heap.realloc(block, layout, size);
                assert!(std::slice::from_raw_parts(block, layout.size()).iter().all(|b| *b == seed));
                block.write_bytes(seed, size);
                blocks.push((block, Layout::from_size_align(size, layout.align()).unwrap()));
                if round % 2 == 1 {
                    let (block, layout) = blocks.swap_remove(round * 7 % blocks.len());
                    assert!(std::slice::from_raw_parts(block, layout.size()).iter().all(|b| *b == seed));
                    heap.dealloc(block, layout);
                }
            }
        }
    }

    #[test]
    fn blocks_of_several_threads_keep_apart() {
        static HEAP: Heap = Heap::new();
        let threads: Vec<_> = (1..5).map(|seed| std::thread::spawn(move || work(&HEAP, seed))).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
