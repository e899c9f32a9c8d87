//! What userspace tells the program: read at its address, where an element of a map would have to be looked up.
//!
//! A section whose name begins with `.data` is to a loader a map of its own, an array of one element. The kernel puts the
//! element's address into the program, so there is neither a key to be stored nor a null to be checked for.

use core::{cell::UnsafeCell, mem::zeroed};

use crate::bytes::opaque;

/// The one element of such a map, all zeros until userspace writes it.
#[repr(transparent)]
pub(crate) struct Global<T>(UnsafeCell<T>);

// SAFETY: the program only reads it, and what userspace writes meanwhile is a number, of which any bit pattern is one.
unsafe impl<T: Sync> Sync for Global<T> {}

impl<T> Global<T> {
    /// All zeros: userspace has said nothing yet.
    ///
    /// # Safety
    ///
    /// `T` consists of integers.
    pub(crate) const unsafe fn zeroed() -> Self {
        // SAFETY: to integers zeros are a value.
        Self(UnsafeCell::new(unsafe { zeroed() }))
    }

    /// The element. The compiler is kept from knowing whose address this is: nothing in the program writes there, so it
    /// would take all of it for zeros.
    #[inline(always)]
    pub(crate) fn get(&'static self) -> &'static T {
        let address = opaque(self.0.get() as usize) as *const T;
        // SAFETY: the address is that of the static.
        unsafe { &*address }
    }
}
