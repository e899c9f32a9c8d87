//! Packet counters: the program's single exit counts every packet once, under its reason.

use synguard_common::reason::Reason;

use crate::maps;

/// Counts a packet of `bytes` under its reason. If the lookup of the counter failed, which does not happen in an array
/// map, the verdict would stand all the same: counting must not decide.
#[inline(always)]
pub fn count(reason: Reason, bytes: u64) {
    if let Some(counter) = maps::counter(reason) {
        // Plain additions: the slot belongs to this CPU, see `maps::counter`.
        counter.packets += 1;
        counter.bytes += bytes;
    }
}
