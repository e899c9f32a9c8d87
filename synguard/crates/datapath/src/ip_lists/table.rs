//! The table of one of the operator's lists as a map: made, opened, and in this process's memory.

use std::path::Path;

use anyhow::{Context as _, Result};
use aya::maps::MapData;
use synguard_common::{addr::Halves, ip_list::table::Bucket};

use super::buckets::{Buckets, SharedBucket};
use crate::{
    bpf_syscall,
    mapped_array::{MappedArray, SharedElement},
};

// SAFETY: it consists of atomic integers, and is aligned to a cache line.
unsafe impl SharedElement for SharedBucket {}

/// A map of buckets, mapped into memory.
pub(super) struct ListTable {
    map: MapData,
    /// The buckets, the head included.
    buckets: MappedArray<SharedBucket>,
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
        let buckets = MappedArray::map(map.fd(), count).context("map a list's table into memory")?;
        Ok(Self { map, buckets, seed })
    }

    /// Its entries.
    pub(super) fn buckets(&self) -> Buckets<'_> {
        Buckets::new(self.buckets.as_slice(), self.seed)
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
