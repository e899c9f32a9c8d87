//! The rate limit of one source: the generic cell rate algorithm (GCRA) in its virtual scheduling form
//! (ITU-T I.371, annex A), which is a token bucket in a single number. Pure integer arithmetic, without division and
//! without window edges.
//!
//! The state is the *theoretical arrival time* (TAT): the time at which the bucket will be full again. A packet conforms
//! if the TAT is at most a tolerance ahead of the present, and then advances the TAT by one emission interval.

/// Highest configurable rate, in SYNs a second. Its interval is 1000 ns, so rounding the interval to whole nanoseconds
/// changes the rate by less than 0.1 %.
pub const RATE_MAX: u32 = 1_000_000;
/// Highest configurable burst, in SYNs.
pub const BURST_MAX: u32 = 10_000_000;
/// Coarsest step of the datapath's clock: one timer tick at 100 Hz, in nanoseconds. SYNs that arrive within one step seem
/// simultaneous, so a burst must have room for the SYNs that the rate allows in a step.
pub const CLOCK_STEP_NS: u64 = 10_000_000;

/// A rate limit in the form the datapath uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Time between packets at exactly the rate, in nanoseconds; 0: no limit.
    pub interval_ns: u64,
    /// Distance by which the TAT may be ahead of the present for a packet to conform, in nanoseconds.
    pub tolerance_ns: u64,
}

impl RateLimit {
    /// Returns the limit of `rate` packets a second with bursts of `burst`: after a long silence exactly `burst` packets
    /// conform at once. `rate` is clamped to 1 to [`RATE_MAX`], `burst` to 1 to [`BURST_MAX`].
    pub const fn new(rate: u32, burst: u32) -> Self {
        let rate = if rate < 1 {
            1
        } else if rate > RATE_MAX {
            RATE_MAX
        } else {
            rate
        } as u64;
        let burst = if burst < 1 {
            1
        } else if burst > BURST_MAX {
            BURST_MAX
        } else {
            burst
        } as u64;
        let interval_ns = 1_000_000_000 / rate;
        Self { interval_ns, tolerance_ns: interval_ns * (burst - 1) }
    }
}

/// Returns the smallest burst with which traffic at exactly the rate conforms in spite of the coarse clock.
pub const fn burst_min(rate: u32) -> u32 {
    let per_step = (rate as u64 * CLOCK_STEP_NS).div_ceil(1_000_000_000);
    per_step as u32 + 1
}

/// Distance by which a TAT may exceed the limit's own maximum before it counts as left over from a looser limit or another
/// clock, in nanoseconds. Far above the skew between two CPUs' readings of the clock.
const STALE_NS: u64 = 1_000_000_000;

/// Takes one packet at `now_ns` from the bucket `tat_ns`. Returns the bucket's new state, or `None` if the packet exceeds
/// the limit and the state stays unchanged. A state of 0 is a full bucket. A TAT that this limit cannot have produced,
/// because the limit became stricter or the clock restarted, is a full bucket too, so that no source is blocked for
/// longer than the present limit allows.
#[inline(always)]
pub const fn take(tat_ns: u64, limit: RateLimit, now_ns: u64) -> Option<u64> {
    let ahead_ns = tat_ns.wrapping_sub(now_ns);
    if tat_ns <= now_ns || ahead_ns > limit.tolerance_ns + limit.interval_ns + STALE_NS {
        return Some(now_ns.wrapping_add(limit.interval_ns));
    }
    if ahead_ns > limit.tolerance_ns { None } else { Some(tat_ns.wrapping_add(limit.interval_ns)) }
}

