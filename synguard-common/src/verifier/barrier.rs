//! `barrier_var`: hides a value's range from LLVM, so that bounds checks survive to the verifier (the term is libbpf's).

/// Returns the value itself, of which the compiler then knows nothing.
#[inline(always)]
pub fn barrier_var(value: u64) -> u64 {
    #[cfg(target_arch = "bpf")]
    let value = {
        let mut value = value;
        // An instruction without effect: without any, the line table would have two entries for one place, which the
        // kernel refuses.
        // SAFETY: moves a register to itself.
        unsafe {
            core::arch::asm!("{0} = {0}", inout(reg) value, options(pure, nomem, nostack, preserves_flags));
        };
        value
    };
    value
}

/// [`barrier_var`] for addresses and lengths.
#[inline(always)]
pub fn barrier_var_usize(value: usize) -> usize {
    barrier_var(value as u64) as usize
}
