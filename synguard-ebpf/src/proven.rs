//! Sources that returned a cookie, see `synguard_common::proven`.

use synguard_common::{abi::SourceKey, hash, prefix::Halves, proven};

use crate::maps;

/// Whether a source counts as proven, for `longest_ns` at the most.
#[inline(always)]
pub fn is(source: &SourceKey, seed: Halves, longest_ns: u64, now_ns: u64) -> bool {
    let hash = hash::mix(source.address, seed);
    let Some(cell) = maps::proven(hash) else { return false };
    // SAFETY: the map's value lives as long as the program; it is one aligned load.
    proven::holds(unsafe { cell.read_volatile() }, hash, longest_ns, now_ns)
}

/// Lets a source count as proven until then.
#[inline(always)]
pub fn remember(source: &SourceKey, seed: Halves, until_ns: u64) {
    let hash = hash::mix(source.address, seed);
    if let Some(cell) = maps::proven(hash) {
        // SAFETY: as above, one aligned store.
        unsafe { cell.write_volatile(proven::cell(hash, until_ns)) };
    }
}
