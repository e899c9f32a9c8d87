//! The sources that have recently proved that they receive at their address: a table of cells, each with part of a source's
//! hash and the end of its validity. Pure.
//!
//! A lookup is one load from 256 KiB, cheap enough for each SYN of a flood. A source that takes another one's cell evicts
//! it; only sources that have returned a cookie can do so. One in 32 768 other sources counts as validated by chance, which
//! does no harm: its SYN is examined more closely, or passed to the kernel where others are dropped.

/// Number of cells, a power of two.
pub const CELLS: usize = 1 << 16;
/// Unit of a cell's time, as a power of two of nanoseconds: 1.07 s.
pub const UNIT_SHIFT: u32 = 30;

const TIME_MASK: u32 = 0xffff;

/// Returns the index of the cell for this hash. The sketch does not use these bits.
#[inline(always)]
pub const fn index(hash: u64) -> u32 {
    (hash >> 32) as u32 & (CELLS as u32 - 1)
}

/// Returns the content of a cell for a source that is validated until `until_ns`, or up to one unit longer.
#[inline(always)]
pub const fn cell(hash: u64, until_ns: u64) -> u32 {
    tag(hash) | ((until_ns >> UNIT_SHIFT) as u32 + 1) & TIME_MASK
}

/// Reports whether a cell validates a source with this hash. A cell that claims to be valid for longer than `longest_ns` is
/// left over from an earlier round of the time, and does not count.
#[inline(always)]
pub const fn is_valid(cell: u32, hash: u64, longest_ns: u64, now_ns: u64) -> bool {
    let left = cell.wrapping_sub((now_ns >> UNIT_SHIFT) as u32) & TIME_MASK;
    cell & !TIME_MASK == tag(hash) && left != 0 && left as u64 <= (longest_ns >> UNIT_SHIFT) + 2
}

/// Returns the part of the hash in a cell, never 0: an empty cell matches no source.
#[inline(always)]
const fn tag(hash: u64) -> u32 {
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
        fn source_is_valid_for_the_given_time(
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
        fn empty_cell_matches_no_source(hash: u64, now: u64, longest: u64) {
            prop_assert!(!is_valid(0, hash, longest, now));
            prop_assert!((index(hash) as usize) < CELLS);
        }

        #[test]
        fn cell_does_not_match_another_source(hash: u64, now in 0u64..1 << 60, bit in 49u32..64) {
            let cell = cell(hash, now + 10 * SECOND);
            prop_assert!(!is_valid(cell, hash ^ 1 << bit, 10 * SECOND, now));
        }
    }
}
