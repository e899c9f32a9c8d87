//! A count-min sketch of recent SYNs per source (Cormode, Muthukrishnan: An Improved Data Stream Summary, 2005)
//! with conservative update (Estan, Varghese: New Directions in Traffic Measurement, 2002). It needs no sweep: a
//! cell carries the epoch of its last change, and its count halves with each epoch since.
//!
//! The estimate is never below the number of SYNs that a source sent in this epoch, apart from updates that two CPUs lose
//! to each other, and it exceeds the decayed truth by the collisions common to *both* rows. Cells have 16 bits, so that the
//! whole table stays in a core's L2 cache: 6 bits of epoch, 10 bits of count. A cell that has not changed for a multiple of
//! 64 epochs seems recent; only two such cells, both with a high count, make an estimate too high.

use crate::verifier::branchless;

/// Number of rows; a source has one cell in each.
pub const ROWS: usize = 2;
/// Number of cells in a row.
pub const WIDTH: usize = 1 << 16;
/// Highest count of a cell.
pub const COUNT_MAX: u32 = (1 << COUNT_BITS) - 1;
/// Duration of an epoch, as a power of two of nanoseconds: 134 ms.
pub const EPOCH_SHIFT: u32 = 27;

const COUNT_BITS: u32 = 10;
const AGE_MASK: u32 = (1 << (16 - COUNT_BITS)) - 1;

/// The cells of the sketch.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountMinSketch {
    pub cells: [[u16; WIDTH]; ROWS],
}

/// Returns the epoch of a point in time.
#[inline(always)]
pub const fn epoch(now_ns: u64) -> u32 {
    (now_ns >> EPOCH_SHIFT) as u32
}

/// Returns the index of a hash's cell in a row. The rows use different bits of the hash.
#[inline(always)]
pub const fn index(hash: u64, row: usize) -> usize {
    (hash >> (16 * row)) as usize & (WIDTH - 1)
}

/// Returns a cell's count in `epoch`.
#[inline(always)]
pub const fn count(cell: u16, epoch: u32) -> u32 {
    let age = epoch.wrapping_sub((cell >> COUNT_BITS) as u32) & AGE_MASK;
    // After ten epochs all bits are shifted out. In 64 bits, because a shift by more than the width is not defined.
    ((cell as u64 & COUNT_MAX as u64) >> age) as u32
}

/// Returns a cell with this count (at most [`COUNT_MAX`]) in `epoch`.
#[inline(always)]
pub const fn cell(count: u32, epoch: u32) -> u16 {
    ((epoch & AGE_MASK) << COUNT_BITS | count) as u16
}

/// Adds SYNs to a source's two cells. Returns the new cells and the new estimate. A cell below the estimate is raised to
/// it; a higher one keeps its count. The code has no branches: the order of a forged source's two cells is random, and a
/// branch on it would be mispredicted half the time.
#[inline(always)]
pub fn update(cells: [u16; ROWS], epoch: u32, syns: u64) -> ([u16; ROWS], u32) {
    let counts = [u64::from(count(cells[0], epoch)), u64::from(count(cells[1], epoch))];
    let (least, most) = (branchless::min(counts[0], counts[1]), u64::from(COUNT_MAX));
    let estimate = if syns < most - least { least + syns } else { most };
    let raised = |count| cell(branchless::max(count, estimate) as u32, epoch);
    ([raised(counts[0]), raised(counts[1])], estimate as u32)
}

impl CountMinSketch {
    pub const EMPTY: Self = Self { cells: [[0; WIDTH]; ROWS] };

    /// Adds one SYN of the source with this hash and returns the estimate.
    pub fn add(&mut self, hash: u64, epoch: u32) -> u32 {
        let at = [index(hash, 0), index(hash, 1)];
        let (cells, estimate) = update([self.cells[0][at[0]], self.cells[1][at[1]]], epoch, 1);
        [self.cells[0][at[0]], self.cells[1][at[1]]] = cells;
        estimate
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{boxed::Box, vec};

    use proptest::prelude::*;

    use super::*;
    use crate::{
        addr::{Addr, HashSeed},
        hash,
    };

    fn hash_of(source: u32) -> u64 {
        hash::address(Addr::from_v4(source.to_be()), HashSeed([0x1234_5678_9abc_def0, 0x0fed_cba9_8765_4321]))
    }

    fn empty() -> Box<CountMinSketch> {
        // On the heap from the start: half a megabyte is too much for a test's stack.
        let rows: Box<[[u16; WIDTH]; ROWS]> = vec![[0u16; WIDTH]; ROWS].try_into().expect("two rows");
        Box::new(CountMinSketch { cells: *rows })
    }

    #[test]
    fn counts_halve_each_epoch_and_vanish_after_ten() {
        let full = cell(COUNT_MAX, 100);
        for age in 0..64 {
            let expected = if age < 10 { COUNT_MAX >> age } else { 0 };
            assert_eq!(count(full, 100 + age), expected, "age {age}");
        }
        assert_eq!(count(full, 164), COUNT_MAX, "the documented wraparound");
        assert_eq!(count(cell(5, u32::MAX), 0), 2, "across the epoch's own wraparound");
    }

    /// The basis of the promotion threshold: at 1.5 million forged SYNs a second, fewer than one SYN in 1000 from a source
    /// that sent just this one reaches it, and a sender of a steady 123 SYNs a second is always above it.
    #[test]
    fn noise_stays_below_the_threshold_and_senders_above() {
        use crate::admission::PROMOTION_THRESHOLD;
        let mut sketch = empty();
        let per_epoch = (1.5e6 * 0.134) as u32;
        let (mut forged, mut promoted, mut next) = (0u64, 0u64, 0u32);
        for epoch in 1..=30u32 {
            let mut lowest = u32::MAX;
            for i in 0..per_epoch {
                next = next.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let estimate = sketch.add(hash_of(next & 0x00ff_ffff | 0x0a00_0000), epoch);
                forged += 1;
                promoted += u64::from(estimate >= PROMOTION_THRESHOLD);
                if i % (per_epoch / 17) == 0 {
                    lowest = lowest.min(sketch.add(hash_of(1), epoch));
                }
            }
            assert!(epoch < 8 || lowest >= PROMOTION_THRESHOLD, "epoch {epoch}: {lowest}");
        }
        assert!(promoted * 1000 < forged, "{promoted} of {forged}");
    }

    proptest! {
        #[test]
        fn never_below_the_truth_within_an_epoch(sources in prop::collection::vec(0u32..50, 1..300), epoch: u32) {
            let mut sketch = empty();
            let mut truth = [0u32; 50];
            for source in sources {
                truth[source as usize] += 1;
                let estimate = sketch.add(hash_of(source), epoch);
                prop_assert!(estimate >= truth[source as usize]);
            }
        }

        #[test]
        fn cell_keeps_its_count_and_never_overflows(
            value in 0..=COUNT_MAX,
            epoch: u32,
            cells: [u16; 2],
            syns in prop_oneof![1..2000u64, 1..u64::MAX],
        ) {
            prop_assert_eq!(count(cell(value, epoch), epoch), value);
            let (after, estimate) = update(cells, epoch, syns);
            let (mut one_by_one, mut last) = (cells, 0);
            for _ in 0..syns.clamp(1, u64::from(COUNT_MAX)) {
                (one_by_one, last) = update(one_by_one, epoch, 1);
            }
            prop_assert_eq!((after, estimate), (one_by_one, last));
            prop_assert!((1..=COUNT_MAX).contains(&estimate));
            for cell in after {
                prop_assert!(count(cell, epoch) >= estimate);
            }
        }
    }
}
