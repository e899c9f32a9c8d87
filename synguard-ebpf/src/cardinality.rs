//! Counts distinct sources, see `synguard_common::hyperloglog`.

use synguard_common::hyperloglog::{self, SETS};

use crate::maps;

/// Adds a source's hash to the registers of the current window. If two CPUs raise the same register at the same time,
/// the lower value may remain, which changes the estimate by less than its error.
#[inline(always)]
pub fn observe(hash: u64, now_ns: u64) {
    let Some(registers) = maps::cardinality() else { return };
    let window = hyperloglog::window(now_ns);
    // SAFETY: `index` stays within a set, and the set within the sets; the map's value lives as long as the
    // program. The accesses are volatile because other CPUs make them too; each is a single instruction.
    unsafe {
        let register = &raw mut (*registers).sets[window as usize % SETS][hyperloglog::index(hash)];
        if let Some(new) = hyperloglog::observe(register.read_volatile(), hash, window) {
            register.write_volatile(new);
        }
    }
}
