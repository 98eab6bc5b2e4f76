//! The heap of a program that lives for milliseconds: dlmalloc, with a lock that costs next to nothing as long as there is
//! one thread, and with memory that comes a few pages at once, because each page that is touched for the first time costs
//! as much as some ten allocations.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use dlmalloc::{Allocator, Dlmalloc};

/// How much memory is asked of the kernel at least.
const GRANULARITY: usize = 128 << 10;

/// To be used as `#[global_allocator]`. Any number of threads may use it; several that often do should have another one.
pub struct Heap {
    taken: AtomicBool,
    heap: UnsafeCell<Dlmalloc<Pages>>,
}

// SAFETY: the heap is reached through `Heap::locked` alone, which lets in one thread at a time.
unsafe impl Sync for Heap {}

impl Heap {
    /// An empty heap.
    pub const fn new() -> Self {
        let mut heap = Dlmalloc::new_with_allocator(Pages);
        heap.set_granularity(GRANULARITY);
        Self { taken: AtomicBool::new(false), heap: UnsafeCell::new(heap) }
    }

    fn locked<T>(&self, work: impl FnOnce(&mut Dlmalloc<Pages>) -> T) -> T {
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

/// Memory of the kernel.
struct Pages;

// SAFETY: each region is a mapping of its own, anonymous and private, which nobody else unmaps.
unsafe impl Allocator for Pages {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        // What is larger than usual may never be touched in whole.
        let populate = if size <= GRANULARITY { libc::MAP_POPULATE } else { 0 };
        let flags = libc::MAP_ANONYMOUS | libc::MAP_PRIVATE | populate;
        // SAFETY: a new mapping at an address that the kernel chooses.
        let start = unsafe { libc::mmap(ptr::null_mut(), size, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
        if start == libc::MAP_FAILED { (ptr::null_mut(), 0, 0) } else { (start.cast(), size, 0) }
    }

    fn remap(&self, start: *mut u8, old: usize, new: usize, can_move: bool) -> *mut u8 {
        let flags = if can_move { libc::MREMAP_MAYMOVE } else { 0 };
        // SAFETY: dlmalloc names a region that it got from `alloc`, and has no more use for the old address.
        let start = unsafe { libc::mremap(start.cast(), old, new, flags) };
        if start == libc::MAP_FAILED { ptr::null_mut() } else { start.cast() }
    }

    fn free_part(&self, start: *mut u8, old: usize, new: usize) -> bool {
        // SAFETY: the part from `new` to `old` of a region that dlmalloc got from `alloc`, and no longer uses.
        unsafe { libc::munmap(start.add(new).cast(), old - new) == 0 }
    }

    fn free(&self, start: *mut u8, size: usize) -> bool {
        // SAFETY: a region that dlmalloc got from `alloc`, and no longer uses.
        unsafe { libc::munmap(start.cast(), size) == 0 }
    }

    fn can_release_part(&self, _: u32) -> bool {
        true
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        4096
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