/// Reports whether a source is in hold at `now_ns`. A hold longer than the setting allows began under an earlier setting,
/// and counts no longer.
#[inline(always)]
pub const fn is_held(hold_until_ns: u64, hold_ns: u64, now_ns: u64) -> bool {
    now_ns < hold_until_ns && hold_until_ns - now_ns <= hold_ns
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Feeds ascending arrival times to one bucket, and returns for each whether it conformed.
    fn run(limit: RateLimit, arrivals: &[u64]) -> Vec<bool> {
        let mut tat = 0;
        arrivals
            .iter()
            .map(|&now| match take(tat, limit, now) {
                Some(new) => {
                    tat = new;
                    true
                }
                None => false,
            })
            .collect()
    }

    fn passed(limit: RateLimit, arrivals: &[u64]) -> usize {
        run(limit, arrivals).iter().filter(|&&ok| ok).count()
    }

    #[test]
    fn silent_source_may_send_exactly_its_burst_at_once() {
        for burst in [1, 2, 10, 1000] {
            let at_once = std::vec![5 * SECOND; burst as usize + 50];
            assert_eq!(passed(RateLimit::new(50, burst), &at_once), burst as usize);
        }
    }

    #[test]
    fn source_at_exactly_the_rate_always_passes() {
        let limit = RateLimit::new(50, 1);
        let steady: Vec<u64> = (1..=1000).map(|i| SECOND + i * SECOND / 50).collect();
        assert_eq!(passed(limit, &steady), 1000);
    }

    #[test]
    fn smallest_burst_tolerates_the_coarsest_clock() {
        for rate in [1, 50, 99, 100, 101, 1000, 12_345, RATE_MAX] {
            let limit = RateLimit::new(rate, burst_min(rate));
            let coarse = |t: u64| t / CLOCK_STEP_NS * CLOCK_STEP_NS;
            let steady: Vec<u64> = (0..10_000).map(|i| coarse(SECOND + i * limit.interval_ns)).collect();
            assert_eq!(passed(limit, &steady), steady.len(), "rate {rate}");
        }
    }

    #[test]
    fn stricter_limit_forgets_the_debt_of_a_looser_one() {
        let loose = RateLimit::new(1, BURST_MAX);
        let tat = take(farthest_tat(loose), loose, 10 * SECOND).expect("conforms");
        let strict = RateLimit::new(50, 100);
        assert_eq!(take(tat, strict, 10 * SECOND), Some(10 * SECOND + strict.interval_ns));
    }

    fn farthest_tat(limit: RateLimit) -> u64 {
        10 * SECOND + limit.tolerance_ns
    }

    proptest! {
        /// In any window no more than burst + rate x length packets conform.
        #[test]
        fn never_more_than_burst_and_rate(
            rate in 1u32..2_000,
            burst in 1u32..500,
            gaps in prop::collection::vec(0u64..30_000_000, 1..400),
        ) {
            let limit = RateLimit::new(rate, burst);
            let mut now = SECOND;
            let arrivals: Vec<u64> = gaps.iter().map(|gap| { now += gap; now }).collect();
            let ok = run(limit, &arrivals);
            for from in 0..arrivals.len() {
                let mut count = 0u64;
                for to in from..arrivals.len() {
                    count += u64::from(ok[to]);
                    let length = arrivals[to] - arrivals[from];
                    prop_assert!(count <= u64::from(burst) + length / limit.interval_ns + 1);
                }
            }
        }

        /// A packet exceeds the limit only if the source has used up its burst, and conforms one interval later.
        #[test]
        fn refused_source_conforms_again_after_one_interval(
            rate in 1u32..100_000, burst in 1u32..1_000, now in SECOND..1_000 * SECOND,
        ) {
            let limit = RateLimit::new(rate, burst);
            let mut tat = 0;
            for _ in 0..burst {
                tat = take(tat, limit, now).expect("within the burst");
            }
            prop_assert_eq!(take(tat, limit, now), None);
            prop_assert!(take(tat, limit, now + limit.interval_ns).is_some());
        }

        /// No state and no clock reading makes the arithmetic overflow or blocks a source for good.
        #[test]
        fn any_state_recovers(tat: u64, now in 0u64..1 << 62, rate in 1u32..=RATE_MAX, burst in 1u32..=BURST_MAX) {
            let limit = RateLimit::new(rate, burst);
            let later = now + limit.interval_ns + STALE_NS;
            prop_assert!(take(tat, limit, now).is_some() || take(tat, limit, later).is_some());
        }
    }
}
