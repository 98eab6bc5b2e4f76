//! The heap of a program that lives for milliseconds: dlmalloc, with a lock that costs next to nothing as long as there is
//! one thread. Memory comes in small pieces, and pages of it as they are touched: to have them mapped beforehand made the
//! shortest commands a tenth of a millisecond slower.
//!
//! Small blocks are cut off larger ones, and what is freed waits in a list for the next one of its size: dlmalloc's search
//! took a tenth of the instructions of an ADD.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use dlmalloc::Dlmalloc;

/// Sizes of small blocks are multiples of this, and so are their addresses.
const STEP: usize = 16;
/// How many sizes of small blocks there are.
const SIZES: usize = 32;
/// What small blocks are cut off.
const PIECE: usize = 16 << 10;

/// To be used as `#[global_allocator]`. Any number of threads may use it; several that often do should have another one.
pub struct Heap {
    taken: AtomicBool,
    blocks: UnsafeCell<Blocks>,
}

struct Blocks {
    heap: Dlmalloc,
    /// Free blocks of each size.
    free: [*mut Free; SIZES],
    /// What is left of a piece.
    rest: *mut u8,
    left: usize,
}

/// A free small block.
struct Free {
    next: *mut Free,
}

/// Which of the sizes of small blocks is the one for a layout; none where a small block will not do.
const fn size_of(layout: Layout) -> Option<usize> {
    let number = layout.size().saturating_sub(1) / STEP;
    if number < SIZES && layout.align() <= STEP { Some(number) } else { None }
}

impl Blocks {
    /// A small block; null where there is no memory.
    fn take(&mut self, number: usize) -> *mut u8 {
        let Some(first) = self.free.get_mut(number) else { return ptr::null_mut() };
        if !first.is_null() {
            let block = *first;
            // SAFETY: blocks in the list are free, and hold what `put` wrote to them.
            *first = unsafe { (*block).next };
            return block.cast();
        }
        let size = (number + 1) * STEP;
        if self.left < size {
            if self.left > 0 {
                // SAFETY: nobody has the rest; it is aligned, and smaller than the largest small block.
                unsafe { self.put(self.rest, self.left / STEP - 1) };
                self.left = 0;
            }
            // SAFETY: the alignment is a power of two.
            self.rest = unsafe { self.heap.malloc(PIECE, STEP) };
            if self.rest.is_null() {
                return ptr::null_mut();
            }
            self.left = PIECE;
        }
        let block = self.rest;
        // SAFETY: `left` bytes follow, and these are no fewer than `size`.
        self.rest = unsafe { block.add(size) };
        self.left -= size;
        block
    }

    /// Take a small block back.
    ///
    /// # Safety
    /// Nobody else has it, and it is of that size.
    unsafe fn put(&mut self, block: *mut u8, number: usize) {
        let Some(first) = self.free.get_mut(number) else { return };
        let block: *mut Free = block.cast();
        // SAFETY: the caller gives it up; small blocks are aligned to STEP and no smaller.
        unsafe { block.write(Free { next: *first }) };
        *first = block;
    }
}

// SAFETY: the heap is reached through `Heap::locked` alone, which lets in one thread at a time.
unsafe impl Sync for Heap {}

impl Heap {
    /// An empty heap.
    pub const fn new() -> Self {
        let blocks = Blocks { heap: Dlmalloc::new(), free: [ptr::null_mut(); SIZES], rest: ptr::null_mut(), left: 0 };
        Self { taken: AtomicBool::new(false), blocks: UnsafeCell::new(blocks) }
    }

    fn locked<T>(&self, work: impl FnOnce(&mut Blocks) -> T) -> T {
        while self.taken.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            std::thread::yield_now();
        }
        // SAFETY: who has set `taken` is alone with the heap until it is unset below. Neither dlmalloc nor the lists unwind,
        // and they call nothing that allocates.
        let result = work(unsafe { &mut *self.blocks.get() });
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
// is given back to it was its own, with the same layout, by the contract of this trait. So it is with small blocks, and a
// layout alone tells which of the two it is.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match size_of(layout) {
            Some(number) => self.locked(|blocks| blocks.take(number)),
            // SAFETY: the layout's alignment is a power of two.
            None => self.locked(|blocks| unsafe { blocks.heap.malloc(layout.size(), layout.align()) }),
        }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: by the contract of this trait it was allocated here with this layout.
        self.locked(|blocks| unsafe {
            match size_of(layout) {
                Some(number) => blocks.put(memory, number),
                None => blocks.heap.free(memory, layout.size(), layout.align()),
            }
        });
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if size_of(layout).is_none() {
            // SAFETY: the layout's alignment is a power of two.
            return self.locked(|blocks| unsafe { blocks.heap.calloc(layout.size(), layout.align()) });
        }
        // SAFETY: the layout is the caller's, and the block as large as it says.
        unsafe {
            let block = self.alloc(layout);
            if !block.is_null() {
                block.write_bytes(0, layout.size());
            }
            block
        }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: by the contract of this trait the new size makes a layout with the old alignment.
        let new = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        match (size_of(layout), size_of(new)) {
            (Some(old), Some(new)) if old == new => memory,
            (None, None) => self.locked(|blocks| {
                // SAFETY: by the contract of this trait it was allocated here with this layout.
                unsafe { blocks.heap.realloc(memory, layout.size(), layout.align(), new_size) }
            }),
            // SAFETY: by that contract, too; both blocks have the bytes that are copied, and the old one is given up only after that.
            _ => unsafe {
                let block = self.alloc(new);
                if !block.is_null() {
                    ptr::copy_nonoverlapping(memory, block, layout.size().min(new_size));
                    self.dealloc(memory, layout);
                }
                block
            },
        }
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
            // Half of them small, with neighbours in size.
            let largest = if round % 2 == 0 { 5000 } else { 600 };
            let layout = Layout::from_size_align(1 + (round * 37) % largest, 1 << (round % 7)).unwrap();
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
