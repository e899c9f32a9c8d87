//! Takes note of each source in the distinct count, see `synguard_common::distinct`.

use synguard_common::distinct::{self, SETS};

use crate::maps;

/// Takes a source's hash into account. Two CPUs that raise the same register at once may leave the lower of
/// their values, which changes the estimate by less than its error.
#[inline(always)]
pub fn observe(hash: u64, now_ns: u64) {
    let Some(registers) = maps::distinct() else { return };
    let window = distinct::window(now_ns);
    // SAFETY: `index` keeps within a set, and the set within the sets; the map's value lives as long as the
    // program. The accesses are volatile because other CPUs make them too; each is a single instruction.
    unsafe {
        let register = &raw mut (*registers).sets[window as usize % SETS][distinct::index(hash)];
        if let Some(new) = distinct::observe(register.read_volatile(), hash, window) {
            register.write_volatile(new);
        }
    }
}
