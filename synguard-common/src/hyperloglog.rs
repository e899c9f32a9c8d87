//! The number of distinct sources that sent SYNs: HyperLogLog (Flajolet, Fusy, Gandouet, Meunier, 2007) over windows of about
//! a second. Each register carries its window, so none needs clearing. There are two sets, one for even and one for odd
//! windows, and the set of the last complete window remains readable for a whole window.
//!
//! The estimate uses Ertl's improved raw estimator (New cardinality estimation algorithms for HyperLogLog
//! sketches, 2017, algorithm 4), which needs neither bias tables nor a switch between ranges. Userspace computes it from
//! [`HyperLogLog::multiplicities`].

/// Number of registers in a set. The standard error is 1.04 / sqrt(4096) = 1.6 %.
pub const REGISTERS: usize = 1 << INDEX_BITS;
/// Number of sets.
pub const SETS: usize = 2;
/// Duration of a window, as a power of two of nanoseconds: 1.07 s.
pub const WINDOW_SHIFT: u32 = 30;
/// Highest rank: one more than the number of hash bits that do not select the register.
pub const RANK_MAX: u32 = 64 - INDEX_BITS + 1;

const INDEX_BITS: u32 = 12;
const RANK_BITS: u32 = 6;
const TAG_MASK: u32 = (1 << (16 - RANK_BITS)) - 1;

/// The registers.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HyperLogLog {
    /// The set of even windows, then that of odd ones. A register has 10 bits of window and 6 bits of rank.
    pub sets: [[u16; REGISTERS]; SETS],
}

/// Returns the window of a point in time.
#[inline(always)]
pub const fn window(now_ns: u64) -> u32 {
    (now_ns >> WINDOW_SHIFT) as u32
}

/// Returns the index of a hash's register: the uppermost bits, which the sketch does not use.
#[inline(always)]
pub const fn index(hash: u64) -> usize {
    (hash >> (64 - INDEX_BITS)) as usize
}

/// Returns the new value of a register after `hash` in `window`, or `None` if it does not change. Most SYNs of a flood
/// change nothing, which this detects without computing a rank.
#[inline(always)]
pub const fn observe(register: u16, hash: u64, window: u32) -> Option<u16> {
    let tag = window & TAG_MASK;
    let rank = rank_in(register, window);
    // The hash's rank exceeds r if its lowest r bits are zero.
    if rank != 0 && hash & ((1u64 << rank) - 1) != 0 {
        return None;
    }
    let seen = self::rank(hash);
    if seen <= rank { None } else { Some((tag << RANK_BITS | seen) as u16) }
}

const RANK_MASK: u32 = (1 << RANK_BITS) - 1;

/// Returns a register's rank in a window; 0 if the register belongs to another window.
#[inline(always)]
const fn rank_in(register: u16, window: u32) -> u32 {
    if (register >> RANK_BITS) as u32 == window & TAG_MASK { register as u32 & RANK_MASK } else { 0 }
}

/// Returns one more than the number of trailing zeros of the hash, at most [`RANK_MAX`]. Bisects, since BPF has no
/// instruction that counts zeros.
#[inline(always)]
const fn rank(hash: u64) -> u32 {
    let mut rest = hash | 1 << (RANK_MAX - 1);
    let mut rank = 1;
    if rest & 0xffff_ffff == 0 {
        rest >>= 32;
        rank += 32;
    }
    if rest & 0xffff == 0 {
        rest >>= 16;
        rank += 16;
    }
    if rest & 0xff == 0 {
        rest >>= 8;
        rank += 8;
    }
    if rest & 0xf == 0 {
        rest >>= 4;
        rank += 4;
    }
    if rest & 0x3 == 0 {
        rest >>= 2;
        rank += 2;
    }
    if rest & 0x1 == 0 {
        rank += 1;
    }
    rank
}

impl HyperLogLog {
    pub const EMPTY: Self = Self { sets: [[0; REGISTERS]; SETS] };

    /// Adds a source's hash.
    pub const fn add(&mut self, hash: u64, window: u32) {
        let register = &mut self.sets[window as usize % SETS][index(hash)];
        if let Some(new) = observe(*register, hash, window) {
            *register = new;
        }
    }

    /// Merges the window `theirs` of `other` into `window`, which then counts the union of both.
    pub fn merge(&mut self, window: u32, other: &Self, theirs: u32) {
        let (mine, others) = (&mut self.sets[window as usize % SETS], &other.sets[theirs as usize % SETS]);
        for (register, &other) in mine.iter_mut().zip(others) {
            let rank = rank_in(other, theirs);
            if rank > rank_in(*register, window) {
                *register = ((window & TAG_MASK) << RANK_BITS | rank) as u16;
            }
        }
    }

    /// Returns the number of registers with each rank in `window`. Registers of other windows have rank 0.
    pub fn multiplicities(&self, window: u32) -> [u32; RANK_MAX as usize + 1] {
        let mut multiplicities = [0; RANK_MAX as usize + 1];
        for &register in &self.sets[window as usize % SETS] {
            multiplicities[(rank_in(register, window) as usize).min(RANK_MAX as usize)] += 1;
        }
        multiplicities
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rank_is_the_position_of_the_lowest_one(hash: u64) {
            let expected = hash.trailing_zeros().min(RANK_MAX - 1) + 1;
            prop_assert_eq!(rank(hash), expected);
            prop_assert_eq!(rank(hash << 20), (hash << 20).trailing_zeros().min(RANK_MAX - 1) + 1);
        }

        #[test]
        fn register_keeps_the_highest_rank_of_its_window(
            hashes in prop::collection::vec(any::<u64>(), 1..50), zeros in 0u32..60, window: u32,
        ) {
            let mut register = 0x1234;
            let mut highest = 0;
            for hash in hashes {
                let hash = if hash & 1 == 0 { hash << (zeros % 53) } else { hash };
                highest = highest.max(rank(hash));
                register = observe(register, hash, window).unwrap_or(register);
                // A register of another window with the same tag by chance may be higher.
                if (0x1234 >> RANK_BITS) as u32 != window & TAG_MASK {
                    prop_assert_eq!(register as u32 & RANK_MASK, highest);
                }
            }
        }
    }

    #[test]
    fn window_after_next_reuses_the_set() {
        let mut registers = HyperLogLog::EMPTY;
        for hash in 0..1000u64 {
            registers.add(hash.wrapping_mul(0x9e37_79b9_7f4a_7c15), 6);
        }
        assert!(registers.multiplicities(6)[0] < REGISTERS as u32);
        assert_eq!(registers.multiplicities(7)[0], REGISTERS as u32);
        assert_eq!(registers.multiplicities(8)[0], REGISTERS as u32);
    }

    #[test]
    fn merged_windows_count_as_one() {
        let hash = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (mut one, mut two, mut both) = (HyperLogLog::EMPTY, HyperLogLog::EMPTY, HyperLogLog::EMPTY);
        (0..1000).for_each(|i| one.add(hash(i), 6));
        (500..2000).for_each(|i| two.add(hash(i), 9));
        (0..2000).for_each(|i| both.add(hash(i), 6));
        one.merge(6, &two, 9);
        assert_eq!(one.multiplicities(6), both.multiplicities(6));
        one.merge(6, &two, 11);
        assert_eq!(one.multiplicities(6), both.multiplicities(6), "that window saw nothing");
    }
}
