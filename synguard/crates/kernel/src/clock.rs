//! The clocks: `CLOCK_MONOTONIC`, which is also the clock of `bpf_ktime_get_coarse_ns`; the wall clock, which only files
//! and people need; and the CPU time of the process. Nothing else in the product reads a clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use synguard_model::time::{Monotonic, Now};

/// Returns the present instant of `CLOCK_MONOTONIC`.
pub fn monotonic() -> Monotonic {
    Monotonic::from_ns(now_ns())
}

/// Returns `CLOCK_MONOTONIC` in nanoseconds, as maps hold it.
pub fn now_ns() -> u64 {
    clock_ns(ClockId::Monotonic)
}

/// Returns the CPU time that this process has used, in nanoseconds.
pub fn cpu_ns() -> u64 {
    clock_ns(ClockId::ProcessCPUTime)
}

fn clock_ns(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Returns this instant on the monotonic and on the wall clock.
pub fn now() -> Now {
    Now { wall_ms: unix_ms(), monotonic_ns: now_ns() }
}

/// Returns milliseconds since 1970, for people and files.
pub fn unix_ms() -> u64 {
    since_1970().as_millis() as u64
}

/// Returns seconds since 1970, for people and other programs.
pub fn unix_seconds() -> f64 {
    since_1970().as_secs_f64()
}

/// A clock set to a time before 1970 reads as 1970.
#[expect(clippy::disallowed_methods, reason = "this file is where clocks are read")]
fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The end of a wait, on `CLOCK_MONOTONIC`.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    at_ns: u64,
}

impl Deadline {
    /// Returns the deadline `wait` from now.
    pub fn after(wait: Duration) -> Self {
        Self { at_ns: now_ns().saturating_add(wait.as_nanos().try_into().unwrap_or(u64::MAX)) }
    }

    /// Reports whether the deadline has passed.
    pub fn has_passed(self) -> bool {
        now_ns() >= self.at_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadline_passes_once_its_wait_is_over() {
        assert!(Deadline::after(Duration::ZERO).has_passed());
        assert!(!Deadline::after(Duration::from_secs(3600)).has_passed());
        assert!(!Deadline::after(Duration::MAX).has_passed());
    }

    #[test]
    fn clocks_advance() {
        let (monotonic, cpu) = (now_ns(), cpu_ns());
        assert!(monotonic > 0 && cpu > 0);
        while cpu_ns() == cpu {}
        assert!(now_ns() > monotonic);
    }
}
