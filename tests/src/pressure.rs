//! Floods of new sources packet by packet, for tests of the program under pressure.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use crate::testrun::{Filter, now_ns};

/// Offsets of the source address in an untagged IPv4 frame.
pub const SOURCE: Range<usize> = 26..30;
/// SYN rate far beyond the rate of new sources that any CPU admits: it puts the CPU under pressure.
const FLOOD: f64 = 40_000.0;
/// Time in which a machine has to reach that rate.
const PATIENCE: Duration = Duration::from_secs(5);

/// The cause of the pressure on a CPU.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressure {
    /// A flood.
    Flood,
    /// The test: the machine, an emulated one perhaps, is too slow for a flood, and [`Pressure::keep`] sets the
    /// state.
    Forced,
}

impl Pressure {
    /// Prolongs forced pressure by a minute; real pressure lasts as long as new sources come. Only while no packet is
    /// run.
    ///
    /// # Panics
    /// When the map cannot be written.
    pub fn keep(self, filter: &mut Filter) {
        if self == Self::Forced {
            filter.set_pressure(now_ns() + 60_000_000_000);
        }
    }
}

/// Sends a SYN from each of these consecutive sources, made from an untagged IPv4 frame.
///
/// # Panics
/// When the kernel does not run it.
pub fn forge(filter: &Filter, frame: &mut [u8], sources: Range<u32>) {
    for source in sources {
        frame[SOURCE].copy_from_slice(&source.to_be_bytes());
        filter.run_uncounted(frame, 1);
    }
}

/// Sends SYNs from new sources, from `first` on, until this CPU, to which the thread is pinned, admits none of them
/// any more.
///
/// # Panics
/// When the rate is sufficient and the CPU does not get under pressure.
pub fn flood_until_pressure(filter: &Filter, frame: &mut [u8], first: u32, cpu: usize) -> Pressure {
    const STEP: u32 = 5_000;
    let (mut next, begun) = (first, Instant::now());
    loop {
        forge(filter, frame, next..next + STEP);
        next += STEP;
        let rate = f64::from(next - first) / begun.elapsed().as_secs_f64();
        let is_under_pressure = filter.cpu_states()[cpu].sources.is_under_pressure(now_ns());
        if is_under_pressure && rate >= FLOOD {
            return Pressure::Flood;
        }
        if begun.elapsed() >= PATIENCE {
            assert!(rate < FLOOD, "{rate:.0} new sources a second put the CPU under no pressure");
            return Pressure::Forced;
        }
    }
}
