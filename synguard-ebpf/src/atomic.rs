//! Atomic operations on fields of a map value that several CPUs update at the same time.
//!
//! BPF has these instructions (version 3, kernel 5.12), but rustc declares its BPF target to have no atomics
//! beyond load and store. `AtomicU64` therefore lacks them there, and this module calls the compiler's intrinsics.
//! All operations are relaxed: they order no other memory access.

/// A `u64` field of a map value, shared with other CPUs and userspace. Every access through it is atomic.
#[derive(Clone, Copy)]
pub struct SharedU64(*mut u64);

impl SharedU64 {
    /// Returns a handle to the field.
    ///
    /// # Safety
    ///
    /// `field` is aligned and valid for the rest of the program run.
    #[inline(always)]
    pub const unsafe fn new(field: *mut u64) -> Self {
        Self(field)
    }
}

#[cfg(target_arch = "bpf")]
impl SharedU64 {
    #[inline(always)]
    pub fn load(self) -> u64 {
        // SAFETY: valid by `new`; an aligned load of eight bytes is one instruction.
        unsafe { self.0.read_volatile() }
    }

    #[inline(always)]
    pub fn store(self, value: u64) {
        // SAFETY: valid by `new`; an aligned store of eight bytes is one instruction.
        unsafe { self.0.write_volatile(value) }
    }

    #[inline(always)]
    pub fn add(self, value: u64) {
        use core::intrinsics::{AtomicOrdering, atomic_xadd};
        // SAFETY: valid by `new`.
        unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(self.0, value) };
    }

    /// Replaces the field's value if it still is `expected`; otherwise returns the present value.
    #[inline(always)]
    pub fn compare_exchange(self, expected: u64, value: u64) -> Result<(), u64> {
        use core::intrinsics::{AtomicOrdering, atomic_cxchg};
        const RELAXED: AtomicOrdering = AtomicOrdering::Relaxed;
        // SAFETY: valid by `new`.
        let (found, replaced) = unsafe { atomic_cxchg::<u64, RELAXED, RELAXED>(self.0, expected, value) };
        if replaced { Ok(()) } else { Err(found) }
    }
}

#[cfg(not(target_arch = "bpf"))]
impl SharedU64 {
    fn atomic(&self) -> &core::sync::atomic::AtomicU64 {
        // SAFETY: valid by `new`.
        unsafe { core::sync::atomic::AtomicU64::from_ptr(self.0) }
    }

    pub fn load(self) -> u64 {
        self.atomic().load(core::sync::atomic::Ordering::Relaxed)
    }

    pub fn store(self, value: u64) {
        self.atomic().store(value, core::sync::atomic::Ordering::Relaxed);
    }

    pub fn add(self, value: u64) {
        self.atomic().fetch_add(value, core::sync::atomic::Ordering::Relaxed);
    }

    /// Replaces the field's value if it still is `expected`; otherwise returns the present value.
    pub fn compare_exchange(self, expected: u64, value: u64) -> Result<(), u64> {
        use core::sync::atomic::Ordering::Relaxed;
        self.atomic().compare_exchange(expected, value, Relaxed, Relaxed).map(drop)
    }
}
