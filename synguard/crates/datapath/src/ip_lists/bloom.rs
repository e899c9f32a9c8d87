//! The filter in front of a list, mapped into memory: see `synguard_common::ip_list`. Bits are set one by one while
//! the datapath reads them; each word is written whole.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _},
    ptr::{self, NonNull},
    sync::atomic::{AtomicU64, Ordering},
};

use aya::maps::MapData;
use synguard_common::{
    addr::Halves,
    ip_list::{List, bloom, table},
};

use super::prefix_entry::PrefixEntry;

/// Bits that are worth setting one by one; a list of more sets all of a family's.
const BITS_MAX: usize = 1 << 25;

/// One list's part of the map.
pub(super) struct ListBloom {
    words: NonNull<AtomicU64>,
    /// Of the whole mapping, which begins with the other list's part or this one's.
    base: *mut libc::c_void,
}

const WORD: usize = size_of::<u64>();
/// Bytes of both lists' filters; a multiple of the page size.
const LENGTH: usize = List::ALL.len() * bloom::WORDS * WORD;

impl ListBloom {
    /// Maps a list's part into memory.
    ///
    /// # Errors
    ///
    /// If the kernel does not map it.
    pub(super) fn map(map: &MapData, list: List) -> io::Result<Self> {
        let (access, fd) = (libc::PROT_READ | libc::PROT_WRITE, map.fd().as_fd().as_raw_fd());
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
        let base = unsafe { libc::mmap(ptr::null_mut(), LENGTH, access, libc::MAP_SHARED, fd, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the part lies within the mapping, which is page-aligned and not null.
        let words =
            unsafe { NonNull::new_unchecked(base.cast::<AtomicU64>().add(list.index() * bloom::WORDS)) };
        Ok(Self { words, base })
    }

    /// Sets the bits of prefixes, beside those that are set.
    pub(super) fn add(&mut self, items: &[PrefixEntry], seed: Halves) {
        set_bits(self.words(), items, seed);
    }

    /// Sets the bits of these prefixes, and no others.
    pub(super) fn set(&mut self, items: &[PrefixEntry], seed: Halves) {
        let wanted: Vec<AtomicU64> = (0..bloom::WORDS).map(|_| AtomicU64::new(0)).collect();
        set_bits(&wanted, items, seed);
        for (word, wanted) in self.words().iter().zip(wanted) {
            word.store(wanted.into_inner(), Ordering::Relaxed);
        }
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: bloom::WORDS words of the mapping begin there, it lasts as long as `self`, and others access
        // them by whole words too.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr(), bloom::WORDS) }
    }
}

/// Sets the bits of prefixes in a list's filter.
fn set_bits(words: &[AtomicU64], items: &[PrefixEntry], seed: Halves) {
    let mut bits = 0;
    let set = |bit: usize| words[bit >> 6].fetch_or(1 << (bit & 63), Ordering::Relaxed);
    for (key, _) in items {
        set(bloom::bit_prefix(table::hash(key, seed)));
        let singly = bits < BITS_MAX
            && bloom::prefix_bits(key, seed, |bit| {
                bits += 1;
                set(bit);
            });
        if !singly {
            let family = if key.is_v4() { 0..bloom::V4_WORDS } else { bloom::V4_WORDS..bloom::PREFIX_START };
            words[family].iter().for_each(|word| word.store(u64::MAX, Ordering::Relaxed));
        }
    }
}

impl Drop for ListBloom {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and nothing borrows from it any more.
        unsafe { libc::munmap(self.base, LENGTH) };
    }
}
