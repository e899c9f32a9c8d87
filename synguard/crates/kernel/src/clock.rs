//! The clocks: CLOCK_MONOTONIC, which is also the clock of `bpf_ktime_get_coarse_ns`, and the wall clock, which
//! only files and people need.

use synguard_model::time::Now;

/// Nanoseconds of CLOCK_MONOTONIC.
pub fn now_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of ours, and the clock exists on every Linux, so it cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// This instant on both clocks.
pub fn now() -> Now {
    Now { wall_ms: unix_ms(), monotonic_ns: now_ns() }
}

/// Milliseconds since 1970, for people and files.
pub fn unix_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    // A clock set to before 1970 is no better than one that shows 1970.
    now.map_or(0, |since| since.as_millis() as u64)
}

/// Seconds since 1970, for people and other programs.
pub fn unix_seconds() -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    // A clock set to before 1970 is no better than one that shows 1970.
    now.map_or(0.0, |since| since.as_secs_f64())
}

/// CPU time that this process has used, in nanoseconds.
pub fn cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of ours; this clock exists on every Linux, too.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
