//! A rate limit for every prefix at once, in fixed memory: a count-min sketch (Cormode, Muthukrishnan: An Improved
//! Data Stream Summary, 2005) whose cells are not counts but token buckets, each one a theoretical arrival time as in
//! [`crate::gcra`]. Pure; each CPU has its own, so nothing here is shared.
//!
//! A prefix has a bucket in each row and shares it with others. The fullest of its buckets, whose time is least far ahead,
//! was charged with everything that the prefix took, and with what others took besides. So no prefix exceeds the limit,
//! but one that shares all its buckets with busy prefixes may get less. A charge advances only the buckets that are behind
//! (conservative update), which keeps the effect of sharing small.

/// Number of rows; a prefix has one bucket in each.
pub const ROWS: usize = 2;
/// Number of buckets in a row, a power of two. Both rows fill 32 KiB, the largest value of a per-CPU map.
pub const WIDTH: usize = 1 << 12;
/// Unit of a bucket's time, as a power of two of nanoseconds.
pub const UNIT_SHIFT: u32 = 10;
/// One second in units.
const SECOND: u32 = (1_000_000_000u64 >> UNIT_SHIFT) as u32;

/// The buckets of all prefixes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixRateSketch {
    /// Theoretical arrival times by row, in units of [`UNIT_SHIFT`], modulo 2^32.
    pub tats: [[u32; WIDTH]; ROWS],
}

/// Returns the index of a hash's bucket in a row. The rows use different bits of the hash.
#[inline(always)]
pub const fn index(hash: u64, row: usize) -> usize {
    (hash >> (16 * row)) as usize & (WIDTH - 1)
}

/// Takes one SYN cookie from a prefix's buckets. Returns their new states, or `None` if the prefix has exceeded `rate` a
/// second (0: no limit). The burst is one second's worth.
#[inline(always)]
pub const fn take(tats: [u32; ROWS], rate: u32, now_ns: u64) -> Option<[u32; ROWS]> {
    if rate == 0 {
        return Some(tats);
    }
    // Rounded up, so that no prefix exceeds the limit. Units are too coarse for a rate above one per unit.
    let interval = SECOND.div_ceil(rate);
    let tolerance = (rate - 1).saturating_mul(interval);
    let now = (now_ns >> UNIT_SHIFT) as u32;
    let ahead = [ahead(tats[0], now, tolerance), ahead(tats[1], now, tolerance)];
    let least = if ahead[0] < ahead[1] { ahead[0] } else { ahead[1] };
    if least > tolerance {
        return None;
    }
    let charged = least + interval;
    Some([advanced(ahead[0], charged, now), advanced(ahead[1], charged, now)])
}

/// Returns the distance by which a bucket's time is ahead of `now`. A time further ahead than the limit can produce lies in
/// the past, or is left over from another limit, and counts as 0.
#[inline(always)]
const fn ahead(tat: u32, now: u32, tolerance: u32) -> u32 {
    let ahead = tat.wrapping_sub(now);
    if ahead > tolerance.saturating_add(2 * SECOND) { 0 } else { ahead }
}

#[inline(always)]
const fn advanced(ahead: u32, charged: u32, now: u32) -> u32 {
    now.wrapping_add(if ahead < charged { charged } else { ahead })
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{boxed::Box, collections::HashMap};

    use proptest::prelude::*;

    use super::*;
    use crate::addr::HashSeed;

    const SECOND_NS: u64 = 1_000_000_000;

    fn empty() -> Box<PrefixRateSketch> {
        Box::new(PrefixRateSketch { tats: [[0; WIDTH]; ROWS] })
    }

    fn take_from(sketch: &mut PrefixRateSketch, hash: u64, rate: u32, now_ns: u64) -> bool {
        let at = [index(hash, 0), index(hash, 1)];
        match take([sketch.tats[0][at[0]], sketch.tats[1][at[1]]], rate, now_ns) {
            Some(tats) => {
                [sketch.tats[0][at[0]], sketch.tats[1][at[1]]] = tats;
                true
            }
            None => false,
        }
    }

    fn hash(prefix: u64) -> u64 {
        crate::hash::mix([prefix, 0], HashSeed([1, 2]))
    }

    #[test]
    fn silent_prefix_gets_one_second_then_the_rate() {
        for rate in [1, 7, 1000, 50_000] {
            let mut sketch = empty();
            let start = 5 * SECOND_NS;
            let at_once = (0..2 * rate).filter(|_| take_from(&mut sketch, 7, rate, start)).count();
            assert_eq!(at_once, rate as usize);
            let steps = 20 * u64::from(rate);
            let later = (1..=steps)
                .filter(|i| take_from(&mut sketch, 7, rate, start + i * 10 * SECOND_NS / steps))
                .count();
            let expected = 10 * rate as usize;
            assert!(later <= expected && later >= expected * 9 / 10, "{later} of {expected} at {rate}/s");
        }
    }

    #[test]
    fn no_rate_is_no_limit() {
        assert_eq!(take([5, 6], 0, SECOND_NS), Some([5, 6]));
    }

    #[test]
    fn prefix_without_busy_neighbours_loses_nothing() {
        // A flood of 500 000 SYNs a second from 65 536 prefixes uses part of the buckets that it shares; each bucket has 1000
        // a second.
        let mut sketch = empty();
        let (rate, mut refused) = (1000, 0);
        for i in 0..1_000_000u64 {
            let now = SECOND_NS + i * 2000;
            take_from(&mut sketch, hash(i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48), rate, now);
            // The honest prefix sends 200 SYNs a second.
            if i % 2500 == 0 && !take_from(&mut sketch, hash(u64::MAX), rate, now) {
                refused += 1;
            }
        }
        assert_eq!(refused, 0);
    }

    proptest! {
        /// Whatever buckets it shares, no prefix gets more than twice the rate in any second: the full bucket, and the tokens
        /// that arrive meanwhile.
        #[test]
        fn never_more_than_the_limit(
            rate in 1u32..200, prefixes in 1u64..5, gaps in prop::collection::vec(0u64..20_000_000, 1..500),
            start in 0u64..1 << 40,
        ) {
            let mut sketch = empty();
            let mut now = start;
            let mut taken: HashMap<u64, std::vec::Vec<u64>> = HashMap::new();
            for (i, gap) in gaps.iter().enumerate() {
                now += gap;
                let prefix = i as u64 % prefixes;
                if take_from(&mut sketch, hash(prefix), rate, now) {
                    taken.entry(prefix).or_default().push(now);
                }
            }
            for times in taken.values() {
                for (i, from) in times.iter().enumerate() {
                    let within = times[i..].iter().take_while(|&&at| at - from < SECOND_NS).count();
                    prop_assert!(within <= 2 * rate as usize, "{} at {}", within, rate);
                }
            }
        }

        #[test]
        fn every_bucket_state_recovers(tats: [u32; 2], rate in 1u32..1_000_000, now_ns in 0u64..1 << 62) {
            let second = take(tats, rate, now_ns);
            prop_assert!(second.is_some() || take(tats, rate, now_ns + 4 * SECOND_NS).is_some());
        }
    }
}
