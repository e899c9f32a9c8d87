//! The table of a list: a map that is created or opened, and mapped into this process's memory.

use std::path::Path;

use anyhow::{Context as _, Result};
use aya::maps::MapData;
use synguard_common::{addr::HashSeed, ip_list::table::Bucket};

use super::buckets::{Buckets, SharedBucket};
use crate::{
    bpf_syscall,
    mapped_array::{MappedArray, SharedElement},
};

// SAFETY: the type consists of atomic integers and is aligned to a cache line.
unsafe impl SharedElement for SharedBucket {}

/// A map of buckets, mapped into memory.
pub(super) struct MappedTable {
    map: MapData,
    /// The buckets, the head included.
    buckets: MappedArray<SharedBucket>,
    seed: HashSeed,
}

impl MappedTable {
    /// Creates an empty table for this many entries and an eighth more.
    pub(super) fn create(entries: u64, seed: HashSeed) -> Result<Self> {
        let count = Buckets::count_for(entries + entries / 8);
        let make =
            || Self::map(MapData::from_fd(bpf_syscall::create_buckets::<Bucket>(count as u32 + 1)?)?, seed);
        let table = make().with_context(|| format!("make room for {entries} list entries in the kernel"))?;
        table.buckets().format();
        Ok(table)
    }

    /// Maps an existing table into memory.
    pub(super) fn map(map: MapData, seed: HashSeed) -> Result<Self> {
        let count = map.info().context("ask about a list's table")?.max_entries() as usize;
        let buckets = MappedArray::map(map.fd(), count).context("map a list's table into memory")?;
        Ok(Self { map, buckets, seed })
    }

    /// Returns the buckets, which contain the entries.
    pub(super) fn buckets(&self) -> Buckets<'_> {
        Buckets::new(self.buckets.as_slice(), self.seed)
    }

    /// Returns the map, whose descriptor goes into the map of maps.
    pub(super) const fn map_data(&self) -> &MapData {
        &self.map
    }

    /// Pins the map.
    pub(super) fn pin(&self, path: &Path) -> Result<()> {
        Ok(self.map.pin(path)?)
    }
}
