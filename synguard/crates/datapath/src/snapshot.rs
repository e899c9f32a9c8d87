//! Takes a [`Snapshot`] of the filter's maps and the kernel's TCP counters.

use anyhow::Result;
use synguard_common::hyperloglog::window;
use synguard_kernel::tcp_counters;
use synguard_model::{cardinality, snapshot::Snapshot, time::Monotonic};

use crate::Datapath;

impl Datapath {
    /// Reads all counters. `at` is the present time.
    ///
    /// # Errors
    ///
    /// If the filter's maps cannot be read. Missing TCP counters are not an error.
    pub fn snapshot(&self, at: Monotonic) -> Result<Snapshot> {
        let registers = self.registers()?;
        let current = window(at.as_ns());
        Ok(Snapshot {
            at,
            counters: self.counters()?,
            cpus: self.cpu_state()?,
            distinct_sources: cardinality::estimate(&registers, current.wrapping_sub(1)),
            distinct_so_far: cardinality::estimate(&registers, current),
            tcp: tcp_counters::read_counters().inspect_err(|error| log::debug!("{error}")).ok(),
        })
    }
}
