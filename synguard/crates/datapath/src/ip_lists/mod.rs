//! The operator's lists in the kernel. Entries are changed one by one, or a whole list is replaced atomically; no
//! packet meets half of a list. The order of writes ensures this: the program first checks which prefix lengths occur
//! and which bits of the Bloom filter are set, so lengths and bits are added before entries, and removed after
//! entries. If the writer is killed in between, some lengths or bits remain without entries, which costs time but
//! changes no decision.
//!
//! Writers hold the instance's lock for changes ([`synguard_kernel::lock`]).

mod bloom;
mod buckets;
mod kept_hits;
mod lookup;
mod prefix_entry;
mod table;

use std::{
    os::fd::{AsFd as _, AsRawFd as _},
    path::Path,
};

use anyhow::{Context as _, Result, bail};
use aya::maps::{Array, Map, MapData, PerCpuArray};
use synguard_common::{
    addr::HashSeed,
    ip_list::{IpLists, LENGTHS_MAX, List, ListEntry, ListInfo, Prefix, cache::ListCache},
    map_names,
};

use self::{bloom::ListBloom, kept_hits::KeptHits, table::MappedTable};
pub use self::{lookup::PrefixLookup, prefix_entry::PrefixEntry};
use crate::{
    bpf_syscall,
    pinned_map::{open_map, open_required_map},
    pins::{pin_path, replace_pin},
};

/// Number of entries and capacity of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListSize {
    /// Number of entries, including expired ones that are not removed yet.
    pub entries: u64,
    /// Number of entries that the list may have.
    pub capacity: u64,
}

/// The maps of both lists.
pub struct ListMaps<'a> {
    lists: Array<MapData, IpLists>,
    list_cache: PerCpuArray<MapData, ListCache>,
    tables: MapData,
    bloom: MapData,
    seed: HashSeed,
    /// Folder of the pins.
    pins: &'a Path,
}

impl<'a> ListMaps<'a> {
    /// Opens the maps pinned in `pins`. `seed` is the program's hash seed.
    pub fn open(pins: &'a Path, seed: HashSeed) -> Result<Self> {
        let open = |name| open_required_map(pins, name);
        Ok(Self {
            lists: Array::try_from(Map::Array(open(map_names::LISTS)?)).context("open LISTS")?,
            list_cache: PerCpuArray::try_from(Map::PerCpuArray(open(map_names::LIST_CACHE)?))
                .context("open LIST_CACHE")?,
            tables: open(map_names::LIST_TABLES)?,
            bloom: open(map_names::LIST_BLOOM)?,
            seed,
            pins,
        })
    }

    /// Sets the number of entries that each list may have.
    pub fn set_capacity(&mut self, capacity: u32) -> Result<()> {
        let mut lists = self.read()?;
        for info in &mut lists.info {
            info.capacity = capacity;
        }
        self.write(&mut lists)
    }

    /// Returns the number of entries and the capacity of a list.
    pub fn size(&self, list: List) -> Result<ListSize> {
        let info = &self.read()?.info[list.index()];
        Ok(ListSize { entries: info.entries(), capacity: info.capacity.into() })
    }

    /// Records whether the files of a list lack changes that are in force. The record lives as long as the table.
    pub fn set_unsaved(&mut self, list: List, is_unsaved: bool) -> Result<()> {
        let mut lists = self.read()?;
        lists.info[list.index()].unsaved = u32::from(is_unsaved);
        // The version stays: no entry has changed.
        self.lists.set(0, lists, 0).context("write LISTS")
    }

    /// Returns the version of the lists, which changes with every change of an entry.
    pub fn version(&self) -> Result<u64> {
        Ok(self.read()?.version)
    }

    /// Returns the entry of exactly this prefix.
    pub fn entry(&self, list: List, key: &Prefix) -> Result<Option<ListEntry>> {
        let (pending, Some(table)) = (self.pending_hits(list)?, self.table(list)?) else { return Ok(None) };
        Ok(table.buckets().find(key).map(|entry| with_hits(key, &entry, &pending)))
    }

    /// Adds entries, or replaces those of the same prefixes, whose hits are kept.
    ///
    /// # Errors
    ///
    /// If the list has no room, in which case nothing has changed, or a map cannot be written.
    pub fn add(&mut self, list: List, items: Vec<PrefixEntry>) -> Result<()> {
        let mut items = sort_unique(items);
        let table = self.table(list)?;
        self.discount_kept_hits(list, table.as_ref(), &mut items)?;
        let mut lists = self.read()?;
        let info = &mut lists.info[list.index()];
        for (key, _) in &items {
            if table.as_ref().and_then(|table| table.buckets().find(key)).is_none() {
                count_entry(info, key)?;
            }
        }
        let need = check_room(info)?;
        lists.used |= u64::from(list.bit());
        self.write(&mut lists)?;
        self.mapped_bloom(list)?.add(&items, self.seed);
        match table {
            Some(table) if table.buckets().room() >= need && fill(&table, &items) => {}
            // The entries that were inserted so far do no harm.
            old => {
                let mut all = Vec::new();
                if let Some(old) = &old {
                    old.buckets().for_each(|key, entry| all.push((*key, *entry)));
                }
                all.extend(items);
                self.install(list, &self.filled(need, &all)?)?;
            }
        }
        self.write(&mut lists)
    }

