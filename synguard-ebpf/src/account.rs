//! Counting: every packet once, under its reason, at the program's single exit.

use synguard_common::verdict::Reason;

use crate::maps;

/// Counts a packet of `bytes` under its reason. Without a counter – which an array map never lacks – the
/// verdict stands all the same: telemetry must not decide.
#[inline(always)]
pub fn count(reason: Reason, bytes: u64) {
    if let Some(counter) = maps::counter(reason) {
        // Plain additions: the slot belongs to this CPU, see `maps::counter`.
        counter.packets += 1;
        counter.bytes += bytes;
    }
}
