//! Floods of new sources packet by packet, for tests of what the program does in a crowd.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use crate::testrun::{Filter, now_ns};

/// Offsets of the source address in an untagged IPv4 frame.
pub const SOURCE: Range<usize> = 26..30;
/// SYNs a second that are far more than any CPU lets in: who sends so many makes a crowd.
const FLOOD: f64 = 40_000.0;
/// Time in which a machine has to reach that rate.
const PATIENCE: Duration = Duration::from_secs(5);

/// The cause of the pressure on a CPU.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressure {
    /// By a flood.
    Flood,
    /// The machine, an emulated one perhaps, is too slow for one: [`Crowd::keep`] makes it so.
    Forced,
}

impl Pressure {
    /// Lets a crowd by hand last for the next minute; a real one lasts by itself while newcomers come. Only while no
    /// packet is run.
    ///
    /// # Panics
    /// When the map cannot be written.
    pub fn keep(self, filter: &mut Filter) {
        if self == Self::Forced {
            filter.set_pressure(now_ns() + 60_000_000_000);
        }
    }
}

/// Sends a SYN from each of so many consecutive sources, made of an untagged IPv4 frame.
///
/// # Panics
/// When the kernel does not run it.
pub fn forge(filter: &Filter, frame: &mut [u8], sources: Range<u32>) {
    for source in sources {
        frame[SOURCE].copy_from_slice(&source.to_be_bytes());
        filter.run_uncounted(frame, 1);
    }
}

/// Sends SYNs from ever new sources, from `first` on, until this CPU, which the thread keeps to, lets none of them in
/// any more.
///
/// # Panics
/// When they come fast enough, and the CPU does not get crowded.
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
            assert!(rate < FLOOD, "{rate:.0} new sources a second did not crowd the CPU");
            return Pressure::Forced;
        }
    }
}
