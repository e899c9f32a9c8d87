//! The operator's lists in the kernel: changed entry by entry, or swapped whole, with no packet in between that
//! meets half a list. The order of writes is what makes that so: what the datapath asks first – which lengths
//! occur, which bits of the filter are set – is widened before entries are added, and narrowed after they are
//! gone. Whoever is killed in between leaves it too wide, which costs time and decides nothing.
//!
//! Writers hold the instance's lock for changes ([`synguard_kernel::lock`]).

mod bloom;
mod buckets;
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
    addr::Halves,
    ip_list::{IpLists, LENGTHS_MAX, List, ListEntry, ListInfo, Prefix, cache::ListCache},
    map_names,
};

use self::{bloom::ListBloom, table::ListTable};
pub use self::{lookup::PrefixLookup, prefix_entry::PrefixEntry};
use crate::{
    bpf_syscall,
    pinned_map::{open_map, open_required_map},
    pins::{pin_path, replace_pin},
};

/// How full a list is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListSize {
    /// Entries, expired ones that were not collected yet included.
    pub entries: u64,
    /// Entries that it may have.
    pub capacity: u64,
}

/// The maps of both lists.
pub struct ListMaps<'a> {
    lists: Array<MapData, IpLists>,
    listed: PerCpuArray<MapData, ListCache>,
    tables: MapData,
    filter: MapData,
    seed: Halves,
    /// Where the tables are pinned.
    pins: &'a Path,
}

impl<'a> ListMaps<'a> {
    /// Opens the maps pinned in `pins`, for a datapath of this seed.
    ///
    /// # Errors
    ///
    /// If they are not there.
    pub fn open(pins: &'a Path, seed: Halves) -> Result<Self> {
        let open = |name| open_required_map(pins, name);
        Ok(Self {
            lists: Array::try_from(Map::Array(open(map_names::LISTS)?)).context("open LISTS")?,
            listed: PerCpuArray::try_from(Map::PerCpuArray(open(map_names::LIST_CACHE)?))
                .context("open LIST_CACHE")?,
            tables: open(map_names::LIST_TABLES)?,
            filter: open(map_names::LIST_BLOOM)?,
            seed,
            pins,
        })
    }

    /// Lets lists have so many entries from now on.
    ///
    /// # Errors
    ///
    /// If the map cannot be written.
    pub fn set_capacity(&mut self, capacity: u32) -> Result<()> {
        let mut lists = self.read()?;
        for info in &mut lists.info {
            info.capacity = u64::from(capacity);
        }
        self.write(&mut lists)
    }

