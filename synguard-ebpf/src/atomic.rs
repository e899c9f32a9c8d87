//! Atomic operations on fields of a map value that several CPUs update at once.
//!
//! The BPF instruction set has them (version 3, kernel 5.12), but rustc declares its BPF target to have none
//! beyond load and store, so `AtomicU64` lacks them there and the compiler's intrinsics are called instead.
//! All are relaxed: a field orders nothing but itself.

/// A `u64` in a map value, shared with other CPUs and userspace. Every access through it is atomic.
#[derive(Clone, Copy)]
pub struct Shared(*mut u64);

impl Shared {
    /// A handle to the field.
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
impl Shared {
    /// The field's value.
    #[inline(always)]
    pub fn load(self) -> u64 {
        // SAFETY: valid by `new`; an aligned load of eight bytes is one instruction.
        unsafe { self.0.read_volatile() }
    }

    /// Replaces the field's value.
    #[inline(always)]
    pub fn store(self, value: u64) {
        // SAFETY: valid by `new`; an aligned store of eight bytes is one instruction.
        unsafe { self.0.write_volatile(value) }
    }

    /// Adds to the field.
    #[inline(always)]
    pub fn add(self, value: u64) {
        use core::intrinsics::{AtomicOrdering, atomic_xadd};
        // SAFETY: valid by `new`.
        unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(self.0, value) };
    }

    /// Replaces the field's value if it still is `seen`; otherwise returns what it is.
    #[inline(always)]
    pub fn replace(self, seen: u64, value: u64) -> Result<(), u64> {
        use core::intrinsics::{AtomicOrdering, atomic_cxchg};
        const RELAXED: AtomicOrdering = AtomicOrdering::Relaxed;
        // SAFETY: valid by `new`.
        let (found, replaced) = unsafe { atomic_cxchg::<u64, RELAXED, RELAXED>(self.0, seen, value) };
        if replaced { Ok(()) } else { Err(found) }
    }
}

#[cfg(not(target_arch = "bpf"))]
impl Shared {
    fn atomic(&self) -> &core::sync::atomic::AtomicU64 {
        // SAFETY: valid by `new`.
        unsafe { core::sync::atomic::AtomicU64::from_ptr(self.0) }
    }

    /// The field's value.
    pub fn load(self) -> u64 {
        self.atomic().load(core::sync::atomic::Ordering::Relaxed)
    }

    /// Replaces the field's value.
    pub fn store(self, value: u64) {
        self.atomic().store(value, core::sync::atomic::Ordering::Relaxed);
    }

    /// Adds to the field.
    pub fn add(self, value: u64) {
        self.atomic().fetch_add(value, core::sync::atomic::Ordering::Relaxed);
    }

    /// Replaces the field's value if it still is `seen`; otherwise returns what it is.
    pub fn replace(self, seen: u64, value: u64) -> Result<(), u64> {
        use core::sync::atomic::Ordering::Relaxed;
        self.atomic().compare_exchange(seen, value, Relaxed, Relaxed).map(drop)
    }
}
