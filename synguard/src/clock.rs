//! The clocks: CLOCK_MONOTONIC, which is also the clock of `bpf_ktime_get_coarse_ns`, and the wall clock, which
//! only files and people need.

use crate::lists::Now;

/// Nanoseconds of CLOCK_MONOTONIC.
pub fn now_ns() -> u64 {
    let time = read(libc::CLOCK_MONOTONIC);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// This instant on both clocks.
pub fn now() -> Now {
    let wall = read(libc::CLOCK_REALTIME);
    // A clock set to before 1970 is no better than one that shows 1970.
    let seconds = u64::try_from(wall.tv_sec).unwrap_or(0);
    Now { wall_ms: seconds * 1_000 + wall.tv_nsec as u64 / 1_000_000, monotonic_ns: now_ns() }
}

fn read(clock: libc::clockid_t) -> libc::timespec {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of ours, and both clocks exist on every Linux, so it cannot fail.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time
}
