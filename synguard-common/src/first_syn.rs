//! Which SYNs were seen before: two filters of bits (Bloom, Space/time trade-offs in hash coding, 1970) for windows
//! of about two seconds, used in turn. Nothing is kept about a source, and nothing has to be cleared: each word bears
//! the number of its window, and one of another window counts as empty.
//!
//! A SYN is known by its addresses, ports and sequence number, all of which it keeps when it is sent again. Hosts do
//! that after a second (RFC 6298 section 2), which falls in the same window or the next. A flood of forged SYNs that
//! are all different is answered only where its bits happen to be set.

use crate::{hash, prefix::Halves};

/// Words a window, a power of two: 2 MiB.
pub const WORDS: usize = 1 << 18;
/// Windows that are kept.
pub const WINDOWS: usize = 2;
/// Nanoseconds in a window, as a power of two: 2.1 s.
pub const WINDOW_SHIFT: u32 = 31;

/// Bits of a word that are filter; the rest is the window's number.
const FILTER_BITS: u32 = 56;
const FILTER_MASK: u64 = (1 << FILTER_BITS) - 1;

/// Both filters.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstSyns {
    /// Even windows, then odd ones.
    pub windows: [[u64; WORDS]; WINDOWS],
}

/// The window of a moment.
#[inline(always)]
pub const fn window(now_ns: u64) -> u64 {
    now_ns >> WINDOW_SHIFT
}

/// The hash by which a SYN is known.
#[inline(always)]
pub const fn hash(source: Halves, destination: Halves, ports: u32, sequence: u32, seed: Halves) -> u64 {
    let from = hash::mix(source, seed);
    hash::mix(
        [from ^ destination[0], (ports as u64) << 32 | sequence as u64],
        [seed[1], seed[0] ^ destination[1]],
    )
}

/// The word of a hash.
#[inline(always)]
pub const fn index(hash: u64) -> usize {
    hash as usize & (WORDS - 1)
}

/// The bits of a hash in its word: two, or one if they are the same.
#[inline(always)]
const fn bits(hash: u64) -> u64 {
    // Each a 56th of sixteen bits that the index does not use.
    let first = ((hash >> 32 & 0xffff) * FILTER_BITS as u64) >> 16;
    let second = ((hash >> 48) * FILTER_BITS as u64) >> 16;
    1 << first | 1 << second
}

/// Whether a word of `window` knows a SYN of this hash.
#[inline(always)]
pub const fn knows(word: u64, hash: u64, window: u64) -> bool {
    let bits = bits(hash);
    current(word, window) & bits == bits
}

/// What a word of `window` becomes when a SYN of this hash is seen.
#[inline(always)]
pub const fn add(word: u64, hash: u64, window: u64) -> u64 {
    (window << FILTER_BITS) | current(word, window) | bits(hash)
}

/// The filter's bits in a word, none if it is of another window.
#[inline(always)]
const fn current(word: u64, window: u64) -> u64 {
    if word >> FILTER_BITS == window & (u64::MAX >> FILTER_BITS) { word & FILTER_MASK } else { 0 }
}