    /// Removes entries and returns the number of those that existed. Their hits become part of their sources' counts.
    pub fn remove(&mut self, list: List, keys: &[Prefix]) -> Result<u64> {
        let Some(table) = self.table(list)? else { return Ok(0) };
        let mut lists = self.read()?;
        let (pending, mut gone) = (self.pending_hits(list)?, KeptHits::default());
        let mut removed = 0;
        for key in keys {
            let hits = table.buckets().find(key).map_or(0, |entry| with_hits(key, &entry, &pending).hits);
            if table.buckets().remove(key) {
                removed += 1;
                gone.push(key, hits);
                lists.info[list.index()].lengths_mut(key).remove(key.length as u8, 1);
            }
        }
        self.narrow(list, &mut lists)?;
        self.keep_hits(list, gone);
        Ok(removed)
    }

    /// Replaces the whole list. Every packet meets either the old list or the new one. Prefixes that are in both keep
    /// their hits; those of the others become part of their sources' counts.
    ///
    /// # Errors
    ///
    /// If the list has no room, in which case nothing has changed, or a map cannot be written.
    pub fn replace(&mut self, list: List, items: Vec<PrefixEntry>) -> Result<()> {
        let mut items = sort_unique(items);
        let mut lists = self.read()?;
        let before = lists.info[list.index()];
        let ListInfo { capacity, unsaved, .. } = before;
        let mut fresh = ListInfo { capacity, unsaved, ..IpLists::EMPTY.info[0] };
        items.iter().try_for_each(|(key, _)| count_entry(&mut fresh, key))?;
        let need = check_room(&fresh)?;
        self.carry_hits(list, &mut items)?;
        let old = self.table(list)?;
        self.discount_kept_hits(list, old.as_ref(), &mut items)?;
        let table = self.filled(need, &items)?;
        // While packets may meet either list, the lengths of both are in force and keep their places. If there are
        // too many lengths for that, only those of the new list are.
        let mut both = before;
        if items.iter().try_for_each(|(key, _)| count_entry(&mut both, key)).is_err() {
            both = fresh;
        }
        if !items.is_empty() {
            lists.used |= u64::from(list.bit());
        }
        lists.info[list.index()] = both;
        self.write(&mut lists)?;
        let mut bloom = self.mapped_bloom(list)?;
        bloom.add(&items, self.seed);
        self.install(list, &table)?;
        let after = &mut lists.info[list.index()];
        for (lengths, gone) in [(&mut after.v4, &before.v4), (&mut after.v6, &before.v6)] {
            gone.used().for_each(|(length, entries)| lengths.remove(length, entries));
        }
        self.narrow(list, &mut lists)?;
        bloom.replace(&items, self.seed);
        if let Some(old) = old {
            self.keep_hits(list, self.hits_without(list, &old, &items));
        }
        Ok(())
    }

    /// Returns the hits of the entries of a former table that are not among these sorted ones.
    fn hits_without(&self, list: List, old: &MappedTable, items: &[PrefixEntry]) -> KeptHits {
        let (pending, mut gone) = (self.pending_hits(list).unwrap_or_default(), KeptHits::default());
        old.buckets().for_each(|key, entry| {
            let hits = with_hits(key, entry, &pending).hits;
            if hits > 0 && items.binary_search_by_key(key, |(key, _)| *key).is_err() {
                gone.push(key, hits);
            }
        });
        gone
    }

    /// Writes LISTS after entries were removed.
    fn narrow(&mut self, list: List, lists: &mut IpLists) -> Result<()> {
        if lists.info[list.index()].entries() == 0 {
            lists.used &= !u64::from(list.bit());
        }
        self.write(lists)
    }

    fn read(&self) -> Result<IpLists> {
        self.lists.get(&0, 0).context("read LISTS")
    }

    fn write(&mut self, lists: &mut IpLists) -> Result<()> {
        lists.version += 1;
        self.lists.set(0, *lists, 0).context("write LISTS")
    }

    fn mapped_bloom(&self, list: List) -> Result<ListBloom> {
        ListBloom::map(&self.bloom, list).context("map LIST_BLOOM into memory")
    }

