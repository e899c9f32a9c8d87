//! The datapath's clock: `CLOCK_MONOTONIC` in steps of one timer tick.

use aya_ebpf::helpers::generated::{bpf_jiffies64, bpf_ktime_get_coarse_ns};

use crate::maps;

/// Returns `CLOCK_MONOTONIC` in nanoseconds, as of the current timer tick.
///
/// The coarse clock advances once a tick, so each CPU reads it once a tick and keeps the reading in `CPU_STATE`. The
/// verifier turns `bpf_jiffies64` into a load, whereas `bpf_ktime_get_coarse_ns` remains a call three functions deep and
/// would be a third of the cost of a SYN. The kernel counts the tick shortly before it advances the clock: a reading
/// taken in between is one tick old, and stays in use for one tick.
#[inline(always)]
pub fn now_ns() -> u64 {
    let tick = tick();
    // SAFETY: the helper takes no arguments and only reads a clock.
    let read = || unsafe { bpf_ktime_get_coarse_ns() };
    let Some(cpu) = maps::cpu_state() else { return read() };
    if cpu.clock_tick != tick {
        cpu.clock_tick = tick;
        cpu.clock_ns = read();
    }
    cpu.clock_ns
}

/// Returns the number of the current timer tick.
#[inline(always)]
pub fn tick() -> u64 {
    // SAFETY: the helper takes no arguments and only reads a counter.
    unsafe { bpf_jiffies64() }
}
