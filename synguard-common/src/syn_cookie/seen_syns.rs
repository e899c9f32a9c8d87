//! The SYNs seen recently: two Bloom filters (Bloom, Space/time trade-offs in hash coding, 1970) for windows of about two
//! seconds, in alternation. They keep no state per source and need no clearing: each word carries the number of its
//! window, and a word of another window counts as empty.
//!
//! The filters identify a SYN by its addresses, ports and sequence number, all of which stay the same when it is
//! retransmitted. Hosts retransmit after a second (RFC 6298 section 2), which falls in the same window or the next. In a
//! flood of forged SYNs that are all different, a SYN passes only where its bits happen to be set.

use crate::{
    addr::{Addr, HashSeed},
    hash,
};

/// Number of words in a window, a power of two: 2 MiB.
pub const WORDS: usize = 1 << 18;
/// Number of windows.
pub const WINDOWS: usize = 2;
/// Duration of a window, as a power of two of nanoseconds: 2.1 s.
pub const WINDOW_SHIFT: u32 = 31;

/// Number of filter bits in a word; the others are the window's number.
const FILTER_BITS: u32 = 56;
const FILTER_MASK: u64 = (1 << FILTER_BITS) - 1;

/// The Bloom filters.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenSyns {
    /// The filter of even windows, then that of odd ones.
    pub windows: [[u64; WORDS]; WINDOWS],
}

/// Returns the window of a point in time.
#[inline(always)]
pub const fn window(now_ns: u64) -> u64 {
    now_ns >> WINDOW_SHIFT
}

/// Returns the hash that identifies a SYN.
#[inline(always)]
pub const fn syn_hash(source: Addr, destination: Addr, ports: u32, sequence: u32, seed: HashSeed) -> u64 {
    let from = hash::address(source, seed);
    hash::mix(
        [from ^ destination.0[0], (ports as u64) << 32 | sequence as u64],
        HashSeed([seed.0[1], seed.0[0] ^ destination.0[1]]),
    )
}

/// Returns the index of a hash's word.
#[inline(always)]
pub const fn index(hash: u64) -> usize {
    hash as usize & (WORDS - 1)
}

/// Returns the bits of a hash in its word: two, or one if both are the same.
#[inline(always)]
const fn bits(hash: u64) -> u64 {
    // Each scales sixteen bits, which the index does not use, to the range 0 to 55.
    let first = ((hash >> 32 & 0xffff) * FILTER_BITS as u64) >> 16;
    let second = ((hash >> 48) * FILTER_BITS as u64) >> 16;
    1 << first | 1 << second
}

/// Reports whether a word contains a SYN with this hash in `window`.
#[inline(always)]
pub const fn contains(word: u64, hash: u64, window: u64) -> bool {
    let bits = bits(hash);
    current(word, window) & bits == bits
}

/// Returns the new value of a word after a SYN with this hash in `window`.
#[inline(always)]
pub const fn add(word: u64, hash: u64, window: u64) -> u64 {
    (window << FILTER_BITS) | current(word, window) | bits(hash)
}

/// Returns the filter bits of a word; none if it belongs to another window.
#[inline(always)]
const fn current(word: u64, window: u64) -> u64 {
    if word >> FILTER_BITS == window & (u64::MAX >> FILTER_BITS) { word & FILTER_MASK } else { 0 }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{collections::HashMap, vec, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    struct Filter(Vec<Vec<u64>>);

    impl Filter {
        fn new() -> Self {
            Self(vec![vec![0; WORDS]; WINDOWS])
        }

        /// Reports whether a SYN was seen before, and records it.
        fn seen(&mut self, hash: u64, now_ns: u64) -> bool {
            let (window, at) = (window(now_ns), index(hash));
            let known = (0..WINDOWS as u64).any(|age| {
                let window = window.wrapping_sub(age);
                contains(self.0[window as usize % WINDOWS][at], hash, window)
            });
            let word = &mut self.0[window as usize % WINDOWS][at];
            *word = add(*word, hash, window);
            known
        }
    }

    fn syn(number: u32) -> u64 {
        syn_hash(
            Addr::from_v4(number.to_be()),
            Addr::from_v4(1),
            0x1234_01bb,
            number.wrapping_mul(77),
            HashSeed([1, 2]),
        )
    }

    #[test]
    fn syn_retransmitted_after_a_second_is_known() {
        let mut filter = Filter::new();
        for i in 0..4000u32 {
            let now = SECOND_NS * 100 + u64::from(i) * SECOND_NS / 100;
            filter.seen(syn(i), now);
            if i >= 100 {
                assert!(filter.seen(syn(i - 100), now), "{i}");
            }
        }
    }

    #[test]
    fn syn_is_new_again_after_two_windows() {
        let mut filter = Filter::new();
        let start = 100 << WINDOW_SHIFT;
        assert!(!filter.seen(syn(1), start));
        assert!(filter.seen(syn(1), start + (1 << WINDOW_SHIFT)));
        assert!(!filter.seen(syn(1), start + (4 << WINDOW_SHIFT)));
    }

    #[test]
    fn hash_depends_on_every_field() {
        let of = |from, to, ports, sequence| {
            syn_hash(Addr::from_v4(from), Addr::from_v4(to), ports, sequence, HashSeed([1, 2]))
        };
        let hashes = [of(1, 2, 3, 4), of(9, 2, 3, 4), of(1, 9, 3, 4), of(1, 2, 9, 4), of(1, 2, 3, 9)];
        for (i, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..i].contains(hash));
        }
    }

    /// At 500 000 SYNs a second, all different, a few in a hundred pass for retransmitted ones.
    #[test]
    fn flood_of_different_syns_rarely_passes() {
        let mut filter = Filter::new();
        let (mut seen, mut all) = (0, 0);
        for i in 0..2_500_000u32 {
            let known = filter.seen(syn(i), 50 * SECOND_NS + u64::from(i) * 2000);
            if i >= 1_500_000 {
                all += 1;
                seen += u32::from(known);
            }
        }
        assert!(seen * 100 < all * 6, "{seen} of {all}");
    }

    proptest! {
        #[test]
        fn seen_syn_is_known_within_the_window(
            syns in prop::collection::vec((0u32..40, 0u64..SECOND_NS), 1..200),
        ) {
            let mut filter = Filter::new();
            let mut truth: HashMap<u32, u64> = HashMap::new();
            let mut now = 1 << 40;
            for (number, gap) in syns {
                now += gap;
                let known = filter.seen(syn(number), now);
                let before = truth.insert(number, now);
                if before.is_some_and(|before| window(now) - window(before) < WINDOWS as u64) {
                    prop_assert!(known);
                }
            }
        }

        #[test]
        fn word_belongs_to_one_window(word: u64, hash: u64, window: u64) {
            prop_assert!(index(hash) < WORDS);
            let word = add(word, hash, window);
            prop_assert!(contains(word, hash, window));
            prop_assert!(!contains(word, hash, window + 1));
        }
    }
}
