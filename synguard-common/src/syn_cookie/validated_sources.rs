//! Which sources have lately shown that they are where they say: a table of cells, each with part of a source's hash
//! and the moment until which it counts. Pure.
//!
//! Looking a source up is one load from 256 KiB, so that it can be done for each SYN of a flood. A source that takes
//! another's cell makes it be forgotten; nobody can do that who has not returned a cookie. One source in 32 768 that has
//! not is taken for one that has, which does not matter: its SYN is looked at more closely, or passed to the kernel
//! where others' are dropped.

/// Cells, a power of two.
pub const CELLS: usize = 1 << 16;
/// Nanoseconds in a unit of a cell's time, as a power of two: 1.07 s.
pub const UNIT_SHIFT: u32 = 30;

const TIME_MASK: u32 = 0xffff;

/// The cell of a source with this hash. The bits are none of those that the sketch takes.
#[inline(always)]
pub const fn index(hash: u64) -> u32 {
    (hash >> 32) as u32 & (CELLS as u32 - 1)
}

/// The content of a cell: a source with this hash counts as proven until then, or up to a unit longer.
#[inline(always)]
pub const fn cell(hash: u64, until_ns: u64) -> u32 {
    mark(hash) | ((until_ns >> UNIT_SHIFT) as u32 + 1) & TIME_MASK
}

/// Whether a cell says that a source with this hash counts as proven. What says so for longer than `longest_ns` is left
/// over from another time.
#[inline(always)]
pub const fn is_valid(cell: u32, hash: u64, longest_ns: u64, now_ns: u64) -> bool {
    let left = cell.wrapping_sub((now_ns >> UNIT_SHIFT) as u32) & TIME_MASK;
    cell & !TIME_MASK == mark(hash) && left != 0 && left as u64 <= (longest_ns >> UNIT_SHIFT) + 2
}

/// The part of the hash that a cell keeps, never 0: an empty cell is nobody's.
#[inline(always)]
const fn mark(hash: u64) -> u32 {
    ((hash >> 48) as u32 | 1) << 16
}

#[cfg(test)]
mod tests {
    extern crate std;
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    proptest! {
        #[test]
        fn a_source_counts_for_as_long_as_it_was_said(
            hash: u64, start in 0u64..1 << 60, length in 1..600 * SECOND, passed in 0..1200 * SECOND,
        ) {
            let held = is_valid(cell(hash, start + length), hash, length, start + passed);
            if passed < length {
                prop_assert!(held);
            }
            if passed > length + (2 << UNIT_SHIFT) {
                prop_assert!(!held);
            }
        }

        #[test]
        fn an_empty_cell_is_nobodys(hash: u64, now: u64, longest: u64) {
            prop_assert!(!is_valid(0, hash, longest, now));
            prop_assert!((index(hash) as usize) < CELLS);
        }

        #[test]
        fn another_source_does_not_count(hash: u64, now in 0u64..1 << 60, bit in 49u32..64) {
            let cell = cell(hash, now + 10 * SECOND);
            prop_assert!(!is_valid(cell, hash ^ 1 << bit, 10 * SECOND, now));
        }
    }
}
