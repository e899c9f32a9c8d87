//! Decides when the table of sources is read. Reading a full table costs far more than everything else that the screen shows, so
//! it is done less often the longer it takes. Pure.

use std::time::Duration;

/// Maximum CPU share of reading the table, as a fraction of a core.
const SHARE_MAX: f64 = 0.005;
/// Maximum pause between two readings: a full table takes the kernel a tenth of a second while a flood has the CPU's cache.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Readings without a pause: rates need two.
const READINGS_MIN: u32 = 2;

/// The times of the readings.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadSchedule {
    readings: u32,
    next_ns: u64,
    pause: Duration,
    /// Time from which readings may be hastened again.
    hasten_from_ns: u64,
}

impl ReadSchedule {
    /// Reports whether the table is to be read now.
    pub const fn is_due(&self, now_ns: u64) -> bool {
        self.readings < READINGS_MIN || now_ns >= self.next_ns
    }

    /// Has the table read at the next two opportunities: what it holds, or what is asked for, has changed. The first of the two
    /// readings measures rates over a time that began before the change.
    pub const fn hasten(&mut self) {
        self.readings = 0;
    }

    /// Does the same, but only once in a pause: an attacker can change what the table holds as often as he likes.
    pub fn hasten_once(&mut self, now_ns: u64) {
        if now_ns >= self.hasten_from_ns {
            self.hasten_from_ns = now_ns.saturating_add(self.pause.as_nanos() as u64);
            self.hasten();
        }
    }

    /// Notes a reading that began at `begun_ns` and took this CPU time.
    pub fn done(&mut self, begun_ns: u64, used: Duration) {
        self.readings = self.readings.saturating_add(1);
        self.pause = used.mul_f64(1.0 / SHARE_MAX).min(PAUSE_MAX);
        self.next_ns = begun_ns.saturating_add(self.pause.as_nanos() as u64);
    }

    /// Reports whether the next refresh of a screen, which is refreshed once in `interval`, may be without a reading.
    pub fn skips(&self, interval: Option<Duration>) -> bool {
        interval.is_some_and(|interval| self.seconds(interval).is_some())
    }

    /// Returns the seconds between two readings on a screen that is refreshed once in `interval`; `None` if each refresh reads the
    /// table.
    pub fn seconds(&self, interval: Duration) -> Option<u64> {
        let refreshes = (self.pause.as_secs_f64() / interval.as_secs_f64().max(1e-3)).ceil();
        (refreshes > 1.0).then(|| (refreshes * interval.as_secs_f64()).round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const SECOND_NS: u64 = 1_000_000_000;

    #[test]
    fn small_table_is_read_at_each_refresh() {
        let mut schedule = ReadSchedule::default();
        for second in 1..5 {
            assert!(schedule.is_due(second * SECOND_NS));
            schedule.done(second * SECOND_NS, Duration::from_millis(2));
        }
        assert_eq!(schedule.seconds(SECOND), None);
    }

    #[test]
    fn large_table_is_read_less_often_but_twice_at_first() {
        let mut schedule = ReadSchedule::default();
        for second in [1, 2] {
            assert!(schedule.is_due(second * SECOND_NS));
            schedule.done(second * SECOND_NS, Duration::from_millis(20));
        }
        assert_eq!(schedule.seconds(SECOND), Some(4));
        assert_eq!(schedule.seconds(5 * SECOND), None);
        assert!(!schedule.is_due(5 * SECOND_NS) && schedule.is_due(6 * SECOND_NS));
        schedule.hasten();
        for second in [3, 4] {
            assert!(schedule.is_due(second * SECOND_NS));
            schedule.done(second * SECOND_NS, Duration::from_secs(9));
        }
        assert!(!schedule.is_due(5 * SECOND_NS));
        assert!(!schedule.is_due(33 * SECOND_NS));
        assert!(schedule.is_due(34 * SECOND_NS), "it is never read more rarely than this");
    }

    /// A flood that begins and ends again and again cannot have a large table read at each refresh.
    #[test]
    fn changes_hasten_readings_once_in_a_pause() {
        let readings = |cost: Duration| {
            let mut schedule = ReadSchedule::default();
            let mut readings = 0;
            for second in 1..=100 {
                let now_ns = second * SECOND_NS;
                schedule.hasten_once(now_ns);
                if schedule.is_due(now_ns) {
                    schedule.done(now_ns, cost);
                    readings += 1;
                }
            }
            readings
        };
        assert_eq!(readings(Duration::from_millis(2)), 100);
        let large = readings(Duration::from_millis(96));
        assert!((6..=26).contains(&large), "{large}");
    }
}
