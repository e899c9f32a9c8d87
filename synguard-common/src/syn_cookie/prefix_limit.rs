//! A rate limit for every network at once, in fixed memory: a count-min sketch (Cormode, Muthukrishnan: An Improved
//! Data Stream Summary, 2005) whose cells are not counts but buckets, each one a theoretical arrival time as in
//! [`crate::gcra`]. Pure; each CPU has its own, so nothing here is shared.
//!
//! A network has a bucket in each row and shares it with others. The emptiest of its buckets, the one whose time is
//! least far ahead, has been charged with all that the network took and with what others took besides, so no network
//! gets more than the limit; one that shares all its buckets with busy ones may get less. Only what is behind is moved
//! on (conservative update), so that company costs as little as possible.

/// Rows; a network has one bucket in each.
pub const ROWS: usize = 2;
/// Buckets a row, a power of two. Both rows fill 32 KiB, the most that a value of a per-CPU map may have.
pub const WIDTH: usize = 1 << 12;
/// Nanoseconds in a unit of a bucket's time, as a power of two.
pub const UNIT_SHIFT: u32 = 10;
/// Units in a second.
const SECOND: u32 = (1_000_000_000u64 >> UNIT_SHIFT) as u32;

/// The buckets.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixRateSketch {
    /// Row by row, in units of [`UNIT_SHIFT`], modulo 2^32.
    pub tats: [[u32; WIDTH]; ROWS],
}

/// The bucket of a hash in a row. The rows take bits that do not overlap.
#[inline(always)]
pub const fn index(hash: u64, row: usize) -> usize {
    (hash >> (16 * row)) as usize & (WIDTH - 1)
}

/// Takes one answer from a network's buckets and returns what they become, or `None` if the network is over `rate`
/// answers a second (0: any number). As many may come at once.
#[inline(always)]
pub const fn take(tats: [u32; ROWS], rate: u32, now_ns: u64) -> Option<[u32; ROWS]> {
    if rate == 0 {
        return Some(tats);
    }
    // Rounded up, so that the limit is never exceeded. A rate above one a unit is no limit that could be kept.
    let interval = SECOND.div_ceil(rate);
    let tolerance = (rate - 1).saturating_mul(interval);
    let now = (now_ns >> UNIT_SHIFT) as u32;
    let ahead = [ahead(tats[0], now, tolerance), ahead(tats[1], now, tolerance)];
    let least = if ahead[0] < ahead[1] { ahead[0] } else { ahead[1] };
    if least > tolerance {
        return None;
    }
    let charged = least + interval;
    Some([moved(ahead[0], charged, now), moved(ahead[1], charged, now)])
}

/// How far ahead of now a bucket's time is. What is further ahead than the limit can explain lies in the past, or is
/// left over from another limit: nothing.
#[inline(always)]
const fn ahead(tat: u32, now: u32, tolerance: u32) -> u32 {
    let ahead = tat.wrapping_sub(now);
    if ahead > tolerance.saturating_add(2 * SECOND) { 0 } else { ahead }
}

#[inline(always)]
const fn moved(ahead: u32, charged: u32, now: u32) -> u32 {
    now.wrapping_add(if ahead < charged { charged } else { ahead })
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{boxed::Box, collections::HashMap};

    use proptest::prelude::*;

    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    fn empty() -> Box<PrefixRateSketch> {
        Box::new(PrefixRateSketch { tats: [[0; WIDTH]; ROWS] })
    }

    fn answers(sketch: &mut PrefixRateSketch, hash: u64, rate: u32, now_ns: u64) -> bool {
        let at = [index(hash, 0), index(hash, 1)];
        match take([sketch.tats[0][at[0]], sketch.tats[1][at[1]]], rate, now_ns) {
            Some(tats) => {
                [sketch.tats[0][at[0]], sketch.tats[1][at[1]]] = tats;
                true
            }
            None => false,
        }
    }

    fn hash(network: u64) -> u64 {
        crate::hash::mix([network, 0], [1, 2])
    }

    #[test]
    fn a_silent_network_gets_a_second_s_worth_at_once_and_then_the_rate() {
        for rate in [1, 7, 1000, 50_000] {
            let mut sketch = empty();
            let start = 5 * SECOND_NS;
            let at_once = (0..2 * rate).filter(|_| answers(&mut sketch, 7, rate, start)).count();
            assert_eq!(at_once, rate as usize);
            let steps = 20 * u64::from(rate);
            let later = (1..=steps)
                .filter(|i| answers(&mut sketch, 7, rate, start + i * 10 * SECOND_NS / steps))
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
    fn a_network_in_no_bad_company_loses_nothing() {
        // A flood of 500 000 a second from 65 536 networks takes the buckets it shares up; 1000 a second of each remain.
        let mut sketch = empty();
        let (rate, mut refused) = (1000, 0);
        for i in 0..1_000_000u64 {
            let now = SECOND_NS + i * 2000;
            answers(&mut sketch, hash(i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48), rate, now);
            // The honest one asks 200 times a second.
            if i % 2500 == 0 && !answers(&mut sketch, hash(u64::MAX), rate, now) {
                refused += 1;
            }
        }
        assert_eq!(refused, 0);
    }

    proptest! {
        /// Whatever the company, no network gets more in any second than twice the rate: what had gathered, and what
        /// comes in.
        #[test]
        fn never_more_than_the_limit(
            rate in 1u32..200, networks in 1u64..5, gaps in prop::collection::vec(0u64..20_000_000, 1..500),
            start in 0u64..1 << 40,
        ) {
            let mut sketch = empty();
            let mut now = start;
            let mut taken: HashMap<u64, std::vec::Vec<u64>> = HashMap::new();
            for (i, gap) in gaps.iter().enumerate() {
                now += gap;
                let network = i as u64 % networks;
                if answers(&mut sketch, hash(network), rate, now) {
                    taken.entry(network).or_default().push(now);
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
        fn any_bucket_recovers(tats: [u32; 2], rate in 1u32..1_000_000, now_ns in 0u64..1 << 62) {
            let second = take(tats, rate, now_ns);
            prop_assert!(second.is_some() || take(tats, rate, now_ns + 4 * SECOND_NS).is_some());
        }
    }
}