    /// Creates a table with these entries. If they do not fit, creates another one of twice the size.
    fn filled(&self, need: u64, items: &[PrefixEntry]) -> Result<MappedTable> {
        let mut room = need;
        loop {
            let table = MappedTable::create(room, self.seed)?;
            if fill(&table, items) {
                return Ok(table);
            }
            room *= 2;
        }
    }

    /// Returns the table that the program uses for a list, if there is one.
    fn table(&self, list: List) -> Result<Option<MappedTable>> {
        let id: Option<u32> =
            bpf_syscall::lookup(self.tables.fd(), &(list as u32)).context("read LIST_TABLES")?;
        let Some(id) = id else { return Ok(None) };
        // The table is opened by its pin, because opening a map by its id needs a privilege that the controller
        // drops. If a process was killed between installing a table and renaming its pin, the pin still has the
        // temporary name.
        for name in [pin_name(list).to_owned(), format!("{}_new", pin_name(list))] {
            if let Some(map) = open_map(self.pins, &name)?
                && map.info().context("ask about a list's table")?.id() == id
            {
                return MappedTable::map(map, self.seed).map(Some);
            }
        }
        let map = MapData::from_id(id).context("open a list's table, whose pin is gone")?;
        MappedTable::map(map, self.seed).map(Some)
    }

    /// Makes the program use a table.
    fn install(&self, list: List, table: &MappedTable) -> Result<()> {
        replace_pin(&pin_path(self.pins, pin_name(list)), |path| {
            table.pin(path)?;
            // The table is installed after it is pinned under the temporary name and before it gets its final name,
            // so that the table in use always has one of the two names.
            let descriptor = table.map_data().fd().as_fd().as_raw_fd();
            bpf_syscall::update(self.tables.fd(), &(list as u32), &descriptor).context("write LIST_TABLES")
        })
    }

    /// Returns the hits of about the last tick that are in the CPUs' caches and not yet in the entries of a list.
    fn pending_hits(&self, list: List) -> Result<PendingHits> {
        let mut pending = PendingHits::new();
        let cpus = self.list_cache.get(&0, 0).context("read LIST_CACHE")?;
        for slot in cpus.iter().flat_map(|cache| &cache.slots) {
            if slot.pending > 0 && slot.list == list as u64 {
                *pending.entry(slot.key).or_default() += slot.pending;
            }
        }
        Ok(pending)
    }

    /// Copies the hits of prefixes that are in the list already.
    fn carry_hits(&self, list: List, items: &mut [PrefixEntry]) -> Result<()> {
        self.for_each_in_table(list, |key, entry| {
            if entry.hits != 0
                && let Ok(place) = items.binary_search_by_key(key, |(key, _)| *key)
            {
                items[place].1.hits = entry.hits;
            }
        })
    }
}

/// Packets decided by each entry.
type PendingHits = std::collections::HashMap<Prefix, u64>;

fn with_hits(key: &Prefix, entry: &ListEntry, pending: &PendingHits) -> ListEntry {
    let hits = entry.hits.wrapping_add(pending.get(key).copied().unwrap_or(0));
    // Below 0 if the pending hits that a new entry was charged with were lost before it was in the table.
    ListEntry { hits: hits.cast_signed().max(0).cast_unsigned(), ..*entry }
}

/// Returns the name of the pin of a list's table.
fn pin_name(list: List) -> &'static str {
    match list {
        List::Allow => map_names::ALLOW,
        List::Block => map_names::BLOCK,
    }
}

/// Sorts entries, and keeps only the last one of several with the same prefix.
fn sort_unique(mut items: Vec<PrefixEntry>) -> Vec<PrefixEntry> {
    items.sort_by_key(|(key, _)| *key);
    items.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0;
        if same {
            earlier.1 = later.1;
        }
        same
    });
    items
}

/// Counts an entry among those of its prefix length.
fn count_entry(info: &mut ListInfo, key: &Prefix) -> Result<()> {
    if !info.lengths_mut(key).add(key.length as u8, 1) {
        bail!(
            "the list would have IPv6 prefixes of more than {LENGTHS_MAX} different lengths: \
             split or merge those of the rarest lengths"
        );
    }
    Ok(())
}

/// Returns the number of entries, if it does not exceed the capacity.
fn check_room(info: &ListInfo) -> Result<u64> {
    let (need, capacity) = (info.entries(), u64::from(info.capacity));
    if need > capacity {
        bail!(
            "the list has room for {capacity} entries and would need {need}: \
             remove some, merge prefixes, or attach with a larger --max-list"
        );
    }
    Ok(need)
}

/// Inserts entries into a table. Returns `false` if not all of them fit.
fn fill(table: &MappedTable, items: &[PrefixEntry]) -> bool {
    items.iter().all(|(key, entry)| table.buckets().insert(key, entry))
}
