//! The table of one of the operator's lists as a map: made, opened, and in this process's memory.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _},
    path::Path,
    ptr::{self, NonNull},
    slice,
};

use anyhow::{Context as _, Result};
use aya::maps::MapData;
use synguard_common::{addr::Halves, ip_list::table::Bucket};

use super::buckets::{Buckets, SharedBucket};
use crate::bpf_syscall;

/// A map of buckets, mapped into memory.
pub(super) struct ListTable {
    map: MapData,
    buckets: NonNull<SharedBucket>,
    /// How many, the head included.
    count: usize,
    seed: Halves,
}

impl ListTable {
    /// A new one, empty, for so many entries and some more.
    ///
    /// # Errors
    ///
    /// If the kernel has no memory for it.
    pub(super) fn create(entries: u64, seed: Halves) -> Result<Self> {
        let count = Buckets::count_for(entries + entries / 8);
        let make =
            || Self::map(MapData::from_fd(bpf_syscall::create_buckets::<Bucket>(count as u32 + 1)?)?, seed);
        let table = make().with_context(|| format!("make room for {entries} list entries in the kernel"))?;
        table.buckets().format();
        Ok(table)
    }

    /// Maps one that exists into memory.
    ///
    /// # Errors
    ///
    /// If the kernel does not map it.
    pub(super) fn map(map: MapData, seed: Halves) -> Result<Self> {
        let count = map.info().context("ask about a list's table")?.max_entries() as usize;
        let (access, fd) = (libc::PROT_READ | libc::PROT_WRITE, map.fd().as_fd().as_raw_fd());
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
        let base = unsafe {
            libc::mmap(ptr::null_mut(), count * size_of::<Bucket>(), access, libc::MAP_SHARED, fd, 0)
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error()).context("map a list's table into memory");
        }
        // SAFETY: a mapping that did not fail is not at address 0.
        let buckets = unsafe { NonNull::new_unchecked(base.cast()) };
        Ok(Self { map, buckets, count, seed })
    }

    /// Its entries.
    pub(super) fn buckets(&self) -> Buckets<'_> {
        // SAFETY: `count` buckets begin there, page-aligned, for as long as `self` lives. Whoever else accesses them,
        // be it the datapath, does so word by word.
        Buckets::new(unsafe { slice::from_raw_parts(self.buckets.as_ptr(), self.count) }, self.seed)
    }

    /// Its descriptor, for the map of maps.
    pub(super) const fn data(&self) -> &MapData {
        &self.map
    }

    /// Pins it.
    ///
    /// # Errors
    ///
    /// If it cannot be pinned there.
    pub(super) fn pin(&self, path: &Path) -> Result<()> {
        Ok(self.map.pin(path)?)
    }
}

impl Drop for ListTable {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and nothing borrows from it any more.
        unsafe { libc::munmap(self.buckets.as_ptr().cast(), self.count * size_of::<Bucket>()) };
    }
}
