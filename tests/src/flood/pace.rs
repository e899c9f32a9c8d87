//! Pacing: computes the number of frames of a flood that are due.

use std::time::Duration;

/// Limit on the frames of one call at full rate: the flood can be stopped between calls.
const CALL_MAX: u64 = 65_536;
/// Time from one call of a paced flood to the next, unless that call takes longer or the burst is smaller.
const TICK_MAX: Duration = Duration::from_millis(1);
/// A paced flood that was held up catches up at this multiple of its rate, instead of in one burst that would
/// only fill the receiver's ring.
const CATCH_UP: u64 = 2;

/// Returns the time from one call to the next, for a flood of this rate with this limit on the frames at once.
pub(super) fn tick(rate_pps: u64, burst: u32) -> Duration {
    let nanos = u64::from(burst).saturating_mul(1_000_000_000) / rate_pps.max(1);
    TICK_MAX.min(Duration::from_nanos(nanos))
}

/// Returns the number of frames to send now.
pub(super) fn due(rate_pps: Option<u64>, tick: Duration, elapsed: Duration, sent: u64) -> u64 {
    let Some(rate) = rate_pps else { return CALL_MAX };
    let target = u128::from(rate) * elapsed.as_nanos() / 1_000_000_000;
    let per_tick = (u128::from(rate) * tick.as_nanos()).div_ceil(1_000_000_000);
    // A sleep overruns its time a little, hence one tick more than the multiple.
    target.saturating_sub(sent.into()).min(per_tick * u128::from(CATCH_UP + 1)).min(CALL_MAX.into()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_frames_follow_the_clock_and_catch_up_in_steps() {
        let (second, tick) = (Duration::from_secs(1), TICK_MAX);
        assert_eq!(due(Some(100_000), tick, tick, 0), 100);
        assert_eq!(due(Some(100_000), tick, tick, 100), 0);
        assert_eq!(due(Some(100_000), tick, second, 99_950), 50);
        assert_eq!(due(Some(100_000), tick, second, 0), 300);
        assert_eq!(due(Some(10), tick, second / 10, 0), 1);
        assert_eq!(due(None, tick, second, 0), CALL_MAX);
    }

    #[test]
    fn a_burst_shortens_the_tick() {
        assert_eq!(tick(100_000, u32::MAX), TICK_MAX);
        assert_eq!(tick(100_000, 50), TICK_MAX / 2);
        assert_eq!(tick(10, 50), TICK_MAX);
    }
}
