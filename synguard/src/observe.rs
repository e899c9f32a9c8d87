//! Takes a [`Snapshot`]: reads the filter's maps and the kernel's counts of TCP.

use anyhow::Result;
use synguard_common::distinct::window;

use crate::{datapath::Datapath, distinct, snapshot::Snapshot, tcpext};

/// What there is to know at `at_ns`, now, in nanoseconds of CLOCK_MONOTONIC.
///
/// # Errors
///
/// If the filter's maps cannot be read. What TCP counts may be missing.
pub fn snapshot(datapath: &Datapath, at_ns: u64) -> Result<Snapshot> {
    let registers = datapath.registers()?;
    let current = window(at_ns);
    Ok(Snapshot {
        at_ns,
        counters: datapath.counters()?,
        cpus: datapath.cpu_state()?,
        distinct_sources: distinct::estimate(&registers, current.wrapping_sub(1)),
        distinct_so_far: distinct::estimate(&registers, current),
        tcp: tcpext::read().inspect_err(|error| log::debug!("{error}")).ok(),
    })
}
