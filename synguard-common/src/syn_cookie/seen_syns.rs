//! Which SYNs were seen before: two filters of bits (Bloom, Space/time trade-offs in hash coding, 1970) for windows
//! of about two seconds, used in turn. Nothing is kept about a source, and nothing has to be cleared: each word bears
//! the number of its window, and one of another window counts as empty.
//!
//! A SYN is known by its addresses, ports and sequence number, all of which it keeps when it is sent again. Hosts do
//! that after a second (RFC 6298 section 2), which falls in the same window or the next. A flood of forged SYNs that
//! are all different is answered only where its bits happen to be set.

use crate::{addr::Halves, hash};

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
pub struct SeenSyns {
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
pub const fn syn_hash(source: Halves, destination: Halves, ports: u32, sequence: u32, seed: Halves) -> u64 {
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
pub const fn contains(word: u64, hash: u64, window: u64) -> bool {
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

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{collections::HashMap, vec, vec::Vec};

    use proptest::prelude::*;

    use super::*;
    use crate::addr::v4_mapped;

    const SECOND_NS: u64 = 1_000_000_000;

    struct Filter(Vec<Vec<u64>>);

    impl Filter {
        fn new() -> Self {
            Self(vec![vec![0; WORDS]; WINDOWS])
        }

        /// Whether a SYN is known; it is from now on.
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
        syn_hash(v4_mapped(number.to_be()), v4_mapped(1), 0x1234_01bb, number.wrapping_mul(77), [1, 2])
    }

    #[test]
    fn one_that_is_sent_again_after_a_second_is_known() {
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
    fn after_two_windows_it_is_new_again() {
        let mut filter = Filter::new();
        let start = 100 << WINDOW_SHIFT;
        assert!(!filter.seen(syn(1), start));
        assert!(filter.seen(syn(1), start + (1 << WINDOW_SHIFT)));
        assert!(!filter.seen(syn(1), start + (4 << WINDOW_SHIFT)));
    }

    #[test]
    fn everything_about_a_syn_counts() {
        let of =
            |from, to, ports, sequence| syn_hash(v4_mapped(from), v4_mapped(to), ports, sequence, [1, 2]);
        let hashes = [of(1, 2, 3, 4), of(9, 2, 3, 4), of(1, 9, 3, 4), of(1, 2, 9, 4), of(1, 2, 3, 9)];
        for (i, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..i].contains(hash));
        }
    }

    /// At 500 000 SYNs a second, all different, a few in a hundred are taken for ones that were sent again.
    #[test]
    fn a_flood_finds_its_bits_set_now_and_then() {
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
        fn what_was_seen_is_known_within_the_window(
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
        fn words_exist_and_keep_their_window(word: u64, hash: u64, window: u64) {
            prop_assert!(index(hash) < WORDS);
            let word = add(word, hash, window);
            prop_assert!(contains(word, hash, window));
            prop_assert!(!contains(word, hash, window + 1));
        }
    }
}
