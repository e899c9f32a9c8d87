//! Array maps in this process's memory, which the XDP program and other processes access at the same time.

use std::{
    io,
    marker::PhantomData,
    os::fd::{AsFd, AsRawFd as _},
    ptr::{self, NonNull},
    slice,
    sync::atomic::AtomicU64,
};

/// An element of a map that several parties access at the same time.
///
/// # Safety
///
/// Every bit pattern is a value of the type, its alignment is at most a page, and a shared reference gives access to
/// its memory through atomic operations only.
pub(super) unsafe trait SharedElement {}

// SAFETY: an atomic integer.
unsafe impl SharedElement for AtomicU64 {}

/// A map created with `BPF_F_MMAPABLE`, mapped into memory until it is dropped.
pub(super) struct MappedArray<T> {
    first: NonNull<T>,
    count: usize,
    elements: PhantomData<T>,
}

impl<T: SharedElement> MappedArray<T> {
    /// Maps the first `count` elements. The kernel refuses more than the map has.
    pub(super) fn map(map: impl AsFd, count: usize) -> io::Result<Self> {
        let (access, fd) = (libc::PROT_READ | libc::PROT_WRITE, map.as_fd().as_raw_fd());
        let length = count * size_of::<T>();
        // SAFETY: a new mapping at an address that the kernel chooses touches no existing memory.
        let base = unsafe { libc::mmap(ptr::null_mut(), length, access, libc::MAP_SHARED, fd, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let first = NonNull::new(base.cast()).ok_or_else(|| io::Error::other("mapped at address 0"))?;
        Ok(Self { first, count, elements: PhantomData })
    }

    /// Returns the elements.
    pub(super) fn as_slice(&self) -> &[T] {
        // SAFETY: `count` elements begin at the page boundary `first`, for as long as `self` lives. All other parties
        // access them as this one does: atomically, see `SharedElement`.
        unsafe { slice::from_raw_parts(self.first.as_ptr(), self.count) }
    }
}

impl<T> Drop for MappedArray<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping belongs to this value, and no borrow of it is left.
        unsafe { libc::munmap(self.first.as_ptr().cast(), self.count * size_of::<T>()) };
    }
}