    /// How full a list is.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub fn size(&self, list: List) -> Result<ListSize> {
        let info = &self.read()?.info[list.index()];
        Ok(ListSize { entries: info.entries(), capacity: info.capacity })
    }

    /// What is known of exactly this prefix.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub fn entry(&self, list: List, key: &Prefix) -> Result<Option<ListEntry>> {
        let (pending, Some(table)) = (self.pending(list)?, self.table(list)?) else { return Ok(None) };
        Ok(table.buckets().find(key).map(|entry| with_hits(key, &entry, &pending)))
    }

    /// Adds entries, or puts them in the place of those that are there, whose hits go on.
    ///
    /// # Errors
    ///
    /// If there is no room, in which case nothing was changed, or a map cannot be written.
    pub fn add(&mut self, list: List, items: Vec<PrefixEntry>) -> Result<()> {
        let items = unique(items);
        let table = self.table(list)?;
        let mut lists = self.read()?;
        let info = &mut lists.info[list.index()];
        for (key, _) in &items {
            if table.as_ref().and_then(|table| table.buckets().find(key)).is_none() {
                note(info, key)?;
            }
        }
        let need = check_room(info)?;
        lists.used |= u64::from(list.bit());
        self.write(&mut lists)?;
        self.mapped_bloom(list)?.add(&items, self.seed);
        match table {
            Some(table) if table.buckets().room() >= need && fill(&table, &items) => {}
            // What was put into it so far does no harm.
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

    /// Removes entries, and returns how many of them there were.
    ///
    /// # Errors
    ///
    /// If a map cannot be written.
    pub fn remove(&mut self, list: List, keys: &[Prefix]) -> Result<u64> {
        let Some(table) = self.table(list)? else { return Ok(0) };
        let mut lists = self.read()?;
        let mut removed = 0;
        for key in keys {
            if table.buckets().remove(key) {
                removed += 1;
                lists.info[list.index()].lengths_mut(key).remove(key.length as u8, 1);
            }
        }
        self.narrow(list, &mut lists)?;
        Ok(removed)
    }

    /// Puts these entries in the place of all there are. Every packet meets either the old list or the new one.
    /// The hits of prefixes that stay go on.
    ///
    /// # Errors
    ///
    /// If there is no room, in which case nothing was changed, or a map cannot be written.
    pub fn replace(&mut self, list: List, items: Vec<PrefixEntry>) -> Result<()> {
        let mut items = unique(items);
        let mut lists = self.read()?;
        let before = lists.info[list.index()];
        let mut fresh = ListInfo { capacity: before.capacity, ..IpLists::EMPTY.info[0] };
        items.iter().try_for_each(|(key, _)| note(&mut fresh, key))?;
        let need = check_room(&fresh)?;
        self.carry_hits(list, &mut items)?;
        let table = self.filled(need, &items)?;
        // Lengths keep their places while both lists may be met; only if they are too many for that, they do not.
        let mut both = before;
        if items.iter().try_for_each(|(key, _)| note(&mut both, key)).is_err() {
            both = fresh;
        }
        if !items.is_empty() {
            lists.used |= u64::from(list.bit());
        }
        lists.info[list.index()] = both;
        self.write(&mut lists)?;
        let mut filter = self.mapped_bloom(list)?;
        filter.add(&items, self.seed);
        self.install(list, &table)?;
        let after = &mut lists.info[list.index()];
        for (lengths, gone) in [(&mut after.v4, &before.v4), (&mut after.v6, &before.v6)] {
            gone.used().for_each(|(length, entries)| lengths.remove(length, entries));
        }
        self.narrow(list, &mut lists)?;
        filter.set(&items, self.seed);
        Ok(())
    }

    /// Writes what the datapath asks first, after entries are gone.
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
        ListBloom::map(&self.filter, list).context("map LIST_BLOOM into memory")
    }

    /// A new table with these entries. One that is too crowded for them all is made again, twice as large.
    fn filled(&self, need: u64, items: &[PrefixEntry]) -> Result<ListTable> {
        let mut room = need;
        loop {
            let table = ListTable::create(room, self.seed)?;
            if fill(&table, items) {
                return Ok(table);
            }
            room *= 2;
        }
    }

    /// The table that the datapath uses for a list, if it has one.
    fn table(&self, list: List) -> Result<Option<ListTable>> {
        let id: Option<u32> =
            bpf_syscall::lookup(self.tables.fd(), &(list as u32)).context("read LIST_TABLES")?;
        let Some(id) = id else { return Ok(None) };
        // By its pin, because to open a map by its id takes more privilege than the controller keeps. One that
        // was swapped in by a process that was killed before it could rename the pin still has the other name.
        for name in [pin_name(list).to_owned(), format!("{}_new", pin_name(list))] {
            if let Some(map) = open_map(self.pins, &name)?
                && map.info().context("ask about a list's table")?.id() == id
            {
                return ListTable::map(map, self.seed).map(Some);
            }
        }
        let map = MapData::from_id(id).context("open a list's table, whose pin is gone")?;
        ListTable::map(map, self.seed).map(Some)
    }

    /// Lets the datapath use a table from now on.
    fn install(&self, list: List, table: &ListTable) -> Result<()> {
        replace_pin(&pin_path(self.pins, pin_name(list)), |path| {
            table.pin(path)?;
            // Between the two names of the pin, so that one of them is always that of the table in use.
            let descriptor = table.data().fd().as_fd().as_raw_fd();
            bpf_syscall::update(self.tables.fd(), &(list as u32), &descriptor).context("write LIST_TABLES")
        })
    }

    /// Packets that entries of a list decided about in the last tick or so, and that their hits do not count yet.
    fn pending(&self, list: List) -> Result<PendingHits> {
        let mut pending = PendingHits::new();
        let cpus = self.listed.get(&0, 0).context("read LIST_CACHE")?;
        for slot in cpus.iter().flat_map(|listed| &listed.slots) {
            if slot.pending > 0 && slot.list == list as u64 {
                *pending.entry(slot.key).or_default() += slot.pending;
            }
        }
        Ok(pending)
    }

    /// Lets prefixes that are listed already go on counting their hits.
    fn carry_hits(&self, list: List, items: &mut [PrefixEntry]) -> Result<()> {
        self.for_each_written(list, |key, entry| {
            if entry.hits > 0
                && let Ok(place) = items.binary_search_by_key(key, |(key, _)| *key)
            {
                items[place].1.hits = entry.hits;
            }
        })
    }
}

/// Packets by the entry that decided about them.
type PendingHits = std::collections::HashMap<Prefix, u64>;

fn with_hits(key: &Prefix, entry: &ListEntry, pending: &PendingHits) -> ListEntry {
    ListEntry { hits: entry.hits + pending.get(key).copied().unwrap_or(0), ..*entry }
}

/// Name of the pin of a list's table.
fn pin_name(list: List) -> &'static str {
    match list {
        List::Allow => map_names::ALLOW,
        List::Block => map_names::BLOCK,
    }
}

/// Sorted, and of several entries of one prefix only the last.
fn unique(mut items: Vec<PrefixEntry>) -> Vec<PrefixEntry> {
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

/// Takes note of one more entry.
fn note(info: &mut ListInfo, key: &Prefix) -> Result<()> {
    if !info.lengths_mut(key).add(key.length as u8, 1) {
        bail!(
            "the list would have IPv6 prefixes of more than {LENGTHS_MAX} different lengths: \
             split or merge those of the rarest lengths"
        );
    }
    Ok(())
}

/// How many entries there would be, if that is no more than there may be.
fn check_room(info: &ListInfo) -> Result<u64> {
    let (need, capacity) = (info.entries(), info.capacity);
    if need > capacity {
        bail!(
            "the list has room for {capacity} entries and would need {need}: \
             remove some, merge prefixes, or attach with a larger --max-list"
        );
    }
    Ok(need)
}

/// Puts entries into a table, the later ones in the place of the earlier. `false` if not all have a place there.
fn fill(table: &ListTable, items: &[PrefixEntry]) -> bool {
    items.iter().all(|(key, entry)| table.buckets().insert(key, entry))
}
