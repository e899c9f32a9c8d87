//! Globals that userspace writes and the program reads at their address, without a map lookup.
//!
//! A loader makes a map of its own, an array of one element, from each section whose name begins with `.data`. The
//! kernel puts the address of the element into the program, so there is no key to store and no null to check.

use core::{cell::UnsafeCell, mem::zeroed};

use synguard_common::verifier::barrier::barrier_var_usize;

/// The only element of such a map, all zeros until userspace writes it.
#[repr(transparent)]
pub(crate) struct GlobalData<T>(UnsafeCell<T>);

// SAFETY: the program only reads the value; userspace may write integers meanwhile, for which every bit pattern is valid.
unsafe impl<T: Sync> Sync for GlobalData<T> {}

impl<T> GlobalData<T> {
    /// Returns an element of all zeros.
    ///
    /// # Safety
    ///
    /// `T` consists of integers.
    pub(crate) const unsafe fn zeroed() -> Self {
        // SAFETY: zeros are a valid value of integers.
        Self(UnsafeCell::new(unsafe { zeroed() }))
    }

    /// Returns the element. A barrier hides from the compiler whose address this is: as nothing in the program writes
    /// there, LLVM would otherwise replace every read with zero.
    #[inline(always)]
    pub(crate) fn get(&'static self) -> &'static T {
        let address = barrier_var_usize(self.0.get() as usize) as *const T;
        // SAFETY: the address is that of the static.
        unsafe { &*address }
    }
}
