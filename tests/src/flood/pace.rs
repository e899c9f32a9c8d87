//! How much of a flood is due.

use std::time::Duration;

/// Most frames of one call at full rate: the flood can be stopped between calls.
const CALL_MAX: u64 = 65_536;
/// How long a paced flood sleeps between calls.
pub(super) const TICK: Duration = Duration::from_millis(1);
/// A paced flood that was held up catches up at this multiple of its rate, instead of in one burst that would
/// only fill the receiver's ring.
const CATCH_UP: u64 = 2;

/// How many frames to send now.
pub(super) fn due(rate_pps: Option<u64>, elapsed: Duration, sent: u64) -> u64 {
    let Some(rate) = rate_pps else { return CALL_MAX };
    let target = u128::from(rate) * elapsed.as_nanos() / 1_000_000_000;
    let per_tick = (u128::from(rate) * TICK.as_nanos()).div_ceil(1_000_000_000);
    // A sleep overruns its time a little, hence one tick more than the multiple.
    target.saturating_sub(sent.into()).min(per_tick * u128::from(CATCH_UP + 1)).min(CALL_MAX.into()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_follows_the_clock_and_catches_up_in_steps() {
        let second = Duration::from_secs(1);
        assert_eq!(due(Some(100_000), TICK, 0), 100);
        assert_eq!(due(Some(100_000), TICK, 100), 0);
        assert_eq!(due(Some(100_000), second, 99_950), 50);
        assert_eq!(due(Some(100_000), second, 0), 300);
        assert_eq!(due(Some(10), second / 10, 0), 1);
        assert_eq!(due(None, second, 0), CALL_MAX);
    }
}
