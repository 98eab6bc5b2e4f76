//! memcpy and memmove for x86-64 with musl, whose own begin with `rep movs`: that takes the processor some 40 ns before the
//! first byte, and a start copies some four thousand times, mostly less than 64 bytes.
//!
//! In assembly, and in no function of Rust: the compiler may turn a loop that copies into a call of memcpy, and may drop
//! a function of this name where it optimizes the whole program. Both names are here as musl's memmove needs its memcpy.

use std::arch::global_asm;

// C calling convention (System V ABI): rdi the destination, rsi the source, rdx the length; rax returns the destination.
// Everything that is read at once is read before anything of it is written, so that the two may overlap.
global_asm!(
    ".pushsection .text.memcpy, \"ax\", @progbits",
    ".balign 64",
    ".globl memcpy",
    ".globl memmove",
    ".type memcpy, @function",
    ".type memmove, @function",
    "memcpy:",
    "memmove:",
    "mov rax, rdi",
    "cmp rdx, 16",
    "jb 20f",
    "movups xmm0, [rsi]",
    "movups xmm1, [rsi + rdx - 16]",
    "cmp rdx, 32",
    "ja 10f",
    "movups [rdi], xmm0",
    "movups [rdi + rdx - 16], xmm1",
    "ret",
    // More than 32: the first and the last 32.
    "10: movups xmm2, [rsi + 16]",
    "movups xmm3, [rsi + rdx - 32]",
    "cmp rdx, 64",
    "ja 11f",
    "movups [rdi], xmm0",
    "movups [rdi + 16], xmm2",
    "movups [rdi + rdx - 32], xmm3",
    "movups [rdi + rdx - 16], xmm1",
    "ret",
    // More than 64: which end first?
    "11: mov rcx, rdi",
    "sub rcx, rsi",
    "cmp rcx, rdx",
    "jb 13f",
    // From the front, 32 at a time; the last 32 are in registers, and so are the first.
    "lea r8, [rdi + rdx - 32]",
    "movups [rdi], xmm0",
    "movups [rdi + 16], xmm2",
    "12: add rsi, 32",
    "add rdi, 32",
    "movups xmm0, [rsi]",
    "movups xmm2, [rsi + 16]",
    "movups [rdi], xmm0",
    "movups [rdi + 16], xmm2",
    "lea rcx, [rdi + 32]",
    "cmp rcx, r8",
    "jb 12b",
    "movups [r8], xmm3",
    "movups [r8 + 16], xmm1",
    "ret",
    // From the back, as the destination begins within the source.
    "13: movups xmm4, [rsi + rdx - 32]",
    "movups xmm5, [rsi + rdx - 16]",
    "movups [rdi + rdx - 32], xmm4",
    "movups [rdi + rdx - 16], xmm5",
    "sub rdx, 32",
    "cmp rdx, 32",
    "ja 13b",
    "movups [rdi], xmm0",
    "movups [rdi + 16], xmm2",
    "ret",
    // Less than 16.
    "20: cmp edx, 8",
    "jb 21f",
    "mov r8, [rsi]",
    "mov r9, [rsi + rdx - 8]",
    "mov [rdi], r8",
    "mov [rdi + rdx - 8], r9",
    "ret",
    "21: cmp edx, 4",
    "jb 22f",
    "mov r8d, [rsi]",
    "mov r9d, [rsi + rdx - 4]",
    "mov [rdi], r8d",
    "mov [rdi + rdx - 4], r9d",
    "ret",
    "22: test edx, edx",
    "jz 23f",
    "movzx r8d, byte ptr [rsi]",
    "mov ecx, edx",
    "shr ecx, 1",
    "movzx r9d, byte ptr [rsi + rcx]",
    "movzx r10d, byte ptr [rsi + rdx - 1]",
    "mov [rdi], r8b",
    "mov [rdi + rcx], r9b",
    "mov [rdi + rdx - 1], r10b",
    "23: ret",
    ".size memcpy, . - memcpy",
    ".size memmove, . - memmove",
    ".popsection",
);

#[cfg(test)]
#[allow(unsafe_code, clippy::indexing_slicing, reason = "a test of memory itself")]
mod tests {
    use std::ffi::c_void;
    use std::hint::black_box;

    unsafe extern "C" {
        fn memcpy(to: *mut c_void, from: *const c_void, length: usize) -> *mut c_void;
        fn memmove(to: *mut c_void, from: *const c_void, length: usize) -> *mut c_void;
    }

    const LONGEST: usize = 300;

    /// Bytes of which no two that are close are the same.
    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at * 7 + at / 251) as u8).collect()
    }

    /// What should come of it, byte by byte.
    fn expected(before: &[u8], to: usize, from: usize, length: usize) -> Vec<u8> {
        let mut after = before.to_vec();
        for (target, source) in after[to..].iter_mut().zip(&before[from..]).take(length) {
            *target = *source;
        }
        after
    }

    #[test]
    fn every_length_is_copied_whole_and_nothing_beside_it() {
        for length in (0..LONGEST).chain([1000, 4096, 65_537]) {
            for shift in [0, 1, 7, 8, 15] {
                let source = pattern(length + 64);
                let mut target = vec![0xee; length + 64];
                let mut wanted = target.clone();
                wanted[20..20 + length].copy_from_slice(&source[shift..shift + length]);
                // SAFETY: both ranges lie within their vectors, which do not overlap.
                let returned = unsafe {
                    let to = target.as_mut_ptr().add(20).cast();
                    (memcpy(black_box(to), source.as_ptr().add(shift).cast(), length), to)
                };
                assert_eq!(returned.0, returned.1);
                assert!(target == wanted, "{length} bytes from {shift}");
            }
        }
    }

    #[test]
    fn what_overlaps_is_moved_as_if_it_did_not() {
        for length in (0..LONGEST).chain([1000, 4096]) {
            for distance in [0_usize, 1, 2, 3, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 299] {
                for (to, from) in [(10, 10 + distance), (10 + distance, 10)] {
                    let before = pattern(length + distance + 40);
                    let mut after = before.clone();
                    let start: *mut u8 = after.as_mut_ptr();
                    // SAFETY: both ranges lie within the vector.
                    unsafe { memmove(black_box(start.add(to)).cast(), start.add(from).cast(), length) };
                    assert!(after == expected(&before, to, from, length), "{length} bytes from {from} to {to}");
                }
            }
        }
    }
}
