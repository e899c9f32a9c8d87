//! Values that the compiler is not to see through.

/// The value itself, of which the compiler then knows nothing, wherever it comes from.
#[inline(always)]
pub fn opaque(value: u64) -> u64 {
    #[cfg(target_arch = "bpf")]
    let value = {
        let mut value = value;
        // An instruction of no effect: with none the line table has two entries for one place, which the
        // kernel refuses.
        // SAFETY: moves a register to itself.
        unsafe {
            core::arch::asm!("{0} = {0}", inout(reg) value, options(pure, nomem, nostack, preserves_flags))
        };
        value
    };
    value
}
